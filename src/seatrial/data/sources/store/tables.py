"""A foreign database: what tables it has, and their rows in the order of their keys."""

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from sqlalchemy import Column, Engine, MetaData, Table, create_engine, func, inspect, select
from sqlalchemy.exc import DBAPIError, NoSuchTableError
from sqlalchemy.types import NullType

from seatrial.data.domain import SourceBroken, SourceMissing
from seatrial.data.rules.tree import Value
from seatrial.data.sources.batches import ROWS, Batch
from seatrial.kit.database.address import SqliteAddress, parse


class ForeignDatabase:
    """A database that is only read, in one transaction for each table.

    Args:
        url: `sqlite:///path` or `postgresql://…`. An SQLite file needs no write-ahead log.
    """

    def __init__(self, url: str) -> None:
        address = parse(url)
        self.shown = str(address)
        if isinstance(address, SqliteAddress) and not address.path.exists():
            raise SourceMissing(source=str(address.path))
        self._engine: Final = _engine(url)

    def tables(self) -> list[str]:
        """The names of its tables.

        Raises:
            SourceBroken: it is no database, or does not answer.
        """
        try:
            return sorted(inspect(self._engine).get_table_names())
        except DBAPIError as error:
            raise self._broken("its list of tables", error) from None

    def table(self, name: str) -> "DatabaseTable":
        """The table `name`; raises `SourceMissing`."""
        try:
            return DatabaseTable(self._engine, name, shown=f"{self.shown}#{name}")
        except NoSuchTableError:
            raise SourceMissing(source=f"{self.shown}#{name}") from None
        except DBAPIError as error:
            raise self._broken(f"table {name}", error) from None

    def close(self) -> None:
        """Let go of its connections."""
        self._engine.dispose()

    def _broken(self, place: str, error: DBAPIError) -> SourceBroken:
        return SourceBroken(source=self.shown, place=place, reason=_first_line(error))


class DatabaseTable:
    """One table, its rows in the order of its primary key."""

    kind: Final = "database"
    flat: Final = True

    def __init__(self, engine: Engine, name: str, *, shown: str) -> None:
        self.shown = shown
        self._engine = engine
        self._table = Table(name, MetaData(), autoload_with=engine, resolve_fks=False)
        self.names = tuple(str(column.name) for column in self._table.columns)

    @cached_property
    def size(self) -> int:
        """How many rows it has.

        Raises:
            SourceBroken: the database does not answer.
        """
        try:
            with self._engine.connect() as connection:
                return connection.execute(
                    select(func.count()).select_from(self._table)
                ).scalar_one()
        except DBAPIError as error:
            raise self._broken("its number of rows", error) from None

    @property
    def declared(self) -> dict[str, dict[str, Any]]:
        """Each column's type, whether it may be null, whether it is part of the key."""
        return {
            str(column.name): {
                "type": self._type_of(column),
                "nullable": bool(column.nullable),
                "key": bool(column.primary_key),
            }
            for column in self._table.columns
        }

    def _type_of(self, column: Column[Any]) -> str:
        """The type as the database writes it; empty where SQLite was told none."""
        return (
            "" if isinstance(column.type, NullType) else column.type.compile(self._engine.dialect)
        )

    def batches(self, *, offset: int = 0, first: int = 1) -> Iterator[Batch]:
        """See `Table`; the offset counts rows, whose order is the same each time."""
        statement = select(self._table).order_by(*_order(self._table)).offset(offset or None)
        number, read = first, offset
        try:
            with self._engine.connect() as connection:
                rows = connection.execution_options(stream_results=True).execute(statement)
                while part := rows.fetchmany(ROWS):
                    columns = [[_plain(v) for v in column] for column in zip(*part, strict=True)]
                    read += len(part)
                    yield Batch(first=number, count=len(part), columns=columns, offset=read)
                    number += len(part)
        except DBAPIError as error:
            raise self._broken(f"the rows after {number - 1}", error) from None

    def _broken(self, place: str, error: DBAPIError) -> SourceBroken:
        return SourceBroken(source=self.shown, place=place, reason=_first_line(error))


def sqlite_url(path: Path) -> str:
    """The URL of the SQLite file at `path`."""
    return f"sqlite:///{path.resolve()}"


def _engine(url: str) -> Engine:
    address = parse(url)
    if isinstance(address, SqliteAddress):
        return create_engine(f"sqlite:///file:{quote(str(address.path))}?mode=ro&uri=true")
    scheme, _, rest = url.partition("://")
    del scheme
    return create_engine(f"postgresql+psycopg://{rest}", hide_parameters=True)


def _order(table: Table) -> list[Column[Any]]:
    """The primary key; of a table without one, all columns: the same order each time."""
    return list(table.primary_key.columns) or list(table.columns)


def _plain(value: Value) -> Value:
    """What JSON can hold: text, whole numbers, floats, true and false; the rest as text."""
    if value is None or isinstance(value, str | int | float | dict | list):
        return value
    if isinstance(value, bytes | memoryview):
        return bytes(value).hex()
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def _first_line(error: DBAPIError) -> str:
    return str(error.orig).strip().splitlines()[0].rstrip(".") if str(error.orig) else "no reason"
