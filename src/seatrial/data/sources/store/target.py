"""Writes a snapshot's tables into a database: all of them in one transaction, or none."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    Integer,
    MetaData,
    Table,
    Text,
    func,
    insert,
    inspect,
    select,
)
from sqlalchemy.types import TypeEngine

from seatrial.data.domain import LoadRefused
from seatrial.kit.database.connection import Connection
from seatrial.kit.database.database import Database

Rows = Callable[[], Iterable[list[dict[str, Any]]]]
"""Batches of rows, from the first on at each call: a transaction may be run again."""

_SQL: Final[dict[str, type[TypeEngine[Any]]]] = {
    "INTEGER": Integer,
    "BIGINT": BigInteger,
    "BOOLEAN": Boolean,
    "REAL": Float,
    "FLOAT": Float,
    "DOUBLE PRECISION": Float,
}


class Target:
    """A database that is to be filled.

    Args:
        url: `sqlite:///path` or `postgresql://…`.
    """

    def __init__(self, url: str) -> None:
        self._database = Database.open(url)

    def fill(self, tables: Mapping[str, tuple[dict[str, dict[str, Any]], Rows]]) -> dict[str, int]:
        """Insert all rows; a table that is not there is made.

        Args:
            tables: by name: declared columns, and batches of rows.

        Raises:
            LoadRefused: a table holds rows already, or lacks a column.
        """

        def use_case(connection: Connection) -> dict[str, int]:
            made = {
                name: self._table(connection, name, declared)
                for name, (declared, _) in tables.items()
            }
            order = MetaData()
            for table in made.values():
                table.to_metadata(order)
            # Parents before children, as far as the target declares them.
            names = [table.name for table in order.sorted_tables] or list(made)
            return {name: _inserted(connection, made[name], tables[name][1]) for name in names}

        return self._database.alter_now(use_case)

    def close(self) -> None:
        """Let go of the database."""
        self._database.close_now()

    def _table(
        self, connection: Connection, name: str, declared: dict[str, dict[str, Any]]
    ) -> Table:
        if not inspect(connection).has_table(name):
            columns = [
                Column(
                    column,
                    _SQL.get(str(of["type"]).upper(), Text)(),
                    primary_key=bool(of.get("key")),
                    nullable=bool(of.get("nullable", True)),
                )
                for column, of in declared.items()
            ]
            made = Table(name, MetaData(), *columns)
            made.create(connection)
            return made
        table = Table(name, MetaData(), autoload_with=connection)
        if lacking := declared.keys() - {column.name for column in table.columns}:
            raise LoadRefused(
                target=str(self._database), reason=f"{name} lacks the column {min(lacking)!r}"
            )
        if connection.execute(select(func.count()).select_from(table)).scalar_one():
            raise LoadRefused(target=str(self._database), reason=f"{name} holds rows already")
        return table


def _inserted(connection: Connection, table: Table, batches: Rows) -> int:
    count = 0
    for rows in batches():
        connection.execute(insert(table), rows)
        count += len(rows)
    return count
