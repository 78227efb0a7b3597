"""Writing down what an attempt does, for as long as it has the run."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from seatrial.cell.journal.domain import keys
from seatrial.cell.journal.domain.decisions import Decided, Told
from seatrial.cell.journal.domain.records import (
    AttemptStale,
    Body,
    Bounds,
    CallSettled,
    Recorded,
)
from seatrial.cell.journal.domain.rows import Effect, Row, RowState
from seatrial.cell.journal.service.passages import Begun, Ended
from seatrial.cell.journal.store import calls as tries
from seatrial.cell.journal.store import decisions
from seatrial.cell.journal.store import records as store
from seatrial.kit.clock import Clock
from seatrial.kit.database.connection import Connection, Durability, Isolation
from seatrial.kit.database.database import Database

_MOST_UNWRITTEN: Final = 64  # decisions that wait for a transaction to go along with
_SOME: Final = 16  # decisions with which any transaction takes them along

Fence = Callable[[Connection, str, int], bool]
"""Whether an attempt is the one in hand, and stays so until the transaction has ended."""


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """What recording stands on.

    Attributes:
        database: the cell's.
        fence: of the cell's runs.
        clock: for times and patience.
        bounds: see there.
    """

    database: Database
    fence: Fence
    clock: Clock
    bounds: Bounds = field(default_factory=Bounds)


class Pen:
    """What writes for one attempt. Every transaction of it is fenced, but for what was paid.

    Args:
        around: see there.
        run: its run.
        number: which attempt.
        decided: decisions that it has written already, in another process.
        failed: told of what kept a record from being written: an attempt that cannot write its
            record must not go on beside it.
    """

    def __init__(
        self,
        around: Surroundings,
        run: str,
        number: int,
        *,
        decided: int,
        failed: Callable[[Exception], None],
    ) -> None:
        self._around = around
        self._run = run
        self._number = number
        self._decided = decided
        self._failed = failed
        self._unwritten: list[Decided] = []

    @property
    def full(self) -> bool:
        """So many decisions wait that they should be written by themselves."""
        return len(self._unwritten) >= _MOST_UNWRITTEN

    async def flush(self) -> None:
        """Write the decisions that no other transaction has taken along."""
        if self._unwritten:
            await self._written(lambda _: None, durable=False, everything=True)

    def note(self, kind: str, name: str, key: str, words: Told) -> None:
        """Keep a decision until a transaction takes it along."""
        self._decided += 1
        self._unwritten.append(
            Decided(
                n=self._decided,
                kind=kind,
                name=name,
                key=key,
                told=words,
                at=self._around.clock.now(),
            )
        )

    async def begin(self, row: Row, call: keys.Call, tried: Begun | None) -> None:
        """Write an intent, and the try that goes out with it.

        Raises:
            AttemptStale: another attempt has the run.
        """
        at, bounds = self._around.clock.now(), self._around.bounds

        def use_case(connection: Connection) -> None:
            self._fenced(connection)
            if not self._intend(connection, row, call, tried, at):
                raise CallSettled(run=self._run, seq=row.seq)
            # Of a write, a person may have to see it before there is a result. Of anything else
            # only a mask needs it, and that finds nothing but results.
            if row.binds and len(call.body) <= bounds.body:
                store.keep(connection, self._run, row.seq, store.REQUEST, Body(content=call.body))

        await self._written(use_case, durable=row.binds)

    async def settle(
        self,
        row: Row,
        body: Body | None,
        ended: Ended | None = None,
        request: bytes | None = None,
        unwritten: tuple[Row, keys.Call, Begun] | None = None,
    ) -> None:
        """Write a result, its bodies and what became of its try; before it, an unwritten intent.

        Raises:
            AttemptStale: another attempt has the run. What became of the try is written even so.
        """
        at, largest = self._around.clock.now(), self._around.bounds.body

        def use_case(connection: Connection) -> None:
            self._fenced(connection)
            if unwritten is not None:
                intended, call, tried = unwritten
                self._intend(connection, intended, call, tried, tried[1].started)
            if store.settle(connection, self._run, row, at) and body is not None:
                if request is not None and len(request) <= largest:
                    asked = Body(content=request)
                    store.keep_both(connection, self._run, row.seq, asked, body)
                else:
                    store.keep(connection, self._run, row.seq, store.ANSWER, body)
            if ended is not None:
                tries.end(connection, *ended)

        lasting = row.binds and (row.effect is Effect.IRREVERSIBLE or row.state is RowState.UNKNOWN)
        try:
            await self._written(use_case, durable=lasting)
        except AttemptStale:
            await self.end(ended, None if unwritten is None else unwritten[2])
            raise

    async def end(self, ended: Ended | None, unwritten: Begun | None = None) -> None:
        """Write what became of a try alone: what was paid is paid, whoever has the run."""
        if ended is None:
            return

        def use_case(connection: Connection) -> None:
            if unwritten is not None:
                tries.add(connection, *unwritten)
            tries.end(connection, *ended)

        await self._around.database.write(
            use_case, durability=Durability.LAZY, isolation=Isolation.READ_COMMITTED
        )

    def _intend(
        self,
        connection: Connection,
        row: Row,
        call: keys.Call,
        tried: Begun | None,
        at: datetime,
    ) -> bool:
        if tried is not None:
            tries.add(connection, *tried)
        return store.begin(connection, self._run, Recorded(row=row, name=call.name), at)

    async def _written(
        self,
        use_case: Callable[[Connection], None],
        *,
        durable: bool,
        everything: bool = False,
    ) -> None:
        """Run `use_case` as one transaction, which takes along the decisions made so far.

        Not each one, unless it is durable: 16 rows in one statement cost as much as two alone.
        """
        decided: list[Decided] = []
        if durable or everything or len(self._unwritten) >= _SOME:
            decided, self._unwritten = self._unwritten, []

        def both(connection: Connection) -> None:
            use_case(connection)
            decisions.add(connection, self._run, self._number, decided)

        try:
            await self._around.database.write(
                both,
                durability=Durability.FULL if durable else Durability.LAZY,
                isolation=Isolation.READ_COMMITTED,
            )
        except Exception as error:
            self._failed(error)
            raise
        except asyncio.CancelledError:
            self._unwritten = decided + self._unwritten  # kept once, however often they are added
            raise

    def _fenced(self, connection: Connection) -> None:
        if not self._around.fence(connection, self._run, self._number):
            raise AttemptStale(run=self._run, attempt=self._number)
