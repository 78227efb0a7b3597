"""Statements of a hot path, laid out once for each kind of database.

SQLAlchemy keeps a statement's text, but checks, copies and converts anew on each way to the driver:
25 µs for an upsert of which SQLite takes 8. What is laid out here takes 12.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Dialect, Select, Table
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.dml import UpdateBase

from seatrial.kit.database.connection import Connection

_Values = Mapping[str, Any]


class Prepared:
    """A statement that a store runs thousands of times a second. It fails as any statement does.

    Args:
        statement: without a list whose length its values decide.
    """

    def __init__(self, statement: UpdateBase | Select[Any]) -> None:
        self._statement = statement
        table = getattr(statement, "table", None)
        self._table = table if isinstance(table, Table) else None
        self._laid_out: dict[str, _Layout] = {}

    def run(self, connection: Connection, values: _Values) -> int:
        """Run what changes rows, with one set of values, each time of the same names.

        Returns:
            How many were changed.

        Raises:
            KeyError: a name is missing or new.
        """
        return int(self._driven(connection, values).rowcount)

    def finds(self, connection: Connection, values: _Values) -> bool:
        """Run what selects rows, as `run`; whether there is one."""
        return self._driven(connection, values).fetchone() is not None

    def run_each(self, connection: Connection, rows: Sequence[_Values]) -> None:
        """`run` with each of some sets of values; there must be one."""
        layout = self._layout(connection.dialect, rows[0])
        connection.driven(layout.text, [layout.given(values) for values in rows], self._table)

    def _driven(self, connection: Connection, values: _Values) -> Any:  # noqa: ANN401 - a cursor
        layout = self._layout(connection.dialect, values)
        return connection.driven(layout.text, layout.given(values), self._table)

    def _layout(self, dialect: Dialect, values: _Values) -> "_Layout":
        found = self._laid_out.get(dialect.name)
        if found is None:  # two threads may both make it, and make the same
            compiled = self._statement.compile(dialect=dialect, column_keys=list(values))
            found = self._laid_out[dialect.name] = _laid_out(compiled, dialect)
        return found


@dataclass(frozen=True, kw_only=True, slots=True)
class _Layout:
    """One statement for one kind of database.

    Attributes:
        text: as the driver takes it.
        names: of all values, in the order of their places.
        ordered: whether the driver takes values by their order, not by their names.
        fixed: values that stand in the statement itself.
        converted: how some are converted on their way in.
    """

    text: str
    names: tuple[str, ...]
    ordered: bool
    fixed: _Values
    converted: tuple[tuple[str, Callable[[Any], Any]], ...]

    def given(self, values: _Values) -> Any:  # noqa: ANN401 - the driver's own kind of arguments
        every = {**self.fixed, **values}
        for name, convert in self.converted:
            every[name] = convert(every[name])
        if len(every) != len(self.names):
            unfit = sorted(every.keys() ^ set(self.names))
            raise KeyError(f"{unfit} fit no place of {self.text!r}")
        return tuple([every[name] for name in self.names]) if self.ordered else every


def _laid_out(compiled: Any, dialect: Dialect) -> _Layout:  # noqa: ANN401 - `Compiled` tells less
    if not isinstance(compiled, SQLCompiler):
        raise TypeError(f"{compiled!r} is no statement with values")
    binds = {name: bind for bind, name in compiled.bind_names.items()}
    ways = {
        name: bind.type.dialect_impl(dialect).bind_processor(dialect)
        for name, bind in binds.items()
    }
    return _Layout(
        text=compiled.string,
        names=tuple(compiled.positiontup or binds),
        ordered=bool(compiled.positional),
        fixed={name: bind.value for name, bind in binds.items() if not bind.required},
        converted=tuple((name, way) for name, way in ways.items() if way is not None),
    )
