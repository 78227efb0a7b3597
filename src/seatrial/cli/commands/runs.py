"""`seatrial runs`: what agents did, each run's receipt, and what a person may do about it."""

from pathlib import Path
from typing import Any

import click

from seatrial.cli import showing
from seatrial.cli.commands.explain import explain_command, replay_command, shadow_command
from seatrial.cli.given import value
from seatrial.cli.reaching import Reached, access_option, env_option, reaching
from seatrial.cli.talk import say, where
from seatrial.contract.runs.states import Outcome, RunState, WaitReason
from seatrial.kit.terminal.output import answer_json, json_option, table
from seatrial.kit.text import printable

Row = dict[str, Any]


@click.group()
def runs() -> None:
    """List runs, read a receipt, say what becomes of one, judge."""


runs.add_command(explain_command)
runs.add_command(replay_command)
runs.add_command(shadow_command)


@runs.command("list")
@env_option("staging")
@click.option("--agent", help="Of this agent.")
@click.option("--state", type=click.Choice([str(each) for each in RunState]), help="In this state.")
@click.option("--session", help="Of this thread.")
@click.option("--release", help="On this release, by digest.")
@click.option("--tag", metavar="NAME=VALUE", help="With this tag.")
@click.option(
    "--waiting",
    type=click.Choice([str(each) for each in WaitReason]),
    help="Waiting, and for what.",
)
@click.option("--dead", is_flag=True, help="Dead letters: given up, until a person redrives them.")
@click.option("--local/--no-local", default=None, help="Of local code, or none of those.")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 200))
@click.option("--after", help="Go on after a page; the last one named it.")
@access_option
@json_option
def list_command(  # noqa: PLR0913 - one parameter for each option
    *,
    environment: str,
    agent: str | None,
    state: str | None,
    session: str | None,
    release: str | None,
    tag: str | None,
    waiting: str | None,
    dead: bool,
    local: bool | None,
    limit: int,
    after: str | None,
    access: Path | None,
    as_json: bool,
) -> None:
    """List runs, newest first, without their payloads.

    \b
    Examples:
      seatrial runs list --agent support --state failed
      seatrial runs list --waiting diverged --env production
      seatrial runs list --dead --json
    """  # noqa: D301 - \b is Click's mark for text that keeps its lines
    where(environment, agent or "")

    async def use(servers: Reached) -> Row:
        return await servers.cell(environment).runs(
            agent=agent,
            state=state,
            session=session,
            release=release,
            tag=None if tag is None else _tag(tag),
            waits=waiting,
            dead="true" if dead else None,
            local=None if local is None else str(local).lower(),
            limit=limit,
            after=after,
        )

    page = reaching(access, use)
    found = page.get("runs") or []
    if as_json:
        answer_json(page)
        return
    if found:
        head = ("run", "release", "state", "accepted", "cost", "error or wait")
        click.echo(table(head, showing.run_rows(found)))
    else:
        say("no runs")
    if page.get("next"):
        say(f"more: --after {page['next']}")


@runs.command("show")
@click.argument("run")
@env_option("staging")
@access_option
@json_option
def show_command(run: str, *, environment: str, access: Path | None, as_json: bool) -> None:
    """Show the receipt of RUN: input, each call, decisions, retries, effects, cost.

    Reading a receipt is reading a payload: the cell logs it.

    \b
    Examples:
      seatrial runs show run_01jd7v6k3q8zr5m0c4x9tn2hbe
      seatrial runs show run_01jd7v6k3q8zr5m0c4x9tn2hbe --json | jq .output
    """  # noqa: D301 - \b is Click's mark for text that keeps its lines
    where(environment, run)
    receipt = reaching(access, lambda servers: servers.cell(environment).receipt(run))
    if as_json:
        answer_json(receipt)
    else:
        click.echo(_outline(receipt))


@runs.command("cancel")
@click.argument("run")
@env_option("staging")
@access_option
@json_option
def cancel_command(run: str, *, environment: str, access: Path | None, as_json: bool) -> None:
    """End RUN; what it has done stays done.

    \b
    Examples:
      seatrial runs cancel run_01jd7v6k3q8zr5m0c4x9tn2hbe
    """  # noqa: D301 - \b is Click's mark for text that keeps its lines
    _act(run, "cancel", {}, environment, access, as_json=as_json)


@runs.command("redrive")
@click.argument("run")
@env_option("staging")
@access_option
@json_option
def redrive_command(run: str, *, environment: str, access: Path | None, as_json: bool) -> None:
    """Try RUN again, though it was given up.

    \b
    Examples:
      seatrial runs redrive run_01jd7v6k3q8zr5m0c4x9tn2hbe
    """  # noqa: D301 - \b is Click's mark for text that keeps its lines
    _act(run, "redrive", {}, environment, access, as_json=as_json)


@runs.command("event")
@click.argument("run")
@click.argument("name")
@click.argument("data", default="{}")
@env_option("staging")
@access_option
@json_option
def event_command(
    run: str, name: str, data: str, *, environment: str, access: Path | None, as_json: bool
) -> None:
    """Tell RUN of the outside event NAME, with DATA: JSON, or else text.

    One that comes before the run asks for it is kept.

    \b
    Examples:
      seatrial runs event run_01jd7v6k3q8zr5m0c4x9tn2hbe paid '{"amount": 12}'
    """  # noqa: D301 - \b is Click's mark for text that keeps its lines
    where(environment, run)
    told = value(data)
    answer = reaching(access, lambda servers: servers.cell(environment).event(run, name, told))
    if as_json:
        answer_json(answer)
    else:
        click.echo(f"event: {run} {showing.text(answer, 'state')}")


_reason = click.option("--reason", default="", help="Why; kept with the run.")


@runs.command("resume")
@click.argument("run")
@_reason
@env_option("staging")
@access_option
@json_option
def resume_command(
    run: str, *, reason: str, environment: str, access: Path | None, as_json: bool
) -> None:
    """Let RUN go on, which has strayed from what it did before, as if that were well.

    \b
    Examples:
      seatrial runs resume run_01jd7v6k3q8zr5m0c4x9tn2hbe --reason "the mail is not needed now"
    """  # noqa: D301 - \b is Click's mark for text that keeps its lines
    _act(run, "resume", {"reason": reason}, environment, access, as_json=as_json)


@runs.command("abandon")
@click.argument("run")
@_reason
@env_option("staging")
@access_option
@json_option
def abandon_command(
    run: str, *, reason: str, environment: str, access: Path | None, as_json: bool
) -> None:
    """End RUN, which waits; its receipt tells which writes have happened.

    \b
    Examples:
      seatrial runs abandon run_01jd7v6k3q8zr5m0c4x9tn2hbe --reason "the customer has left"
    """  # noqa: D301 - \b is Click's mark for text that keeps its lines
    _act(run, "abandon", {"reason": reason}, environment, access, as_json=as_json)


@runs.command("restart")
@click.argument("run")
@_reason
@env_option("staging")
@access_option
@json_option
def restart_command(
    run: str, *, reason: str, environment: str, access: Path | None, as_json: bool
) -> None:
    """End RUN, which waits, and start its input anew on the release that is active.

    The new run knows nothing of the writes of the old one.

    \b
    Examples:
      seatrial runs restart run_01jd7v6k3q8zr5m0c4x9tn2hbe --reason "nothing was written yet"
    """  # noqa: D301 - \b is Click's mark for text that keeps its lines
    _act(run, "restart", {"reason": reason}, environment, access, as_json=as_json)


@runs.command("outcome")
@click.argument("run")
@click.argument("outcome", type=click.Choice([str(each) for each in Outcome]))
@click.option("--note", help="Why.")
@env_option("staging")
@access_option
@json_option
def outcome_command(
    run: str,
    outcome: str,
    *,
    note: str | None,
    environment: str,
    access: Path | None,
    as_json: bool,
) -> None:
    """Say what became of RUN for the business; late is fine, and the last word counts.

    \b
    Examples:
      seatrial runs outcome run_01jd7v6k3q8zr5m0c4x9tn2hbe resolved
      seatrial runs outcome run_01jd7v6k3q8zr5m0c4x9tn2hbe escalated --note "wanted a person"
    """  # noqa: D301 - \b is Click's mark for text that keeps its lines
    body = {"outcome": outcome} | ({"note": note} if note else {})
    _act(run, "outcome", body, environment, access, as_json=as_json)


@runs.command("feedback")
@click.argument("run")
@click.option("--up", "thumbs", flag_value="up", help="Well done.")
@click.option("--down", "thumbs", flag_value="down", help="Not well.")
@click.option("--score", type=click.FloatRange(0, 1), help="From 0 to 1.")
@click.option("--comment", help="In words.")
@click.option("--correction", help="What the output should have been: JSON or text.")
@env_option("staging")
@access_option
@json_option
def feedback_command(  # noqa: PLR0913 - one parameter for each option
    run: str,
    *,
    thumbs: str | None,
    score: float | None,
    comment: str | None,
    correction: str | None,
    environment: str,
    access: Path | None,
    as_json: bool,
) -> None:
    """Say how well RUN was done.

    \b
    Examples:
      seatrial runs feedback run_01jd7v6k3q8zr5m0c4x9tn2hbe --up
      seatrial runs feedback run_01jd7v6k3q8zr5m0c4x9tn2hbe --down --comment "curt"
    """  # noqa: D301 - \b is Click's mark for text that keeps its lines
    body: Row = {"thumbs": thumbs, "score": score, "comment": comment}
    if correction is not None:
        body["correction"] = value(correction)
    body = {name: each for name, each in body.items() if each is not None}
    if not body:
        raise click.UsageError("say --up, --down, --score, --comment or --correction")
    _act(run, "feedback", body, environment, access, as_json=as_json)


def _tag(pair: str) -> str:
    name, equals, tag = pair.partition("=")
    if not name or not equals:
        raise click.BadParameter(f"{pair!r} is not NAME=VALUE", param_hint="--tag")
    return f"{name}:{tag}"


def _act(
    run: str, verb: str, body: Row, environment: str, access: Path | None, *, as_json: bool
) -> None:
    where(environment, run)
    answer = reaching(access, lambda servers: servers.cell(environment).act(run, verb, body))
    if as_json:
        answer_json(answer)
        return
    said = body.get("outcome") or showing.text(answer, "state") or "recorded"
    click.echo(f"{verb}: {run} {said}")


def _outline(node: object, indent: str = "") -> str:
    """Any JSON as indented lines, a field each: a receipt is read top down."""
    lines: list[str] = []
    if isinstance(node, dict):
        for name, each in node.items():
            if isinstance(each, dict | list) and each:
                lines += [f"{indent}{printable(name)}:", _outline(each, f"{indent}  ")]
            elif each is not None and each not in ({}, []):
                lines.append(f"{indent}{printable(name)}: {_plain(each)}")
    elif isinstance(node, list):
        for number, each in enumerate(node, 1):
            if isinstance(each, dict | list):
                lines += [f"{indent}{number}.", _outline(each, f"{indent}   ")]
            else:
                lines.append(f"{indent}{number}. {_plain(each)}")
    else:
        lines.append(f"{indent}{_plain(node)}")
    return "\n".join(lines)


def _plain(node: object) -> str:
    return printable(node if isinstance(node, str) else str(node))
