"""`seatrial reviews`, `approve`, `reject`: what people are asked of runs, and what they say."""

from pathlib import Path
from typing import Any

import click

from seatrial.cli import showing
from seatrial.cli.given import value
from seatrial.cli.reaching import Reached, access_option, env_option, reaching
from seatrial.cli.talk import say, where
from seatrial.kit.terminal.output import answer_json, json_option, table

Row = dict[str, Any]


@click.group(invoke_without_command=True)
@env_option("staging")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 200))
@access_option
@json_option
@click.pass_context
def reviews(
    context: click.Context, *, environment: str, limit: int, access: Path | None, as_json: bool
) -> None:
    """List what people are asked: proposals of agents, and writes whose outcome is unknown.

    Arguments are payload: they are shown to tokens that may read payloads, and that is logged.

    \b
    Examples:
      seatrial reviews
      seatrial reviews --env production --json | jq '.reviews[].arguments'
      seatrial reviews happened run_01jd7v6k3q8zr5m0c4x9tn2hbe 7 --value '{"ticket": 12}'
    """  # noqa: D301 - \b is Click's mark for text that keeps its lines
    if context.invoked_subcommand is not None:
        return
    where(environment)

    async def use(servers: Reached) -> Row:
        return await servers.cell(environment).reviews(limit=limit)

    page = reaching(access, use)
    if as_json:
        answer_json(page)
        return
    rows = [each for each in page.get("reviews") or [] if isinstance(each, dict)]
    if not rows:
        say("nothing is asked")
        return
    head = ("run", "call", "release", "action", "asks", "since", "arguments")
    click.echo(table(head, [_row(each) for each in rows]))


@click.command("approve")
@click.argument("run")
@click.argument("call", type=click.IntRange(min=1))
@click.option("--reason", default="", help="Why; kept with the run, as payload.")
@env_option("staging")
@access_option
@json_option
def approve(
    run: str, call: int, *, reason: str, environment: str, access: Path | None, as_json: bool
) -> None:
    """Let CALL of RUN be performed; the run goes on.

    The first answer stays: whoever comes second is told so.

    \b
    Examples:
      seatrial approve run_01jd7v6k3q8zr5m0c4x9tn2hbe 7
      seatrial approve run_01jd7v6k3q8zr5m0c4x9tn2hbe 7 --reason "within policy"
    """  # noqa: D301 - \b is Click's mark for text that keeps its lines
    _answer(run, call, "approve", {"reason": reason}, environment, access, as_json=as_json)


@click.command("reject")
@click.argument("run")
@click.argument("call", type=click.IntRange(min=1))
@click.option("--reason", default="", help="Why; the agent is told.")
@env_option("staging")
@access_option
@json_option
def reject(
    run: str, call: int, *, reason: str, environment: str, access: Path | None, as_json: bool
) -> None:
    """Let CALL of RUN not be performed; its agent is told so, and the run goes on.

    \b
    Examples:
      seatrial reject run_01jd7v6k3q8zr5m0c4x9tn2hbe 7 --reason "too much for this customer"
    """  # noqa: D301 - \b is Click's mark for text that keeps its lines
    _answer(run, call, "reject", {"reason": reason}, environment, access, as_json=as_json)


@click.command("happened")
@click.argument("run")
@click.argument("call", type=click.IntRange(min=1))
@click.option("--value", "told", default="null", help="What the agent is answered: JSON or text.")
@click.option("--reason", default="", help="How that is known.")
@env_option("staging")
@access_option
@json_option
def happened(  # noqa: PLR0913 - one parameter for each option
    run: str,
    call: int,
    *,
    told: str,
    reason: str,
    environment: str,
    access: Path | None,
    as_json: bool,
) -> None:
    """Say that CALL of RUN, whose outcome is unknown, has happened; it is not performed again.

    \b
    Examples:
      seatrial reviews happened run_01jd7v6k3q8zr5m0c4x9tn2hbe 7 --value '{"ticket": 12}'
    """  # noqa: D301 - \b is Click's mark for text that keeps its lines
    body = {"reason": reason, "value": value(told)}
    _answer(run, call, "happened", body, environment, access, as_json=as_json)


@click.command("not-happened")
@click.argument("run")
@click.argument("call", type=click.IntRange(min=1))
@click.option("--reason", default="", help="How that is known.")
@env_option("staging")
@access_option
@json_option
def not_happened(
    run: str, call: int, *, reason: str, environment: str, access: Path | None, as_json: bool
) -> None:
    """Say that CALL of RUN, whose outcome is unknown, has not happened; it is performed now.

    \b
    Examples:
      seatrial reviews not-happened run_01jd7v6k3q8zr5m0c4x9tn2hbe 7 --reason "not in the ledger"
    """  # noqa: D301 - \b is Click's mark for text that keeps its lines
    _answer(run, call, "not-happened", {"reason": reason}, environment, access, as_json=as_json)


for _command in (approve, reject, happened, not_happened):
    reviews.add_command(_command)


def _answer(  # noqa: PLR0913 - one parameter for each option
    run: str,
    call: int,
    verb: str,
    body: Row,
    environment: str,
    access: Path | None,
    *,
    as_json: bool,
) -> None:
    where(environment, run)

    async def use(servers: Reached) -> Row:
        return await servers.cell(environment).answer(run, call, verb, body)

    found = reaching(access, use)
    if as_json:
        answer_json(found)
    else:
        click.echo(f"{verb}: {run} call {call}; the run is {showing.text(found, 'state')}")


def _row(asked: Row) -> tuple[str, ...]:
    given = asked.get("arguments")
    return (
        showing.text(asked, "run"),
        showing.text(asked, "seq"),
        showing.text(asked, "release_name") or showing.text(asked, "agent"),
        showing.text(asked, "action"),
        showing.text(asked, "asks"),
        showing.text(asked, "since")[:19].replace("T", " "),
        "" if given is None else showing.short(given),
    )
