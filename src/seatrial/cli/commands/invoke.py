"""`seatrial invoke`: one run of an agent, waited for, streamed, or left to itself."""

import json
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import click

from seatrial.cli.given import given
from seatrial.cli.reaching import FILE, Reached, access_option, env_option, reaching
from seatrial.cli.servers.cell import Cell
from seatrial.cli.servers.domain import AnswerUnexpected, RunFailed
from seatrial.cli.servers.peer import Headers
from seatrial.cli.talk import say, tamed, where
from seatrial.cli.waiting import WAIT, ended, started
from seatrial.contract.runs.states import RunState
from seatrial.kit.errors import Exit
from seatrial.kit.http.client import AnswerBroken, CallTimedOut
from seatrial.kit.http.events import Event
from seatrial.kit.terminal.output import answer_json, json_option
from seatrial.kit.text import printable

Row = dict[str, Any]
_SUCCEEDED: Final = str(RunState.SUCCEEDED)
_RECONNECTS: Final = 5


@click.command()
@click.argument("agent")
@click.argument("input_text", metavar="[INPUT]", required=False)
@click.option("--file", type=FILE, help="Read the input from a file.")
@env_option("staging")
@click.option("--session", help="Go on with this thread of runs.")
@click.option("--wait", "mode", flag_value="wait", default=True, help="Until it ends (usual).")
@click.option("--stream", "mode", flag_value="stream", help="Show its output as it comes.")
@click.option("--async", "mode", flag_value="async", help="Print its id, and leave it.")
@click.option("--key", help="Idempotency key: the same key starts no second run.")
@click.option("--tag", "tags", multiple=True, metavar="NAME=VALUE", help="Tag the run.")
@access_option
@json_option
def invoke(  # noqa: PLR0913 - one parameter for each option
    agent: str,
    input_text: str | None,
    *,
    file: Path | None,
    environment: str,
    session: str | None,
    mode: str,
    key: str | None,
    tags: tuple[str, ...],
    access: Path | None,
    as_json: bool,
) -> int:
    """Run AGENT on INPUT: JSON, or else text as it stands; `-` reads standard input.

    The output goes to standard output; `--json` shows the whole run.

    \b
    Examples:
      seatrial invoke support "my parcel is late"
      seatrial invoke support '{"order": 7}' --env production --json
      seatrial invoke support --stream - < question.txt
    """  # noqa: D301 - \b is Click's mark for text that keeps its lines
    body: Row = {"input": given(input_text, file), "mode": mode}
    if mode == "wait":
        body["wait_seconds"] = WAIT
    if session is not None:
        body["session"] = session
    if tags:
        body["tags"] = _tags(tags)
    headers = (("idempotency-key", key or str(uuid.uuid4())),)
    where(environment, agent)

    async def use(servers: Reached) -> Row:
        cell = servers.cell(environment)
        if mode == "stream":
            return await _streamed(cell, agent, body, headers, quiet=as_json)
        run = await started(cell, agent, body, headers)
        return run if mode == "async" else await ended(cell, run)

    run = reaching(access, use)
    if as_json:
        answer_json(run)
    elif mode == "async":
        click.echo(run["id"])
    elif mode == "wait" and run.get("state") == _SUCCEEDED:
        click.echo(shown(run.get("output")))
    return outcome(run, mode, environment)


def outcome(run: Row, mode: str, environment: str) -> int:
    """The exit code for a run; raises `RunFailed` where it did not succeed."""
    release = run.get("release_name") or run.get("release") or "local"
    say(f"{run.get('id')} · {printable(str(release))} · {run.get('state')} · {environment}")
    if mode == "async" or run.get("state") == _SUCCEEDED:
        return Exit.OK
    error = run.get("error")
    told = error if isinstance(error, dict) else {}
    reason = f"{told.get('code', 'no reason')}: {told.get('message', '')}".rstrip(":. ")
    raise RunFailed(run=run.get("id"), state=run.get("state"), reason=reason)


def shown(output: object) -> str:
    """An output as it goes to standard output."""
    plain = isinstance(output, str)
    return tamed(str(output) if plain else json.dumps(output, indent=2, ensure_ascii=False))


async def _streamed(cell: Cell, agent: str, body: Row, headers: Headers, *, quiet: bool) -> Row:
    """Follow a run from its start to its end, through broken connections."""
    events = cell.streamed(agent, body, headers)
    run, last, begun = "", "", False
    for _ in range(_RECONNECTS):
        try:
            async for event in events:
                last = event.id or last
                told = _told(event)
                run = str(told.get("run") or told.get("id") or run)
                if event.event == "chunk" and not quiet:
                    begun = True
                    click.echo(_chunk(told), nl=False)
                elif event.event == "restarted":
                    say("\nthe run began again; what was shown before is void")
                elif event.event == "ended":
                    whole = await _whole(cell, told, run)
                    if not quiet and whole.get("state") == _SUCCEEDED:
                        click.echo("" if begun else shown(whole.get("output")))
                    return whole
        except (AnswerBroken, CallTimedOut):
            if not run:
                raise
        if not run:
            break
        events = _again(cell, run, last)
    raise AnswerUnexpected(peer=cell.peer.name, reason="the stream ended before the run")


def _again(cell: Cell, run: str, last: str) -> AsyncIterator[Event]:
    say("\nconnecting again")
    return cell.followed(run, last)


def _told(event: Event) -> Row:
    try:
        value = json.loads(event.data)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {"data": value}


def _chunk(told: Row) -> str:
    data = told.get("data")
    plain = isinstance(data, str)
    return tamed(str(data) if plain else json.dumps(data, ensure_ascii=False) + "\n")


async def _whole(cell: Cell, told: Row, run: str) -> Row:
    """The run itself: in the last event, or asked for."""
    for found in (told, told.get("run")):
        if isinstance(found, dict) and "state" in found and "id" in found:
            return found
    return await cell.run(run)


def _tags(pairs: tuple[str, ...]) -> dict[str, str]:
    found = {}
    for pair in pairs:
        name, equals, tag = pair.partition("=")
        if not name or not equals:
            raise click.BadParameter(f"{pair!r} is not NAME=VALUE", param_hint="--tag")
        found[name] = tag
    return found
