"""The client: time limits, size limits, decoding and pooling, the same over every engine."""

import asyncio
import zlib
from collections.abc import AsyncIterator, Coroutine, Sequence
from types import TracebackType
from typing import Any, Final, Protocol, Self, TypeVar

from seatrial.kit.http.alarm import Alarm
from seatrial.kit.http.client import (
    AnswerBroken,
    AnswerTooLarge,
    CallTimedOut,
    ClientClosed,
    Limits,
    Phase,
    Request,
    Target,
    check,
    first_header,
    target,
)
from seatrial.kit.http.inflating import ACCEPTED, KNOWN, Inflater

BODIED: Final = frozenset({"PATCH", "POST", "PUT"})
"""Methods that announce a body even where it is empty (RFC 9110, section 8.6)."""
_T = TypeVar("_T")
_AGENT: Final = ("user-agent", "seatrial")
_NEVER: Final = float("inf")


class Stream(Protocol):
    """An answer as an engine gives it: the head, and parts of the body until None."""

    status: int
    headers: tuple[tuple[str, str], ...]

    async def chunk(self) -> bytes | None:
        """The next part of the body. Raises `AnswerBroken`."""
        ...

    async def release(self) -> None:
        """Give the connection back, or close it if the body was not read to its end."""
        ...


class Engine(Protocol):
    """What a library must do. It has no time limits of its own but that of connecting."""

    async def open(
        self, request: Request, *, url: str, host: str, headers: Sequence[tuple[str, str]]
    ) -> Stream:
        """Send the request and wait for the head.

        Raises:
            PeerUnreachable: no connection came about, so nothing was sent.
            CallTimedOut: the same, for time.
            AnswerBroken: anything later.
            CallMalformed: the library refuses the request.
        """
        ...

    async def close(self) -> None:
        """Close every connection."""
        ...


class Client:
    """An `HttpClient` over an engine."""

    def __init__(self, engine: Engine, limits: Limits) -> None:
        self.engine = engine
        self.pool = limits.pool
        self.slots = asyncio.Semaphore(limits.calls)
        self.calls: set[Call] = set()
        self.closed = False

    def send(self, request: Request) -> "Call":
        """See `HttpClient.send`."""
        return Call(self, request)

    async def close(self) -> None:
        """See `HttpClient.close`."""
        if not self.closed:
            self.closed = True
            for call in list(self.calls):
                call.give_up()
            await self.engine.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()


class Call:
    """One call: first a context to enter, then the `Response`."""

    __slots__ = (
        "_alarm",
        "_client",
        "_inflater",
        "_last",
        "_peer",
        "_request",
        "_stream",
        "headers",
        "status",
    )

    def __init__(self, client: Client, request: Request) -> None:
        self._client = client
        self._request = request

    async def __aenter__(self) -> Self:
        check(self._request)
        where = target(self._request.url)
        self._peer = where.host
        self._alarm = Alarm()
        total = self._request.timeouts.total
        self._last = _NEVER if total is None else self._alarm.now() + total
        self._client.calls.add(self)
        try:
            await self._take_slot()
        except BaseException:
            self._forget()
            raise
        try:
            await self._open(where)
        except BaseException:
            self._give_back()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            await self._stream.release()
        finally:
            self._give_back()

    def give_up(self) -> None:
        """Wake whoever waits for this call; the client is closed."""
        self._alarm.ring()

    async def read(self, limit: int) -> bytes:
        """See `Response.read`."""
        if self._announced() > limit:
            raise AnswerTooLarge(peer=self._peer, limit=limit)
        parts: list[bytes] = []
        size = 0
        async for part in self:
            size += len(part)
            if size > limit:
                raise AnswerTooLarge(peer=self._peer, limit=limit)
            parts.append(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        while True:
            inflater = self._inflater
            if inflater is not None and (piece := self._inflated(inflater)):
                return piece
            part = await self._next()
            if part is None:
                if inflater is not None and not inflater.whole():
                    raise AnswerBroken(peer=self._peer, reason="its compressed body is cut off")
                raise StopAsyncIteration
            if inflater is not None:
                inflater.feed(part)
            elif part:
                return part

    def _announced(self) -> int:
        length = first_header(self.headers, "content-length") or ""
        bodiless = self._request.method == "HEAD" or self.status == 304
        return 0 if bodiless or self._inflater or not length.isdigit() else int(length[:18])

    async def _take_slot(self) -> None:
        slots = self._client.slots
        if slots.locked():
            await self._in_time(slots.acquire(), self._client.pool, Phase.POOL)
        else:
            await slots.acquire()  # does not wait
        if self._client.closed:
            slots.release()
            raise ClientClosed

    async def _open(self, where: Target) -> None:
        request = self._request
        opening = self._client.engine.open(
            request, url=where.url, host=where.host, headers=_headers(request, where)
        )
        stream = await self._in_time(opening, request.timeouts.first_byte, Phase.FIRST_BYTE)
        self._stream = stream
        self.status = stream.status
        self.headers = stream.headers
        encoding = first_header(stream.headers, "content-encoding") if request.decode else None
        if encoding in {None, "identity"}:
            self._inflater = None
        elif encoding in KNOWN:
            self._inflater = Inflater()
        else:
            await stream.release()
            raise AnswerBroken(peer=where.host, reason=f"its content encoding is {encoding!r}")

    async def _next(self) -> bytes | None:
        return await self._in_time(self._stream.chunk(), self._request.timeouts.chunk, Phase.CHUNK)

    async def _in_time(self, wait: Coroutine[Any, Any, _T], seconds: float, phase: Phase) -> _T:
        try:
            with self._alarm.until(min(self._alarm.now() + seconds, self._last)):
                return await wait
        except TimeoutError:
            if self._client.closed:
                raise ClientClosed from None
            total = self._request.timeouts.total
            if total is not None and self._alarm.now() >= self._last:
                phase, seconds = Phase.TOTAL, total
            raise CallTimedOut(peer=self._peer, phase=phase, seconds=seconds) from None

    def _inflated(self, inflater: Inflater) -> bytes:
        try:
            return inflater.take()
        except zlib.error as error:
            reason = f"its body is not compressed as it says ({error})"
            raise AnswerBroken(peer=self._peer, reason=reason) from None

    def _give_back(self) -> None:
        self._forget()
        self._client.slots.release()

    def _forget(self) -> None:
        self._alarm.close()
        self._client.calls.discard(self)


def _headers(request: Request, where: Target) -> list[tuple[str, str]]:
    named = {name.lower() for name, _ in request.headers}
    headers = [*request.headers]
    if "host" not in named:
        headers.append(("host", where.host))
    if "user-agent" not in named:
        headers.append(_AGENT)
    if request.decode and "accept-encoding" not in named:
        headers.append(("accept-encoding", ACCEPTED))
    return headers
