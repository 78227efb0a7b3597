"""Rows of the slots of local runs. A slot whose time is up is as good as gone."""

from datetime import timedelta
from typing import Any

from sqlalchemy import Row, delete, insert, select, update

from seatrial.cell.door.domain import LocalSlot
from seatrial.cell.door.store.tables import SLOT
from seatrial.contract.releases.components import Model
from seatrial.kit.crypto.digests import Digest
from seatrial.kit.database.connection import Connection
from seatrial.kit.database.dialects import now


def add(connection: Connection, slot: LocalSlot, stored: str, ttl: timedelta) -> None:
    """Keep a new slot for `ttl` from now; its own `expires` is not used."""
    connection.execute(
        insert(SLOT).values(
            run=slot.run,
            stored=stored,
            agent=slot.agent,
            release=None if slot.release is None else str(slot.release),
            attempt=slot.attempt,
            prompts=dict(slot.prompts),
            models=None
            if slot.models is None
            else {name: pin.document() for name, pin in slot.models.items()},
            owner=slot.owner,
            expires=now(ttl),
        )
    )


def by_token(connection: Connection, stored: str) -> LocalSlot | None:
    """The living slot with this token."""
    row = connection.execute(select(SLOT).where(SLOT.c.stored == stored, SLOT.c.expires > now()))
    found = row.first()
    return None if found is None else _slot(found)


def by_run(connection: Connection, run: str) -> LocalSlot | None:
    """The living slot of this run."""
    row = connection.execute(select(SLOT).where(SLOT.c.run == run, SLOT.c.expires > now()))
    found = row.first()
    return None if found is None else _slot(found)


def extend(connection: Connection, run: str, owner: str, ttl: timedelta) -> bool:
    """Let the slot live for `ttl` from now; false if it is gone, or another's."""
    living = update(SLOT).where(SLOT.c.run == run, SLOT.c.owner == owner, SLOT.c.expires > now())
    return connection.execute(living.values(expires=now(ttl))).rowcount == 1


def remove(connection: Connection, run: str) -> None:
    """Remove the slot of a run."""
    connection.execute(delete(SLOT).where(SLOT.c.run == run))


def sweep(connection: Connection, older: timedelta) -> int:
    """Remove slots whose time has been up for `older`; how many."""
    return connection.execute(delete(SLOT).where(SLOT.c.expires <= now(-older))).rowcount


def _slot(row: Row[Any]) -> LocalSlot:
    return LocalSlot(
        run=row.run,
        attempt=row.attempt,
        agent=row.agent,
        release=None if row.release is None else Digest.parse(row.release),
        prompts=row.prompts,
        models=None
        if row.models is None
        else {name: Model.read(pin) for name, pin in row.models.items()},
        owner=row.owner,
        expires=row.expires,
    )
