"""Writes a snapshot's tables into a database: all of them in one transaction, or none."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

import orjson
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    Integer,
    MetaData,
    Table,
    Text,
    column,
    func,
    insert,
    inspect,
    select,
    table,
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
            for one in made.values():
                one.to_metadata(order)
            # Parents before children, as far as the target declares them.
            names = [one.name for one in order.sorted_tables]
            return {name: _inserted(connection, name, *tables[name]) for name in names}

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
                    one,
                    _SQL.get(str(of["type"]).upper(), Text)(),
                    primary_key=bool(of.get("key")),
                    nullable=bool(of.get("nullable", True)),
                )
                for one, of in declared.items()
            ]
            made = Table(name, MetaData(), *columns)
            made.create(connection)
            return made
        found = Table(name, MetaData(), autoload_with=connection)
        if lacking := declared.keys() - {one.name for one in found.columns}:
            raise LoadRefused(
                target=str(self._database), reason=f"{name} lacks the column {min(lacking)!r}"
            )
        if connection.execute(select(func.count()).select_from(found)).scalar_one():
            raise LoadRefused(target=str(self._database), reason=f"{name} holds rows already")
        return found


def _inserted(
    connection: Connection, name: str, declared: dict[str, dict[str, Any]], batches: Rows
) -> int:
    # Without types: the database itself reads dates and numbers from their text.
    into, count = table(name, *(column(one) for one in declared)), 0
    for rows in batches():
        connection.execute(insert(into), [_plain(row) for row in rows])
        count += len(rows)
    return count


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    return {
        name: orjson.dumps(value).decode() if isinstance(value, dict | list) else value
        for name, value in row.items()
    }
