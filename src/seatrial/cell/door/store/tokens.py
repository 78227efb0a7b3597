"""Rows of access tokens, and the count of their changes by which processes notice one."""

from collections.abc import Iterable
from typing import Any, Final

from sqlalchemy import Row, insert, select, update

from seatrial.cell.door.domain import AccessToken
from seatrial.cell.door.store.tables import TOKEN, VERSION
from seatrial.contract.runs.access import CellPermission
from seatrial.kit.database.connection import Connection
from seatrial.kit.database.dialects import now, upsert

_ROW: Final = "tokens"


def version(connection: Connection) -> int:
    """How often tokens have changed."""
    counted = select(VERSION.c.version).where(VERSION.c.name == _ROW)
    return connection.execute(counted).scalar() or 0


def live(connection: Connection) -> dict[str, AccessToken]:
    """Every token that is not revoked, by its stored form."""
    rows = connection.execute(select(TOKEN).where(TOKEN.c.revoked.is_(None)))
    return {row.stored: _token(row) for row in rows}


def listed(connection: Connection) -> list[AccessToken]:
    """Every token, the newest first."""
    return [_token(row) for row in connection.execute(select(TOKEN).order_by(TOKEN.c.id.desc()))]


def one(connection: Connection, token: str) -> AccessToken | None:
    """The token with this id."""
    row = connection.execute(select(TOKEN).where(TOKEN.c.id == token)).first()
    return None if row is None else _token(row)


def anyone(connection: Connection) -> bool:
    """Whether there ever was a token."""
    return connection.execute(select(TOKEN.c.id).limit(1)).first() is not None


def has(connection: Connection, stored: str) -> bool:
    """Whether a token has this stored form."""
    found = select(TOKEN.c.id).where(TOKEN.c.stored == stored)
    return connection.execute(found).first() is not None


def add(connection: Connection, token: AccessToken, stored: str) -> None:
    """Keep a new token."""
    connection.execute(
        insert(TOKEN).values(
            id=token.id,
            stored=stored,
            name=token.name,
            tenant=token.tenant,
            permissions=_sorted(token.permissions),
            created=token.created,
            expires=token.expires,
        )
    )
    _count(connection)


def revoke(connection: Connection, token: str) -> bool:
    """Revoke it from now on; false if it was revoked before."""
    good = update(TOKEN).where(TOKEN.c.id == token, TOKEN.c.revoked.is_(None))
    changed = connection.execute(good.values(revoked=now())).rowcount == 1
    _count(connection)
    return changed


def _count(connection: Connection) -> None:
    first = upsert(VERSION).values(name=_ROW, version=1)
    connection.execute(
        first.on_conflict_do_update(
            index_elements=[VERSION.c.name], set_={"version": VERSION.c.version + 1}
        )
    )


def _sorted(permissions: Iterable[CellPermission]) -> list[str]:
    return sorted(str(each) for each in permissions)


def _token(row: Row[Any]) -> AccessToken:
    return AccessToken(
        id=row.id,
        name=row.name,
        tenant=row.tenant,
        permissions=frozenset(CellPermission(each) for each in row.permissions),
        created=row.created,
        expires=row.expires,
        revoked=row.revoked,
    )
