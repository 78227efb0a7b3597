"""Server-sent events as an answer: alive while idle, over at once when either side ends."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final

from seatrial.kit.http.alarm import Alarm
from seatrial.kit.http.asgi import Headers, Receive, Scope, Send
from seatrial.kit.http.events import HEARTBEAT, MEDIA_TYPE, Event, encode, encode_retry
from seatrial.kit.http.lifetime import Lifetime
from seatrial.kit.http.requests import ClientGone, gone

_LONGEST_ID: Final = 256  # characters; no id that we give out is longer
_FAREWELL: Final = 1.0  # seconds for the last bytes to reach a client that may not be reading
_FIXED: Final = (
    (b"content-type", MEDIA_TYPE),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),  # nginx would hold events back until a buffer is full
)


@dataclass(frozen=True, slots=True, kw_only=True)
class EventStream:
    """How events are streamed.

    Attributes:
        lifetime: when this begins to drain, every stream ends; clients connect again, elsewhere.
        heartbeat: seconds without an event after which a comment keeps proxies from cutting.
        stall: seconds that one event may wait for the client to read before the stream is cut.
        retry: milliseconds that clients shall wait before they connect again.
        headers: sent besides the fixed ones.
    """

    lifetime: Lifetime
    heartbeat: float = 15.0
    stall: float = 30.0
    retry: int | None = None
    headers: Headers = ()

    async def answer(
        self, scope: Scope, receive: Receive, send: Send, events: AsyncIterator[Event]
    ) -> None:
        """Send `events` as they come, until they end, the client goes, or draining begins.

        The request's body must have been read. The next event is asked for only when the client's
        buffer has taken the last one. `events` is closed at the end, whatever the reason, if it
        can be closed.

        Raises:
            ClientGone: the client went away, or did not read for `stall` seconds.
        """
        start = {"type": "http.response.start", "status": 200, "headers": [*_FIXED, *self.headers]}
        await send(start)
        writer = _Writer(send, self.stall)
        try:
            if scope["method"] != "HEAD":
                await writer.write(HEARTBEAT if self.retry is None else encode_retry(self.retry))
                await self._run(receive, writer, events)
            await _farewell(send)
        finally:
            writer.close()
            await _closed(events)

    async def _run(self, receive: Receive, writer: "_Writer", events: AsyncIterator[Event]) -> None:
        flow = asyncio.create_task(_pump(events, writer))
        pulse = asyncio.create_task(_pulse(writer, self.heartbeat))
        client = asyncio.create_task(gone(receive))
        ending = asyncio.create_task(self.lifetime.told_to_end())
        tasks = (flow, pulse, client, ending)
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            over = [task for task in tasks if task.done()]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        for task in over:
            task.result()
        if client in over:
            raise ClientGone


def last_event_id(scope: Scope) -> str | None:
    """Where a client that connects again left off; None where it is new or sends nonsense.

    Nonsense counts as nothing because a browser that is refused never connects again.
    """
    for name, value in scope["headers"]:
        if name == b"last-event-id":
            text: str = value.decode(errors="replace")
            return text if 0 < len(text) <= _LONGEST_ID and text.isprintable() else None
    return None


class _Writer:
    """One writer at a time, each write bounded in time."""

    def __init__(self, send: Send, stall: float) -> None:
        self._send = send
        self._stall = stall
        self._alarm = Alarm()
        self._lock = asyncio.Lock()
        self._last = self._alarm.now()

    async def write(self, data: bytes) -> None:
        async with self._lock:
            try:
                with self._alarm.within(self._stall):
                    await self._send(
                        {"type": "http.response.body", "body": data, "more_body": True}
                    )
            except TimeoutError:
                raise ClientGone from None
            self._last = self._alarm.now()

    def idle(self) -> float:
        """Seconds since the last byte."""
        return self._alarm.now() - self._last

    def close(self) -> None:
        self._alarm.close()


async def _pump(events: AsyncIterator[Event], writer: _Writer) -> None:
    async for event in events:
        await writer.write(encode(event))


async def _pulse(writer: _Writer, heartbeat: float) -> None:
    while True:
        rest = heartbeat - writer.idle()
        if rest <= 0:
            await writer.write(HEARTBEAT)
        else:
            await asyncio.sleep(rest)


async def _farewell(send: Send) -> None:
    try:
        async with asyncio.timeout(_FAREWELL):
            await send({"type": "http.response.body", "body": b"", "more_body": False})
    except TimeoutError:
        raise ClientGone from None


async def _closed(events: AsyncIterator[Event]) -> None:
    close = getattr(events, "aclose", None)
    if close is not None:
        await close()
