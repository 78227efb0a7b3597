"""A provider that fails a number of times before it answers, in each of the ways that happen."""

import asyncio
import enum
from dataclasses import dataclass, field

import orjson

from seatrial.kit.http.asgi import Message, Receive, Scope, Send
from seatrial.kit.http.boundary import ResponseCut
from seatrial.kit.http.requests import gone, read_body
from tests.cell.llms.provider import Provider


class Fault(enum.StrEnum):
    """What goes wrong."""

    LIMITED = "limited"
    BROKEN = "broken"
    CUT_AT_ONCE = "cut_at_once"
    CUT_IN_BODY = "cut_in_body"
    CUT_IN_STREAM = "cut_in_stream"
    STALLED = "stalled"


@dataclass
class Flaky:
    """Fails as `faults` say, in order, and then answers as `Provider` does.

    Attributes:
        faults: to come.
        asked: how often it was asked.
        held: set, an answer waits until it is let go.
    """

    faults: list[Fault] = field(default_factory=list)
    asked: int = 0
    held: asyncio.Event | None = None
    good: Provider = field(default_factory=Provider)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.asked += 1
        if not self.faults:
            if self.held is not None:
                await self.held.wait()
            await self.good(scope, receive, send)
            return
        await read_body(scope, receive, limit=1 << 30)
        await self._fail(self.faults.pop(0), receive, send)

    async def _fail(self, fault: Fault, receive: Receive, send: Send) -> None:
        if fault is Fault.CUT_AT_ONCE:
            raise ResponseCut
        if fault is Fault.STALLED:
            await gone(receive)
            return
        status = {Fault.LIMITED: 429, Fault.BROKEN: 500}.get(fault, 200)
        stream = fault is Fault.CUT_IN_STREAM
        media = b"text/event-stream" if stream else b"application/json"
        body = b"data: {}\n\n" if stream else orjson.dumps({"error": {"message": str(fault)}})
        headers = [(b"content-type", media)]
        if not stream:
            more = 100 if fault is Fault.CUT_IN_BODY else 0
            headers.append((b"content-length", b"%d" % (len(body) + more)))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        cut = status == 200
        await send({"type": "http.response.body", "body": body, "more_body": cut})
        if cut:
            await asyncio.sleep(0.05)  # so that what was sent is read before the end is met
            raise ResponseCut


@dataclass
class Once:
    """Fails on the first call of each body, as its text asks: `fault limited`, `held once`."""

    seen: dict[bytes, int] = field(default_factory=dict)
    good: Provider = field(default_factory=Provider)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = await read_body(scope, receive, limit=1 << 30)
        self.seen[body] = self.seen.get(body, 0) + 1
        if self.seen[body] == 1:
            if b"held once" in body:
                await gone(receive)
                return
            found = next((it for it in Fault if b'fault %b"' % it.encode() in body), None)
            if found is not None:
                await Flaky([found])(scope, _Read(body), send)
                return
        await self.good(scope, _Read(body), send)


class _Read:
    """A request whose body was read, to be read again."""

    def __init__(self, body: bytes) -> None:
        self._body: bytes | None = body

    async def __call__(self) -> Message:
        body, self._body = self._body, None
        if body is None:
            await asyncio.Event().wait()
        return {"type": "http.request", "body": body, "more_body": False}
