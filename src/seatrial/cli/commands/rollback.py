"""`seatrial rollback`: an earlier generation's releases again, at once, without a build."""

from pathlib import Path

import click

from seatrial.cli import showing
from seatrial.cli.commands.promote import show_generation, show_unchanged
from seatrial.cli.ordering import Manner, carried_out, followed, order_options
from seatrial.cli.reaching import Reached, access_option, env_option, reaching
from seatrial.cli.switching import planned
from seatrial.cli.talk import confirm, say, where
from seatrial.contract.evidence.statements import Verb
from seatrial.contract.switch.api import GenerationRow, Plan, PlanRequest
from seatrial.contract.switch.requests import RollbackRequest
from seatrial.kit.terminal.output import answer_json, json_option


@click.command()
@env_option("production")
@click.option("--to", type=click.IntRange(0), metavar="GENERATION",
              help="Whose releases come back; else the one before.")  # fmt: skip
@click.option("--dry-run", is_flag=True, help="Show what would come back.")
@order_options
@access_option
@json_option
def rollback(
    *,
    environment: str,
    to: int | None,
    dry_run: bool,
    manner: Manner,
    access: Path | None,
    as_json: bool,
) -> None:
    """Bring an earlier generation's releases back, in one switch.

    They are on every cell still: nothing is built or fetched, and no gate that was met then is
    asked again.

    \b
    Examples:
      seatrial rollback --reason "refunds are refused"
      seatrial rollback --to 12 --yes
    """  # noqa: D301 - \b is Click's mark for text that keeps its lines
    where(environment)

    async def use(servers: Reached) -> tuple[Plan | None, GenerationRow | None]:
        asked = PlanRequest(verb=Verb.ROLLBACK, to=to)
        plan = await planned(servers, environment, asked)
        if plan is None:
            return None, None
        say(showing.changes(plan))
        if dry_run:
            return plan, None
        what = f"{environment} goes back"
        if servers.access.person is None:
            confirm(environment, what, yes=manner.yes, confirmed=manner.confirmed)
            wanted = RollbackRequest(to=to, reason=manner.reason, exclude=manner.exclude)
            row = await servers.control.rollback(environment, wanted)
            return plan, await followed(servers, row, manner)
        return plan, await carried_out(servers, plan, manner, what)

    plan, generation = reaching(access, use)
    if plan is None:
        show_unchanged(environment, as_json=as_json)
    elif generation is not None:
        show_generation(plan, generation, wait=manner.wait, as_json=as_json)
    elif as_json:
        answer_json(plan.document())
    else:
        click.echo(showing.changes(plan))
