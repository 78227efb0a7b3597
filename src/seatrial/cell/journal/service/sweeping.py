"""Forgetting bodies that are too old or too many, and refusing runs when that is not enough."""

import itertools
import logging
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Final

from seatrial.cell.journal.domain.records import JournalFull
from seatrial.cell.journal.domain.retention import Held, Retention, Sweep, sweep
from seatrial.cell.journal.store import records as store
from seatrial.kit.clock import Clock
from seatrial.kit.database.connection import Connection, Durability, Isolation
from seatrial.kit.database.database import Database
from seatrial.kit.errors import SeatrialError

Ended = Callable[[Connection, Collection[str]], Mapping[str, datetime]]
"""When each of some runs ended; those that have not are not in it."""

_LOG: Final = logging.getLogger(__name__)
_BETWEEN: Final = 300.0  # seconds from one look to the next
_SOON: Final = 15.0  # the same while runs are refused
_AT_ONCE: Final = 50  # runs whose bodies go in one transaction, so that no other waits for long


class Sweeper:
    """Keeps the bodies of one cell's journal below their bounds.

    Args:
        database: the cell's.
        retention: see there.
        ended: see there.
        clock: for times.
        beside: what else is swept in the same rounds.
    """

    def __init__(
        self,
        database: Database,
        retention: Retention,
        ended: Ended,
        clock: Clock,
        beside: Sequence[Callable[[], Awaitable[object]]] = (),
    ) -> None:
        self._database = database
        self._retention = retention
        self._ended = ended
        self._clock = clock
        self._rounds = (self.sweep, *beside)
        self._over = 0

    def refuse_full(self) -> None:
        """Refuse a new run while runs that have not ended fill the journal by themselves.

        Raises:
            JournalFull: they do, or did when it was looked last.
        """
        if self._over:
            raise JournalFull(over=self._over, ceiling=self._retention.ceiling)

    async def work(self) -> None:
        """Sweep from time to time, until cancelled."""
        while True:
            for sweeps in self._rounds:
                try:
                    await sweeps()
                except SeatrialError as error:
                    _LOG.warning("what is kept could not be swept: %s", error.message)
            await self._clock.sleep(_SOON if self._over else _BETWEEN)

    async def sweep(self) -> Sweep:
        """Forget what goes, and tell what that left."""
        found = await self._database.read(self._look)
        for runs in _batches(found.drop):
            await self._database.write(
                lambda connection, runs=runs: self._drop(connection, runs),  # type: ignore[misc] # the default binds it
                durability=Durability.LAZY,
                isolation=Isolation.READ_COMMITTED,
            )
        if found.over and not self._over:
            _LOG.error(
                "the journal is %d bytes above its ceiling, and no run that has ended is left to "
                "forget: new runs are refused",
                found.over,
                extra={"event": "journal_full"},
            )
        self._over = found.over
        return found

    def _look(self, connection: Connection) -> Sweep:
        stored = store.held(connection)
        over = self._ends(connection, list(stored))
        known = (Held(run=run, stored=n, ended=over.get(run)) for run, n in stored.items())
        return sweep(known, self._retention, self._clock.now())

    def _drop(self, connection: Connection, runs: Sequence[str]) -> None:
        # Between the look and now somebody may have sent a run on its way again.
        store.drop(connection, list(self._ends(connection, runs)))

    def _ends(self, connection: Connection, runs: Sequence[str]) -> dict[str, datetime]:
        found: dict[str, datetime] = {}
        for some in _batches(runs):
            found.update(self._ended(connection, some))
        return found


def _batches(runs: Sequence[str]) -> Iterator[list[str]]:
    rest = iter(runs)
    while some := list(itertools.islice(rest, _AT_ONCE)):
        yield some
