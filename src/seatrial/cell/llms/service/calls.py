"""Passing a model call on: judged, written down, and otherwise untouched."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final

from seatrial.cell.hosts.domain import SlotIdentity
from seatrial.cell.journal.domain.calls import CallKey, CallKind, CallState, Intent, Result, Tokens
from seatrial.cell.journal.service.metering import Journal, Ledger
from seatrial.cell.llms.asked import asked
from seatrial.cell.llms.domain import (
    CallWithoutRun,
    ModelCallMalformed,
    Pins,
    Provider,
    Route,
    chosen,
    pins_of,
    refuse_spent,
)
from seatrial.cell.llms.headers import to_agent, to_provider
from seatrial.cell.llms.service.figures import ModelFigures
from seatrial.cell.llms.service.listening import while_listening
from seatrial.cell.llms.service.prices import Prices
from seatrial.cell.llms.usage import StreamReader, Told, estimated, of_body
from seatrial.contract.releases.release import Release
from seatrial.kit.clock import Clock
from seatrial.kit.crypto.digests import Digest
from seatrial.kit.errors import SeatrialError
from seatrial.kit.http.answers import answer
from seatrial.kit.http.asgi import Receive, Scope, Send
from seatrial.kit.http.client import HttpClient, Request, Response, Timeouts, first_header
from seatrial.kit.http.events import MEDIA_TYPE
from seatrial.kit.http.requests import header, read_body

_LOG: Final = logging.getLogger(__name__)
_MOST_PINS: Final = 256  # releases whose pins are remembered
_MOST_TOLD: Final = 1_000  # mismatches that are logged once each
_EVENTS: Final = MEDIA_TYPE.decode()

_PATIENT: Final = Timeouts(first_byte=600.0, chunk=300.0, total=None)

Releases = Callable[[Digest], Awaitable[Release]]
Secrets = Callable[[str], Awaitable[str]]


@dataclass(frozen=True, kw_only=True)
class CallBounds:
    """How large and how long a call may be.

    Attributes:
        request: bytes of a request's body.
        answer: bytes of an answer that does not stream.
        timeouts: of the provider; a run's own time limit ends its calls in any case.
        steps: calls of a run whose release sets no limit; None for no bound.
    """

    request: int = 50 << 20
    answer: int = 64 << 20
    timeouts: Timeouts = _PATIENT
    steps: int | None = None


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """What model calls stand on.

    Attributes:
        environment: the cell's.
        providers: that the cell knows, by name.
        client: for the calls.
        journal: where each is written.
        secrets: `Vault.secret`.
        releases: the release of a digest.
        prices: see there.
        figures: see there.
        clock: for times.
        bounds: see there.
    """

    environment: str
    providers: Mapping[str, Provider]
    client: HttpClient
    journal: Journal
    secrets: Secrets
    releases: Releases
    prices: Prices
    figures: ModelFigures
    clock: Clock
    bounds: CallBounds = CallBounds()


@dataclass(frozen=True, kw_only=True, slots=True)
class Exchange:
    """A request as the server hands it over."""

    scope: Scope
    receive: Receive
    send: Send


class ModelCalls:
    """The way from an agent to its models."""

    def __init__(self, around: Surroundings) -> None:
        self._around = around
        self._pins: dict[Digest, Pins] = {}
        self._told: set[tuple[str, str, str]] = set()

    async def pins(self, release: Digest) -> Pins:
        """What a release pins. A release never changes, so it is read once."""
        found = self._pins.get(release)
        if found is None:
            found = pins_of(await self._around.releases(release))
            if len(self._pins) >= _MOST_PINS:
                self._pins.pop(next(iter(self._pins)))
            self._pins[release] = found
        return found

    def expect(self, release: Release) -> None:
        """Make ready for the calls of a release; returns at once.

        Else the first call of a process waits until the price table is loaded, up to a second.
        """
        if release.models:
            self._around.prices.warm()

    async def call(
        self,
        caller: SlotIdentity,
        route: Route,
        exchange: Exchange,
        *,
        pins: Pins | None = None,
    ) -> None:
        """Pass one call on, and its answer back.

        Args:
            caller: who calls.
            route: what.
            exchange: the request and where its answer goes.
            pins: that hold instead of those of the caller's release.

        Raises:
            CallWithoutRun: no run is in the slot.
            ModelNotPinned, ProviderUnknown, DialectMismatch, StepLimitReached, RunBudgetSpent,
            SecretMissing: refused; the run's journal says so.
            PeerUnreachable, CallTimedOut, AnswerBroken, AnswerTooLarge: the provider failed; after
            the answer has begun, the connection must be cut.
            ClientGone: the agent gave up; the provider was told.
        """
        arrived, scope = self._around.clock.steady(), exchange.scope
        if caller.run is None or caller.attempt is None:
            raise CallWithoutRun
        if header(scope, b"content-encoding") not in {None, b"identity"}:
            raise ModelCallMalformed(reason="it is compressed")
        body = await read_body(scope, exchange.receive, limit=self._around.bounds.request)
        ledger = await self._around.journal.ledger(caller.run, caller.attempt)
        wanted = asked(body)
        intent = self._intent(route, wanted.model, body)
        try:
            provider, key = await self._allowed(caller, route, wanted.model, pins, ledger)
        except SeatrialError as error:
            await self._write_refusal(ledger, intent, error, arrived)
            raise
        passing = _Passing(
            around=self._around,
            provider=provider,
            route=route,
            model=wanted.model,
            ledger=ledger,
            key=ledger.next(CallKind.MODEL),
            intent=_with_provider(intent, provider.name),
            arrived=arrived,
        )
        request = Request(
            url=_url(provider, route, scope),
            method="POST",
            headers=to_provider(scope["headers"], provider, key),
            body=body,
            timeouts=self._around.bounds.timeouts,
        )
        told = await passing.run(request, exchange.receive, exchange.send)
        self._compare(caller, provider, wanted.model, told)

    def _intent(self, route: Route, model: str, body: bytes) -> Intent:
        return Intent(
            kind=CallKind.MODEL,
            name=model,
            provider=None,
            route=f"/v1{route}",
            started=self._around.clock.now(),
            request_digest=str(Digest.of(body)),
            request_bytes=len(body),
        )

    async def _allowed(
        self,
        caller: SlotIdentity,
        route: Route,
        model: str,
        pins: Pins | None,
        ledger: Ledger,
    ) -> tuple[Provider, str | None]:
        """Who serves the call, and with which key; raises what refuses it."""
        held = pins or await self.pins(caller.release)
        provider = chosen(self._around.environment, held, self._around.providers, route, model)
        limits = held.limits
        if limits.steps is None:
            limits = limits.model_copy(update={"steps": self._around.bounds.steps})
        refuse_spent(limits, ledger.totals.calls, ledger.totals.cost_usd)
        if provider.secret is None:
            return provider, None
        return provider, await self._around.secrets(provider.secret)

    async def _write_refusal(
        self, ledger: Ledger, intent: Intent, error: SeatrialError, arrived: float
    ) -> None:
        self._around.figures.refuse(error.code)
        key = ledger.refuse()
        if key is None:
            return
        clock = self._around.clock
        result = Result(
            state=CallState.REFUSED,
            ended=clock.now(),
            latency_ms=(clock.steady() - arrived) * 1000,
            error=_sentence(error),
        )
        await self._around.journal.whole(key, intent, result)

    def _compare(self, caller: SlotIdentity, provider: Provider, model: str, told: Told) -> None:
        if told.model is None or told.model == model:
            return
        self._around.figures.mismatch(provider.name, model)
        seen = (provider.name, model, told.model)
        if seen in self._told or len(self._told) >= _MOST_TOLD:
            return
        self._told.add(seen)
        _LOG.warning(
            "%s was asked for the model %r and answered with %r",
            provider.name,
            model,
            told.model,
            extra={"event": "model_mismatch", "agent": caller.agent, "run": caller.run},
        )


@dataclass(kw_only=True)
class _Passing:
    """One call under way: its two rows, and what is known of it so far."""

    around: Surroundings
    provider: Provider
    route: Route
    model: str
    ledger: Ledger
    key: CallKey
    intent: Intent
    arrived: float
    status: int | None = None
    first_byte: float | None = None
    size: int = 0
    over: bool = False

    async def run(self, request: Request, receive: Receive, send: Send) -> Told:
        # The intent is on its way to the database before the call is on its way to the provider,
        # and there before anything of the answer is passed on. Waiting for it first would add its
        # commit to every call, and a model that was asked in vain costs money, no more.
        self.around.prices.warm()
        written = asyncio.ensure_future(self.around.journal.begin(self.key, self.intent))
        told = Told()
        try:
            async with (
                while_listening(receive),
                self.around.client.send(request) as response,
            ):
                await written
                told = await self._answer(response, send)
        except BaseException as error:
            await self._fail(written, error)
            raise
        return told

    async def _answer(self, response: Response, send: Send) -> Told:
        self.status = response.status
        self.first_byte = self._milliseconds()
        kind = first_header(response.headers, "content-type") or ""
        if kind.partition(";")[0].strip().lower() == _EVENTS:
            return await self._stream(response, send)
        body = await response.read(self.around.bounds.answer)
        self.size = len(body)
        told = of_body(self.route, body)
        # Written before it is told, so that whoever has the answer finds it in the journal.
        await self._end(told)
        own = [pair for pair in to_agent(response.headers) if pair[0] != b"content-type"]
        await answer(
            send,
            body,
            content_type=kind.encode(),
            status=response.status,
            headers=own,
        )
        return told

    async def _stream(self, response: Response, send: Send) -> Told:
        reader = StreamReader(self.route)
        await send(
            {
                "type": "http.response.start",
                "status": response.status,
                "headers": to_agent(response.headers),
            }
        )
        async for chunk in response:
            self.size += len(chunk)
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
            reader.feed(chunk)
        await self._end(reader.told)
        await send({"type": "http.response.body", "body": b"", "more_body": False})
        return reader.told

    async def _end(self, told: Told) -> None:
        tokens = told.tokens
        good = self.status is not None and self.status < 400
        cost, guess = None, 0.0
        if tokens is not None:
            cost = await self._cost(tokens)
        elif good:
            guess = await self._cost(estimated(told, self.intent.request_bytes, self.size)) or 0.0
        await self._write(
            Result(
                state=CallState.DONE if good else CallState.FAILED,
                ended=self.around.clock.now(),
                latency_ms=self._milliseconds(),
                first_byte_ms=self.first_byte,
                status=self.status,
                answered=told.model,
                response_bytes=self.size,
                tokens=tokens,
                cost_usd=cost,
                error=None if good else f"provider_refused: the provider answered {self.status}",
            ),
            guess,
        )

    async def _fail(self, written: "asyncio.Future[None]", error: BaseException) -> None:
        """Write that the call was cut; what is raised goes on its way."""
        if isinstance(error, SeatrialError):
            said = _sentence(error)
        else:
            said = f"call_cut: {type(error).__name__}"
        result = Result(
            state=CallState.FAILED,
            ended=self.around.clock.now(),
            latency_ms=self._milliseconds(),
            first_byte_ms=self.first_byte,
            status=self.status,
            response_bytes=self.size,
            error=said,
        )
        await asyncio.shield(self._cut(written, result))

    async def _cut(self, written: "asyncio.Future[None]", result: Result) -> None:
        await asyncio.wait([written])
        if not self.over:
            await self._write(result)

    async def _write(self, result: Result, guess: float = 0.0) -> None:
        self.over = True
        self.ledger.book(result, guess)
        self.around.figures.count(self.provider.name, self.model, result)
        await self.around.journal.end(self.key, result)

    async def _cost(self, tokens: Tokens) -> float | None:
        name = self.provider.priced_as or self.provider.name
        return await self.around.prices.cost(name, self.model, tokens)

    def _milliseconds(self) -> float:
        return (self.around.clock.steady() - self.arrived) * 1000


def _with_provider(intent: Intent, provider: str) -> Intent:
    return Intent(
        kind=intent.kind,
        name=intent.name,
        provider=provider,
        route=intent.route,
        started=intent.started,
        request_digest=intent.request_digest,
        request_bytes=intent.request_bytes,
    )


def _url(provider: Provider, route: Route, scope: Scope) -> str:
    query: bytes = scope.get("query_string") or b""
    asked_for = f"?{query.decode('latin-1')}" if query else ""
    return f"{provider.base_url}{route}{asked_for}"


def _sentence(error: SeatrialError) -> str:
    return f"{error.code}: {error.message}"
