"""Rows of drafts."""

from typing import Any

from sqlalchemy import Row, delete, select

from seatrial.cell.door.domain import Draft
from seatrial.cell.door.store.tables import DRAFT
from seatrial.kit.database.connection import Connection
from seatrial.kit.database.dialects import now, upsert


def one(connection: Connection, agent: str, name: str) -> Draft | None:
    """One draft."""
    row = connection.execute(select(DRAFT).where(DRAFT.c.agent == agent, DRAFT.c.name == name))
    found = row.first()
    return None if found is None else _draft(found)


def listed(connection: Connection, agent: str) -> list[Draft]:
    """Every draft of an agent, by name."""
    rows = select(DRAFT).where(DRAFT.c.agent == agent).order_by(DRAFT.c.name)
    return [_draft(row) for row in connection.execute(rows)]


def put(connection: Connection, agent: str, name: str, text: str, author: str) -> None:
    """Save a draft over the one before."""
    values = {"text": text, "author": author, "changed": now()}
    fresh = upsert(DRAFT).values(agent=agent, name=name, **values)
    connection.execute(
        fresh.on_conflict_do_update(index_elements=[DRAFT.c.agent, DRAFT.c.name], set_=values)
    )


def remove(connection: Connection, agent: str, name: str) -> bool:
    """Remove a draft; false if there was none."""
    gone = delete(DRAFT).where(DRAFT.c.agent == agent, DRAFT.c.name == name)
    return connection.execute(gone).rowcount == 1


def _draft(row: Row[Any]) -> Draft:
    return Draft(
        agent=row.agent, name=row.name, text=row.text, author=row.author, changed=row.changed
    )
