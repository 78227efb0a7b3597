"""A process's worker: claims what it has room for, carries it out, and shows that it lives.

Its name is new for each incarnation, so that nothing it once held can be taken for its own.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from seatrial.cell.runs.domain import rules
from seatrial.cell.runs.domain.values import EventKind, Run, RunEvent
from seatrial.cell.runs.service import endings, waiting
from seatrial.cell.runs.service.attempts import Attempt, Bench, Stop, tell
from seatrial.cell.runs.store import moves, threads
from seatrial.contract.runs.states import RunState
from seatrial.kit.database.connection import Connection, Durability, Isolation
from seatrial.kit.database.errors import DatabaseClosed
from seatrial.kit.errors import SeatrialError
from seatrial.kit.failpoints import reach

_LOG: Final = logging.getLogger(__name__)
_TENURE: Final = 0.8  # of a lease: from here on a worker counts itself out


@dataclass(frozen=True, kw_only=True, slots=True)
class _Standing:
    """What a worker looks for.

    Attributes:
        queued: runs that may be claimed, by agent and caller.
        watched: how those stand to whom somebody here listens.
        held: what this worker holds.
        due: a timer has gone off.
    """

    queued: dict[tuple[str, str], int]
    watched: dict[str, tuple[object, ...]]
    held: set[tuple[str, int]]
    due: bool


class Worker:
    """Carries out runs in this process. Belongs to one event loop.

    Args:
        bench: what it works with.
        sole: no other process works on this database, so whoever else holds a run is gone.
    """

    def __init__(self, bench: Bench, *, sole: bool) -> None:
        self.name: Final = bench.ids.new("worker")
        self._bench = bench
        self._sole = sole
        self._attempts: dict[tuple[str, int], Attempt] = {}
        self._busy: Counter[str] = Counter()
        self._reserved = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._backlog: set[str] = set()  # agents of which runs may wait
        self._changes = 0  # of the backlog
        self._wake = asyncio.Event()
        self._signed = bench.clock.steady()
        self._draining = False
        self._queued: Counter[str] = Counter()  # runs that wait, by caller

    @property
    def active(self) -> int:
        """Runs in hand."""
        return len(self._attempts)

    @property
    def waiting(self) -> int:
        """Runs that waited when this process last looked."""
        return self._queued.total()

    def waiting_of(self, caller: str) -> int:
        """Those of them that `caller` started."""
        return self._queued[caller]

    def reserve(self, agent: str) -> bool:
        """Keep room for a run that is accepted and begun in one; false if it must queue.

        It must where others of its agent wait already, or there is no room.
        """
        bounds = self._bench.bounds
        if self._draining or agent in self._backlog or self._free <= 0:
            return False
        if self._busy[agent] >= bounds.per_agent:
            return False
        self._busy[agent] += 1
        self._reserved += 1
        return True

    def release(self, agent: str) -> None:
        """Give up reserved room."""
        self._reserved -= 1
        self._leave(agent)

    def begin_reserved(self, run: Run) -> None:
        """Carry out a run for which room was reserved."""
        self._reserved -= 1
        self._begin(run)

    def wake(self, run: Run) -> None:
        """`run` was put into the queue."""
        self._queued[run.caller] += 1
        self._look(run.agent)

    def stop(self, run: str, why: Stop) -> None:
        """Cut off every attempt at `run` here."""
        for key, attempt in list(self._attempts.items()):
            if key[0] == run:
                attempt.stop(why)

    async def work(self) -> None:
        """Claim and carry out, until cancelled."""
        lease, poll = self._bench.bounds.lease, self._bench.bounds.poll
        async with asyncio.TaskGroup() as group:
            if self._sole:
                group.create_task(self._adopted())
            group.create_task(self._claims())
            group.create_task(self._repeat(self._poll, poll))
            group.create_task(self._repeat(self._sign, lease / 3))
            group.create_task(self._repeat(self._count_out, lease / 10))
            group.create_task(self._repeat(self._sweep, lease / 6))

    async def drain(self, grace: float) -> None:
        """Claim nothing more; let what runs go on for `grace` seconds, then put it back."""
        self._draining = True
        if self._tasks:
            await asyncio.wait(set(self._tasks), timeout=grace)
        while self._tasks or self._reserved:  # reserved: a claim is on its way
            for attempt in list(self._attempts.values()):
                attempt.stop(Stop.DRAINED)
            await asyncio.wait({*self._tasks, asyncio.create_task(asyncio.sleep(0.05))})

    @property
    def _free(self) -> int:
        return self._bench.bounds.concurrency - len(self._attempts) - self._reserved

    def _look(self, agent: str) -> None:
        self._backlog.add(agent)
        self._changes += 1
        self._wake.set()

    def _begin(self, run: Run) -> None:
        attempt = Attempt(run, self._bench)
        self._attempts[attempt.key] = attempt
        task = asyncio.create_task(self._carry_out(attempt))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _carry_out(self, attempt: Attempt) -> None:
        try:
            await attempt.carry_out()
        except SeatrialError as error:
            # Its lease runs out, and the run goes on elsewhere.
            _LOG.warning("the end of run %s could not be written: %s", attempt.run.id, error)
        except Exception:  # noqa: BLE001 - a defect ends one run, not its worker
            _LOG.exception("run %s was dropped by a defect", attempt.run.id)
        finally:
            self._attempts.pop(attempt.key, None)
            self._leave(attempt.run.agent)

    def _leave(self, agent: str) -> None:
        self._busy[agent] -= 1
        if not self._busy[agent]:
            del self._busy[agent]
        if self._backlog:
            self._wake.set()

    async def _claims(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            await self._attempted(self._claim)

    async def _claim(self) -> None:
        bounds = self._bench.bounds
        while not self._draining:
            full = {agent for agent, busy in self._busy.items() if busy >= bounds.per_agent}
            if self._free <= 0 or not self._backlog - full:
                return
            # No agent can get more than its share, even if all that comes is of one.
            busiest = max((n for agent, n in self._busy.items() if agent not in full), default=0)
            most = min(self._free, bounds.per_agent - busiest)
            changes = self._changes
            taken = await self._taken(most, full)
            if len(taken) < most and changes == self._changes:
                self._backlog &= full
                return

    async def _taken(self, most: int, full: set[str]) -> list[Run]:
        bounds, at = self._bench.bounds, self._bench.clock.now()
        self._reserved += most
        try:
            # Full: the attempt's number fences writers in other processes and machines. If a power
            # loss took it back, it could be given to two.
            taken = await self._bench.database.write(
                lambda connection: moves.claim(
                    connection, self.name, most=most, without=full, lease=bounds.lease, at=at
                ),
                isolation=Isolation.READ_COMMITTED,
            )
        finally:
            self._reserved -= most
        if taken:
            reach("runs.claim.after")
        # Only what is above nothing is kept: others may have put there what was taken.
        self._queued -= Counter(run.caller for run in taken)
        for run in taken:
            self._busy[run.agent] += 1
            if run.attempt == 1:
                started = RunEvent(seq=rules.STARTED_SEQ, kind=EventKind.STARTED, run=run)
                self._bench.feeds.publish(run.id, started)
            self._begin(run)
        return taken

    async def _poll(self) -> None:
        """Look what others have put into the queue, and how those runs stand that others have."""
        own = {run for run, _ in self._attempts}
        watched = self._bench.feeds.watched(own)
        changes, at = self._changes, self._bench.clock.now()

        def use_case(connection: Connection) -> _Standing:
            kept = threads.last_events(connection, watched) if watched else {}
            found = moves.standing(connection, watched) if watched else {}
            return _Standing(
                queued=moves.queued(connection),
                watched={run: (*stands, kept.get(run, 0)) for run, stands in found.items()},
                held=moves.held_by(connection, self.name) if self._attempts else set(),
                due=moves.any_due(connection, at),
            )

        before = {key for key, attempt in self._attempts.items() if not attempt.closing}
        found = await self._bench.database.read(use_case)
        for run, stands in found.watched.items():
            self._bench.feeds.compare(run, stands)
        for key in before - found.held:
            self._stop_lost(key)
        self._queued = Counter()
        for (_, caller), runs in found.queued.items():
            self._queued[caller] += runs
        if changes == self._changes:
            for agent in {agent for agent, _ in found.queued} - self._backlog:
                self._look(agent)
        if found.due:
            await self._ring()

    async def _ring(self) -> None:
        """Wake those whose timers have gone off."""
        at = self._bench.clock.now()
        woken = await self._bench.database.write(
            lambda connection: waiting.ring(connection, at), isolation=Isolation.READ_COMMITTED
        )
        for run in woken:
            self.wake(run)

    async def _sign(self) -> None:
        before = {key for key, attempt in self._attempts.items() if not attempt.closing}
        if not before:
            self._signed = self._bench.clock.steady()
            return
        asked, lease = self._bench.clock.steady(), self._bench.bounds.lease
        own = sorted({run for run, _ in before})
        # Lazy: a sign of life that is lost with the power is followed by the next, or by none.
        held = await self._bench.database.write(
            lambda connection: moves.sign(connection, self.name, own, lease),
            durability=Durability.LAZY,
            isolation=Isolation.READ_COMMITTED,
        )
        self._signed = asked
        for key in before - held:
            self._stop_lost(key)

    def _stop_lost(self, key: tuple[str, int]) -> None:
        attempt = self._attempts.get(key)
        if attempt is not None:
            attempt.stop(Stop.LOST)

    async def _count_out(self) -> None:
        """Let go of what the database may have given to others by now."""
        oldest = self._bench.clock.steady() - self._bench.bounds.lease * _TENURE
        if self._signed > oldest:
            return
        for attempt in list(self._attempts.values()):
            if attempt.since <= oldest:
                attempt.stop(Stop.LOST)

    async def _sweep(self) -> None:
        bench, at = self._bench, self._bench.clock.now()
        if not await bench.database.read(moves.any_lapsed):
            return
        while await self._settle(
            lambda connection: endings.sweep(connection, at, bench.chance, bench.ports.usage)
        ):
            pass

    async def _adopted(self) -> None:
        """Take up what an earlier process left, and go on trying while the database is away."""
        while not await self._attempted(self._adopt):
            pass

    async def _adopt(self) -> None:
        bench, at = self._bench, self._bench.clock.now()
        while True:
            while await self._settle(
                lambda connection: endings.adopt(connection, self.name, at, bench.ports.usage)
            ):
                pass
            # One whose row is locked at this moment is passed over; it is there a moment later.
            if not await bench.database.read(lambda it: moves.any_orphan(it, self.name)):
                return
            await bench.clock.sleep(bench.bounds.poll)

    async def _settle(self, use_case: Callable[[Connection], list[Run]]) -> int:
        changed = await self._bench.database.write(use_case, isolation=Isolation.READ_COMMITTED)
        for run in changed:
            _LOG.warning("run %s was left by its worker and is now %s", run.id, run.state)
            tell(self._bench, run)
            if run.state is RunState.QUEUED:
                self._look(run.agent)
        return len(changed)

    async def _repeat(self, step: Callable[[], Awaitable[None]], pause: float) -> None:
        while True:
            await self._attempted(step)
            await self._bench.clock.sleep(pause)

    async def _attempted(self, step: Callable[[], Awaitable[None]]) -> bool:
        try:
            await step()
        except DatabaseClosed:
            raise
        except SeatrialError as error:
            _LOG.warning("the queue of runs cannot be reached: %s", error)
            await self._bench.clock.sleep(self._bench.bounds.poll)
            self._wake.set()
            return False
        return True
