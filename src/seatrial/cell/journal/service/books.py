"""The open books of one process: one for each attempt that it runs."""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from seatrial.cell.journal.domain.records import AttemptStale
from seatrial.cell.journal.domain.rows import CLOSED, Mode
from seatrial.cell.journal.service.recall import Attempt, Found
from seatrial.cell.journal.service.writing import Surroundings
from seatrial.cell.journal.store import decisions
from seatrial.cell.journal.store import records as store
from seatrial.kit.database.connection import Connection

_LOG: Final = logging.getLogger(__name__)
_MOST_CLOSED: Final = 10_000  # runs of which it is remembered that an attempt is over
_MOST_UNASKED: Final = 1_000  # open attempts that nobody opened, so that nobody may close them


@dataclass(frozen=True, kw_only=True)
class RunFacts:
    """What a book must know of a run.

    Attributes:
        mode: what the run may do.
        follows: the run whose results it may take; None for none.
    """

    mode: Mode = Mode.LIVE
    follows: str | None = None


FactsOf = Callable[[str], Awaitable[RunFacts]]
"""The facts of a run that nobody opened, such as one on its author's machine."""


async def plain(_run: str) -> RunFacts:
    """Facts of runs that are all live."""
    return RunFacts()


class Books:
    """The attempts that this process runs, each with its book. Belongs to one event loop.

    Args:
        around: what recording stands on.
        facts: see `FactsOf`.
    """

    def __init__(self, around: Surroundings, facts: FactsOf = plain) -> None:
        self._around = around
        self._facts = facts
        self._open: dict[str, Attempt] = {}
        self._asked: set[str] = set()
        self._unasked: OrderedDict[str, None] = OrderedDict()
        self._opening: dict[tuple[str, int], asyncio.Task[Attempt]] = {}
        self._closed: OrderedDict[str, int] = OrderedDict()
        self._writing: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        return len(self._open)

    async def open(
        self, run: str, number: int, *, mode: Mode = Mode.LIVE, follows: str | None = None
    ) -> Attempt:
        """Open the book of an attempt as its predecessors left it; they are closed here.

        Args:
            run: its run.
            number: the attempt that has claimed it.
            mode: what it may do.
            follows: the run whose results it may take: one that it shadows or replays.

        Raises:
            AttemptStale: a later one is open here, or this one was closed.
        """
        facts = RunFacts(mode=mode, follows=follows)
        attempt = await self._once(run, number, facts)
        self._asked.add(run)
        self._unasked.pop(run, None)
        return attempt

    async def of(self, run: str, number: int) -> Attempt:
        """The open book of an attempt; opens it if nobody did.

        Raises:
            AttemptStale: a later one is open here, or this one was closed.
        """
        found = self._open.get(run)
        if found is not None and found.number == number:
            if run in self._unasked:
                self._unasked.move_to_end(run)
            return found
        self._refuse_stale(run, number)
        attempt = await self._once(run, number, None)
        if run not in self._asked and self._open.get(run) is attempt:
            self._limit(run)
        return attempt

    def close(self, attempt: Attempt) -> None:
        """Forget an attempt; whoever waits in it is released with `AttemptStale`."""
        known = max(attempt.number, self._closed.pop(attempt.run, 0))
        self._closed[attempt.run] = known
        while len(self._closed) > _MOST_CLOSED:
            self._closed.popitem(last=False)
        self._drop(attempt)

    def ended(self, run: str) -> None:
        """A run has come to its end, wherever; nobody has to tell which attempt that was."""
        attempt = self._open.get(run)
        if attempt is not None:
            self.close(attempt)

    async def leave(self) -> None:
        """Close every book, and write what is decided in them: this process ends."""
        for attempt in list(self._open.values()):
            self.close(attempt)
        if self._writing:
            await asyncio.wait(self._writing)

    async def written(self, run: str) -> None:
        """Write what is decided in a run that is open here, so that a reader finds it."""
        attempt = self._open.get(run)
        if attempt is not None:
            await attempt.write()
        if self._writing:
            await asyncio.wait(self._writing)

    def _drop(self, attempt: Attempt) -> None:
        if self._open.get(attempt.run) is attempt:
            del self._open[attempt.run]
            self._asked.discard(attempt.run)
            self._unasked.pop(attempt.run, None)
        attempt.close()
        task = asyncio.ensure_future(attempt.write())
        self._writing.add(task)
        task.add_done_callback(self._written)

    def _written(self, task: "asyncio.Task[None]") -> None:
        self._writing.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            _LOG.warning("the last decisions of an attempt are lost", exc_info=error)

    def _limit(self, run: str) -> None:
        self._unasked[run] = None
        while len(self._unasked) > _MOST_UNASKED:
            oldest = next(iter(self._unasked))
            self._drop(self._open[oldest])

    def _refuse_stale(self, run: str, number: int) -> None:
        found = self._open.get(run)
        newest = max(self._closed.get(run, 0) + 1, found.number if found is not None else 0)
        if number < newest:
            raise AttemptStale(run=run, attempt=number)

    async def _once(self, run: str, number: int, facts: RunFacts | None) -> Attempt:
        """Open it, or join whoever does so at this moment."""
        self._refuse_stale(run, number)
        found = self._open.get(run)
        if found is not None and found.number == number:
            return found
        task = self._opening.get((run, number))
        if task is None:
            task = asyncio.ensure_future(self._fresh(run, number, facts))
            self._opening[run, number] = task
            task.add_done_callback(lambda _: self._opening.pop((run, number), None))
        return await asyncio.shield(task)

    async def _fresh(self, run: str, number: int, facts: RunFacts | None) -> Attempt:
        known = await self._facts(run) if facts is None else facts
        follows = known.follows

        def use_case(connection: Connection) -> Found:
            own = [] if known.mode in CLOSED and follows else store.rows(connection, run)
            return Found(
                own=own,
                follows=follows,
                lent=store.rows(connection, follows) if follows else [],
                decided=decisions.last(connection, run, number),
            )

        found = await self._around.database.read(use_case)
        self._refuse_stale(run, number)
        earlier = self._open.get(run)
        if earlier is not None:
            self._drop(earlier)
        attempt = Attempt(self._around, run, number, known.mode, found)
        self._open[run] = attempt
        return attempt
