"""A model call: judged, matched with the record, and answered from it or passed on untouched."""

import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Final

from seatrial.cell.hosts.domain import SlotIdentity
from seatrial.cell.journal.domain.calls import CallKind, CallState, Intent, Result
from seatrial.cell.journal.domain.keys import Call
from seatrial.cell.journal.domain.keys import Dialect as Reading
from seatrial.cell.journal.domain.matching import Answer, Decision, GoLive, Redo, Refusal, Refuse
from seatrial.cell.journal.domain.records import CallGivenUp
from seatrial.cell.journal.domain.rows import Effect, Kind, Row
from seatrial.cell.journal.service.books import Books
from seatrial.cell.journal.service.metering import Journal, Ledger
from seatrial.cell.journal.service.passages import Passage
from seatrial.cell.journal.service.recall import Attempt
from seatrial.cell.llms.asked import asked
from seatrial.cell.llms.domain import (
    CallWithoutRun,
    DialectMismatch,
    ModelCallMalformed,
    ModelCallUnrecorded,
    ModelNotPinned,
    Pins,
    Provider,
    ProviderUnknown,
    Route,
    chosen,
    pins_of,
    refuse_spent,
)
from seatrial.cell.llms.headers import to_provider
from seatrial.cell.llms.service.figures import ModelFigures
from seatrial.cell.llms.service.listening import Listener, while_listening
from seatrial.cell.llms.service.prices import Prices
from seatrial.cell.llms.service.recorded import tell
from seatrial.cell.llms.service.sending import Means, Sending
from seatrial.cell.llms.usage import Told
from seatrial.contract.releases.release import Release
from seatrial.kit.clock import Clock
from seatrial.kit.crypto.digests import Digest
from seatrial.kit.errors import SeatrialError
from seatrial.kit.http.asgi import Receive, Scope, Send
from seatrial.kit.http.client import HttpClient, Request, Timeouts
from seatrial.kit.http.requests import header, read_body

_LOG: Final = logging.getLogger(__name__)
_MOST_PINS: Final = 256  # releases whose pins are remembered
_MOST_TOLD: Final = 1_000  # mismatches that are logged once each
_REFUSALS: Final = (ModelNotPinned, ProviderUnknown, DialectMismatch, ModelCallUnrecorded)
_READINGS: Final = {
    Route.CHAT: Reading.OPENAI_CHAT,
    Route.RESPONSES: Reading.OPENAI_RESPONSES,
    Route.EMBEDDINGS: Reading.OPENAI_CHAT,  # what is dropped of a chat is dropped here; ids: none
    Route.MESSAGES: Reading.ANTHROPIC_MESSAGES,
}
_WHY: Final = {
    Refusal.UNRECORDED: "is not recorded",
    Refusal.UNFINISHED: "is recorded without an answer",
}

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
        journal: where each is counted.
        books: where each is recorded.
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
    books: Books
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
        """Answer one call: from the record, or by passing it on.

        Args:
            caller: who calls.
            route: what.
            exchange: the request and where its answer goes.
            pins: that hold instead of those of the caller's release.

        Raises:
            CallWithoutRun: no run is in the slot.
            AttemptStale: the slot's attempt is not the one in hand.
            ModelNotPinned, ProviderUnknown, DialectMismatch, StepLimitReached, RunBudgetSpent,
            SecretMissing, ModelCallUnrecorded: refused; the run's journal says so.
            AnswerBroken, CallTimedOut: the answer was cut after it had begun: the connection must
            be cut too.
            ClientGone: the agent gave up; the provider was told.
        """
        arrived, scope = self._around.clock.steady(), exchange.scope
        if caller.run is None or caller.attempt is None:
            raise CallWithoutRun
        if header(scope, b"content-encoding") not in {None, b"identity"}:
            raise ModelCallMalformed(reason="it is compressed")
        body = await read_body(scope, exchange.receive, limit=self._around.bounds.request)
        wanted = asked(body)
        attempt = await self._around.books.of(caller.run, caller.attempt)
        ledger = await self._around.journal.ledger(caller.run, caller.attempt)
        intent = self._intent(route, wanted.model, body)
        asking = _Asking(
            caller=caller,
            route=route,
            scope=scope,
            send=exchange.send,
            body=body,
            attempt=attempt,
            ledger=ledger,
            intent=intent,
            held=pins or await self.pins(caller.release),
            arrived=arrived,
        )
        try:
            provider = self._pinned(asking)
            async with while_listening(exchange.receive) as asking.listener:
                while not await self._answered(asking, provider):
                    pass
        except _REFUSALS as error:
            await self._write_refusal(ledger, intent, error, arrived)
            raise

    async def _answered(self, asking: "_Asking", provider: Provider) -> bool:
        """Match the call and do what the rule says; false if it must arrive again."""
        call = Call(
            kind=Kind.MODEL,
            dialect=_READINGS[asking.route],
            route=f"POST /v1{asking.route}{_query(asking.scope)}",
            name=asking.intent.name,
            body=asking.body,
        )
        retry = _is_retry(asking.scope)
        with await asking.attempt.arrive(call, Effect.READ, retry=retry) as passage:
            match passage.decision:
                case GoLive(row=row) | Redo(row=row):
                    await self._go(asking, provider, passage, row)
                case Refuse(reason=reason):
                    passage.delivered()
                    raise ModelCallUnrecorded(
                        model=call.name, route=call.route, why=_WHY.get(reason, str(reason))
                    )
                case decision:
                    try:
                        body = await passage.answer()
                    except CallGivenUp:
                        return False
                    await tell(asking.send, body, _how(decision))
                    passage.delivered()
        return True

    async def _go(self, asking: "_Asking", provider: Provider, passage: Passage, row: Row) -> None:
        """Make the call, if the run may still make one.

        Nothing is awaited between the judgement and the count, so that calls at once do not get
        past a limit together. What is recorded was judged when it was made.
        """
        limits, most = asking.held.limits, self._around.bounds.steps
        try:
            secret = None
            if provider.secret is not None:
                secret = await self._around.secrets(provider.secret)
            totals = asking.ledger.totals
            refuse_spent(limits, totals.calls, totals.cost_usd, most=most)
        except SeatrialError as error:
            passage.refuse(error.code)
            await self._write_refusal(asking.ledger, asking.intent, error, asking.arrived)
            raise
        sending = Sending(
            means=self._means,
            passage=passage,
            largest=asking.attempt.largest,
            provider=provider,
            route=asking.route,
            model=asking.intent.name,
            ledger=asking.ledger,
            key=asking.ledger.next(CallKind.MODEL),
            intent=replace(asking.intent, provider=provider.name, row=row.seq),
            arrived=asking.arrived,
            listener=asking.listener,
        )
        request = Request(
            url=f"{provider.base_url}{asking.route}{_query(asking.scope)}",
            method="POST",
            headers=to_provider(asking.scope["headers"], provider, secret),
            body=asking.body,
            timeouts=self._around.bounds.timeouts,
        )
        told = await sending.run(request, asking.send)
        self._compare(asking.caller, provider, asking.intent.name, told)

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

    @cached_property
    def _means(self) -> Means:
        around = self._around
        return Means(
            client=around.client,
            journal=around.journal,
            prices=around.prices,
            figures=around.figures,
            clock=around.clock,
            answer=around.bounds.answer,
        )

    def _pinned(self, asking: "_Asking") -> Provider:
        """Who serves the call; raises what refuses it."""
        return chosen(
            self._around.environment,
            asking.held,
            self._around.providers,
            asking.route,
            asking.intent.name,
        )

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
            error=f"{error.code}: {error.message}",
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
class _Asking:
    """One call on its way in."""

    caller: SlotIdentity
    route: Route
    scope: Scope
    send: Send
    body: bytes
    attempt: Attempt
    ledger: Ledger
    intent: Intent
    held: Pins
    arrived: float
    listener: Listener = field(default_factory=Listener)


def _is_retry(scope: Scope) -> bool:
    """Whether the client says itself that it sends this again: Stainless's clients do."""
    given = header(scope, b"x-stainless-retry-count") or b"0"
    return given.isdigit() and int(given[:9]) > 0


def _how(decision: Decision) -> str:
    match decision:
        case Answer(approximate=True):
            return "approximate"
        case Answer():
            return "recorded"
        case _:
            return "attached"


def _query(scope: Scope) -> str:
    query: bytes = scope.get("query_string") or b""
    return f"?{query.decode('latin-1')}" if query else ""
