"""A table that only the leader may write to, and the use case that does."""

from typing import Final

from sqlalchemy import Column, Table, Text, insert, select

from seatrial.kit.database.connection import Connection
from seatrial.kit.database.database import Database
from seatrial.kit.database.dialects import Int64, metadata
from seatrial.kit.database.migrations import migrate_now
from seatrial.kit.leases.service import fence
from seatrial.kit.leases.store import HISTORY

NAME: Final = "rollouts"
METADATA: Final = metadata()
DEED: Final = Table(
    "deed",
    METADATA,
    Column("id", Int64, primary_key=True),
    Column("holder", Text, nullable=False),
    Column("epoch", Int64, nullable=False),
)


def make(database: Database) -> Database:
    """`database`, with the tables."""
    migrate_now(database, [HISTORY])
    database.alter_now(METADATA.create_all)
    return database


def act(connection: Connection, holder: str, epoch: int) -> None:
    """Do what only the leader may."""
    fence(connection, NAME, epoch)
    connection.execute(insert(DEED).values(holder=holder, epoch=epoch))


def deeds(connection: Connection) -> list[tuple[str, int]]:
    """Who did something, under which epoch, in order."""
    return [(row.holder, row.epoch) for row in connection.execute(select(DEED).order_by(DEED.c.id))]
