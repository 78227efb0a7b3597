"""A run in hand, for what records its calls: each transaction asks first whether it still is."""

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Final

from sqlalchemy import MetaData, insert

from seatrial.cell.runs.service.waiting import fenced
from seatrial.cell.runs.store.tables import HISTORY, RUN
from seatrial.kit.database.connection import Connection
from seatrial.kit.database.database import Database
from seatrial.kit.database.dialects import UtcDateTime
from seatrial.kit.database.history import History
from seatrial.kit.database.migrations import migrate_now

__all__ = ["fenced", "laid"]

_PLAIN: Final[dict[type, Any]] = {str: "", int: 0, float: 0.0, bool: False}


def laid(path: Path, histories: Sequence[History], run: str, *own: MetaData) -> int:
    """Make a cell's database with `run` in its first attempt; its size in bytes.

    Args:
        path: of the file.
        histories: of the tables besides those of runs.
        run: its id.
        own: further tables.
    """
    with Database.open(f"sqlite:///{path}") as database:
        migrate_now(database, [*histories, HISTORY])
        for tables in own:
            database.alter_now(tables.create_all)
        database.write_now(partial(_hold, run=run))
    return path.stat().st_size  # the last one to close the file moves its log into it


def _hold(connection: Connection, run: str) -> None:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    values = {
        column.name: at if isinstance(column.type, UtcDateTime) else _PLAIN[column.type.python_type]
        for column in RUN.columns
        if not column.nullable
    }
    connection.execute(insert(RUN), {**values, "id": run, "state": "running", "attempt": 1})
