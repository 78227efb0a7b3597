"""One model call that goes out: passed on byte for byte, and recorded before its last byte is."""

import asyncio
from dataclasses import dataclass, field
from typing import Final

import orjson

from seatrial.cell.journal.domain.calls import CallKey, CallState, Intent, Result, Tokens
from seatrial.cell.journal.domain.records import Body
from seatrial.cell.journal.domain.rows import RowState
from seatrial.cell.journal.service.metering import Journal, Ledger
from seatrial.cell.journal.service.passages import Begun, Passage
from seatrial.cell.llms.domain import Provider, Route
from seatrial.cell.llms.headers import to_agent
from seatrial.cell.llms.service.figures import ModelFigures
from seatrial.cell.llms.service.listening import Listener
from seatrial.cell.llms.service.prices import Prices
from seatrial.cell.llms.service.recorded import RETRY, is_stream
from seatrial.cell.llms.service.refusals import body_of, headers_of
from seatrial.cell.llms.usage import StreamReader, Told, estimated, of_body
from seatrial.kit.clock import Clock
from seatrial.kit.errors import SeatrialError
from seatrial.kit.http.answers import JSON, answer
from seatrial.kit.http.asgi import Send
from seatrial.kit.http.client import (
    AnswerBroken,
    AnswerTooLarge,
    CallTimedOut,
    HttpClient,
    PeerUnreachable,
    Request,
    Response,
    first_header,
)
from seatrial.kit.http.requests import ClientGone

_FAULTS: Final = (PeerUnreachable, CallTimedOut, AnswerBroken, AnswerTooLarge)
_LAST: Final = {
    Route.CHAT: (b"\ndata: [DONE]", b"\ndata:[DONE]"),
    Route.RESPONSES: tuple(
        b"\nevent: response." + state for state in (b"completed", b"failed", b"incomplete")
    ),
    Route.MESSAGES: (b"\nevent: message_stop",),
    Route.EMBEDDINGS: (),
}
"""How a stream's last event begins: many clients read no further and close.

No text of a model looks so: in JSON a newline is written otherwise.
"""
_MOST_HELD: Final = 4 << 20  # bytes of a last event; what goes on after it is passed on
_SOON: Final = 0.005
"""Seconds after which the intent of a call is written, unless its result is there by then.

It is there before anything of a stream is passed on. Before the call goes out it would add its
commit to every call, and a model that was asked in vain costs money, no more. An answer that is
faster takes its intent along: one transaction instead of two, a quarter of the call's time.
"""
_LONGEST_LAST: Final = max(len(mark) for marks in _LAST.values() for mark in marks)


@dataclass(frozen=True, kw_only=True)
class Means:
    """What sending needs.

    Attributes:
        client: for the call.
        journal: where a try ends that has no result.
        prices: see there.
        figures: see there.
        clock: for times.
        answer: bytes of an answer that does not stream.
    """

    client: HttpClient
    journal: Journal
    prices: Prices
    figures: ModelFigures
    clock: Clock
    answer: int


@dataclass(kw_only=True)
class Sending:
    """One call under way: its try, and what is known of it so far.

    Attributes:
        means: see there.
        passage: of the call.
        largest: bytes of an answer that is recorded.
        provider: who serves it.
        route: what is called.
        model: asked for.
        ledger: of the attempt.
        key: of the try.
        intent: of the try.
        arrived: by the steady clock.
        listener: who waits for the answer.
    """

    means: Means
    passage: Passage
    largest: int
    provider: Provider
    route: Route
    model: str
    ledger: Ledger
    key: CallKey
    intent: Intent
    arrived: float
    listener: Listener
    _status: int | None = None
    _first_byte: float | None = None
    _size: int = 0
    _begun: bool = False
    _over: bool = False
    _settled: bool = False
    _told: Told = field(default_factory=Told)
    _due: asyncio.TimerHandle = field(init=False)
    _written: "asyncio.Future[None] | None" = None

    async def run(self, request: Request, send: Send) -> Told:
        """Make the call and pass its answer on.

        What the provider does wrong before anything was passed on is told, and recorded as an
        answer. Afterwards it is raised: the connection must be cut, and the call is none.

        Raises:
            AttemptStale, CallSettled: another attempt has the run.
            AnswerBroken, CallTimedOut: the answer was cut after it had begun.
        """
        self.means.prices.warm()
        self._due = asyncio.get_running_loop().call_later(_SOON, self._begin)
        try:
            try:
                await self._sent(request, send)
            except _FAULTS as error:
                if self._begun or self._over:
                    raise
                await self._tell(error, send)
        except BaseException as error:
            await asyncio.shield(self._cut(error))
            if not self._settled:
                self.passage.lost(cut=True)
            raise
        self.passage.delivered()
        return self._told

    async def _sent(self, request: Request, send: Send) -> None:
        async with self.means.client.send(request) as response:
            self._status = response.status
            self._first_byte = self._milliseconds()
            media = first_header(response.headers, "content-type") or ""
            if is_stream(media):
                await self._begin()
                await self._stream(response, media, send)
            else:
                await self._whole(response, media, send)

    async def _whole(self, response: Response, media: str, send: Send) -> None:
        content = await response.read(self.means.answer)
        self._size = len(content)
        self._told = of_body(self.route, content)
        await self._settle(response, media, content)
        own = [pair for pair in to_agent(response.headers) if pair[0] != b"content-type"]
        self._begun = True
        await answer(
            send, content, content_type=media.encode(), status=response.status, headers=own
        )

    async def _stream(self, response: Response, media: str, send: Send) -> None:
        """Pass parts on as they come, but the last event only when all of it is recorded."""
        reader = StreamReader(self.route)
        self._told = reader.told
        kept: list[bytes] | None = []
        held, before = b"", b"\n"
        self._begun = True
        await send(
            {
                "type": "http.response.start",
                "status": response.status,
                "headers": to_agent(response.headers),
            }
        )
        async for part in response:
            self._size += len(part)
            if kept is not None:
                kept.append(part)
                kept = kept if self._size <= self.largest else None
            near = before + part
            if held or any(mark in near for mark in _LAST[self.route]):
                held += part
                if len(held) > _MOST_HELD:
                    await send({"type": "http.response.body", "body": held, "more_body": True})
                    held = b""
            else:
                before = near[-_LONGEST_LAST:]
                await send({"type": "http.response.body", "body": part, "more_body": True})
            reader.feed(part)
        await self._settle(response, media, None if kept is None else b"".join(kept))
        await send({"type": "http.response.body", "body": held, "more_body": False})

    async def _settle(self, response: Response, media: str, content: bytes | None) -> None:
        """Record an answer that is whole; `content` None where it is too large for that."""
        good = response.status < 400
        result, guess = await self._result(good)
        body = Body(
            content=content or b"",
            media=media,
            status=response.status,
            retry=first_header(response.headers, RETRY),
        )
        state = RowState.DONE if good else RowState.FAILED
        await self._record(state, None if content is None else body, result, guess)

    async def _tell(self, error: SeatrialError, send: Send) -> None:
        """Record and send the provider's fault in the provider's own words."""
        content = orjson.dumps(body_of(error, self.route.dialect))
        headers = headers_of(error)
        retry = dict(headers).get(RETRY.encode())
        body = Body(
            content=content, status=error.status, retry=None if retry is None else retry.decode()
        )
        await self._record(RowState.FAILED, body, self._failed(_sentence(error)), 0.0)
        self._begun = True
        await answer(send, content, content_type=JSON, status=error.status, headers=headers)

    async def _record(
        self, state: RowState, body: Body | None, result: Result, guess: float
    ) -> None:
        self._book(result, guess)
        if body is None:
            self.passage.pass_by(state)
            await self.means.journal.end(self.key, result)
        else:
            ended = (self.key, result)
            await self.passage.settle(state, body, ended, unwritten=await self._unwritten())
        self._settled = True

    def _begin(self) -> "asyncio.Future[None]":
        """Write the intent, once."""
        self._due.cancel()
        if self._written is None:
            self._written = asyncio.ensure_future(self.passage.begin((self.key, self.intent)))
        return self._written

    async def _unwritten(self) -> Begun | None:
        """The try whose intent is not written, and now goes along with the result."""
        self._due.cancel()
        if self._written is None:
            return self.key, self.intent
        await self._written
        return None

    def _book(self, result: Result, guess: float) -> None:
        self._over = True
        self.ledger.book(result, guess)
        self.means.figures.count(self.provider.name, self.model, result)

    async def _result(self, good: bool) -> tuple[Result, float]:
        """What became of the try, and what it may have cost where that is not known."""
        told, cost, guess = self._told, None, 0.0
        if told.tokens is not None:
            cost = await self._cost(told.tokens)
        elif good:
            tokens = estimated(told, self.intent.request_bytes, self._size)
            guess = await self._cost(tokens) or 0.0
        result = Result(
            state=CallState.DONE if good else CallState.FAILED,
            ended=self.means.clock.now(),
            latency_ms=self._milliseconds(),
            first_byte_ms=self._first_byte,
            status=self._status,
            answered=told.model,
            response_bytes=self._size,
            tokens=told.tokens,
            cost_usd=cost,
            error=None if good else f"provider_refused: the provider answered {self._status}",
        )
        return result, guess

    def _failed(self, said: str) -> Result:
        return Result(
            state=CallState.FAILED,
            ended=self.means.clock.now(),
            latency_ms=self._milliseconds(),
            first_byte_ms=self._first_byte,
            status=self._status,
            response_bytes=self._size,
            error=said,
        )

    async def _cut(self, error: BaseException) -> None:
        """Write that the try was cut; the call stays without a result."""
        if self._over:  # what became of it was written, or could not be
            self._due.cancel()
            return
        written = self._begin()
        await asyncio.wait([written])
        if written.cancelled() or written.exception() is not None:
            return
        if isinstance(error, asyncio.CancelledError) and self.listener.left:
            error = ClientGone()
        if isinstance(error, SeatrialError):
            result = self._failed(_sentence(error))
        else:
            result = self._failed(f"call_cut: {type(error).__name__}")
        self._book(result, 0.0)
        await self.means.journal.end(self.key, result)

    async def _cost(self, tokens: Tokens) -> float | None:
        name = self.provider.priced_as or self.provider.name
        return await self.means.prices.cost(name, self.model, tokens)

    def _milliseconds(self) -> float:
        return (self.means.clock.steady() - self.arrived) * 1000


def _sentence(error: SeatrialError) -> str:
    return f"{error.code}: {error.message}"
