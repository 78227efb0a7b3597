"""Finds what a revision would take away from code that still runs.

A new version of the program starts while the old one still works on the same database, and the old
one may come back after a rollback. So a step may add, and no more. What is no longer used is taken
away one version later, by a step that declares itself a contraction and says since when no code
uses it.
"""

import contextlib
import re
from collections.abc import Iterator, Sequence
from typing import Any, Final

from alembic.migration import MigrationContext
from alembic.operations import BatchOperations, MigrateOperation, Operations, ops
from alembic.operations.batch import BatchOperationsImpl

from seatrial.kit.database.history import History, Revision

_DIALECTS: Final = ("sqlite", "postgresql")
_TAKERS: Final[dict[type[MigrateOperation], str]] = {
    ops.DropTableOp: "drops table {0.table_name!r}",
    ops.RenameTableOp: "renames table {0.table_name!r}",
    ops.DropColumnOp: "drops column {0.table_name}.{0.column_name}",
    ops.DropConstraintOp: "drops constraint {0.constraint_name!r}",
    ops.DropIndexOp: "drops index {0.index_name!r}",
}
_TAKES_AWAY: Final = re.compile(r"\b(?:drop|rename|alter|delete|truncate)\b", re.IGNORECASE)


def findings(history: History) -> tuple[str, ...]:
    """Everything wrong with `history`, in sentences; nothing if it may be released."""
    found: list[str] = []
    for position, revision in enumerate(history.revisions):
        earlier = history.revisions[:position]
        place = f"{history.name} {revision.name}"
        found += [f"{place}: {finding}" for finding in _claims(revision, earlier)]
        if not revision.contraction:
            found += [f"{place}: {finding}" for finding in _losses(revision)]
    return tuple(found)


def _claims(revision: Revision, earlier: Sequence[Revision]) -> list[str]:
    """What is wrong with what it says of itself."""
    if not earlier:
        if revision.compatible_from != revision.name:
            return ["the first revision is compatible from itself"]
        return []
    names = [before.name for before in earlier]
    if revision.compatible_from not in names:
        return [
            "compatible_from must name an earlier revision: the code of the last one still runs"
        ]
    before = names.index(earlier[-1].compatible_from)
    now = names.index(revision.compatible_from)
    if now < before:
        return ["compatible_from goes back; what is gone does not return"]
    if revision.contraction and now == before:
        return ["a contraction must move compatible_from to the code that uses no longer what goes"]
    return []


def _losses(revision: Revision) -> list[str]:
    """What it would take away or forbid, on either database, each once."""
    found: dict[str, None] = {}
    for dialect in _DIALECTS:
        recorder = _Recorder(dialect)
        revision.upgrade(recorder)
        made: set[str] = set()
        for operation in recorder.seen:
            if isinstance(operation, ops.CreateTableOp):
                made.add(operation.table_name)
            elif _table_of(operation) not in made:
                found |= dict.fromkeys(_loss(operation))
    return list(found)


def _loss(operation: MigrateOperation) -> Iterator[str]:
    match operation:
        case ops.AlterColumnOp():
            yield from _column_loss(operation)
        case ops.AddColumnOp(column=column):
            if not column.nullable and column.server_default is None:
                yield f"adds column {operation.table_name}.{column.name} NOT NULL without a default"
        case ops.CreateIndexOp(unique=True) | ops.AddConstraintOp():
            yield f"forbids in {_table_of(operation)!r} what older code may write"
        case ops.ExecuteSQLOp():
            if word := _TAKES_AWAY.search(str(operation.sqltext)):
                yield f"runs SQL that may take away: {word[0].upper()}"
        case _ if type(operation) in _TAKERS:
            yield _TAKERS[type(operation)].format(operation)


def _column_loss(operation: ops.AlterColumnOp) -> Iterator[str]:
    column = f"{operation.table_name}.{operation.column_name}"
    if operation.modify_name is not None:
        yield f"renames column {column}"
    if operation.modify_type is not None:
        yield f"changes the type of column {column}"
    if operation.modify_nullable is not None:
        yield f"changes whether column {column} may be NULL"


def _table_of(operation: MigrateOperation) -> str:
    return str(getattr(operation, "table_name", None) or getattr(operation, "source_table", ""))


class _Recorder(Operations):
    """Notes what a revision asks for, and does nothing."""

    def __init__(self, dialect: str) -> None:
        context = MigrationContext.configure(dialect_name=dialect, opts={"as_sql": True})
        super().__init__(context)
        self.seen: list[MigrateOperation] = []

    def invoke(self, operation: MigrateOperation) -> Any:  # noqa: ANN401 - as inherited
        """Note `operation`; a table to be made is handed back, for rows to be put into."""
        self.seen.append(operation)
        if isinstance(operation, ops.CreateTableOp):
            return operation.to_table(self.migration_context)
        return None

    @contextlib.contextmanager
    def batch_alter_table(
        self, table_name: str, schema: str | None = None, *_: object, **__: object
    ) -> Iterator[BatchOperations]:
        """Note what is asked for inside."""
        yield _BatchRecorder(self, table_name, schema)


class _BatchRecorder(BatchOperations):
    def __init__(self, recorder: _Recorder, table_name: str, schema: str | None) -> None:
        impl = BatchOperationsImpl(  # type: ignore[no-untyped-call] # Alembic leaves it untyped
            recorder, table_name, schema, "never", None, (), {}, (), {}, None, None
        )
        super().__init__(recorder.migration_context, impl=impl)
        self._recorder = recorder

    def invoke(self, operation: MigrateOperation) -> Any:  # noqa: ANN401 - as inherited
        """Note `operation`."""
        return self._recorder.invoke(operation)
