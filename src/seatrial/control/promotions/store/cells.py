"""What control has heard of cells."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, or_, select, update

from seatrial.control.promotions.store.tables import CELL
from seatrial.kit.database.connection import Connection
from seatrial.kit.database.dialects import upsert


@dataclass(frozen=True, kw_only=True)
class Hearsay:
    """What a cell said of itself; numbers only rise, so old messages change nothing.

    Attributes:
        current: the newest generation that it said to have committed.
        prepared: the newest that it said to have prepared.
        refused: the newest that it said to have refused, for `reason`.
        seen: when it was last heard of.
    """

    cell: str
    environment: str
    current: int = 0
    prepared: int | None = None
    refused: int | None = None
    reason: str = ""
    seen: datetime | None = None


def heard(connection: Connection, cell: str, environment: str) -> Hearsay:
    """What was heard of one cell."""
    row = connection.execute(select(CELL).where(CELL.c.cell == cell)).first()
    return Hearsay(cell=cell, environment=environment) if row is None else _hearsay(row)


def every(connection: Connection) -> dict[str, Hearsay]:
    """What was heard of each cell, by name."""
    return {row.cell: _hearsay(row) for row in connection.execute(select(CELL))}


def note(connection: Connection, said: Hearsay) -> None:
    """Keep what was heard of a cell."""
    values = {
        "environment": said.environment,
        "current": said.current,
        "prepared": said.prepared,
        "refused": said.refused,
        "reason": said.reason,
        "seen": said.seen,
    }
    row = upsert(CELL).values(cell=said.cell, **values)
    connection.execute(row.on_conflict_do_update(index_elements=[CELL.c.cell], set_=values))


def saw(
    connection: Connection, cell: str, environment: str, now: datetime, every: timedelta
) -> None:
    """Keep that a cell was there, unless that was noted less than `every` ago."""
    row = upsert(CELL).values(cell=cell, environment=environment, current=0, reason="", seen=now)
    connection.execute(row.on_conflict_do_nothing(index_elements=[CELL.c.cell]))
    stale = or_(CELL.c.seen.is_(None), CELL.c.seen < now - every)
    connection.execute(update(CELL).where(CELL.c.cell == cell, stale).values(seen=now))


def _hearsay(row: Row[Any]) -> Hearsay:
    return Hearsay(
        cell=row.cell,
        environment=row.environment,
        current=row.current,
        prepared=row.prepared,
        refused=row.refused,
        reason=row.reason,
        seen=row.seen,
    )
