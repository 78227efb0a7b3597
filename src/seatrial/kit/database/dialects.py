"""What a store writes so that one statement serves both databases.

Everything else of SQLAlchemy Core that both dialects know may be used as it is. Not portable, so
avoid: `String(n)` (SQLite does not enforce it; use `Text`), `Integer` for counts that can pass two
thousand million (use `Int64`), NUL characters in text (PostgreSQL refuses them).
"""

from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeVar

from sqlalchemy import (
    JSON,
    TIMESTAMP,
    BigInteger,
    Connection,
    Dialect,
    Float,
    Integer,
    MetaData,
    Select,
    Table,
    Text,
    column,
    inspect,
    literal,
    select,
    table,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import TypeDecorator, TypeEngine

_S = TypeVar("_S", bound=Select[Any])

NAMES: Final = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}
CLOCK_FUNCTION: Final = "seatrial_now"


class _JsonAsText(sqlite.JSON):
    """SQLite's own column type JSON would keep a lone number as a number, and round it."""


@compiles(_JsonAsText, "sqlite")
def _text(_type: _JsonAsText, _compiler: SQLCompiler, **_: Any) -> str:
    return "TEXT"


Json: Final = JSON(none_as_null=True).with_variant(_JsonAsText(none_as_null=True), "sqlite")
"""Any JSON value, kept as its text, so that it comes back as it went in. None is NULL."""

Int64: Final = BigInteger().with_variant(Integer(), "sqlite")
"""A whole number of 64 bits; as a single primary key it counts up by itself."""


class UtcDateTime(TypeDecorator[datetime]):
    """An instant, to the microsecond: aware datetimes go in, aware datetimes in UTC come out.

    PostgreSQL keeps `timestamptz`; SQLite keeps text of fixed width, which sorts as time does.
    """

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """The column's type in the database."""
        if dialect.name == "postgresql":
            return dialect.type_descriptor(TIMESTAMP(timezone=True))
        return dialect.type_descriptor(Text())

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | str | None:
        """An instant on its way in."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"datetime {value!r} has no time zone; stores take aware ones")
        return value if dialect.name == "postgresql" else as_text(value)

    def process_result_value(
        self, value: datetime | str | None, dialect: Dialect
    ) -> datetime | None:
        """An instant on its way out."""
        del dialect
        if value is None:
            return None
        instant = datetime.fromisoformat(value) if isinstance(value, str) else value
        return instant.astimezone(UTC)


def as_text(instant: datetime) -> str:
    """`instant` as SQLite keeps it: 27 characters, `2026-03-01T09:30:00.000000Z`."""
    return f"{instant.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='microseconds')}Z"


class now(FunctionElement[datetime]):  # noqa: N801 - reads as the SQL function that it is
    """The database's own time when the statement runs, plus `after`.

    For leases and timers that processes on several machines compare: they must not trust their
    own clocks. On SQLite, where one process owns the file, it is that process's `Clock`.
    """

    type = UtcDateTime()
    inherit_cache = True

    def __init__(self, after: timedelta = timedelta()) -> None:
        super().__init__(literal(after.total_seconds(), Float()))


@compiles(now, "sqlite")
def _now_on_sqlite(element: now, compiler: SQLCompiler, **options: Any) -> str:
    return f"{CLOCK_FUNCTION}({compiler.process(element.clauses, **options)})"


@compiles(now, "postgresql")
def _now_on_postgresql(element: now, compiler: SQLCompiler, **options: Any) -> str:
    seconds = compiler.process(element.clauses, **options)
    return f"(clock_timestamp() + make_interval(secs => {seconds}))"


def metadata() -> MetaData:
    """A room's empty set of tables, whose constraints get the same names on both databases."""
    return MetaData(naming_convention=NAMES)


def upsert(into: Table) -> postgresql.Insert:
    """An INSERT that knows `on_conflict_do_update` and `on_conflict_do_nothing`.

    Name `index_elements`, never `constraint`: SQLite knows no constraint by name.
    """
    # SQLAlchemy's construct for PostgreSQL compiles on SQLite too, whose syntax was modelled on it.
    return postgresql.insert(into)


def unclaimed(rows: _S) -> _S:
    """`rows`, without those that another transaction holds, each now held by this one.

    The first half of a claim; the second is an UPDATE of the rows it returned, in the same
    transaction. Use it with `Isolation.READ_COMMITTED`: workers then pass by each other's rows.
    On SQLite nothing else writes meanwhile, and the statement stands as it is.
    """
    return rows.with_for_update(skip_locked=True)


def has_table(connection: Connection, name: str) -> bool:
    """Whether there is a table `name`."""
    if connection.dialect.name != "sqlite":
        return inspect(connection).has_table(name)
    # `inspect` asks by PRAGMA, which may answer from before another connection made the table.
    known = table("sqlite_master", column("type"), column("name"))
    named = select(known).where(known.c.type == "table", known.c.name == name)
    return connection.execute(named).first() is not None
