"""Decisions on arrivals."""

from collections.abc import Sequence
from typing import Final

from sqlalchemy import func, select

from seatrial.cell.journal.domain.decisions import Decided, Told
from seatrial.cell.journal.store.tables import DECISION
from seatrial.kit.database.connection import Connection
from seatrial.kit.database.dialects import upsert
from seatrial.kit.database.prepared import Prepared

_ADD: Final = Prepared(upsert(DECISION).on_conflict_do_nothing())


def add(connection: Connection, run: str, attempt: int, decided: Sequence[Decided]) -> None:
    """Keep decisions; one that is kept already stays."""
    if not decided:
        return
    rows = [
        {
            "run": run,
            "attempt": attempt,
            "n": it.n,
            "seq": it.told.seq,
            "kind": it.kind,
            "name": it.name,
            "key": it.key,
            "decision": it.told.word,
            "reason": it.told.reason,
            "at": it.at,
        }
        for it in decided
    ]
    _ADD.run_each(connection, rows)


def last(connection: Connection, run: str, attempt: int) -> int:
    """The number given last in an attempt; 0 for none."""
    asked = select(func.max(DECISION.c.n)).where(
        DECISION.c.run == run, DECISION.c.attempt == attempt
    )
    return connection.execute(asked).scalar() or 0


def listed(connection: Connection, run: str) -> list[tuple[int, Decided]]:
    """All decisions of a run with their attempts, in order."""
    asked = select(DECISION).where(DECISION.c.run == run).order_by(DECISION.c.attempt, DECISION.c.n)
    return [
        (
            row.attempt,
            Decided(
                n=row.n,
                kind=row.kind,
                name=row.name,
                key=row.key,
                told=Told(word=row.decision, reason=row.reason, seq=row.seq),
                at=row.at,
            ),
        )
        for row in connection.execute(asked)
    ]


def met(connection: Connection, run: str) -> frozenset[int]:
    """The rows to which the newest attempt that decided anything has come back."""
    newest = select(func.max(DECISION.c.attempt)).where(DECISION.c.run == run).scalar_subquery()
    asked = select(DECISION.c.seq).where(
        DECISION.c.run == run, DECISION.c.attempt == newest, DECISION.c.seq.is_not(None)
    )
    return frozenset(row.seq for row in connection.execute(asked))
