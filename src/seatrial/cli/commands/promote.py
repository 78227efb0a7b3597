"""`seatrial promote`: what runs in the environment before goes on, in one switch, with evidence."""

from pathlib import Path

import click

from seatrial.cli import showing
from seatrial.cli.ordering import Manner, carried_out, order_options
from seatrial.cli.reaching import Reached, access_option, reaching
from seatrial.cli.servers.domain import GatesUnmet
from seatrial.cli.switching import blocking, fetched, planned
from seatrial.cli.talk import say, where
from seatrial.contract.evidence.statements import Verb
from seatrial.contract.releases.difference import ComponentChange, difference
from seatrial.contract.releases.release import ReleaseNameMalformed, parse_name
from seatrial.contract.switch.api import GenerationRow, Plan, PlanRequest
from seatrial.kit.errors import Exit
from seatrial.kit.terminal.output import answer_json, json_option

Differences = dict[str, tuple[ComponentChange, ...]]


@click.command()
@click.argument("agents", nargs=-1, metavar="[AGENT[@NUMBER]]...")
@click.option("--to", "--env", "environment", default="production", show_default=True,
              help="Where to.")  # fmt: skip
@click.option("--dry-run", is_flag=True, help="Show what would change and how the gates stand.")
@click.option("--why-not", is_flag=True, help="Show the gates alone; 6 when one is in the way.")
@click.option("--ahead", is_flag=True, help="Sign though gates are unmet; control keeps it.")
@order_options
@access_option
@json_option
def promote(  # noqa: PLR0913 - one parameter for each option
    agents: tuple[str, ...],
    *,
    environment: str,
    dry_run: bool,
    why_not: bool,
    ahead: bool,
    manner: Manner,
    access: Path | None,
    as_json: bool,
) -> int:
    """Publish to production what runs in staging, in one switch.

    Without AGENT, every agent whose release differs. What would change is recomputed here and
    shown, then signed with your key. Ends with 0 only when every required cell runs it, and with 6
    when a gate is not met.

    \b
    Examples:
      seatrial promote
      seatrial promote support@14 --reason "refund wording"
      seatrial promote --why-not
      seatrial promote --yes --no-wait --json
    """  # noqa: D301 - \b is Click's mark for text that keeps its lines
    asked = PlanRequest(verb=Verb.PROMOTE, agents=named(agents))
    where(environment, ", ".join(agents))
    looking = dry_run or why_not

    async def use(servers: Reached) -> tuple[Plan | None, Differences, GenerationRow | None]:
        plan = await planned(servers, environment, asked)
        if plan is None:
            return None, {}, None
        found = {} if why_not else await differences(servers, plan)
        if looking:
            return plan, found, None
        _tell_plan(plan, found)
        if not ahead:
            _refuse_blocked(plan)
        return plan, found, await carried_out(servers, plan, manner, _what(plan))

    plan, found, generation = reaching(access, use)
    if plan is None:
        show_unchanged(environment, as_json=as_json)
        return Exit.OK
    if looking:
        _show_plan(plan, found, as_json=as_json, with_changes=not why_not)
        return Exit.GATE_FAILED if why_not and blocking(plan.gates) else Exit.OK
    if generation is not None:
        show_generation(plan, generation, wait=manner.wait, as_json=as_json)
    return Exit.OK


def named(agents: tuple[str, ...]) -> dict[str, str] | None:
    """Release by agent, of what was typed; an agent alone takes what is active in the source.

    Raises:
        ReleaseNameMalformed: it names no release.
    """
    wanted: dict[str, str] = {}
    for each in agents:
        slug, at, _ = each.partition("@")
        if at and not isinstance(parse_name(each), tuple):
            raise ReleaseNameMalformed(text=each)
        if slug in wanted:
            raise click.UsageError(f"agent {slug!r} stands twice")
        wanted[slug] = each if at else ""
    return wanted or None


async def differences(servers: Reached, plan: Plan) -> Differences:
    """What changes in each agent, from the releases themselves, each checked by its digest."""
    after = {slug: str(active.release) for slug, active in plan.closure.agents.items()}
    wanted = [(each.agent, each.before, after.get(each.agent, "")) for each in plan.changes]
    known = await fetched(servers, (name for _, *names in wanted for name in names))
    return {agent: difference(known.get(before), known.get(then)) for agent, before, then in wanted}


def _refuse_blocked(plan: Plan) -> None:
    blocked = blocking(plan.gates)
    if blocked:
        reason = "; ".join(f"{each.gate}: {each.reason}" for each in blocked)
        raise GatesUnmet(environment=plan.environment, reason=reason)


def _what(plan: Plan) -> str:
    count = len(plan.changes)
    return f"{count} agent{'' if count == 1 else 's'} will change in {plan.environment}"


def _tell_plan(plan: Plan, found: Differences) -> None:
    for change in plan.changes:
        say(showing.change_line(change))
        if found.get(change.agent):
            say(showing.difference(found[change.agent], "  "))
    say("gates:")
    say(showing.gates(plan.gates))


def _show_plan(plan: Plan, found: Differences, *, as_json: bool, with_changes: bool) -> None:
    blocked = blocking(plan.gates)
    if as_json:
        answer_json(
            plan.document()
            | {
                "blocked": [each.gate for each in blocked],
                "closure_digest": str(plan.closure.digest),
            }
        )
        return
    if with_changes:
        for change in plan.changes:
            click.echo(showing.change_line(change))
            if found.get(change.agent):
                click.echo(showing.difference(found[change.agent], "  "))
        click.echo(f"cells: {', '.join(plan.cells) or 'none'}")
        click.echo("gates:")
    click.echo(showing.gates(plan.gates))
    if not blocked:
        click.echo("nothing is in the way but signatures")


def show_unchanged(environment: str, *, as_json: bool) -> None:
    """Nothing is to be done, and that is fine."""
    if as_json:
        answer_json({"environment": environment, "generation": None, "state": "unchanged"})
    else:
        click.echo(f"nothing to change in {environment}")


def show_generation(plan: Plan, generation: GenerationRow, *, wait: bool, as_json: bool) -> None:
    """What became of a switch."""
    if as_json:
        answer_json(
            {
                "environment": plan.environment,
                "closure": str(plan.closure.digest),
                "generation": generation.generation,
                "state": str(generation.state),
                "changes": [each.document() for each in plan.changes],
            }
        )
        return
    state = "is active" if wait else f"is {generation.state}"
    click.echo(f"generation {generation.generation} {state} in {plan.environment}")
    for change in plan.changes:
        click.echo(f"  {showing.change_line(change)}")
