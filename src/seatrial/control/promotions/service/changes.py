"""Word that something changed: at once within this process, within a tenth of a second from others.

Processes of control share a counter in the database that every write bumps. It is looked at while
somebody listens, and only then.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from typing import Final

from seatrial.control.environments.service import Environments
from seatrial.control.promotions.store import tables
from seatrial.kit.clock import Clock
from seatrial.kit.database.connection import Connection
from seatrial.kit.database.database import Database
from seatrial.kit.errors import SeatrialError
from seatrial.kit.log import log_error

POLL: Final = 0.1  # seconds
_LOG: Final = logging.getLogger(__name__)

Mark = tuple[int, int]
"""How often something changed, and the version of the keyring; other marks are other states."""


class Changes:
    """Belongs to one event loop."""

    def __init__(self, database: Database, clock: Clock, environments: Environments) -> None:
        self._database = database
        self._clock = clock
        self._environments = environments
        self._mark: Mark | None = None
        self._told: asyncio.Future[None] | None = None
        self._listeners = 0
        self._poller: asyncio.Task[None] | None = None

    def mark_in(self, connection: Connection) -> Mark:
        """The mark that a use case sees."""
        known = self._environments.keyring(connection)
        return tables.changes(connection), 0 if known is None else known[0].version

    def tell(self) -> None:
        """Wake everybody who listens: something was committed by this process."""
        told, self._told = self._told, None
        if told is not None and not told.done():
            told.set_result(None)

    @contextlib.asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        """Within it, what other processes change is noticed too."""
        self._listeners += 1
        if self._poller is None:
            self._poller = asyncio.create_task(self._poll())
        try:
            yield
        finally:
            self._listeners -= 1
            if not self._listeners:
                poller, self._poller = self._poller, None
                if poller is not None:
                    poller.cancel()

    def next(self) -> asyncio.Future[None]:
        """Done at the next change. Take it before looking at the state, so that none is missed."""
        if self._told is None:
            self._told = asyncio.get_running_loop().create_future()
        return self._told

    async def wait(self, change: asyncio.Future[None], seconds: float) -> bool:
        """Wait for `change` of `next`, at most `seconds`; whether it came."""
        done, _ = await asyncio.wait({change}, timeout=max(0.0, seconds))
        return bool(done)

    async def _poll(self) -> None:
        while True:
            try:
                mark = await self._database.read(self.mark_in)
            except SeatrialError as error:
                log_error(_LOG, error)  # the next look may succeed
            else:
                if mark != self._mark:
                    self._mark = mark
                    self.tell()
            await self._clock.sleep(POLL)
