"""Time as a value: the wall, a steady count, and sleep, all of one clock that a test can own.

Rules never read a clock: they take `now`. Services hold a `Clock`. Under `run_virtually` the same
code that waits a week in production runs in milliseconds, and in the same order each time.
"""

import asyncio
import selectors
import time
from collections.abc import Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Protocol, TypeVar

_T = TypeVar("_T")

_BOOT: Final = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


class Clock(Protocol):
    """What a service may know of time."""

    def now(self) -> datetime:
        """The wall clock, in UTC. It may jump: never subtract two of these to measure."""
        ...

    def steady(self) -> float:
        """Seconds since some fixed instant, never backwards, counting while the machine sleeps."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Return after `seconds`."""
        ...


class SystemClock:
    """The machine's own time."""

    def now(self) -> datetime:
        """See `Clock.now`."""
        return datetime.now(UTC)

    def steady(self) -> float:
        """See `Clock.steady`. On Linux this is CLOCK_BOOTTIME: a lease must age in suspend too."""
        return time.clock_gettime(_BOOT)

    async def sleep(self, seconds: float) -> None:
        """See `Clock.sleep`."""
        await asyncio.sleep(seconds)


class VirtualClock:
    """A clock that stands still until it is told to move, or until its loop has nothing to do.

    Outside `run_virtually` only `advance` moves it.
    """

    def __init__(self, start: datetime) -> None:
        if start.tzinfo is None:
            raise ValueError(f"start {start!r} has no time zone; give an aware datetime")
        self._start = start.astimezone(UTC)
        self._elapsed = 0.0

    def now(self) -> datetime:
        """See `Clock.now`."""
        return self._start + timedelta(seconds=self._elapsed)

    def steady(self) -> float:
        """See `Clock.steady`. Zero at the start."""
        return self._elapsed

    def advance(self, seconds: float) -> None:
        """Move forward by `seconds`; a negative number is refused."""
        if not seconds >= 0:
            raise ValueError(f"cannot advance by {seconds!r} seconds; time only goes forward")
        self._elapsed += seconds

    async def sleep(self, seconds: float) -> None:
        """See `Clock.sleep`. Only inside `run_virtually` does this take no real time."""
        await asyncio.sleep(seconds)


def run_virtually(clock: VirtualClock, main: Coroutine[Any, Any, _T]) -> _T:
    """Run `main` on a loop whose time is `clock`: whenever it would wait for a timer, time jumps.

    Every timer of the loop is virtual, `asyncio.timeout` included. Sockets work, but a peer in
    another process or thread sees real time: a wait for it may be overtaken by a timer.
    """
    with asyncio.Runner(loop_factory=lambda: _VirtualLoop(clock)) as runner:
        return runner.run(main)


class _VirtualLoop(asyncio.SelectorEventLoop):
    def __init__(self, clock: VirtualClock) -> None:
        self._virtual = clock
        super().__init__(_JumpingSelector(clock))

    def time(self) -> float:
        return self._virtual.steady()


class _JumpingSelector(selectors.DefaultSelector):
    """Where a loop would block until its next timer, let the clock jump there instead."""

    def __init__(self, clock: VirtualClock) -> None:
        super().__init__()
        self._virtual = clock

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None or timeout <= 0:
            return super().select(timeout)
        ready = super().select(0)
        if not ready:
            self._virtual.advance(timeout)
        return ready
