"""Brings a database's tables to what this program needs, at start, forward only.

One transaction, under a lock that one process at a time holds: a process killed at any point leaves
the tables as they were before, or as they are after.
"""

from collections.abc import Callable, Sequence
from typing import Final

from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy import Column, Table, Text, insert, select

from seatrial.kit.database.connection import Connection
from seatrial.kit.database.database import Database
from seatrial.kit.database.dialects import Int64, UtcDateTime, has_table, metadata, now
from seatrial.kit.database.errors import SchemaBehind
from seatrial.kit.database.history import Applied, History, Revision

_METADATA: Final = metadata()
_APPLIED: Final = Table(
    "schema_revision",
    _METADATA,
    Column("history", Text, primary_key=True),
    Column("position", Int64, primary_key=True),
    Column("revision", Text, nullable=False),
    Column("compatible_from", Text, nullable=False),
    Column("applied", UtcDateTime, nullable=False),
)


def _silent(_step: str) -> None:
    """Nobody asked to be told."""


def migrate_now(
    database: Database,
    histories: Sequence[History],
    *,
    progress: Callable[[str], None] = _silent,
) -> tuple[str, ...]:
    """Take every step that `database` has not taken, in the order of `histories`.

    Args:
        database: the database. One that is read only is looked at instead, and not changed.
        histories: of the rooms that keep tables there; one whose tables refer to another's comes
            after it.
        progress: is told `<history> <revision>` after each step, before all are committed.

    Returns:
        The steps taken, in the words given to `progress`.

    Raises:
        SchemaTooNew: the database is newer than this code can live with.
        SchemaUnknown: the database's history is another one.
        SchemaBehind: the database is read only and lacks a step.
        DatabaseBusy: somebody else held a table for too long.
    """
    if database.read_only:
        database.read_now(lambda connection: _refuse_behind(connection, histories))
        return ()
    return database.alter_now(lambda connection: _upgraded(connection, histories, progress))


def _upgraded(
    connection: Connection, histories: Sequence[History], progress: Callable[[str], None]
) -> tuple[str, ...]:
    _METADATA.create_all(connection)
    context = MigrationContext.configure(connection, opts={"target_metadata": metadata()})
    # All are judged before any is changed: the error then names the true state.
    plans = [(history, history.pending(_applied(connection, history))) for history in histories]
    taken = []
    for history, pending in plans:
        for revision in pending:
            revision.upgrade(Operations(context))
            _note(connection, history, revision)
            taken.append(f"{history.name} {revision.name}")
            progress(taken[-1])
    return tuple(taken)


def _refuse_behind(connection: Connection, histories: Sequence[History]) -> None:
    known = has_table(connection, _APPLIED.name)
    for history in histories:
        applied = _applied(connection, history) if known else ()
        if history.pending(applied):
            raise SchemaBehind(
                history=history.name,
                found=applied[-1].name if applied else "",
                needed=history.revisions[-1].name,
            )


def _applied(connection: Connection, history: History) -> Sequence[Applied]:
    rows = connection.execute(
        select(_APPLIED.c.revision, _APPLIED.c.compatible_from)
        .where(_APPLIED.c.history == history.name)
        .order_by(_APPLIED.c.position)
    )
    return [Applied(name=row.revision, compatible_from=row.compatible_from) for row in rows]


def _note(connection: Connection, history: History, revision: Revision) -> None:
    connection.execute(
        insert(_APPLIED).values(
            history=history.name,
            position=history.revisions.index(revision),
            revision=revision.name,
            compatible_from=revision.compatible_from,
            applied=now(),
        )
    )
