"""The table of tokens: their hashes, never themselves."""

from datetime import datetime
from typing import Any, Final

from sqlalchemy import Column, Row, Table, Text, insert, or_, select, update

from seatrial.contract.switch.api import Permission
from seatrial.control.identity.domain import KnownToken
from seatrial.kit.database.connection import Connection
from seatrial.kit.database.dialects import Json, UtcDateTime, metadata, upsert
from seatrial.kit.database.history import History

HISTORY: Final = History.of("seatrial.control.identity.migrations")
METADATA: Final = metadata()
TOKEN: Final = Table(
    "token",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("hash", Text, nullable=False, unique=True),
    Column("name", Text, nullable=False),
    Column("permissions", Json, nullable=False),
    Column("made", UtcDateTime, nullable=False),
    Column("expires", UtcDateTime),
    Column("revoked", UtcDateTime),
    Column("used", UtcDateTime),
)
FIRST: Final = Table(
    "token_first",
    METADATA,
    Column("name", Text, primary_key=True),
    Column("made", UtcDateTime, nullable=False),
)


def add(connection: Connection, token: KnownToken, stored: str) -> None:
    """Keep `token`, whose hash is `stored`."""
    connection.execute(
        insert(TOKEN).values(
            id=token.id,
            hash=stored,
            name=token.name,
            permissions=[each.value for each in token.permissions],
            made=token.made,
            expires=token.expires,
            revoked=token.revoked,
            used=token.used,
        )
    )


def by_hash(connection: Connection, stored: str) -> KnownToken | None:
    """The token whose hash is `stored`."""
    row = connection.execute(select(TOKEN).where(TOKEN.c.hash == stored)).first()
    return None if row is None else _token(row)


def by_id(connection: Connection, id: str) -> KnownToken | None:  # noqa: A002 - its name
    """The token whose id is `id`, held until the transaction ends."""
    row = connection.execute(select(TOKEN).where(TOKEN.c.id == id).with_for_update()).first()
    return None if row is None else _token(row)


def every(connection: Connection) -> tuple[KnownToken, ...]:
    """All tokens, the newest first."""
    rows = connection.execute(select(TOKEN).order_by(TOKEN.c.id.desc()))
    return tuple(_token(row) for row in rows)


def revoke(connection: Connection, id: str, at: datetime) -> None:  # noqa: A002 - its name
    """Make the token no good from `at` on."""
    connection.execute(update(TOKEN).where(TOKEN.c.id == id).values(revoked=at))


def touch(connection: Connection, id: str, at: datetime, since: datetime) -> None:  # noqa: A002
    """Note that the token was used `at`, unless it was noted after `since`."""
    stale = or_(TOKEN.c.used.is_(None), TOKEN.c.used <= since)
    connection.execute(update(TOKEN).where(TOKEN.c.id == id, stale).values(used=at))


def claim_first(connection: Connection, at: datetime) -> bool:
    """Whether this is the one transaction, ever, that makes the first token."""
    made = upsert(FIRST).values(name="first", made=at).on_conflict_do_nothing()
    if connection.execute(made.returning(FIRST.c.name)).first() is None:
        return False
    return connection.execute(select(TOKEN.c.id).limit(1)).first() is None


def _token(row: Row[Any]) -> KnownToken:
    return KnownToken(
        id=row.id,
        name=row.name,
        permissions=tuple(Permission(each) for each in row.permissions),
        made=row.made,
        expires=row.expires,
        revoked=row.revoked,
        used=row.used,
    )
