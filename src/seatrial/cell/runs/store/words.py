"""Outside events that came before their run asked for them."""

from datetime import datetime
from typing import Final

from sqlalchemy import bindparam, delete, func, insert, select

from seatrial.cell.runs.store.tables import WORD
from seatrial.kit.database.connection import Connection

_KEPT: Final = select(func.count()).select_from(WORD).where(WORD.c.run == bindparam("of_run"))
_NEXT: Final = (
    select(WORD.c.n, WORD.c.body)
    .where(WORD.c.run == bindparam("of_run"), WORD.c.name == bindparam("of_name"))
    .order_by(WORD.c.n)
    .limit(1)
)
_LAST: Final = select(func.max(WORD.c.n)).where(
    WORD.c.run == bindparam("of_run"), WORD.c.name == bindparam("of_name")
)


def kept(connection: Connection, run: str) -> int:
    """How many are kept for a run."""
    return connection.execute(_KEPT, {"of_run": run}).scalar_one()


def add(connection: Connection, run: str, name: str, body: str, at: datetime) -> None:
    """Keep one; its run must be locked."""
    last = connection.execute(_LAST, {"of_run": run, "of_name": name}).scalar() or 0
    values = {"run": run, "name": name, "n": last + 1, "body": body, "at": at}
    connection.execute(insert(WORD), values)


def take(connection: Connection, run: str, name: str) -> str | None:
    """The oldest of a name, which is kept no longer; None for none."""
    row = connection.execute(_NEXT, {"of_run": run, "of_name": name}).first()
    if row is None:
        return None
    connection.execute(
        delete(WORD).where(WORD.c.run == run, WORD.c.name == name, WORD.c.n == row.n)
    )
    return str(row.body)


def drop(connection: Connection, run: str) -> None:
    """Forget all of a run."""
    connection.execute(delete(WORD).where(WORD.c.run == run))
