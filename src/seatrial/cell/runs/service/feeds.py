"""What happens in runs, told at once to whoever in this process wants to know."""

import asyncio
from collections import deque
from collections.abc import Collection, Hashable
from typing import Final

from seatrial.cell.runs.domain.values import EventKind, RunEvent

_MOST: Final = 1_000  # events that may wait for one listener; beyond that he reads them anew


class Follower:
    """One listener to one run. Belongs to the event loop.

    Args:
        run: its id.
        end_only: he wants to know of the end alone.
    """

    __slots__ = ("_end_only", "_events", "_there", "missed", "run", "seen")

    def __init__(self, run: str, *, end_only: bool) -> None:
        self.run = run
        self.missed = False
        self.seen: Hashable = None
        self._end_only = end_only
        self._events: deque[RunEvent] = deque()
        self._there = asyncio.Event()

    def put(self, event: RunEvent) -> None:
        """Tell him."""
        if self._end_only and event.kind is not EventKind.ENDED:
            return
        if len(self._events) >= _MOST:
            self.miss()
            return
        self._events.append(event)
        self._there.set()

    def miss(self) -> None:
        """Tell him that something happened, which he must look up."""
        self._events.clear()
        self.missed = True
        self._there.set()

    async def next(self) -> RunEvent | None:
        """The next event; None if it must be looked up."""
        while not self._events and not self.missed:
            self._there.clear()
            await self._there.wait()
        if self.missed:
            self.missed = False
            return None
        return self._events.popleft()


class Feeds:
    """All listeners of a process."""

    def __init__(self) -> None:
        self._followers: dict[str, list[Follower]] = {}

    def open(self, run: str, *, end_only: bool = False) -> Follower:
        """A new listener. Open him before you look the run up, so that nothing falls between."""
        follower = Follower(run, end_only=end_only)
        self._followers.setdefault(run, []).append(follower)
        return follower

    def close(self, follower: Follower) -> None:
        """He listens no longer."""
        others = self._followers.get(follower.run, [])
        if follower in others:
            others.remove(follower)
            if not others:
                del self._followers[follower.run]

    def publish(self, run: str, *events: RunEvent) -> None:
        """Tell all who listen to `run`."""
        for follower in self._followers.get(run, ()):
            for event in events:
                follower.put(event)

    def watched(self, without: Collection[str]) -> list[str]:
        """Runs that somebody listens to, but for those that this process carries out itself."""
        return [run for run in self._followers if run not in without]

    def compare(self, run: str, standing: Hashable) -> None:
        """Let those who listen to `run` look it up, if it stands otherwise than they saw it."""
        for follower in self._followers.get(run, ()):
            if follower.seen != standing:
                follower.seen = standing
                follower.miss()

    @property
    def size(self) -> int:
        """How many listen."""
        return sum(map(len, self._followers.values()))
