"""One attempt at a run: get an agent process, run, keep what comes of it."""

import asyncio
import contextlib
import enum
import logging
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass, replace
from typing import Any, Final, TypeVar

import orjson

from seatrial.cell.hosts.domain import (
    Chunk,
    Error,
    HostEvent,
    HostExited,
    Origin,
    Result,
    RunRequest,
    RunTimedOut,
)
from seatrial.cell.journal.domain.decisions import told
from seatrial.cell.journal.domain.matching import Diverged, NeedsPerson
from seatrial.cell.journal.domain.records import Halt
from seatrial.cell.runs.domain import rules
from seatrial.cell.runs.domain.refusals import (
    AttemptUnrecorded,
    OutputTooLarge,
    SlotTimedOut,
    WorkerStopped,
)
from seatrial.cell.runs.domain.values import (
    Bounds,
    Ending,
    EventKind,
    Failure,
    Run,
    RunEvent,
    Stretch,
)
from seatrial.cell.runs.service import endings, waiting
from seatrial.cell.runs.service.chunks import Chunks
from seatrial.cell.runs.service.feeds import Feeds
from seatrial.cell.runs.service.ports import Book, Ports
from seatrial.cell.runs.store import moves, runs, threads
from seatrial.contract.runs.states import RunState, WaitReason
from seatrial.kit.clock import Clock
from seatrial.kit.database.connection import Connection, Durability, Isolation
from seatrial.kit.database.database import Database
from seatrial.kit.database.errors import DatabaseClosed
from seatrial.kit.errors import Fault, SeatrialError
from seatrial.kit.failpoints import reach
from seatrial.kit.ids import Ids
from seatrial.kit.log import bound

_T = TypeVar("_T")
_LOG: Final = logging.getLogger(__name__)
_RETRY: Final = 0.5  # seconds before a database that was away is asked again
_MARGIN: Final = 10.0  # seconds that a host has to end what is over its time


class Stop(enum.StrEnum):
    """Why an attempt is cut off."""

    LOST = "lost"
    """Another has the run, or may have it by now."""

    CANCELLED = "cancelled"
    """Somebody has ended the run."""

    DRAINED = "drained"
    """The process is about to end; the run goes back into the queue."""


@dataclass(frozen=True, kw_only=True)
class Bench:
    """What every attempt works with."""

    database: Database
    ports: Ports
    feeds: Feeds
    clock: Clock
    ids: Ids
    bounds: Bounds
    chance: Callable[[], float]
    requeued: Callable[[Run], None] = lambda _: None


@dataclass(frozen=True, kw_only=True, slots=True)
class _Answered:
    output: Any


@dataclass(frozen=True, kw_only=True, slots=True)
class _Failed:
    failure: Failure
    cause: rules.Cause


_Came = _Answered | _Failed | Halt


class Attempt:
    """One claimed run on its way to its end.

    Args:
        run: as it was claimed.
        bench: what it works with.
    """

    def __init__(self, run: Run, bench: Bench) -> None:
        self.run = run
        self.since = bench.clock.steady()
        self.closing = False
        self._bench = bench
        self._stop: Stop | None = None
        self._task: asyncio.Task[_Came] | None = None
        self._chunks = Chunks(rules.first_chunk(run.attempt), self._keep, bench.bounds.chunks)

    @property
    def key(self) -> tuple[str, int]:
        """Run and number."""
        return self.run.id, self.run.attempt

    def stop(self, why: Stop) -> None:
        """Cut it off: its agent process is killed. Too late once its end is being written."""
        if self._stop is None and not self.closing:
            self._stop = why
            if self._task is not None:
                self._task.cancel()

    async def carry_out(self) -> None:
        """Run the agent and write the end, if the run is still held."""
        with bound(run=self.run.id, attempt=self.run.attempt):
            came = await self._until_stopped()
            self.closing = True
            if came is None:
                await self._leave()
            elif isinstance(came, Halt):
                await self._park(came)
            else:
                await self._write(came)

    async def _until_stopped(self) -> _Came | None:
        """What came of it; None if it was stopped."""
        self._task = asyncio.create_task(self._come())
        if self._stop is not None:
            self._task.cancel()
        try:
            return await self._task
        except asyncio.CancelledError:
            if self._stop is None:  # the whole process is ending, without a drain
                self._task.cancel()
                raise
            await self._chunks.drop()
            return None

    async def _come(self) -> _Came:
        try:
            return await self._run_agent()
        except SeatrialError as error:
            failure = rules.failure(error.code, error.message)
            return _Failed(failure=failure, cause=rules.cause_of(error))
        except Exception as error:  # noqa: BLE001 - a defect ends one run, not its worker
            fault = Fault(incident=self._bench.ids.new("inc"))
            _LOG.error(fault.message, exc_info=error, extra={"incident": fault.fields["incident"]})
            failure = rules.failure(fault.code, fault.message)
            return _Failed(failure=failure, cause=rules.Cause.PASSING)

    async def _run_agent(self) -> _Came:
        run, books = self.run, self._bench.ports.books
        book = await books.open(run.id, run.attempt, mode=run.mode, follows=run.follows)
        try:
            return await self._run_slot(book)
        finally:
            books.close(book)

    async def _run_slot(self, book: Book) -> _Came:
        run, bounds = self.run, self._bench.bounds
        if run.release is None:
            raise RuntimeError(f"run {run.id} has no release to run on")
        session, history = await self._history()
        async with contextlib.AsyncExitStack() as stack:
            try:
                async with asyncio.timeout(bounds.slot):
                    slot = await stack.enter_async_context(
                        self._bench.ports.hosts.slot(run.release)
                    )
            except TimeoutError:
                raise SlotTimedOut(seconds=bounds.slot) from None
            request = RunRequest(
                run=run.id,
                attempt=run.attempt,
                input=run.input,
                seed=rules.seed(run.follows or run.id),
                deadline_seconds=run.timeout_seconds,
                session=session,
                history=history,
                steps=run.steps,
            )
            return await _unless_halted(book, self._finished(book, slot.run(request)))

    async def _finished(self, book: Book, events: AsyncIterator[HostEvent]) -> _Came:
        """What the agent has come to, judged by what it has recorded."""
        came = await self._listen(events)
        if came is None:
            raise HostExited(reason="it ended without an answer")
        if book.broken is not None:
            # A call was answered with a fault of ours, and whatever the agent made of that is not
            # its own doing: the next attempt learns from the record how far this one came.
            raise AttemptUnrecorded(reason=str(book.broken).rstrip("."))
        if isinstance(came, _Failed):
            return came
        match await book.finish():
            case Diverged() as strayed:
                detail = told(strayed).reason
                return Halt(reason=WaitReason.DIVERGED, seq=None, detail=detail)
            case NeedsPerson(row=row):
                return Halt(reason=WaitReason.UNKNOWN, seq=row.seq, detail="")
            case _:
                return came

    async def _listen(self, events: AsyncIterator[HostEvent]) -> _Answered | _Failed | None:
        """What the agent's process tells, to the last event."""
        came: _Answered | _Failed | None = None
        seconds = self.run.timeout_seconds
        try:
            # The host itself keeps the deadline; this one is for a host that does not.
            async with asyncio.timeout(seconds + _MARGIN):
                async for event in events:
                    if isinstance(event, Chunk):
                        self._chunks.add(event.data)
                    elif isinstance(event, Result):
                        came = _Answered(output=event.output)
                    else:
                        came = _failed(event)
        except TimeoutError:
            raise RunTimedOut(seconds=seconds) from None
        return came

    async def _history(self) -> tuple[str | None, tuple[dict[str, Any], ...]]:
        """Session and earlier turns; of a replay, those of the run that it follows."""
        run, bounds = self.run, self._bench.bounds
        if run.session is None and run.follows is None:
            return None, ()

        def use_case(connection: Connection) -> tuple[str | None, tuple[dict[str, Any], ...]]:
            of = (runs.get(connection, run.follows) if run.follows else None) or run
            if of.session is None:
                return None, ()
            turns = runs.turns(connection, of, most=bounds.turns, largest=bounds.history)
            return of.session, turns

        return await self._bench.database.read(use_case)

    async def _write(self, came: _Answered | _Failed) -> None:
        await self._flushed()
        if isinstance(came, _Answered):
            came, ending = self._ending(came)
        else:
            ending = None
        reach("runs.finish.before")
        changed = await self._insist(lambda connection: self._end(connection, came, ending))
        reach("runs.finish.after")
        if changed is None:
            _LOG.info("run %s is no longer held here; its end was not written", self.run.id)
            return
        if isinstance(came, _Answered) and ending is not None:
            changed = replace(changed, output=came.output)
        tell(self._bench, changed)

    def _ending(self, came: _Answered) -> tuple[_Answered | _Failed, Ending | None]:
        text = orjson.dumps(came.output)
        limit = self._bench.bounds.output
        if len(text) > limit:
            error = OutputTooLarge(size=len(text), limit=limit)
            failure = rules.failure(error.code, error.message)
            return _Failed(failure=failure, cause=rules.Cause.LASTING), None
        at = self._bench.clock.now()
        return came, Ending(state=RunState.SUCCEEDED, at=at, output=text.decode())

    def _end(
        self, connection: Connection, came: _Answered | _Failed, ending: Ending | None
    ) -> Run | None:
        usage = self._bench.ports.usage
        if ending is not None:
            return endings.end(connection, self.run, ending, usage)
        if isinstance(came, _Answered):
            raise TypeError("an answer needs an ending")
        failed = endings.Failed(
            failure=came.failure,
            cause=came.cause,
            at=self._bench.clock.now(),
            chance=self._bench.chance(),
        )
        return endings.fail(connection, self.run, failed, usage)

    async def _park(self, halt: Halt) -> None:
        """The segment has ended; the run waits, and holds nothing."""
        await self._flushed()
        at = self._bench.clock.now()
        reach("runs.park.before")
        changed = await self._insist(
            lambda connection: waiting.park(connection, self.run, halt, at)
        )
        reach("runs.park.after")
        if changed is None:
            _LOG.info("run %s is no longer held here; that it waits was not written", self.run.id)
            return
        tell(self._bench, changed)
        if changed.state is RunState.QUEUED:
            self._bench.requeued(changed)

    async def _flushed(self) -> None:
        try:
            await self._chunks.flush()
        except SeatrialError as error:
            _LOG.warning("the last chunks of %s were not kept: %s", self.run.id, error)

    async def _leave(self) -> None:
        """Nothing came of it because it was stopped."""
        if self._stop is not Stop.DRAINED:
            _LOG.info("run %s was cut off: %s", self.run.id, self._stop)
            return
        stopped = Failure(code=WorkerStopped.code, message=WorkerStopped().message)
        at = self._bench.clock.now()
        changed = await self._insist(
            lambda connection: endings.put_back(
                connection, self.run, stopped, pause=0, at=at, forgiven=True
            )
        )
        if changed is not None:
            tell(self._bench, changed)

    async def _keep(self, first: int, parts: tuple[Any, ...]) -> None:
        stretch = Stretch(
            first=first, kind=EventKind.CHUNK, parts=parts, at=self._bench.clock.now()
        )

        def use_case(connection: Connection) -> bool:
            if not moves.stands(connection, endings.hold_of(self.run)):
                return False
            threads.keep_events(connection, self.run.id, stretch)
            return True

        # Lazy: it outlives a kill, and a power loss cuts the stream off anyhow. What rests on it is
        # the end, whose full commit carries it to disk.
        if not await self._insist(use_case, durability=Durability.LAZY):
            self.stop(Stop.LOST)
            return
        events = (
            RunEvent(seq=seq, kind=EventKind.CHUNK, data=data)
            for seq, data in enumerate(parts, first)
        )
        self._bench.feeds.publish(self.run.id, *events)

    async def _insist(
        self,
        use_case: Callable[[Connection], _T],
        *,
        durability: Durability = Durability.FULL,
    ) -> _T:
        """Write, again and again while the database is away and the run may still be held."""
        last = self._bench.clock.steady() + self._bench.bounds.lease
        while True:
            try:
                return await self._bench.database.write(
                    use_case, durability=durability, isolation=Isolation.READ_COMMITTED
                )
            except DatabaseClosed:
                raise
            except SeatrialError as error:
                if error.status < 500 or self._bench.clock.steady() > last:
                    raise
                _LOG.warning("cannot write to run %s yet: %s", self.run.id, error)
            await self._bench.clock.sleep(_RETRY)


def tell(bench: Bench, changed: Run) -> None:
    """Tell of a run that has ended, or will be tried again."""
    if changed.over:
        seq = rules.ended_seq(changed.attempt)
        event = RunEvent(seq=seq, kind=EventKind.ENDED, run=changed)
        bench.feeds.publish(changed.id, event)
        bench.ports.changed(changed.release)
        bench.ports.ended(changed)
    elif changed.waits is not None:
        waits = rules.told_wait(changed.waits)
        seq = rules.waiting_seq(changed.attempt)
        bench.feeds.publish(changed.id, RunEvent(seq=seq, kind=EventKind.WAITING, data=waits))
    elif changed.failure is not None:
        told = {
            "attempt": changed.attempt + 1,
            "code": changed.failure.code,
            "message": changed.failure.message,
        }
        seq = rules.restarted_seq(changed.attempt)
        event = RunEvent(seq=seq, kind=EventKind.RESTARTED, data=told)
        bench.feeds.publish(changed.id, event)


async def _unless_halted(book: Book, work: Coroutine[Any, Any, _Came]) -> _Came:
    """What comes of `work`; or why the segment must end before."""
    halted, working = book.halted, asyncio.ensure_future(work)
    both: set[asyncio.Future[Any]] = {halted, working}
    try:
        await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        if not halted.done():
            return await working
        # Halted first: an agent that got no answer may have failed for that. It is killed only when
        # no effect is under way.
        await book.still()
        return halted.result()
    finally:
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)


def _failed(event: Error) -> _Failed:
    # What an agent calls its own failure proves nothing of us.
    own = event.origin is Origin.AGENT
    cause = rules.Cause.OWN if own else rules.cause(event.code)
    return _Failed(failure=rules.failure(event.code, event.message), cause=cause)
