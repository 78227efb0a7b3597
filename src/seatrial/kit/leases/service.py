"""Hold a lease: stand for it, keep it, act under it, hand it over.

Two things make one leader. A holder counts itself out by its own steady clock before the database
would give the lease away (`Lease.held`): that keeps two from acting at once as long as machines do
not stop in between. And every write that only the leader may make calls `fence` first: a process
that was paused for an hour and does not know it yet changes nothing.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from datetime import timedelta
from typing import Any, Final

from seatrial.kit.clock import Clock
from seatrial.kit.database.connection import Connection, Isolation
from seatrial.kit.database.database import Database
from seatrial.kit.database.errors import DatabaseClosed
from seatrial.kit.errors import SeatrialError
from seatrial.kit.leases import store
from seatrial.kit.leases.domain import LeaseLost, Tenure, refuse_unfit_times, tenure

TTL: Final = 10.0  # seconds
RENEW: Final = 3.0

_LOG: Final = logging.getLogger(__name__)


def fence(connection: Connection, name: str, epoch: int) -> None:
    """Let this use case go on only if the lease `name` is still held under `epoch`.

    Call it in every use case that only the leader may run, with the epoch under which the work was
    decided, not with that of the moment. Whoever takes the lease over waits until this transaction
    has ended; on PostgreSQL so does a renewal, so keep such a use case short.

    Raises:
        LeaseLost: another has taken it meanwhile. Let it pass, and the use case is undone.
    """
    if store.lock(connection, name) != epoch:
        raise LeaseLost(name=name, epoch=epoch)


class Lease:
    """One process's claim to the lease `name`.

    Args:
        database: shared by all who stand for it.
        name: what is led, as `rollouts`.
        holder: unique among processes that run at once. A holder that keeps its name over a
            restart takes its own lease back at once, under a new epoch.
        clock: for the holder's own count; the database counts by itself.
        ttl: seconds from a renewal until another may take over.
        renew: seconds between renewals, and between attempts to take the lease.
    """

    def __init__(
        self,
        database: Database,
        name: str,
        holder: str,
        clock: Clock,
        *,
        ttl: float = TTL,
        renew: float = RENEW,
    ) -> None:
        refuse_unfit_times(ttl, renew)
        self.name: Final = name
        self.holder: Final = holder
        self._database = database
        self._clock = clock
        self._ttl = ttl
        self._renew = renew
        self._tenure: Tenure | None = None

    @property
    def held(self) -> bool:
        """Whether this process may act as the leader now; false at two thirds of a silent ttl."""
        return self._tenure is not None and self._tenure.holds(self._clock.steady())

    @property
    def epoch(self) -> int:
        """The epoch under which it is held.

        Raises:
            LeaseLost: it is not.
        """
        return self._present().epoch

    async def acquire(self) -> int | None:
        """Take the lease if it is free, has run out, or is this holder's own.

        Returns:
            The new epoch; None if another holds it. Errors are those of `Database.write`.
        """
        asked = self._clock.steady()
        epoch = await self._database.write(
            lambda connection: store.take(
                connection, self.name, self.holder, timedelta(seconds=self._ttl)
            ),
            isolation=Isolation.READ_COMMITTED,
        )
        self._tenure = tenure(epoch, asked, self._ttl) if epoch is not None else None
        return epoch

    async def renew(self) -> None:
        """Make the lease last for another ttl. Errors of `Database.write` leave it as it is.

        Raises:
            LeaseLost: another has taken it, or this holder has counted itself out already.
        """
        present, asked = self._present(), self._clock.steady()
        extended = await self._database.write(
            lambda connection: store.extend(
                connection, self.name, present.epoch, timedelta(seconds=self._ttl)
            ),
            isolation=Isolation.READ_COMMITTED,
        )
        # Who has counted itself out does not come back under the same epoch: its work has ended.
        if not extended or not self.held:
            self._tenure = None
            raise LeaseLost(name=self.name, epoch=present.epoch)
        self._tenure = tenure(present.epoch, asked, self._ttl)

    async def release(self) -> None:
        """Let another take the lease at once; nothing if it is not held."""
        left, self._tenure = self._tenure, None
        if left is not None:
            await self._database.write(
                lambda connection: store.end(connection, self.name, left.epoch),
                isolation=Isolation.READ_COMMITTED,
            )

    async def run(self, lead: Callable[[int], Coroutine[Any, Any, None]]) -> None:
        """Stand for the lease again and again; whenever it is held, run `lead(epoch)`.

        `lead` is cancelled when the lease is lost, and must end then. A `LeaseLost` of this lease
        that comes out of it counts as that. When this task is cancelled, `lead` is first, and the
        lease is kept until it has ended.

        Returns:
            When `lead` has returned; the lease is released then. Its exceptions come out here.
        """
        while True:
            epoch = await self._stood()
            if epoch is not None and await self._led(lead, epoch):
                return
            await self._clock.sleep(self._renew)

    def _present(self) -> Tenure:
        if self._tenure is None or not self._tenure.holds(self._clock.steady()):
            raise LeaseLost(name=self.name, epoch=self._tenure.epoch if self._tenure else 0)
        return self._tenure

    async def _stood(self) -> int | None:
        try:
            return await self.acquire()
        except DatabaseClosed:
            raise
        except SeatrialError as error:
            _LOG.warning("cannot stand for lease %r: %s", self.name, error)
            return None

    async def _led(self, lead: Callable[[int], Coroutine[Any, Any, None]], epoch: int) -> bool:
        """Lead until the end of `lead` (true) or of the tenure (false)."""
        _LOG.info("%s leads %r under epoch %d", self.holder, self.name, epoch)
        keeper = asyncio.create_task(self._kept())
        work = asyncio.create_task(lead(epoch))
        try:
            await asyncio.wait({keeper, work}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            # The keeper last: whoever is asked to stop still leads until it has stopped.
            for task in (work, keeper):
                task.cancel()
                await asyncio.wait({task})
            await self._let_go()
        if not keeper.cancelled():
            keeper.result()
        try:
            work.result()
        except asyncio.CancelledError:
            return False
        except LeaseLost as error:
            if error.fields["name"] != self.name:
                raise
            return False
        return True

    async def _kept(self) -> None:
        """Renew, until the lease is lost."""
        while self._tenure is not None and self.held:
            await self._clock.sleep(min(self._renew, self._left(self._tenure)))
            try:
                async with asyncio.timeout(self._left(self._tenure)):
                    await self.renew()
            except (LeaseLost, TimeoutError):
                break
            except DatabaseClosed:
                raise
            except SeatrialError as error:
                _LOG.warning("cannot renew lease %r yet: %s", self.name, error)
        _LOG.warning("%s leads %r no longer", self.holder, self.name)

    def _left(self, tenure: Tenure) -> float:
        return max(0.0, tenure.until - self._clock.steady())

    async def _let_go(self) -> None:
        try:
            async with asyncio.timeout(self._renew):
                await self.release()
        except (SeatrialError, TimeoutError) as error:
            _LOG.warning("lease %r was not released, it will run out: %s", self.name, error)
