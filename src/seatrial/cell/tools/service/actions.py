"""An action on its way: its arguments, a person's word, the journal, and what performs it.

The order is the same in every environment. What differs is the instance that a connector's name is
bound to, and nothing else.
"""

import asyncio
import logging
from dataclasses import dataclass, replace
from typing import Any, Final, NoReturn

import orjson

from seatrial.cell.hosts.domain import SlotIdentity
from seatrial.cell.journal.domain.calls import CallKey, CallKind, CallState, Intent, Result
from seatrial.cell.journal.domain.keys import Call, Dialect, effect_key
from seatrial.cell.journal.domain.matching import (
    Answer,
    AskWhatHappened,
    Attach,
    Decision,
    Diverged,
    FindMarker,
    GoLive,
    NeedsPerson,
    Park,
    Redo,
    Refuse,
    RetrySameKey,
    Sink,
)
from seatrial.cell.journal.domain.records import Body, CallGivenUp
from seatrial.cell.journal.domain.rows import Effect as RowEffect
from seatrial.cell.journal.domain.rows import Kind, Mode, Row, RowState
from seatrial.cell.journal.service import reading
from seatrial.cell.journal.service.books import Books
from seatrial.cell.journal.service.metering import Journal, Ledger
from seatrial.cell.journal.service.passages import Passage
from seatrial.cell.journal.service.recall import Attempt
from seatrial.cell.llms.domain import CallWithoutRun, refuse_spent
from seatrial.cell.runs.domain.rules import seed
from seatrial.cell.tools.domain.refusals import (
    ActionFailed,
    ActionUnknown,
    ActionUnreachable,
    ArgumentsRefused,
    OutcomeUnknown,
    WaitNeedsHost,
)
from seatrial.cell.tools.domain.schemas import refuse_large, refuse_unfit
from seatrial.cell.tools.domain.values import (
    REVIEW,
    Performing,
    Shown,
    Told,
    rejected,
)
from seatrial.cell.tools.service.asking import STAND_IN, Errand, unrecorded, waited
from seatrial.cell.tools.service.by_fixture import FixtureConnector, no_recording
from seatrial.cell.tools.service.connectors import Connectors
from seatrial.cell.tools.service.ports import Connector, Recording, Releases
from seatrial.cell.tools.service.recovering import asked_after, is_repeated
from seatrial.contract.releases.actions import Effect, InProcess, Review, Tool
from seatrial.contract.releases.release import Release
from seatrial.kit.clock import Clock
from seatrial.kit.crypto.digests import Digest
from seatrial.kit.database.connection import Connection
from seatrial.kit.database.database import Database
from seatrial.kit.errors import SeatrialError

_LOG: Final = logging.getLogger(__name__)
_UNREVIEWED: Final = {"approved": True, "by": "nobody", **STAND_IN}
_MOST_RELEASES: Final = 256  # whose actions are remembered
LOCAL: Final = "local"
"""The slot of a run on its author's machine."""

_SUNK: Final = Told(ok=True, value=STAND_IN)


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """What actions stand on.

    Attributes:
        database: the cell's.
        books: where each is recorded.
        journal: where each try is counted.
        releases: see there.
        connectors: of this environment.
        clock: for times.
        recording: what answers the actions of a run on a fixture.
        steps: calls of a run whose release sets no limit; None for no bound.
    """

    database: Database
    books: Books
    journal: Journal
    releases: Releases
    connectors: Connectors
    clock: Clock
    recording: Recording = no_recording
    steps: int | None = None


class Called:
    """A call that has come to its end, and somebody who waits for it.

    Attributes:
        told: what the agent is told.
    """

    def __init__(self, told: Told, passage: Passage | None = None) -> None:
        self.told: Final = told
        self._passage = passage

    def delivered(self) -> None:
        """The caller has it."""
        if self._passage is not None:
            self._passage.delivered()

    def lost(self) -> None:
        """The caller is gone: the same call again is its repetition."""
        if self._passage is not None:
            self._passage.lost()


@dataclass(frozen=True, kw_only=True)
class _Asking:
    """One call as it came."""

    caller: SlotIdentity
    run: str
    release: Release
    tool: Tool
    call: Call
    arguments: dict[str, Any]
    attempt: Attempt
    ledger: Ledger
    arrived: float


class Actions:
    """The actions of whatever runs in a slot. Belongs to one event loop."""

    def __init__(self, around: Surroundings) -> None:
        self._around = around
        self._under_way: set[asyncio.Task[Any]] = set()
        self._tools: dict[Digest, dict[str, Tool]] = {}

    async def listed(self, caller: SlotIdentity) -> tuple[Shown, ...]:
        """What may be called: all but what the agent runs by itself, by name."""
        if caller.run is None:
            raise CallWithoutRun
        release = await self._around.releases(caller.release)
        return tuple(
            Shown(
                name=name,
                description=tool.description,
                input_schema=tool.input_schema,
                effect=tool.effect,
            )
            for name, tool in sorted(self._tools_of(caller.release, release).items())
            if not isinstance(tool.perform, InProcess)
        )

    async def call(
        self, caller: SlotIdentity, name: str, arguments: dict[str, Any], *, retry: bool = False
    ) -> Called:
        """Perform an action, or answer it from the record; returns when there is an answer.

        A caller who is cancelled cuts nothing off: what has begun is performed and recorded, and
        the same call again is taken for its repetition.

        Args:
            caller: who calls.
            name: of the action.
            arguments: of it.
            retry: the client says that it sends this again.

        Raises:
            SeatrialError: it was not performed, and the agent cannot do better: no run, a stale
                attempt, a connector that is not bound.
        """
        asking = await self._asked(caller, name, arguments)
        if isinstance(asking, Called):
            return asking
        errand = Errand()
        return await errand.run(self._answered(errand, asking, retry=retry), self._under_way)

    async def close(self) -> None:
        """Wait for what is under way, then let the connectors go."""
        if self._under_way:
            await asyncio.wait(set(self._under_way), timeout=10)
        await self._around.connectors.close()

    async def _asked(
        self, caller: SlotIdentity, name: str, arguments: dict[str, Any]
    ) -> "_Asking | Called":
        """The call, if it may be made; or what the agent is told of arguments that do not fit."""
        around, arrived = self._around, self._around.clock.steady()
        if caller.run is None or caller.attempt is None:
            raise CallWithoutRun
        release = await around.releases(caller.release)
        tools = self._tools_of(caller.release, release)
        tool = tools.get(name)
        if tool is None:
            known = ", ".join(sorted(tools)) or "none"
            raise ActionUnknown(action=name, known=known)
        attempt = await around.books.of(caller.run, caller.attempt)
        around.connectors.refuse_unfit(name, tool, recorded=attempt.mode is Mode.FIXTURE)
        body = orjson.dumps(arguments, option=orjson.OPT_SORT_KEYS)
        asking = _Asking(
            caller=caller,
            run=caller.run,
            release=release,
            tool=tool,
            call=_call(Kind.ACTION, f"POST /v1/actions/{name}", name, body),
            arguments=arguments,
            attempt=attempt,
            ledger=await around.journal.ledger(caller.run, caller.attempt),
            arrived=arrived,
        )
        try:
            refuse_large(name, body)
            refuse_unfit(name, tool.input_schema, arguments)
        except ArgumentsRefused as error:
            await self._write_refusal(asking, error)
            return Called(Told.failed(error))
        return asking

    def _tools_of(self, digest: Digest, release: Release) -> dict[str, Tool]:
        """Read once: to read eighteen takes 0.2 ms."""
        found = self._tools.get(digest)
        if found is None:
            if len(self._tools) >= _MOST_RELEASES:
                self._tools.clear()
            found = self._tools[digest] = release.tools
        return found

    async def _answered(self, errand: Errand, asking: _Asking, *, retry: bool) -> Called:
        # What the person said of it is part of the recording.
        if asking.tool.review is Review.ALWAYS and asking.attempt.mode is not Mode.FIXTURE:
            refused = await self._reviewed(errand, asking)
            if refused is not None:
                return Called(refused)
        while True:
            passage = await errand.arrive(
                asking.attempt,
                asking.call,
                RowEffect(asking.tool.effect),
                retry=retry,
                shadowed=asking.tool.effect is Effect.READ,
            )
            try:
                told = await self._decided(asking, passage)
            except BaseException:
                passage.lost()
                raise
            if told is not None:
                return Called(told, passage)
            passage.lost()

    async def _reviewed(self, errand: Errand, asking: _Asking) -> Told | None:
        """Ask a person, for whose answer the run waits without its process; None for yes."""
        name = asking.call.name
        if asking.caller.slot == LOCAL:
            raise WaitNeedsHost(what=f"the review of {name!r}")
        body = orjson.dumps({"action": name, "arguments": asking.arguments}, option=_SORTED)
        call = _call(Kind.WAIT, "review", f"{REVIEW}{name}", body)
        passage, said = await waited(errand, asking.attempt, call, _UNREVIEWED, _asks_nobody)
        passage.delivered()  # whether the caller has the rest is told by the action's own passage
        return rejected(name, orjson.loads(said.content))

    async def _decided(self, asking: _Asking, passage: Passage) -> Told | None:
        """What the rule's decision comes to; None if the call must arrive again."""
        decision: Decision = passage.decision
        match decision:
            case Answer() | Attach():
                try:
                    return Told.read(await passage.answer())
                except CallGivenUp:
                    return None
            case GoLive(row=row) | Redo(row=row) | RetrySameKey(row=row) | FindMarker(row=row):
                return await self._performed(asking, passage, row)
            case AskWhatHappened(row=row):
                return await self._performed(asking, passage, row, asks=True)
            case Sink():
                await passage.begin(None)
                await passage.settle(RowState.DONE, _SUNK.body())
                return _SUNK
            case Refuse(reason=reason):
                raise unrecorded(asking.call.name, reason)
            case NeedsPerson() | Park() | Diverged():
                asking.attempt.halt(decision)
        return await asking.attempt.hold()

    async def _performed(
        self, asking: _Asking, passage: Passage, row: Row, *, asks: bool = False
    ) -> Told:
        connector = self._connector(asking, row)
        performing = self._performing(asking, row)
        try:
            told = await self._looked_up(asking, row, connector, performing) if asks else None
        except OutcomeUnknown:
            await self._given_up(asking, passage, row)
        if told is not None:
            await passage.begin(None)
            await passage.settle(RowState.DONE, told.body())
            return told
        try:
            made, most = asking.ledger.totals.calls, self._around.steps
            refuse_spent(asking.release.limits, made, 0.0, most=most)
        except SeatrialError as error:
            unsure = is_repeated(passage.decision)
            return await self._refused(asking, passage, row, error, unsure=unsure)
        key, intent = self._try(asking, row)
        await passage.begin((key, intent))
        try:
            told = await self._outcome(asking, passage.decision, connector, performing)
        except OutcomeUnknown as error:
            result = self._result(asking, CallState.FAILED, None, error)
            asking.ledger.book(result)
            await self._around.journal.end(key, result)
            await self._given_up(asking, passage, row)
        state = RowState.DONE if told.ok else RowState.FAILED
        body = told.body()
        result = self._result(asking, CallState(state.value), body, None if told.ok else told)
        asking.ledger.book(result)
        await passage.settle(state, body, (key, result))
        return told

    def _connector(self, asking: _Asking, row: Row) -> Connector:
        if asking.attempt.mode is Mode.FIXTURE:
            return FixtureConnector(self._around.recording, row)
        return self._around.connectors.of(asking.tool)

    async def _refused(
        self, asking: _Asking, passage: Passage, row: Row, error: SeatrialError, *, unsure: bool
    ) -> Told:
        """What is told of a call that may not go out after all.

        That a write was refused is recorded, so that the next attempt is told the same.
        """
        told = Told.failed(error)
        await self._write_refusal(asking, error)
        if not row.binds:
            passage.refuse(error.code)
            return told
        if unsure:
            await self._given_up(asking, passage, row)
        await passage.begin(None)
        await passage.settle(RowState.FAILED, told.body())
        return told

    async def _given_up(self, asking: _Asking, passage: Passage, row: Row) -> NoReturn:
        """A person must say what became of it: the segment ends."""
        await passage.unknown()
        asking.attempt.halt(NeedsPerson(row=row, asked=True))
        await asking.attempt.hold()

    async def _outcome(
        self, asking: _Asking, decision: Decision, connector: Connector, performing: Performing
    ) -> Told:
        told = await self._tried(asking, connector, performing)
        if told.code == ActionUnreachable.code and is_repeated(decision):
            raise OutcomeUnknown(action=asking.call.name, reason="it cannot be asked now")
        return told

    async def _tried(self, asking: _Asking, connector: Connector, performing: Performing) -> Told:
        """Perform it; whatever is raised but `OutcomeUnknown` has had no effect."""
        name, effect = asking.call.name, asking.tool.effect
        seconds = asking.tool.timeout_seconds + 1  # what performs it keeps the time by itself
        try:
            async with asyncio.timeout(seconds):
                return await connector.perform(performing)
        except OutcomeUnknown:
            told = None
            if effect is Effect.RECONCILABLE:
                told = await asked_after(connector, performing)
            if told is None:  # of one that is not there yet nobody can tell whether it comes
                raise
            return told
        except (ActionFailed, ActionUnreachable) as error:
            return Told.failed(error)
        except TimeoutError:
            reason = f"it took longer than {asking.tool.timeout_seconds:g} s"
        except SeatrialError as error:
            kind = ActionUnreachable if error.status >= 500 else ActionFailed
            return Told.failed(kind(action=name, reason=error.message.rstrip(".")))
        except Exception as error:  # noqa: BLE001 - a defect must not look like no effect
            _LOG.exception("the connector of %s has a defect", name)
            reason = f"its connector failed with {type(error).__name__}"
        # Of a fixture's answer that did not come, nothing is unknown: nothing was performed.
        if effect is Effect.READ or asking.attempt.mode is Mode.FIXTURE:
            return Told.failed(ActionUnreachable(action=name, reason=reason))
        raise OutcomeUnknown(action=name, reason=reason)

    async def _looked_up(
        self, asking: _Asking, row: Row, connector: Connector, performing: Performing
    ) -> Told | None:
        """What became of a write that was cut; asked when the attempt that began it is over."""

        def begun(connection: Connection) -> float:
            found = [it for it in reading.recorded(connection, asking.run) if it.row.seq == row.seq]
            at = found[0].begun if found else None
            now = self._around.clock.now()
            return 0.0 if at is None else (now - at).total_seconds()

        past = await self._around.database.read(begun)
        await self._around.clock.sleep(max(0.0, asking.tool.timeout_seconds - past))
        return await asked_after(connector, performing)

    def _performing(self, asking: _Asking, row: Row) -> Performing:
        run, name = asking.run, asking.call.name
        return Performing(
            action=name,
            tool=asking.tool,
            arguments=asking.arguments,
            key=effect_key(run, name, row.key, row.occurrence),
            run=run,
            release=asking.caller.release,
            seed=seed(run) ^ row.seq,
        )

    def _try(self, asking: _Asking, row: Row) -> tuple[CallKey, Intent]:
        return asking.ledger.next(CallKind.TOOL), replace(self._intent(asking), row=row.seq)

    def _intent(self, asking: _Asking) -> Intent:
        body = asking.call.body
        return Intent(
            kind=CallKind.TOOL,
            name=asking.call.name,
            provider=asking.tool.connector,
            route=asking.call.route.partition(" ")[2],
            started=self._around.clock.now(),
            request_digest=str(Digest.of(body)),
            request_bytes=len(body),
        )

    def _result(
        self,
        asking: _Asking,
        state: CallState,
        body: Body | None,
        error: SeatrialError | Told | None,
    ) -> Result:
        clock = self._around.clock
        said = None
        if isinstance(error, Told):
            said = f"{error.code}: {error.error}"
        elif error is not None:
            said = f"{error.code}: {error.message}"
        return Result(
            state=state,
            ended=clock.now(),
            latency_ms=(clock.steady() - asking.arrived) * 1000,
            response_bytes=0 if body is None else len(body.content),
            error=said,
        )

    async def _write_refusal(self, asking: _Asking, error: SeatrialError) -> None:
        key = asking.ledger.refuse()
        if key is not None:
            result = self._result(asking, CallState.REFUSED, None, error)
            await self._around.journal.whole(key, self._intent(asking), result)


async def _asks_nobody(row: Row) -> NoReturn:
    """In a rehearsal no review is asked: `Actions._answered` leaves it out."""
    raise RuntimeError(f"call {row.seq} of a run on a fixture asks a person")


_SORTED: Final = orjson.OPT_SORT_KEYS


def _call(kind: Kind, route: str, name: str, body: bytes) -> Call:
    return Call(kind=kind, dialect=Dialect.ACTION, route=route, name=name, body=body)
