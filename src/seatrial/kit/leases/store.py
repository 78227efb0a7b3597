"""The table of leases. All times in it are the database's own."""

from datetime import timedelta
from typing import Final

from sqlalchemy import Column, Table, Text, or_, select, update

from seatrial.kit.database.connection import Connection
from seatrial.kit.database.dialects import Int64, UtcDateTime, metadata, now, upsert
from seatrial.kit.database.history import History

HISTORY: Final = History.of("seatrial.kit.leases.migrations")
METADATA: Final = metadata()
LEASE: Final = Table(
    "lease",
    METADATA,
    Column("name", Text, primary_key=True),
    Column("holder", Text, nullable=False),
    Column("epoch", Int64, nullable=False),
    Column("expires", UtcDateTime, nullable=False),
)


def take(connection: Connection, name: str, holder: str, ttl: timedelta) -> int | None:
    """Make `holder` the holder under the next epoch, if the lease is free or its own.

    Returns:
        The epoch; None if another holds the lease.
    """
    fresh = upsert(LEASE).values(name=name, holder=holder, epoch=1, expires=now(ttl))
    taken = fresh.on_conflict_do_update(
        index_elements=[LEASE.c.name],
        # The time is asked for again: by now this statement may have waited for the row.
        set_={"holder": holder, "epoch": LEASE.c.epoch + 1, "expires": now(ttl)},
        where=or_(LEASE.c.expires <= now(), LEASE.c.holder == holder),
    )
    return connection.execute(taken.returning(LEASE.c.epoch)).scalar()


def extend(connection: Connection, name: str, epoch: int, ttl: timedelta) -> bool:
    """Let the lease run for `ttl` from now; false if `epoch` is over."""
    extended = update(LEASE).where(LEASE.c.name == name, LEASE.c.epoch == epoch)
    return connection.execute(extended.values(expires=now(ttl))).rowcount == 1


def end(connection: Connection, name: str, epoch: int) -> None:
    """Let the lease run out now, if `epoch` is not over."""
    ended = update(LEASE).where(LEASE.c.name == name, LEASE.c.epoch == epoch)
    connection.execute(ended.values(expires=now()))


def lock(connection: Connection, name: str) -> int | None:
    """The present epoch, which cannot end before this transaction does; None if there is none."""
    # Not FOR SHARE: under a steady stream of sharers a renewal would never get the row.
    row = select(LEASE.c.epoch).where(LEASE.c.name == name).with_for_update()
    return connection.execute(row).scalar()
