"""`seatrial environments`: by which rules an environment takes a release."""

from pathlib import Path

import click

from seatrial.cli import showing
from seatrial.cli.commands.promote import show_generation, show_unchanged
from seatrial.cli.ordering import Manner, carried_out, order_options
from seatrial.cli.reaching import Reached, access_option, env_option, reaching
from seatrial.cli.switching import planned
from seatrial.cli.talk import say, where
from seatrial.contract.environments.profiles import PATH, rules_of
from seatrial.contract.environments.rules import Profile, Rules
from seatrial.contract.evidence.statements import Verb
from seatrial.contract.switch.api import GenerationRow, Plan, PlanRequest
from seatrial.kit.terminal.output import answer_json, json_option, table
from seatrial.kit.text import printable


@click.group()
def environments() -> None:
    """Show and change the rules of environments."""


@environments.command("rules")
@click.argument("profile", type=click.Choice([str(each) for each in Profile]))
@json_option
def rules_command(profile: str, *, as_json: bool) -> None:
    """Show what each environment asks for under PROFILE.

    \b
    Examples:
      seatrial environments rules team
    """  # noqa: D301 - \b is Click's mark for text that keeps its lines
    found = {each: rules_of(Profile(profile), each) for each in PATH}
    if as_json:
        answer_json({name: rules.document() for name, rules in found.items()})
        return
    for name, rules in found.items():
        click.echo(click.style(name, bold=True))
        click.echo(_rules(rules))


@environments.command("history")
@env_option("production")
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1, 200))
@access_option
@json_option
def history_command(*, environment: str, limit: int, access: Path | None, as_json: bool) -> None:
    """List an environment's generations, newest first: what `rollback --to` may name.

    \b
    Examples:
      seatrial environments history --env production
    """  # noqa: D301 - \b is Click's mark for text that keeps its lines
    where(environment)
    rows = reaching(access, lambda servers: servers.control.generations(environment, limit))
    if as_json:
        answer_json([row.document() for row in rows])
        return
    head = ("generation", "state", "verb", "ordered", "by", "active", "reason")
    click.echo(
        table(
            head,
            [
                (
                    str(row.generation),
                    str(row.state),
                    str(row.verb),
                    showing.moment(row.ordered),
                    printable(row.by) or "-",
                    ", ".join(row.agents.values()) or "nothing",
                    printable(row.reason),
                )
                for row in rows
            ],
        )
    )


@environments.command("profile")
@click.argument("profile", type=click.Choice([str(each) for each in Profile]))
@env_option("production")
@click.option("--dry-run", is_flag=True, help="Show the new rules and how the gates stand.")
@order_options
@access_option
@json_option
def profile_command(
    profile: str,
    *,
    environment: str,
    dry_run: bool,
    manner: Manner,
    access: Path | None,
    as_json: bool,
) -> None:
    """Let the rules of PROFILE hold. It is a switch like any other, judged by the rules before.

    \b
    Examples:
      seatrial environments profile team --env production
    """  # noqa: D301 - \b is Click's mark for text that keeps its lines
    where(environment, f"profile {profile}")
    wanted = Profile(profile)

    async def use(servers: Reached) -> tuple[Plan | None, GenerationRow | None]:
        asked = PlanRequest(verb=Verb.CONFIGURE, profile=wanted)
        plan = await planned(servers, environment, asked)
        if plan is None:
            return None, None
        say(_rules(plan.closure.rules))
        say(showing.gates(plan.gates))
        if dry_run:
            return plan, None
        what = f"the rules of {environment} will be those of {profile}"
        return plan, await carried_out(servers, plan, manner, what)

    plan, generation = reaching(access, use)
    if plan is None:
        show_unchanged(environment, as_json=as_json)
    elif generation is not None:
        show_generation(plan, generation, wait=manner.wait, as_json=as_json)
    elif as_json:
        answer_json(plan.document())


def _rules(rules: Rules) -> str:
    lines = [
        f"  {gate.gate}  {' '.join(f'{name}={term}' for name, term in gate.terms.items())}".rstrip()
        for gate in rules.gates
    ]
    lines.append(f"  isolation {'required' if rules.isolated else 'not required'}")
    return "\n".join(lines)
