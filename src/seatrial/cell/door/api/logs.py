"""`/v1/logs`: the log, as lines of JSON or as it grows; `/metrics`: figures for a collector."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from typing import Final

from seatrial.cell.door.service.access import Admit
from seatrial.cell.telemetry.domain import LogQueryRefused, LogsOfTenants
from seatrial.cell.telemetry.service.logs import LogBook, LogFilter, known_level
from seatrial.contract.runs.access import Caller, CellPermission
from seatrial.kit.http.answers import answer
from seatrial.kit.http.asgi import App, Receive, Scope, Send
from seatrial.kit.http.event_stream import EventStream, last_event_id
from seatrial.kit.http.events import Event
from seatrial.kit.http.lifetime import Lifetime
from seatrial.kit.http.requests import query, read_body
from seatrial.kit.metrics import CONTENT_TYPE, Family, rendered

_LINES: Final = b"application/x-ndjson"
_USUAL: Final = 200  # lines
_MOST: Final = 10_000
_KNOWN: Final = frozenset({"follow", "agent", "run", "level", "limit"})

FamiliesOf = Callable[[], Awaitable[Iterable[Family]]]


def log_routes(book: LogBook, admit: Admit, lifetime: Lifetime) -> list[tuple[str, str, App]]:
    """The endpoint of the log, for `Routes`."""
    stream = EventStream(lifetime=lifetime)

    async def lines(scope: Scope, receive: Receive, send: Send) -> None:
        """The newest lines as JSON, or with `follow` as events that go on."""
        caller = await admit(scope, CellPermission.OPERATE)
        if caller.tenant:
            raise LogsOfTenants(name=caller.name, tenant=caller.tenant)
        asked = query(scope)
        wanted, limit = _filter(asked, caller), _limit(asked)
        found = book.newest(wanted, limit)
        if asked.get("follow", "0") in {"0", "false"}:
            body = "".join(f"{line}\n" for _, line in found).encode()
            await answer(send, body, content_type=_LINES)
            return
        await read_body(scope, receive, limit=0)
        seen = last_event_id(scope)
        after = int(seen) if seen is not None and seen.isdigit() else None
        await stream.answer(scope, receive, send, _events(book, wanted, found, after))

    return [("GET", "/v1/logs", lines)]


def metric_routes(families: FamiliesOf) -> list[tuple[str, str, App]]:
    """The endpoint of metrics, for `Routes`. It asks for no token, as collectors expect."""

    async def page(_scope: Scope, _receive: Receive, send: Send) -> None:
        """Figures as Prometheus text."""
        await answer(send, rendered(await families()), content_type=CONTENT_TYPE)

    return [("GET", "/metrics", page)]


async def _events(
    book: LogBook, wanted: LogFilter, found: list[tuple[int, str]], after: int | None
) -> AsyncIterator[Event]:
    """The newest lines, then each as it comes; a reader who comes back gets what he missed."""
    last = after
    if last is None:
        for number, line in found:
            yield Event(data=line, id=str(number))
        last = found[-1][0] if found else book.last
    async for number, line in book.follow(wanted, last):
        yield Event(data=line, id=str(number))


def _filter(asked: dict[str, str], caller: Caller) -> LogFilter:
    unknown = asked.keys() - _KNOWN
    if unknown:
        raise LogQueryRefused(reason=f"there is no {min(unknown)!r}")
    level = asked.get("level")
    if level is not None and not known_level(level):
        raise LogQueryRefused(reason=f"there is no level {level!r}")
    return LogFilter(
        agent=asked.get("agent"),
        run=asked.get("run"),
        level=level,
        printed=caller.may(CellPermission.PAYLOAD),
    )


def _limit(asked: dict[str, str]) -> int:
    text = asked.get("limit", str(_USUAL))
    if not text.isdigit() or not 1 <= int(text[:9]) <= _MOST:
        raise LogQueryRefused(reason=f"`limit` is {text!r}")
    return int(text)
