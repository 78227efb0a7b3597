"""Rows of secrets, encrypted before they come here."""

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import Column, Row, Table, Text, delete, func, insert, select

from seatrial.cell.vault.domain import SecretVersion
from seatrial.kit.database.connection import Connection
from seatrial.kit.database.dialects import Int64, UtcDateTime, metadata, now
from seatrial.kit.database.history import History

HISTORY: Final = History.of("seatrial.cell.vault.migrations")
METADATA: Final = metadata()
SECRET: Final = Table(
    "secret",
    METADATA,
    Column("name", Text, primary_key=True),
    Column("version", Int64, primary_key=True),
    Column("sealed", Text, nullable=False),
    Column("author", Text, nullable=False),
    Column("set", UtcDateTime, nullable=False),
)


def listed(connection: Connection) -> list[tuple[SecretVersion, str]]:
    """Every version with its sealed value, by name, the newest version first."""
    rows = select(SECRET).order_by(SECRET.c.name, SECRET.c.version.desc())
    return [(_version(row), row.sealed) for row in connection.execute(rows)]


def versions(connection: Connection, name: str) -> list[tuple[SecretVersion, str]]:
    """The versions of one secret, the newest first."""
    rows = select(SECRET).where(SECRET.c.name == name).order_by(SECRET.c.version.desc())
    return [(_version(row), row.sealed) for row in connection.execute(rows)]


def newest(connection: Connection, name: str) -> int:
    """The number of the newest version; 0 for none."""
    counted = select(func.max(SECRET.c.version)).where(SECRET.c.name == name)
    return connection.execute(counted).scalar() or 0


def add(connection: Connection, name: str, version: int, sealed: str, author: str) -> None:
    """Keep a new version, and of the older ones the newest."""
    connection.execute(
        insert(SECRET).values(name=name, version=version, sealed=sealed, author=author, set=now())
    )
    connection.execute(delete(SECRET).where(SECRET.c.name == name, SECRET.c.version < version - 1))


def reseal(connection: Connection, changed: Sequence[tuple[SecretVersion, str]]) -> None:
    """Put the sealed values anew, the values under them untouched."""
    for version, sealed in changed:
        connection.execute(
            SECRET.update()
            .where(SECRET.c.name == version.name, SECRET.c.version == version.version)
            .values(sealed=sealed)
        )


def remove(connection: Connection, name: str) -> int:
    """Remove every version; how many there were."""
    return connection.execute(delete(SECRET).where(SECRET.c.name == name)).rowcount


def _version(row: Row[Any]) -> SecretVersion:
    return SecretVersion(name=row.name, version=row.version, author=row.author, set=row.set)
