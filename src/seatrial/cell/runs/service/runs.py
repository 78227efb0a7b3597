"""The runs of a cell: everything that its edges may ask."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Collection
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final, TypeVar

import orjson

from seatrial.cell.journal.domain.rows import Mode
from seatrial.cell.runs.domain import rules
from seatrial.cell.runs.domain.refusals import (
    InputTooLarge,
    OutputTooLarge,
    QueueFull,
    QueueShareFull,
    RunStateConflict,
    RunUnknown,
)
from seatrial.cell.runs.domain.values import (
    Asked,
    Bounds,
    Choice,
    Ending,
    EventKind,
    Failure,
    Filter,
    Run,
    RunEvent,
    Session,
    SessionFilter,
    Stretch,
)
from seatrial.cell.runs.service import accepting, choosing, endings, waiting
from seatrial.cell.runs.service.attempts import Bench, Stop, tell
from seatrial.cell.runs.service.feeds import Feeds, Follower
from seatrial.cell.runs.service.ports import Ports
from seatrial.cell.runs.service.worker import Worker
from seatrial.cell.runs.store import moves, runs, threads
from seatrial.cell.switch.domain import Counts
from seatrial.contract.runs.states import RunState
from seatrial.kit.clock import Clock
from seatrial.kit.crypto.digests import Digest
from seatrial.kit.database.connection import Connection, Isolation
from seatrial.kit.database.database import Database
from seatrial.kit.failpoints import reach
from seatrial.kit.ids import Ids

_T = TypeVar("_T")
_RUN: Final = "run"
_STRETCHES: Final = 256  # rows of events that are read at once: a run may have told 64 MiB


@dataclass(frozen=True, kw_only=True)
class _Look:
    """Events of a run: all that there are, or the next of them; and whether it is over."""

    events: list[RunEvent]
    whole: bool
    over: bool


@dataclass(frozen=True, kw_only=True)
class Accepted:
    """A run that is durable.

    Attributes:
        run: as it stands.
        fresh: False where the same request was accepted before.
    """

    run: Run
    fresh: bool


class Runs:
    """Accepts runs, sees to it that each comes to its end, and shows them.

    Let `work` run for the life of the process; before the end call `drain`, and only then cancel
    it. Belongs to one event loop.
    """

    def __init__(
        self,
        database: Database,
        ports: Ports,
        *,
        clock: Clock,
        ids: Ids,
        sole: bool,
        bounds: Bounds | None = None,
    ) -> None:  # fmt: skip
        """Over a cell's database.

        Args:
            database: the cell's; other processes of the cell may share it.
            ports: what it needs of other rooms.
            clock: for what people are shown; leases are counted by the database.
            ids: for runs and this process's worker.
            sole: no other process works on the database, as with SQLite.
            bounds: see there.
        """
        self._database = database
        self._clock = clock
        self._ids = ids
        self._ports = ports
        self.bounds: Final = bounds or Bounds()
        self._feeds = Feeds()
        self._bench = Bench(
            database=database,
            ports=ports,
            feeds=self._feeds,
            clock=clock,
            ids=ids,
            bounds=self.bounds,
            chance=ports.chance,
            requeued=self.woken,
        )
        self._worker = Worker(self._bench, sole=sole)
        self._accepting: set[asyncio.Task[Accepted]] = set()

    # --- Life -----------------------------------------------------------------------------------

    async def work(self) -> None:
        """Carry out runs, until cancelled."""
        await self._worker.work()

    async def drain(self, grace: float | None = None) -> None:
        """Begin nothing more; what still runs after `grace` seconds goes back into the queue."""
        await self._worker.drain(self.bounds.grace if grace is None else grace)

    @property
    def worker(self) -> str:
        """The name of this process's worker."""
        return self._worker.name

    @property
    def active(self) -> int:
        """Runs in hand in this process."""
        return self._worker.active

    @property
    def waiting(self) -> int:
        """Runs that waited when this process last looked."""
        return self._worker.waiting

    # --- Starting -------------------------------------------------------------------------------

    async def accept(self, asked: Asked) -> Accepted:
        """Accept a run; it is durable when this returns.

        Raises:
            QueueFull, QueueShareFull: too many wait, or too many of this caller.
            KeyReused: its idempotency key names another request.
            GenerationBehind: its caller has met a later generation than this cell's.
            SessionOfOther: its session is another caller's.
            InputTooLarge, RunRefused: it cannot be kept.
            SeatrialError: no release of the agent may be run here, or the database refuses.
        """
        return await self._accept(self._order(asked))

    async def start(self, asked: Asked, *, end_only: bool = False) -> tuple[Accepted, Follower]:
        """As `accept`, with a listener who misses nothing. Hand him to `ended` or `events`."""
        order = self._order(asked)
        follower = self._feeds.open(order.id, end_only=end_only)
        try:
            accepted = await self._accept(order)
        except BaseException:
            self._feeds.close(follower)
            raise
        if accepted.run.id != order.id:
            self._feeds.close(follower)
            follower = self._feeds.open(accepted.run.id, end_only=end_only)
            follower.miss()
        return accepted, follower

    async def ended(self, run: Run, follower: Follower, seconds: float) -> Run:
        """`run` once it has ended; as it is known here if that takes longer than `seconds`."""
        if run.over:
            self._feeds.close(follower)
            return run
        try:
            async with asyncio.timeout(seconds):
                while True:
                    event = await follower.next()
                    if event is not None and event.kind is EventKind.ENDED and event.run:
                        return event.run
                    if event is None:
                        run = await self.get(run.id)
                        if run.over:
                            return run
        except TimeoutError:
            return await self.get(run.id)
        finally:
            self._feeds.close(follower)

    async def accept_local(
        self, asked: Asked, *, release: Digest | None, release_name: str, generation: int
    ) -> Run:
        """Begin a run that somebody's own machine carries out.

        It counts nowhere. `extend_local` must be called again and again until `finish_local`.

        Args:
            asked: the run.
            release: the release that it stands closest to; None for none.
            release_name: for people.
            generation: in force.

        Raises:
            SessionOfOther: its session is another caller's.
            InputTooLarge, RunRefused: it cannot be kept.
        """
        order = self._order(asked)
        return await self._database.write(
            lambda connection: accepting.accept_local(
                connection,
                order,
                release=release,
                release_name=release_name,
                generation=generation,
                bounds=self.bounds,
            )
        )

    async def extend_local(self, run_id: str) -> bool:
        """Give a sign of life for a local run; false if it is over."""
        hold = moves.Hold(run=run_id, attempt=1, worker=accepting.LOCAL)
        return await self._database.write(
            lambda connection: moves.extend(connection, hold, self.bounds.local_lease),
            isolation=Isolation.READ_COMMITTED,
        )

    async def finish_local(
        self,
        run_id: str,
        output: Any = None,  # noqa: ANN401 - any JSON value
        *,
        failure: Failure | None = None,
    ) -> Run:
        """End a local run with its output, or with a failure.

        Raises:
            RunUnknown: there is none.
            RunStateConflict: it is over, or no local run.
            OutputTooLarge: the output cannot be kept.
        """
        text, limit = orjson.dumps(output), self.bounds.output
        if len(text) > limit:
            raise OutputTooLarge(size=len(text), limit=limit)
        ending = Ending(
            state=RunState.SUCCEEDED if failure is None else RunState.FAILED,
            at=self._clock.now(),
            output=text.decode() if failure is None else None,
            failure=rules.failure(failure.code, failure.message) if failure else None,
        )

        def use_case(connection: Connection) -> Run:
            run = moves.locked(connection, run_id)
            if run is None:
                raise RunUnknown(run=run_id)
            if run.local:
                changed = endings.end(connection, run, ending, self._ports.usage)
                if changed is not None:
                    return changed
            raise RunStateConflict(run=run_id, state=str(run.state), wish="ended from outside")

        changed = await self._write(use_case)
        changed = replace(changed, output=None if failure else output)
        tell(self._bench, changed)
        return changed

    # --- Changing -------------------------------------------------------------------------------

    async def cancel(self, run_id: str) -> Run:
        """End a run now; its agent process is killed.

        Raises:
            RunUnknown: there is none.
            RunStateConflict: it has ended.
        """
        at = self._clock.now()
        run = await self._write(
            lambda connection: endings.cancel(connection, run_id, at, self._ports.usage)
        )
        self._worker.stop(run_id, Stop.CANCELLED)
        tell(self._bench, run)
        return run

    async def redrive(self, run_id: str) -> Run:
        """Send a run that failed on its way again.

        Raises:
            RunUnknown: there is none.
            RunStateConflict: it has not failed.
        """
        at = self._clock.now()
        run = await self._write(lambda connection: endings.redrive(connection, run_id, at))
        self._ports.changed(run.release)
        self._worker.wake(run)
        return run

    def woken(self, run: Run) -> None:
        """`run` has been put back into the queue by somebody's transaction."""
        self._worker.wake(run)

    async def tell_event(self, run_id: str, name: str, value: Any) -> Run:  # noqa: ANN401
        """Tell a run of an outside event that it waits for, or will.

        Args:
            run_id: which.
            name: of the event.
            value: any JSON value; what the agent is answered.

        Raises:
            RunUnknown: there is none.
            RunStateConflict: it has ended.
            WaitMalformed, InputTooLarge: no event is so named, or so large.
            WordsFull: too many events wait for it to ask.
        """
        rules.refuse_event_name(name)
        size = len(orjson.dumps(value))
        if size > rules.LARGEST_WORD:
            raise InputTooLarge(size=size, limit=rules.LARGEST_WORD)
        at = self._clock.now()
        run, woken = await self._write(
            lambda connection: waiting.hear(connection, run_id, name, value, at)
        )
        if woken:
            self.woken(run)
        return run

    async def resume(self, run_id: str, choice: Choice) -> Run:
        """Let a run go on that has strayed from what it did before, as if that were well.

        Raises:
            RunUnknown: there is none.
            RunStateConflict: it has not strayed.
        """
        run = await self._write(
            lambda connection: choosing.resume(connection, run_id, choice, self._clock.now())
        )
        self.woken(run)
        return run

    async def abandon(self, run_id: str, choice: Choice) -> Run:
        """End a run that waits.

        Raises:
            RunUnknown: there is none.
            RunStateConflict: it does not wait.
        """
        at, usage = self._clock.now(), self._ports.usage
        run = await self._write(
            lambda connection: choosing.abandon(connection, run_id, choice, at, usage)
        )
        tell(self._bench, run)
        return run

    async def restart(self, run_id: str, choice: Choice) -> Run:
        """End a run that waits, and start it anew on the release that is active; the new run.

        Raises:
            RunUnknown: there is none.
            RunStateConflict: it does not wait.
        """
        fresh = self._fresh()
        ended, anew = await self._write(
            lambda connection: choosing.restart(connection, run_id, choice, fresh)
        )
        tell(self._bench, ended)
        self.woken(anew)
        return anew

    async def replay(self, run_id: str, *, caller: str, release: str | None = None) -> Run:
        """Run a run again on its recorded answers; nothing goes out.

        Args:
            run_id: which.
            caller: id of the token that asks.
            release: on which, by digest; None for its own.

        Raises:
            RunUnknown: there is none.
            RunStateConflict: it has not ended, or ran on somebody's own machine.
            SeatrialError: the release is not in this cell.
        """
        return await self._following(run_id, Mode.STRICT, caller=caller, release=release)

    async def shadow(self, run_id: str, *, caller: str, release: str | None = None) -> Run:
        """Run a run again with its models asked anew, and nothing written.

        Reads are answered from the run that it follows, or made; writes too are answered from
        there, and where it made none the agent is told so, and nothing is performed.

        Args:
            run_id: which.
            caller: id of the token that asks.
            release: on which, by digest; None for its own.

        Raises:
            RunUnknown: there is none.
            RunStateConflict: it has not ended, or ran on somebody's own machine.
            SeatrialError: the release is not in this cell.
        """
        return await self._following(run_id, Mode.SHADOW, caller=caller, release=release)

    async def _following(self, run_id: str, mode: Mode, *, caller: str, release: str | None) -> Run:
        fresh = self._fresh()
        run = await self._write(
            lambda connection: choosing.follow(
                connection, run_id, fresh, mode=mode, caller=caller, release=release
            )
        )
        self.woken(run)
        return run

    # --- Showing --------------------------------------------------------------------------------

    async def get(self, run_id: str) -> Run:
        """The run, payloads included; raises `RunUnknown`."""
        run = await self._database.read(lambda connection: runs.get(connection, run_id))
        if run is None:
            raise RunUnknown(run=run_id)
        return run

    async def listed(
        self, wanted: Filter, *, after: str | None, limit: int
    ) -> tuple[list[Run], str | None]:
        """Runs without payloads, the newest first, and where the next page begins."""
        found = await self._database.read(
            lambda connection: runs.heads(connection, wanted, after=after, limit=limit + 1)
        )
        return found[:limit], found[limit - 1].id if len(found) > limit else None

    async def history(self, run: Run) -> tuple[dict[str, Any], ...]:
        """The turns that an agent is told of when `run` begins, the oldest first."""
        if run.session is None:
            return ()
        most, largest = self.bounds.turns, self.bounds.history
        return await self._database.read(
            lambda connection: runs.turns(connection, run, most=most, largest=largest)
        )

    async def turns(self, wanted: Filter, *, limit: int) -> list[Run]:
        """The newest runs with their payloads, the newest first; of a session, as a rule."""
        return await self._database.read(
            lambda connection: runs.whole(connection, wanted, limit=limit)
        )

    async def sessions(
        self, wanted: SessionFilter, *, limit: int
    ) -> tuple[list[Session], tuple[datetime, str] | None]:
        """Sessions, the one last used first, and where the next page begins."""
        found = await self._database.read(
            lambda connection: threads.sessions(connection, wanted, limit=limit + 1)
        )
        more = found[limit - 1] if len(found) > limit else None
        return found[:limit], (more.last, more.name) if more else None

    async def restarts(self, run_id: str) -> list[Stretch]:
        """Why earlier attempts at a run did not bring it to its end, the oldest first."""
        return await self._database.read(lambda connection: threads.restarts(connection, run_id))

    async def events(
        self, run: Run, *, after: int = 0, follower: Follower | None = None
    ) -> AsyncGenerator[RunEvent]:
        """The events of a run later than `after`, as they happen, to its end.

        Args:
            run: as it is known.
            after: the last seq that the listener has.
            follower: from `start`, for a run that has just been accepted.
        """
        # Who has missed something, and who comes late, must look it up first.
        told = follower is not None and not follower.missed
        follower = follower or self._feeds.open(run.id)
        try:
            if told:
                look = _Look(events=rules.events(run, (), after), whole=True, over=run.over)
            else:
                look = await self._looked_up(run.id, after)
            while True:
                for event in look.events:
                    if event.seq > after:
                        after = event.seq
                        yield event
                if look.whole and look.over:
                    return
                heard = await follower.next() if look.whole else None
                if heard is None:
                    look = await self._looked_up(run.id, after)
                else:
                    ended = heard.kind is EventKind.ENDED
                    look = _Look(events=[heard], whole=True, over=ended)
        finally:
            self._feeds.close(follower)

    def counts(self, connection: Connection, release: Digest) -> Counts:
        """What became of the runs of a release."""
        return threads.counts(connection, str(release))

    def unfinished(self, connection: Connection) -> dict[Digest, int]:
        """How many runs of each release have not come to their end; keep those releases."""
        found = moves.unfinished(connection)
        return {Digest.parse(release): n for release, n in found.items() if release}

    def followed(self, connection: Connection) -> set[str]:
        """The fixtures, by digest, on which a run is that has not come to its end."""
        return moves.followed(connection)

    def ends(self, connection: Connection, ids: Collection[str]) -> dict[str, datetime]:
        """When each of some runs ended; those that have not are not in it."""
        return runs.ends(connection, ids)

    async def _looked_up(self, run_id: str, after: int) -> "_Look":
        def use_case(connection: Connection) -> _Look:
            kept = threads.kept_events(connection, run_id, after, most=_STRETCHES)
            run = runs.get(connection, run_id)
            if run is None:
                raise RunUnknown(run=run_id)
            found, whole = rules.events(run, kept, after), len(kept) < _STRETCHES
            if not whole:  # the end, if there is one, is told after the rest
                found = [event for event in found if event.kind is not EventKind.ENDED]
            return _Look(events=found, whole=whole, over=run.over)

        return await self._database.read(use_case)

    def _order(self, asked: Asked) -> accepting.Order:
        return accepting.order(
            asked, run=self._ids.new(_RUN), at=self._clock.now(), bounds=self.bounds
        )

    def _fresh(self) -> choosing.Fresh:
        return choosing.Fresh(
            id=self._ids.new(_RUN), at=self._clock.now(), ports=self._ports, bounds=self.bounds
        )

    async def _accept(self, order: accepting.Order) -> Accepted:
        # In a task of its own: a caller who goes away in the middle must not leave a run behind
        # that is written as begun and that nobody begins.
        task = asyncio.create_task(self._accepted(order))
        self._accepting.add(task)
        task.add_done_callback(self._accepting.discard)
        return await asyncio.shield(task)

    async def _accepted(self, order: accepting.Order) -> Accepted:
        agent, caller = order.asked.agent, order.asked.caller
        direct = self._worker.reserve(agent)
        if direct:
            order = replace(order, worker=self._worker.name)
        elif self._worker.waiting >= self.bounds.queued:
            raise QueueFull(queued=self._worker.waiting)
        elif self._worker.waiting_of(caller) >= self.bounds.share:
            raise QueueShareFull(queued=self._worker.waiting_of(caller))
        begun = False
        try:
            run, fresh = await self._write(
                lambda connection: accepting.accept(connection, order, self._ports, self.bounds)
            )
            reach("runs.accept.after")
            if direct and fresh:
                self._worker.begin_reserved(run)
                begun = True
        finally:
            if direct and not begun:
                self._worker.release(agent)
        if fresh and not direct:
            self._worker.wake(run)
        return Accepted(run=run, fresh=fresh)

    async def _write(self, use_case: Callable[[Connection], _T]) -> _T:
        return await self._database.write(use_case, isolation=Isolation.READ_COMMITTED)
