"""`seatrial flags`: lint, ask, explain and compare flag definitions, and serve one."""

import asyncio
import functools
import json
import logging
import socket
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import click
import orjson

from seatrial.cell.door.callers import Anybody, Callers, TokenHolders
from seatrial.cell.door.domain import (
    ContextUnreadable,
    FlagUnknown,
    SampleRefused,
    TokenFileRefused,
)
from seatrial.cell.door.flag_source import Edition, FlagFile, edition
from seatrial.cell.door.ofrep import PREFIX, Ofrep, told
from seatrial.contract.flags.definition import Definition
from seatrial.contract.flags.difference import FlagDifference, differences, numbered_users
from seatrial.contract.flags.document import LARGEST
from seatrial.contract.flags.explain import explained
from seatrial.contract.flags.findings import Finding, Severity
from seatrial.contract.flags.lint import linted
from seatrial.contract.flags.resolution import Context, Reason, Resolution
from seatrial.contract.flags.splits import Generation
from seatrial.kit.clock import SystemClock
from seatrial.kit.errors import Exit
from seatrial.kit.http.answers import answer_json as http_json
from seatrial.kit.http.asgi import App, Receive, Scope, Send
from seatrial.kit.http.boundary import ErrorBoundary
from seatrial.kit.http.lifetime import Lifetime
from seatrial.kit.http.listening import LOOPBACK, address_of, listen
from seatrial.kit.http.routes import Routes
from seatrial.kit.http.server import Server, ended_by_signals, run, serve
from seatrial.kit.ids import Ids
from seatrial.kit.log import Redactor, configure
from seatrial.kit.terminal.frame import FileUnusable
from seatrial.kit.terminal.output import answer_json, json_option, table
from seatrial.kit.text import did_you_mean, printable

_LOG: Final = logging.getLogger(__name__)
_PORT: Final = 8016  # flagd's for OFREP, so that clients find it where they look
_GRACE: Final = 5.0  # seconds for evaluations in flight at the end
_SHORTEST_TOKEN: Final = 16  # characters
_LONGEST_LINE: Final = 1 << 20  # bytes of one user of a sample
_FILE: Final = click.Path(path_type=Path, exists=True, dir_okay=False, readable=True)
_BAD: Final = frozenset({Severity.REFUSED, Severity.ERROR})

_generation_option: Final = click.option(
    "--fractional",
    type=click.Choice([each.value for each in Generation]),
    help="Which bytes splits hash; needed where there are any.",
)


@click.group()
def flags() -> None:
    """Lint, evaluate and serve feature flags in flagd's format."""


@flags.command("lint")
@click.argument("file", type=_FILE)
@_generation_option
@json_option
def lint_command(file: Path, *, fractional: str | None, as_json: bool) -> int:
    """Say all that is wrong with FILE, or most likely not as meant.

    Ends with 6 when a finding is `refused` (the file is not taken) or `error` (somebody gets no
    answer); warnings and notes do not count.

    \b
    Examples:
      seatrial flags lint flags.json
      seatrial flags lint flags.json --json | jq '.[].place'
    """  # noqa: D301 - \b is Click's mark for text that keeps its lines
    findings = linted(_text(file), generation=_generation(fractional) or Generation.V2)
    if as_json:
        answer_json([asdict(finding) for finding in findings])
    elif findings:
        click.echo(table(("severity", "place", "finding"), [_row(each) for each in findings]))
    else:
        click.echo("no findings")
    return Exit.GATE_FAILED if any(each.severity in _BAD for each in findings) else Exit.OK


@dataclass(frozen=True, kw_only=True)
class _Question:
    """One flag asked for one user."""

    current: Edition
    key: str
    context: Context
    now: int

    @property
    def definition(self) -> Definition:
        return self.current.definition


def _asking(function: Callable[..., int]) -> Callable[..., int]:
    """The arguments of a command that asks for one flag, handed on as a `_Question`."""

    @click.argument("file", type=_FILE)
    @click.argument("key")
    @click.option("--user", help="Who asks: the `targetingKey`.")
    @click.option("--context", default="{}", help="His attributes, as a JSON object.")
    @_generation_option
    @json_option
    @functools.wraps(function)
    def asked(
        file: Path,
        key: str,
        *,
        user: str | None,
        context: str,
        fractional: str | None,
        as_json: bool,
    ) -> int:
        current, now = _edition(file, fractional)
        known = current.definition.flags
        if key not in known:
            raise FlagUnknown(key=key, path=str(file), hint=did_you_mean(key, known))
        who = _context(context) | ({} if user is None else {"targetingKey": user})
        return function(_Question(current=current, key=key, context=who, now=now), as_json=as_json)

    return asked


@flags.command("eval")
@_asking
def eval_command(question: _Question, *, as_json: bool) -> int:
    """Evaluate the flag KEY of FILE for one user.

    Ends with 1 when the answer is an error, with 3 when there is no such flag. With `--json` the
    answer is what OFREP sends.

    \b
    Examples:
      seatrial flags eval flags.json new-ui --user ann --fractional v3
      seatrial flags eval flags.json new-ui --user ann --context '{"plan": "pro"}' --json
    """  # noqa: D301 - \b is Click's mark for text that keeps its lines
    resolution = question.definition.evaluate(question.key, question.context, question.now)
    answer = told(question.current, question.key, resolution)
    if as_json:
        answer_json(answer)
    else:
        click.echo(table(("flag", "reason", "variant", "value"), [_told_row(question.key, answer)]))
    return _code(resolution)


@flags.command("explain")
@_asking
def explain_command(question: _Question, *, as_json: bool) -> int:
    """Say in words why a user gets what he gets from the flag KEY of FILE.

    Exit codes are those of `eval`.

    \b
    Examples:
      seatrial flags explain flags.json new-ui --user ann --fractional v3
      seatrial flags explain flags.json new-ui --context '{"plan": "pro"}'
    """  # noqa: D301 - \b is Click's mark for text that keeps its lines
    found = explained(question.definition, question.key, question.context, question.now)
    if as_json:
        answer = told(question.current, question.key, found.resolution)
        answer_json({"answer": answer, "steps": list(found.steps)})
    else:
        for step in found.steps:
            click.echo(printable(step))
    return _code(found.resolution)


@flags.command("diff")
@click.argument("old", type=_FILE)
@click.argument("new", type=_FILE)
@click.option("--users", default=10_000, show_default=True, type=click.IntRange(1, 1_000_000),
              help="How many made-up users to ask: user-0, user-1, …")  # fmt: skip
@click.option("--sample", type=_FILE, help="Real contexts instead, one JSON object a line.")
@click.option("--exit-code", is_flag=True, help="End with 6 when anybody moves.")
@_generation_option
@json_option
def diff_command(  # noqa: PLR0913 - one parameter for each option
    old: Path,
    new: Path,
    *,
    users: int,
    sample: Path | None,
    exit_code: bool,
    fractional: str | None,
    as_json: bool,
) -> int:
    """Say how many users the edit from OLD to NEW moves, and where to.

    \b
    Examples:
      seatrial flags diff flags.json edited.json --fractional v3
      git show HEAD:flags.json > old.json && seatrial flags diff old.json flags.json --exit-code
      seatrial flags diff flags.json edited.json --sample contexts.jsonl --json
    """  # noqa: D301 - \b is Click's mark for text that keeps its lines
    before, now = _edition(old, fractional)
    after, _ = _edition(new, fractional)
    asked = numbered_users(users) if sample is None else _sample(sample)
    found = differences(before.definition, after.definition, asked, now)
    if as_json:
        answer_json([{**asdict(each), "moved": each.moved} for each in found])
    else:
        _show(found)
    moved = any(each.moved for each in found)
    return Exit.GATE_FAILED if exit_code and moved else Exit.OK


@flags.command("serve")
@click.argument("file", type=_FILE)
@click.option("--port", default=_PORT, show_default=True, type=click.IntRange(0, 65_535),
              help="The port to listen on; 0 takes a free one.")  # fmt: skip
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option("--token-file", type=_FILE, help="Take calls with a token of this file alone.")
@_generation_option
@json_option
def serve_command(
    file: Path,
    *,
    port: int,
    host: str,
    token_file: Path | None,
    fractional: str | None,
    as_json: bool,
) -> int:
    """Serve the flags of FILE to OpenFeature clients, by OFREP, until told to end.

    Follows changes of FILE. A broken edit is logged, and the last good definition goes on.
    `GET /healthz` answers once it serves. Ends with 1 when calls had to be cut at the end.

    \b
    Examples:
      seatrial flags serve flags.json --fractional v3
      seatrial flags serve flags.json --host 0.0.0.0 --token-file tokens.txt
      curl -d '{"context": {"targetingKey": "ann"}}' -H 'content-type: application/json' \\
        http://127.0.0.1:8016/ofrep/v1/evaluate/flags/new-ui
    """  # noqa: D301 - \b is Click's mark for text that keeps its lines
    redactor = Redactor()
    configure("info", as_json=as_json, redactor=redactor)
    tokens = [] if token_file is None else _tokens(token_file, redactor)
    source = FlagFile(file, generation=_generation(fractional), clock=SystemClock())
    with listen(host, port) as listener:
        count = len(source.flags.current.definition.flags)
        if as_json:
            url = address_of(listener)
            click.echo(json.dumps({"url": url, "flags": count, "fractional": fractional}))
        else:
            what = f"{count} flag{'' if count == 1 else 's'} of {file}"
            click.echo(f"serving {what} at {address_of(listener)}")
        if not tokens and host not in LOOPBACK:
            _LOG.warning("without --token-file, whoever reaches %s may evaluate", host)
        callers = TokenHolders(tokens) if tokens else Anybody()
        return run(lambda: _serve(source, callers, listener))


async def _serve(source: FlagFile, callers: Callers, listener: socket.socket) -> int:
    lifetime, clock = Lifetime(), SystemClock()
    ofrep = Ofrep(
        source.flags, callers=callers, lifetime=lifetime, clock=clock, catch_up=source.look
    )
    app = ErrorBoundary(_front(ofrep, source, lifetime), Ids(clock))
    with ended_by_signals(lifetime):
        watching = asyncio.create_task(source.watch())
        try:
            cut = await serve([Server(app, listener)], lifetime, grace=_GRACE)
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
    return Exit.FAILED if cut else Exit.OK


def _front(ofrep: Ofrep, source: FlagFile, lifetime: Lifetime) -> App:
    async def health(_scope: Scope, _receive: Receive, send: Send) -> None:
        current = source.flags.current
        body = {
            "phase": lifetime.phase,
            "flags": len(current.definition.flags),
            "edition": current.etag,
            "stale": source.stale,
        }
        await http_json(send, body, status=200 if lifetime.serving else 503)

    others = Routes([("GET", "/healthz", health)])

    async def front(scope: Scope, receive: Receive, send: Send) -> None:
        app = ofrep if scope["raw_path"].startswith(PREFIX) else others
        await app(scope, receive, send)

    return front


def _text(file: Path) -> bytes:
    try:
        with file.open("rb") as opened:
            return opened.read(LARGEST + 1)
    except OSError as error:
        raise FileUnusable(path=str(file), reason=error.strerror) from None


def _edition(file: Path, fractional: str | None) -> tuple[Edition, int]:
    """What FILE holds, and the time at which it is asked."""
    now = SystemClock().now()
    current = edition(_text(file), generation=_generation(fractional), now=now)
    return current, int(now.timestamp())


def _generation(fractional: str | None) -> Generation | None:
    return None if fractional is None else Generation(fractional)


def _context(text: str) -> Context:
    try:
        context = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise ContextUnreadable(reason=f"it is not JSON, {error}") from None
    if not isinstance(context, dict):
        raise ContextUnreadable(reason="it is no object")
    return context


def _sample(file: Path) -> list[Context]:
    users = []
    with file.open("rb") as lines:
        for number, line in enumerate(iter(lambda: lines.readline(_LONGEST_LINE + 1), b""), 1):
            if len(line) > _LONGEST_LINE:
                reason = f"it is longer than {_LONGEST_LINE} bytes"
                raise SampleRefused(line=number, reason=reason)
            try:
                user = orjson.loads(line)
            except orjson.JSONDecodeError as error:
                raise SampleRefused(line=number, reason=f"it is not JSON, {error.msg}") from None
            if not isinstance(user, dict):
                raise SampleRefused(line=number, reason="it is no object")
            users.append(user)
    if not users:
        raise SampleRefused(line=1, reason="the file is empty")
    return users


def _tokens(file: Path, redactor: Redactor) -> list[str]:
    try:
        lines = _text(file).decode("ascii").splitlines()
    except UnicodeDecodeError:
        raise TokenFileRefused(path=str(file), reason="it is not ASCII") from None
    tokens = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
    if not tokens:
        raise TokenFileRefused(path=str(file), reason="there is no token in it")
    for token in tokens:
        if len(token) < _SHORTEST_TOKEN or not token.isprintable() or " " in token:
            reason = f"a token is {_SHORTEST_TOKEN} characters or more, without spaces"
            raise TokenFileRefused(path=str(file), reason=reason)
        redactor.add(token)
    return tokens


def _code(resolution: Resolution) -> Exit:
    return Exit.FAILED if resolution.reason is Reason.ERROR else Exit.OK


def _row(finding: Finding) -> tuple[str, str, str]:
    said = f"{finding.meaning} {finding.remedy}"
    return finding.severity, printable(finding.place), printable(said)


def _told_row(key: str, answer: dict[str, Any]) -> tuple[str, ...]:
    if "errorCode" in answer:
        value = f"{answer['errorCode']}: {answer['errorDetails']}"
        return printable(key), Reason.ERROR, "", printable(value)
    value = "(the default in the caller's code)"
    if "value" in answer:
        value = json.dumps(answer["value"], ensure_ascii=False)
    return printable(key), answer["reason"], printable(answer["variant"]), printable(value)


def _show(found: Sequence[FlagDifference]) -> None:
    if not found:
        click.echo("no flag changes")
        return
    rows = [
        (printable(each.key), f"{each.moved:,} of {each.asked:,}", _moves(each)) for each in found
    ]
    click.echo(table(("flag", "users moved", "from → to"), rows))
    for each in found:
        for finding in each.findings:
            click.echo(": ".join((finding.severity, *_row(finding)[1:])))


def _moves(found: FlagDifference) -> str:
    moves = (f"{move.before} → {move.after}: {move.users:,}" for move in found.moves)
    return printable(", ".join(moves)) or "nobody"
