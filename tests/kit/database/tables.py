"""A small schema for the tests of this room."""

from typing import Final

from sqlalchemy import (
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Table,
    Text,
    UniqueConstraint,
    delete,
    insert,
    select,
    update,
)

from seatrial.kit.database.connection import Connection
from seatrial.kit.database.database import Database
from seatrial.kit.database.dialects import Int64, Json, UtcDateTime, metadata

METADATA: Final = metadata()
COUNTER: Final = Table(
    "counter",
    METADATA,
    Column("name", Text, primary_key=True),
    Column("value", Int64, nullable=False),
    CheckConstraint("value >= 0", name="not_negative"),
)
OWNER: Final = Table(
    "owner",
    METADATA,
    Column("id", Int64, primary_key=True),
    Column("email", Text, nullable=False),
    Column("tenant", Text, nullable=False),
    Column("handle", Text),
    UniqueConstraint("tenant", "email"),
)
Index(None, OWNER.c.handle, unique=True)
PET: Final = Table(
    "pet",
    METADATA,
    Column("id", Int64, primary_key=True),
    Column("owner", Int64, ForeignKey(OWNER.c.id)),
    Column("vet", Int64, ForeignKey(OWNER.c.id, deferrable=True, initially="DEFERRED")),
)
TAG: Final = Table(
    "tag",
    METADATA,
    Column("id", Int64, primary_key=True),
    Column("pet", Int64, ForeignKey(PET.c.id)),
)
THING: Final = Table(
    "thing",
    METADATA,
    Column("id", Int64, primary_key=True),
    Column("at", UtcDateTime),
    Column("content", Json),
)


def make(database: Database) -> Database:
    """`database`, with the tables."""
    database.alter_now(METADATA.create_all)
    return database


def prepare(url: str) -> None:
    """The tables, made under ordinary limits, for a test that opens `url` under tight ones."""
    with Database.open(url) as database:
        make(database)


def put(connection: Connection, name: str, value: int) -> None:
    """A new counter."""
    connection.execute(insert(COUNTER).values(name=name, value=value))


def value(connection: Connection, name: str) -> int | None:
    """What the counter stands at."""
    return connection.execute(select(COUNTER.c.value).where(COUNTER.c.name == name)).scalar()


def names(connection: Connection) -> list[str]:
    """All counters."""
    return list(connection.execute(select(COUNTER.c.name).order_by(COUNTER.c.name)).scalars())


def change(connection: Connection, name: str, to: int) -> None:
    """Set the counter."""
    connection.execute(update(COUNTER).where(COUNTER.c.name == name).values(value=to))


def remove(connection: Connection, name: str) -> None:
    """Take the counter away."""
    connection.execute(delete(COUNTER).where(COUNTER.c.name == name))


def increment(connection: Connection, name: str = "n") -> int:
    """Read, add one in Python, write: wrong, unless it runs as if alone."""
    found = value(connection, name)
    assert found is not None
    change(connection, name, found + 1)
    return found + 1
