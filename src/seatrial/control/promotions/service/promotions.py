"""The switch on control's side as one object: each verb is one transaction, then a word to all.

Every use case first takes the row of its environment. All that it reads of that environment
afterwards is then the newest, so READ COMMITTED is enough, and two processes of control wait for
each other instead of being undone and run again.
"""

import logging
import math
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, TypeVar

from seatrial.contract.switch.api import (
    GenerationRow,
    OrderAnswer,
    OrderRequest,
    Permission,
    Plan,
    PlanRequest,
    Status,
)
from seatrial.contract.switch.requests import ExcludeRequest, RollbackRequest
from seatrial.control.identity.domain import Caller
from seatrial.control.promotions.domain.switching import Commit, Excluded, Until
from seatrial.control.promotions.domain.wording import kept
from seatrial.control.promotions.service import (
    gathering,
    ordering,
    planning,
    reporting,
    telling,
)
from seatrial.control.promotions.service.changes import Changes, Mark
from seatrial.control.promotions.service.means import Means
from seatrial.control.promotions.service.states import Deed
from seatrial.control.promotions.store import cells, generations
from seatrial.kit.clock import Clock
from seatrial.kit.crypto.canonical import canonical
from seatrial.kit.crypto.digests import Digest
from seatrial.kit.database.connection import Connection, Durability, Isolation
from seatrial.kit.database.database import Database
from seatrial.kit.errors import SeatrialError
from seatrial.kit.failpoints import reach
from seatrial.kit.leases.domain import LeaseLost
from seatrial.kit.log import log_error

TICK: Final = 1.0
"""Seconds between two looks for what is overdue."""
SEEN: Final = timedelta(seconds=5)
"""A cell's presence is written down so often."""

_LOG: Final = logging.getLogger(__name__)
_T = TypeVar("_T")


@dataclass(frozen=True, kw_only=True)
class _Told:
    """What a cell was told last, and in which state of things."""

    state: tuple[Mark, int | None]
    tag: str
    body: bytes


class Promotions:
    """Orders, generations, evidence, and what cells are told. Belongs to one event loop."""

    def __init__(self, database: Database, clock: Clock, means: Means) -> None:
        self._database = database
        self._clock = clock
        self._means = means
        self._changes = Changes(database, clock, means.environments)
        self._told: dict[str, _Told] = {}
        self._seen: dict[str, float] = {}

    # --- For people ----------------------------------------------------------------------------

    async def plan(self, request: PlanRequest, environment: str) -> Plan:
        """What `request` would do; errors are those of `planning.plan`."""
        now = self._clock.now()
        return await self._database.read(
            lambda connection: planning.plan(connection, self._means, request, environment, now)
        )

    async def order(self, request: OrderRequest, environment: str, caller: Caller) -> OrderAnswer:
        """Carry out a signed plan, or keep it; errors are those of `ordering.order`."""
        now = self._clock.now()
        return await self._written(
            "order",
            lambda connection: ordering.order(
                connection, self._means, request, environment, caller, now
            ),
        )

    async def rollback(
        self, request: RollbackRequest, environment: str, caller: Caller
    ) -> GenerationRow:
        """Go back on the caller's permission alone; errors are those of `ordering.rollback`."""
        now = self._clock.now()

        def proposed(connection: Connection) -> GenerationRow:
            made = ordering.rollback(connection, self._means, request, environment, caller, now)
            return telling.generation(connection, self._means, environment, made, now)

        return await self._written("rollback", proposed)

    async def exclude(
        self, request: ExcludeRequest, environment: str, generation: int, caller: Caller
    ) -> GenerationRow:
        """Go on without a cell; errors are those of `ordering.exclude`."""
        now = self._clock.now()

        caller.refuse_unless(Permission.PROMOTE)
        event = Excluded(cell=request.cell, generation=generation, at=now)
        deed = Deed(actor=caller.id, at=now, why=kept(request.reason))

        def excluded(connection: Connection) -> GenerationRow:
            ordering.exclude(connection, self._means, environment, event, deed)
            return telling.generation(connection, self._means, environment, generation, now)

        return await self._written("exclude", excluded)

    async def status(self) -> Status:
        """Everything on one page."""
        now = self._clock.now()
        return await self._database.read(
            lambda connection: telling.status(connection, self._means, now)
        )

    async def generations(self, environment: str, limit: int) -> tuple[GenerationRow, ...]:
        """The newest generations, the newest first; raises `EnvironmentUnknown`."""
        return await self._database.read(
            lambda connection: telling.newest(connection, self._means, environment, limit)
        )

    async def generation(self, environment: str, generation: int) -> GenerationRow:
        """One generation; raises `EnvironmentUnknown`, `GenerationUnknown`."""
        now = self._clock.now()
        return await self._database.read(
            lambda connection: telling.generation(
                connection, self._means, environment, generation, now
            )
        )

    async def wait(
        self, environment: str, generation: int, until: Until, seconds: float
    ) -> GenerationRow:
        """The generation when it is as far as `until` says, or as it is after `seconds`."""
        end = self._clock.steady() + seconds
        async with self._changes.listening():
            while True:
                change = self._changes.next()
                row = await self.generation(environment, generation)
                left = end - self._clock.steady()
                if telling.is_reached(row, until) or left <= 0:
                    return row
                await self._changes.wait(change, left)

    def active(self, connection: Connection) -> Mapping[Digest, tuple[str, ...]]:
        """In which environments each release is active, for the catalog's lists."""
        return telling.active(connection, self._means)

    # --- For cells -----------------------------------------------------------------------------

    async def report(self, envelope: str, cell: str) -> None:
        """Hear a cell; errors are those of `reporting.report`."""
        now = self._clock.now()
        decisions = await self._written(
            "report",
            lambda connection: reporting.report(connection, self._means, envelope, cell, now),
        )
        if any(isinstance(each, Commit) for each in decisions):
            reach("control.commit.after")

    async def evidence(self, envelope: str, cell: str) -> bool:
        """Keep what a cell counted; errors are those of `gathering.take_facts`."""
        return await self._database.write(
            lambda connection: gathering.take_facts(connection, self._means, envelope, cell),
            isolation=Isolation.READ_COMMITTED,
        )

    async def desired(
        self, cell: str, environment: str, current: int | None = None
    ) -> tuple[str, bytes]:
        """What `cell` shall run: a strong entity tag, and the document in canonical form.

        Args:
            cell: of whom the caller is sure.
            environment: of the cell.
            current: the generation that the cell says it runs.

        Raises:
            KeyringMissing, GenerationAltered: nothing can be told.
        """
        await self._note_seen(cell, environment)
        return await self._database.read(
            lambda connection: self._desired(connection, cell, environment, current)
        )

    async def desired_after(
        self, tag: str, cell: str, environment: str, current: int | None, seconds: float
    ) -> tuple[str, bytes]:
        """`desired`, once it is another than `tag` names, or as it is after `seconds`."""
        end = self._clock.steady() + seconds
        async with self._changes.listening():
            while True:
                change = self._changes.next()
                found = await self.desired(cell, environment, current)
                left = end - self._clock.steady()
                if found[0] != tag or left <= 0:
                    return found
                await self._changes.wait(change, left)

    async def tags(self, cell: str, environment: str) -> AsyncIterator[str]:
        """The entity tag of `desired` now, and again whenever it is another."""
        last = ""
        async with self._changes.listening():
            while True:
                change = self._changes.next()
                try:
                    tag, _ = await self.desired(cell, environment)
                except SeatrialError as error:
                    log_error(_LOG, error)
                    tag = last
                if tag != last:
                    last = tag
                    yield tag
                # Also wakes without a change, so that the cell counts as seen while it listens.
                await self._changes.wait(change, SEEN.total_seconds())

    # --- For control itself ---------------------------------------------------------------------

    def awaken(self) -> None:
        """Let everybody who waits look again: for changes that other rooms made (the keyring)."""
        self._changes.tell()

    async def tick(self, epoch: int | None = None) -> int:
        """Abandon what is overdue, under the lease `ordering.LEASE`; how many were.

        Raises:
            LeaseLost: another process leads by now.
        """
        now = self._clock.now()
        late = await self._database.read(lambda connection: generations.overdue(connection, now))
        abandoned = 0
        for environment in late:
            abandoned += await self._tick(environment, epoch)
        return abandoned

    async def lead(self, epoch: int) -> None:
        """Tick for as long as this process leads; for `Lease.run`."""
        while True:
            try:
                await self.tick(epoch)
            except LeaseLost:
                raise
            except SeatrialError as error:
                log_error(_LOG, error)
            await self._clock.sleep(TICK)

    async def _tick(self, environment: str, epoch: int | None) -> bool:
        now = self._clock.now()
        return await self._written(
            "tick",
            lambda connection: ordering.tick(connection, self._means, environment, now, epoch),
        )

    async def _written(self, verb: str, use_case: Callable[[Connection], _T]) -> _T:
        reach(f"control.{verb}.before")
        try:
            answer = await self._database.write(use_case, isolation=Isolation.READ_COMMITTED)
            reach(f"control.{verb}.after")
            return answer
        finally:
            # Also where it failed: a commit whose answer was lost may have happened.
            self._changes.tell()

    def _desired(
        self, connection: Connection, cell: str, environment: str, current: int | None
    ) -> tuple[str, bytes]:
        state = (self._changes.mark_in(connection), current)
        known = self._told.get(cell)
        if known is not None and known.state == state:
            return known.tag, known.body
        document = telling.desired(connection, self._means, cell, environment, current)
        body = canonical(document.document())
        tag = Digest.of(body).hex
        self._told[cell] = _Told(state=state, tag=tag, body=body)
        return tag, body

    async def _note_seen(self, cell: str, environment: str) -> None:
        now, steady = self._clock.now(), self._clock.steady()
        if steady < self._seen.get(cell, -math.inf) + SEEN.total_seconds():
            return
        self._seen[cell] = steady
        try:
            await self._database.write(
                lambda connection: cells.saw(connection, cell, environment, now, SEEN),
                durability=Durability.LAZY,
                isolation=Isolation.READ_COMMITTED,
            )
        except SeatrialError as error:
            log_error(_LOG, error)  # a cell is told what to do though this could not be noted
