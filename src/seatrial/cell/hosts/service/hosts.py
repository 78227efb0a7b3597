"""All agent processes of a cell: a pool for each release, one queue, one bound."""

import asyncio
import contextlib
import hashlib
import itertools
import logging
import os
from collections import deque
from collections.abc import AsyncIterator, Coroutine, Iterable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Self

from seatrial.cell.hosts import warden
from seatrial.cell.hosts.domain import HostsClosed, Isolation, ReleaseFigures, SlotIdentity, Warmed
from seatrial.cell.hosts.service.builds import Builder
from seatrial.cell.hosts.service.commands import compile_guest
from seatrial.cell.hosts.service.makings import remove
from seatrial.cell.hosts.service.plans import HostPlan, HostSettings, Role
from seatrial.cell.hosts.service.processes import Warden
from seatrial.cell.hosts.service.slots import OnLine, Slot, Surroundings
from seatrial.kit.clock import Clock
from seatrial.kit.crypto.digests import Digest
from seatrial.kit.crypto.tokens import Token
from seatrial.kit.ids import Ids

_LOGGER: Final = logging.getLogger(__name__)
_MOST_FAILURES: Final = 3  # starts in a row that nobody asked for; then only demand starts more
_MARK_DIGITS: Final = 16


@dataclass(kw_only=True, eq=False, repr=False)
class _Waiter:
    pool: "_Pool"
    ticket: int
    slot: "asyncio.Future[Slot]"


@dataclass(kw_only=True, eq=False, repr=False)
class _Pool:
    """The processes of one release."""

    plan: HostPlan
    kept: bool = False
    idle: list[Slot] = field(default_factory=list)
    busy: set[Slot] = field(default_factory=set)
    waiting: deque[_Waiter] = field(default_factory=deque)
    starting: int = 0
    failures: int = 0
    warmed: Warmed | None = None
    warming: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def size(self) -> int:
        return len(self.idle) + len(self.busy) + self.starting


class Hosts:
    """The agent processes of one cell. Belongs to one event loop; `open` it, and `close` it."""

    def __init__(
        self, settings: HostSettings, *, directory: Path, door: str | None,
        clock: Clock, ids: Ids, on_line: OnLine,
    ) -> None:  # fmt: skip
        """Host in `directory`.

        Args:
            settings: how.
            directory: for builds and scratch folders; several cell processes may share it.
            door: the URL under which agents reach the cell, such as `http://127.0.0.1:4100`; its
                port is the only one they can connect to. None for no network at all.
            clock: of idle times.
            ids: names the slots.
            on_line: is given every line that an agent prints.
        """
        self._settings = settings
        self._directory = directory.resolve()
        self._clock = clock
        self._ids = ids
        self._builder = Builder(self._directory, settings.build_seconds)
        place = hashlib.sha256(str(self._directory).encode()).hexdigest()[:_MARK_DIGITS]
        self._place = f"{place}."
        self._owner = f"{place}.{os.getpid()}.{warden.born(os.getpid())}"
        self._scratch = self._directory / "scratch"
        self._warden = Warden(f"{self._owner}/")
        self._around = Surroundings(
            door=door,
            owner=self._owner,
            scratch=self._scratch / self._owner,
            on_line=on_line,
            warden=self._warden,
        )
        self._pools: dict[tuple[Digest, Role], _Pool] = {}
        self._slots: dict[str, Slot] = {}
        self._tickets = itertools.count()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._ending: set[asyncio.Task[Any]] = set()
        self._closed = False

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def open(self) -> None:
        """Begin; what an earlier process of this directory left behind is ended and removed."""
        self._warden.start()
        await asyncio.to_thread(self._sweep)
        self._spawn(self._trim())

    async def prepare(self, plan: HostPlan) -> Warmed:
        """Build `plan`, start a process of it, and keep it warm from now on.

        Raises:
            SeatrialError: why that is impossible; what was half done is gone.
        """
        self._refuse_closed()
        pool = self._pool(plan)
        async with pool.warming:
            if pool.warmed is None or not (pool.idle or pool.busy):
                pool.starting += 1
                self._admit(pool, await self._started(pool))
            pool.kept = True
            if pool.warmed is None:
                raise HostsClosed
            return pool.warmed

    @contextlib.asynccontextmanager
    async def slot(self, plan: HostPlan) -> AsyncIterator[Slot]:
        """A process of `plan` for one caller alone; waits for its turn, first come first served.

        Raises:
            SeatrialError: none can be started.
        """
        self._refuse_closed()
        pool = self._pool(plan)
        slot = self._taken(pool) or await self._awaited(pool)
        try:
            yield slot
        finally:
            self._give_back(pool, slot)

    def whose(self, token: Token) -> SlotIdentity | None:
        """Who calls with `token`; None for nobody. Where its `run` is None, refuse the call."""
        slot = self._slots.get(token.stored())
        return slot.identity if slot else None

    def abort(self, slot_id: str, reason: str) -> bool:
        """Kill the process of a slot that holds a run; False if there is none.

        Its run ends with `HostStopped`. For a run that was taken over: its process must not go on.
        """
        for pool in self._pools.values():
            for slot in pool.busy:
                if slot.id == slot_id:
                    slot.abort(reason)
                    return True
        return False

    async def retire(self, keep: AbstractSet[Digest]) -> None:
        """Hold no process ready of other releases than `keep`; idle ones end now.

        A run that is bound to a retired release still gets one, and that ends after `idle_seconds`.
        """
        endings = []
        for pool in list(self._pools.values()):
            pool.kept = pool.kept and pool.plan.release in keep
            if not pool.kept:
                endings += [self._ending_of(pool, slot) for slot in list(pool.idle)]
                self._forget_if_empty(pool)
        for ending in endings:
            await asyncio.shield(ending)

    async def prune(self, plans: Iterable[HostPlan]) -> None:
        """Remove builds that neither `plans` nor a process of these hosts needs.

        Other cell processes in the same directory need theirs too: let `plans` name them.
        """
        needed = [*plans, *(pool.plan for pool in self._pools.values())]
        await asyncio.to_thread(self._builder.prune, needed)

    def status(self) -> tuple[ReleaseFigures, ...]:
        """Figures of each release that has a process, or should have one."""
        return tuple(
            ReleaseFigures(
                release=pool.plan.release,
                agent=pool.plan.agent,
                kept=pool.kept,
                slots=len(pool.idle) + len(pool.busy),
                busy=len(pool.busy),
                starting=pool.starting,
                waiting=len(pool.waiting),
                resident_bytes=sum(slot.resident_bytes for slot in (*pool.idle, *pool.busy)),
                isolation=self._isolation(pool),
            )
            for pool in self._pools.values()
            if pool.plan.role is Role.AGENT
        )

    async def close(self) -> None:
        """End every process, those with a run in them too, and wait until they are gone."""
        self._closed = True
        for waiter in self._waiting():
            waiter.pool.waiting.remove(waiter)
            waiter.slot.set_exception(HostsClosed())
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for pool in self._pools.values():
            for slot in (*pool.idle, *pool.busy):
                self._end(pool, slot)
        while self._ending:
            await asyncio.wait(self._ending)
        self._warden.close()
        await asyncio.to_thread(remove_if_there, self._scratch / self._owner)

    def _pool(self, plan: HostPlan) -> _Pool:
        pool = self._pools.get(plan.key)
        if pool is None:
            pool = self._pools[plan.key] = _Pool(plan=plan)
        return pool

    def _taken(self, pool: _Pool) -> Slot | None:
        """An idle slot, if nobody of this release has waited longer."""
        while pool.idle and not pool.waiting:
            slot = pool.idle.pop()
            if slot.fit:
                pool.busy.add(slot)
                return slot
            self._end(pool, slot)
        return None

    async def _awaited(self, pool: _Pool) -> Slot:
        future = asyncio.get_running_loop().create_future()
        waiter = _Waiter(pool=pool, ticket=next(self._tickets), slot=future)
        pool.waiting.append(waiter)
        if pool.idle:  # those before have given up
            self._serve()
        elif len(pool.waiting) > pool.starting and self._has_room(pool):
            self._start(pool)
        try:
            return await waiter.slot
        except asyncio.CancelledError:
            if waiter in pool.waiting:
                pool.waiting.remove(waiter)
            if waiter.slot.done() and not waiter.slot.cancelled() and not waiter.slot.exception():
                self._give_back(pool, waiter.slot.result())
            raise
        finally:
            self._forget_if_empty(pool)

    def _serve(self) -> None:
        """Give idle slots to those who wait, in order, and start what is still wanted."""
        wanted: dict[_Pool, int] = {}
        for waiter in self._waiting():
            pool = waiter.pool
            slot = next((each for each in reversed(pool.idle) if each.fit), None)
            if slot is not None:
                pool.idle.remove(slot)
                pool.busy.add(slot)
                pool.waiting.remove(waiter)
                waiter.slot.set_result(slot)
                continue
            wanted[pool] = wanted.get(pool, 0) + 1
            if wanted[pool] > pool.starting and self._has_room(pool):
                self._start(pool)

    def _waiting(self) -> list[_Waiter]:
        """All who wait and have not given up, first come first."""
        waiters = (
            waiter
            for pool in self._pools.values()
            for waiter in pool.waiting
            if not waiter.slot.done()
        )
        return sorted(waiters, key=lambda each: each.ticket)

    def _has_room(self, pool: _Pool) -> bool:
        if self._closed or pool.size >= self._settings.slots_per_release:
            return False
        # Roles have bounds of their own: an agent that waits for a function holds a process.
        like = [each for each in self._pools.values() if each.plan.role is pool.plan.role]
        if sum(each.size for each in like) < self._settings.slots:
            return True
        idle = [(slot.idle_since, each, slot) for each in like for slot in each.idle]
        if not idle:
            return False
        _, owner, longest = min(idle, key=lambda each: each[0])
        self._end(owner, longest)
        return True

    def _start(self, pool: _Pool) -> None:
        pool.starting += 1  # now, not when the task begins: it is counted against the bounds
        self._spawn(self._start_wanted(pool))

    async def _start_wanted(self, pool: _Pool) -> None:
        """Start one for the queue; if that fails, who has waited longest is told."""
        try:
            self._admit(pool, await self._started(pool))
        except Exception as error:  # noqa: BLE001 - whoever waits is told, whatever it is
            pool.failures += 1
            waiting = _next_of(pool)
            if waiting is not None:
                waiting.set_exception(error)
            else:
                _LOGGER.warning("no process of %s: %s", pool.plan.agent, error)
            self._serve()

    async def _started(self, pool: _Pool) -> Slot:
        """A new slot, for which `pool.starting` was raised."""
        try:
            build = await self._builder.make(pool.plan)
            token = Token.mint(pool.plan.environment, "slot")
            slot = Slot(pool.plan, self._ids.new("slot"), token)
            self._slots[slot.stored_token] = slot
            try:
                await slot.start(build, self._settings, token, self._around)
            except BaseException:
                await asyncio.shield(self._ending_of(pool, slot))
                raise
        finally:
            pool.starting -= 1
        if slot.isolation is not None:
            pool.warmed = Warmed(
                release=pool.plan.release,
                kind=slot.kind,
                isolation=slot.isolation,
                tools=slot.tools,
            )
        return slot

    def _admit(self, pool: _Pool, slot: Slot) -> None:
        pool.failures = 0
        slot.lost.add_done_callback(lambda _: self._lost(pool, slot))
        self._rest(pool, slot)

    def _give_back(self, pool: _Pool, slot: Slot) -> None:
        if slot not in pool.busy:
            return  # closed meanwhile
        pool.busy.discard(slot)
        if slot.fit:
            self._rest(pool, slot)
        else:
            self._end(pool, slot)
            self._serve()
            self._refill(pool)

    def _rest(self, pool: _Pool, slot: Slot) -> None:
        others = any(each.waiting for each in self._pools.values() if each is not pool)
        if not others and _hand(pool, slot):
            return
        slot.idle_since = self._clock.steady()
        pool.idle.append(slot)
        self._serve()
        if slot in pool.idle and self._closed:
            self._end(pool, slot)

    def _lost(self, pool: _Pool, slot: Slot) -> None:
        if slot in pool.idle:
            _LOGGER.warning("an idle process of %s is gone", pool.plan.agent)
            self._end(pool, slot)
            self._refill(pool)

    def _refill(self, pool: _Pool) -> None:
        if (
            pool.kept
            and not self._closed
            and pool.size < self._settings.idle_slots
            and pool.failures < _MOST_FAILURES
        ):
            self._start(pool)

    def _end(self, pool: _Pool, slot: Slot) -> None:
        _ = self._ending_of(pool, slot)

    def _ending_of(self, pool: _Pool, slot: Slot) -> "asyncio.Task[None]":
        """Take it away from everybody at once; its process ends in the background."""
        if slot in pool.idle:
            pool.idle.remove(slot)
        pool.busy.discard(slot)
        self._slots.pop(slot.stored_token, None)
        task = asyncio.create_task(slot.stop(self._settings.grace_seconds))
        self._ending.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: "asyncio.Task[None]") -> None:
        self._ending.discard(task)
        if not task.cancelled() and task.exception() is not None:
            _LOGGER.error("a process could not be ended", exc_info=task.exception())

    def _forget_if_empty(self, pool: _Pool) -> None:
        wanted = pool.kept or pool.warming.locked() or pool.waiting
        if not pool.size and not wanted:
            self._pools.pop(pool.plan.key, None)

    async def _trim(self) -> None:
        """End what has had no work for long, down to what a kept release holds ready."""
        while True:
            await self._clock.sleep(max(self._settings.idle_seconds / 4, 0.05))
            oldest = self._clock.steady() - self._settings.idle_seconds
            for pool in list(self._pools.values()):
                ready = self._settings.idle_slots if pool.kept else 0
                spare = len(pool.idle) + len(pool.busy) - ready
                for slot in sorted(pool.idle, key=lambda each: each.idle_since)[: max(spare, 0)]:
                    if slot.idle_since < oldest:
                        self._end(pool, slot)
                self._forget_if_empty(pool)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _isolation(self, pool: _Pool) -> Isolation | None:
        return pool.warmed.isolation if pool.warmed else None

    def _refuse_closed(self) -> None:
        if self._closed:
            raise HostsClosed

    def _sweep(self) -> None:
        """End and remove what belongs to processes of this directory that are no more."""
        compile_guest()
        self._builder.sweep()
        for mark in warden.marks(self._place):
            owner = mark.partition("/")[0]
            if not _lives(owner):
                warden.kill_marked(f"{owner}/")
        for left in self._scratch.iterdir() if self._scratch.is_dir() else ():
            if not _lives(left.name):
                remove(left)


def _next_of(pool: _Pool) -> "asyncio.Future[Slot] | None":
    """Who has waited longest and has not given up, taken out of the queue."""
    while pool.waiting:
        waiter = pool.waiting.popleft()
        if not waiter.slot.done():
            return waiter.slot
    return None


def _hand(pool: _Pool, slot: Slot) -> bool:
    """Give `slot` to who has waited longest; False if nobody waits."""
    waiting = _next_of(pool)
    if waiting is None:
        return False
    pool.busy.add(slot)
    waiting.set_result(slot)
    return True


def remove_if_there(folder: Path) -> None:
    """Remove a folder that may never have been made."""
    if folder.exists():
        remove(folder)


def _lives(owner: str) -> bool:
    _, process, born = (*owner.split("."), "", "")[:3]
    return process.isdigit() and warden.born(int(process)) == born
