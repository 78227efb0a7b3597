"""What each process of a cell does when the cell's rows change, whichever process wrote them."""

import asyncio
import logging
from collections.abc import Callable, Iterable
from typing import Final

from seatrial.cell.switch import store
from seatrial.cell.switch.domain import Current
from seatrial.cell.switch.service.admission import current
from seatrial.cell.switch.service.preparing import Preparer
from seatrial.contract.releases.closure import Closure
from seatrial.kit.clock import Clock
from seatrial.kit.database.connection import Connection
from seatrial.kit.database.database import Database
from seatrial.kit.errors import SeatrialError

POLL: Final = 0.15  # seconds between looks at the rows: one read of two small rows
_RETRY: Final = 5.0  # seconds before a host that did not become warm is tried again
_LOG: Final = logging.getLogger(__name__)


class Mirror:
    """Keeps this process's hosts and listeners level with the cell's rows.

    The process that switches wakes it; in others it finds the change by itself, within `POLL`.
    """

    def __init__(
        self,
        database: Database,
        preparer: Preparer,
        clock: Clock,
        on_flip: Callable[[Current], None],
    ) -> None:
        self._database = database
        self._preparer = preparer
        self._clock = clock
        self._on_flip = on_flip
        self._awake = asyncio.Event()
        self._told = -1
        self._marks: tuple[int, str] | None = None
        self._closures: tuple[Closure, ...] = ()
        self._warming: asyncio.Task[None] | None = None
        self._not_before = 0.0

    def wake(self) -> None:
        """Look now."""
        self._awake.set()

    async def run(self) -> None:
        """Look for ever. The first look tells of what is in force, with or without control."""
        try:
            while True:
                try:
                    await self._look()
                except SeatrialError as error:
                    _LOG.warning("cannot look at what is in force: %s", error)
                except Exception:  # noqa: BLE001 - a listener's defect must not end the cell
                    _LOG.exception("somebody was not told of what is in force")
                await self._rested()
        finally:
            if self._warming is not None:
                self._warming.cancel()
                await asyncio.wait({self._warming})

    async def _rested(self) -> None:
        try:
            async with asyncio.timeout(POLL):
                await self._awake.wait()
        except TimeoutError:
            return
        self._awake.clear()

    async def _look(self) -> None:
        marks = await self._database.read(store.marks)
        if marks != self._marks:
            generation, closures, before = await self._database.read(_named)
            self._marks, self._closures, self._not_before = marks, closures, 0.0
            if generation != self._told:
                now = await self._database.read(current)
                self._told = now.generation
                self._on_flip(now)
            # What was in force just before stays warm where it is: going back waits for nothing.
            await self._preparer.keep((*closures, *before))
        wanted = {active.release for each in self._closures for active in each.agents.values()}
        idle = self._warming is None or self._warming.done()
        if idle and wanted - self._preparer.ready and self._clock.steady() >= self._not_before:
            self._not_before = self._clock.steady() + _RETRY
            self._warming = asyncio.create_task(self._warm(self._closures))

    async def _warm(self, closures: Iterable[Closure]) -> None:
        """Make ready what is in force, then what is prepared; whatever fails is tried again."""
        for closure in closures:
            for active in closure.agents.values():
                try:
                    releases = await self._preparer.documents([active.release])
                    await self._preparer.prepare(
                        releases[active.release], isolated=closure.rules.isolated
                    )
                except SeatrialError as error:
                    _LOG.warning("%s is not warm here: %s", active.name, error)
                except Exception:  # noqa: BLE001 - tried again; a defect must not end it
                    _LOG.exception("%s is not warm here", active.name)


def _named(connection: Connection) -> tuple[int, tuple[Closure, ...], tuple[Closure, ...]]:
    """The generation in force, the closures that hosts are made ready for, and the one before."""
    ready = store.prepared(connection)
    now = current(connection)
    before = tuple(store.last_lived(connection, 2)[1:])
    return now.generation, (now.closure, *((ready.closure,) if ready is not None else ())), before
