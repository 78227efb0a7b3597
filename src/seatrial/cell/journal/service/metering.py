"""Tries: what went out, what it used, and how far a run may still go.

A try of a recorded call is written in the transactions of its row (`recall`); here are the counts
that limits are judged by, and what has no row: prompts, refusals, and tries that were cut. All is
lazy: a killed process loses nothing that was awaited, lost power at worst the newest.
"""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from seatrial.cell.journal.domain.calls import Call, CallKey, CallKind, Intent, Result, Totals
from seatrial.cell.journal.store import calls as store
from seatrial.kit.database.connection import Connection, Durability, Isolation
from seatrial.kit.database.database import Database

_MOST_REFUSED: Final = 20  # refused calls of one attempt that are written
_MOST_RUNS: Final = 4_096  # attempts whose counts are kept in memory; an older one is read again


@dataclass(kw_only=True, slots=True)
class Ledger:
    """The counts of one attempt, kept by the process that runs it.

    Attributes:
        run: its run.
        attempt: which one.
        seq: the number given last.
        totals: of the whole run, earlier attempts included.
        refused: calls that were refused, so that a loop of them fills no disk.
    """

    run: str
    attempt: int
    seq: int
    totals: Totals
    refused: int = 0

    def next(self, kind: CallKind) -> CallKey:
        """The key of the next call, which is counted."""
        if kind is not CallKind.PROMPT:
            self.totals = replace(self.totals, calls=self.totals.calls + 1)
        return self._key()

    def refuse(self) -> CallKey | None:
        """The key of a call that is refused; None when enough of them were written."""
        self.refused += 1
        return self._key() if self.refused <= _MOST_REFUSED else None

    def _key(self) -> CallKey:
        self.seq += 1
        return CallKey(run=self.run, attempt=self.attempt, seq=self.seq)

    def book(self, result: Result, guessed_usd: float = 0.0) -> None:
        """Add what a call has used, and what it may have cost where that is not known."""
        tokens = result.tokens
        self.totals = replace(
            self.totals,
            input_tokens=self.totals.input_tokens + (tokens.input if tokens else 0),
            output_tokens=self.totals.output_tokens + (tokens.output if tokens else 0),
            cost_usd=self.totals.cost_usd + (result.cost_usd or guessed_usd),
        )


class Journal:
    """The calls of one cell's runs."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._ledgers: OrderedDict[tuple[str, int], Ledger] = OrderedDict()

    async def ledger(self, run: str, attempt: int) -> Ledger:
        """The counts of an attempt. All its calls come to one process, so memory knows them."""
        found = self._ledgers.get((run, attempt))
        if found is not None:
            return found

        def use_case(connection: Connection) -> store.Reached:
            return store.reached(connection, run, attempt)

        reached = await self._database.read(use_case)
        fresh = Ledger(run=run, attempt=attempt, seq=reached.seq, totals=reached.totals)
        kept = self._ledgers.setdefault((run, attempt), fresh)  # another call may have been faster
        while len(self._ledgers) > _MOST_RUNS:
            self._ledgers.popitem(last=False)
        return kept

    async def begin(self, key: CallKey, intent: Intent) -> None:
        """Write that a call is about to be made."""
        await self._database.write(
            lambda connection: store.add(connection, key, intent),
            durability=Durability.LAZY,
            isolation=Isolation.READ_COMMITTED,
        )

    async def end(self, key: CallKey, result: Result) -> None:
        """Write what became of it. The first result stays."""
        await self._database.write(
            lambda connection: store.end(connection, key, result),
            durability=Durability.LAZY,
            isolation=Isolation.READ_COMMITTED,
        )

    async def whole(self, key: CallKey, intent: Intent, result: Result) -> None:
        """Write a call that is over already, such as the fetch of a prompt."""

        def use_case(connection: Connection) -> None:
            store.add(connection, key, intent)
            store.end(connection, key, result)

        await self._database.write(
            use_case, durability=Durability.LAZY, isolation=Isolation.READ_COMMITTED
        )


def calls(connection: Connection, run: str) -> list[Call]:
    """Every call of a run, in order of attempt and arrival."""
    return store.calls(connection, run)


def totals(connection: Connection, run: str) -> Totals:
    """The totals of one run."""
    return store.totals(connection, [run]).get(run, Totals())


def totals_of(connection: Connection, runs: Sequence[str]) -> dict[str, Totals]:
    """The totals of each of `runs` that has called anything."""
    return store.totals(connection, runs) if runs else {}
