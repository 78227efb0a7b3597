"""The cell's side of the host contract: HTTP/1.1 on a connection to one process that may lie."""

import asyncio
from collections import deque
from typing import Any, Final, cast

import httptools
import orjson

from seatrial.cell.hosts.domain import (
    Chunk,
    Error,
    HostEvent,
    HostExited,
    HostGarbled,
    HostOverflowed,
    Limits,
    Origin,
    Result,
)
from seatrial.kit.errors import SeatrialError

_PAUSE_AT: Final = 1 << 20  # bytes of events that nobody has taken yet
_LARGEST_ANSWER: Final = 262_144  # bytes of a plain answer
_LONGEST_MESSAGE: Final = 4_000  # characters
_LONGEST_TRACE: Final = 20_000
_LONGEST_CODE: Final = 64


class Wire(asyncio.Protocol):
    """One request after the other; what comes back is checked, bounded and queued."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._transport: asyncio.Transport | None = None
        self._streaming = False
        self._status = 0
        self._body = bytearray()
        self._total = 0
        self._raw = 0
        self._last: Result | Error | None = None
        self._events: deque[tuple[int, HostEvent]] = deque()
        self._queued = 0
        self._paused = False
        self._waiter: asyncio.Future[None] | None = None
        self._closed = False
        self.broken: SeatrialError | None = None
        """Why this connection is of no more use; None while it is."""
        self.lost = asyncio.get_running_loop().create_future()
        """Done when the connection is gone or broken."""
        self._asked = False
        self._begin(streaming=False)

    def ask_ready(self) -> None:
        """Send `GET /ready`; its answer is awaited by `answer`."""
        self._begin(streaming=False)
        self._asked = True
        self._write(b"GET /ready HTTP/1.1\r\nhost: agent\r\n\r\n")

    def ask_run(self, body: bytes) -> None:
        """Send a run; its events are awaited by `event`."""
        self._begin(streaming=True)
        if self.broken is not None:
            self._put(0, _told(self.broken))
            return
        self._asked = True
        head = b"POST /runs HTTP/1.1\r\nhost: agent\r\ncontent-length: %d\r\n\r\n"
        self._write(head % len(body) + body)

    def reply(self, body: bytes) -> None:
        """Answer an event of the run in hand."""
        self._write(b"POST /replies HTTP/1.1\r\ncontent-length: %d\r\n\r\n" % len(body) + body)

    async def answer(self) -> tuple[int, Any]:
        """Status and JSON of a plain answer.

        Raises:
            SeatrialError: there is none: `HostExited` or `HostGarbled`.
        """
        await self._wait()
        if self.broken is not None:
            raise self.broken
        try:
            return self._status, orjson.loads(self._body)
        except orjson.JSONDecodeError:
            raise self._break(HostGarbled(reason="the answer is not JSON")) from None

    async def event(self) -> HostEvent:
        """The next event. After a `Result` or an `Error` there is none."""
        if not self._events:
            await self._wait()
        size, event = self._events.popleft()
        self._queued -= size
        if self._paused and self._queued < _PAUSE_AT // 2:
            self._paused = False
            self._resume()
        return event

    def fail(self, error: SeatrialError) -> None:
        """End the run with `error`, and this connection with it."""
        self._break(error)

    def close(self) -> None:
        """Let go of the connection."""
        self._closed = True
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See `asyncio.Protocol`."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol`."""
        if self.broken is not None:
            return
        if not self._asked:
            self._break(HostGarbled(reason="it spoke without being asked"))
            return
        self._raw += len(data)
        if self._raw > self._most_raw():
            self._break(HostOverflowed(what="answer", limit=self._most_raw()))
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._break(HostGarbled(reason=f"no HTTP: {error}"))

    def connection_lost(self, _: Exception | None) -> None:
        """See `asyncio.Protocol`."""
        self._break(HostExited(reason="the connection closed"))

    # What httptools calls. An exception in here would be wrapped, so errors are kept instead.

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header came."""

    def on_headers_complete(self) -> None:
        """The head is whole."""
        self._status = self._parser.get_status_code()

    def on_body(self, data: bytes) -> None:
        """A piece of the body came."""
        if self.broken is not None:
            return
        self._total += len(data)
        self._body += data
        if not self._streaming or self._status != 200:
            if self._total > _LARGEST_ANSWER:
                self._break(HostGarbled(reason="the answer has no end"))
            return
        if self._total > self._limits.output_bytes:
            self._break(HostOverflowed(what="stream of output", limit=self._limits.output_bytes))
        elif b"\n" in data:
            *lines, self._body = self._body.split(b"\n")
            for line in lines:
                self._line(line)
        if len(self._body) > self._limits.line_bytes:
            self._break(HostOverflowed(what="output", limit=self._limits.line_bytes))

    def on_message_complete(self) -> None:
        """The answer is whole."""
        if self.broken is not None:
            return
        if not self._streaming:
            self._asked = False
            self._wake()
        elif self._status != 200:
            self._break(HostGarbled(reason=f"it answered a run with status {self._status}"))
        elif self._last is None or self._body:
            self._break(HostGarbled(reason="the run's events end without result and error"))
        else:
            self._asked = False
            self._put(0, self._last)

    def _most_raw(self) -> int:
        """Bytes that may come with all that is not body: a head has an end, frames are small."""
        return 2 * self._limits.output_bytes + _LARGEST_ANSWER if self._status else _LARGEST_ANSWER

    def _begin(self, *, streaming: bool) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._streaming = streaming
        self._status = 0
        self._body = bytearray()
        self._total = 0
        self._raw = 0
        self._last = None
        self._events.clear()
        self._queued = 0
        self._paused = False
        self._waiter = None

    def _line(self, line: bytearray) -> None:
        if self.broken is not None:
            return
        if self._last is not None:
            self._break(HostGarbled(reason="an event follows the result"))
            return
        try:
            event = _event(orjson.loads(line))
        except (orjson.JSONDecodeError, KeyError, TypeError, ValueError, AttributeError) as error:
            self._break(HostGarbled(reason=f"an event cannot be read: {error!r}"))
            return
        if isinstance(event, Chunk):
            self._put(len(line), event)
        else:
            self._last = event

    def _put(self, size: int, event: HostEvent) -> None:
        self._events.append((size, event))
        self._queued += size
        if self._queued > _PAUSE_AT and not self._paused and self._transport is not None:
            self._paused = True
            self._transport.pause_reading()
        self._wake()

    def _resume(self) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def _wait(self) -> None:
        if self.broken is not None and not self._streaming:
            return
        self._waiter = asyncio.get_running_loop().create_future()
        await self._waiter

    def _write(self, data: bytes) -> None:
        if self._transport is not None and self.broken is None:
            self._transport.write(data)

    def _break(self, error: SeatrialError) -> SeatrialError:
        if self.broken is None:
            self.broken = error
            if self._streaming and self._asked:
                self._put(0, _told(error))
            self._asked = False
            if not self.lost.done():
                self.lost.set_result(None)
            self._wake()
        return error


def _told(error: SeatrialError) -> Error:
    return Error(code=error.code, message=error.message)


def _event(value: Any) -> HostEvent:  # noqa: ANN401 - what the process sent
    kind = value["type"]
    if kind == "chunk":
        return Chunk(data=value["data"])
    residue = str(value.get("residue") or "something")[:200] if value.get("tainted") else None
    if kind == "result":
        return Result(output=value["output"], residue=residue)
    if kind != "error":
        raise ValueError(f"type {kind!r}")
    return Error(
        code=str(value["code"])[:_LONGEST_CODE],
        message=str(value["message"])[:_LONGEST_MESSAGE],
        trace=str(value.get("trace", ""))[-_LONGEST_TRACE:],
        origin=Origin.AGENT,
        residue=residue,
    )
