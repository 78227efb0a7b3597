"""The tables of enrolment tokens, cells, their processes, and keyrings."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Column, ForeignKey, Row, Table, Text, insert, select, update

from seatrial.contract.environments.rules import Profile
from seatrial.control.environments.domain import Invitation, Place, Replica
from seatrial.kit.database.connection import Connection
from seatrial.kit.database.dialects import Int64, UtcDateTime, metadata, upsert
from seatrial.kit.database.history import History

HISTORY: Final = History.of("seatrial.control.environments.migrations")
METADATA: Final = metadata()
INVITATION: Final = Table(
    "enrolment_token",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("hash", Text, nullable=False, unique=True),
    Column("cell", Text, nullable=False),
    Column("environment", Text, nullable=False),
    Column("region", Text, nullable=False),
    Column("made", UtcDateTime, nullable=False),
    Column("expires", UtcDateTime, nullable=False),
    Column("used", UtcDateTime),
)
CELL: Final = Table(
    "cell",
    METADATA,
    Column("name", Text, primary_key=True),
    Column("environment", Text, nullable=False),
    Column("region", Text, nullable=False),
)
REPLICA: Final = Table(
    "cell_replica",
    METADATA,
    Column("signing", Text, primary_key=True),
    Column("id", Text, nullable=False, unique=True),
    Column("cell", Text, ForeignKey("cell.name"), nullable=False),
    Column("sealing", Text, nullable=False, unique=True),
    Column("url", Text, nullable=False),
    Column("profile", Text, nullable=False),
    Column("token", Text, nullable=False, unique=True),
    Column("at", UtcDateTime, nullable=False),
)
KEYRING: Final = Table(
    "keyring",
    METADATA,
    Column("version", Int64, primary_key=True, autoincrement=False),
    Column("envelope", Text, nullable=False),
    Column("digest", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("at", UtcDateTime, nullable=False),
)

_REPLICAS: Final = select(REPLICA, CELL.c.environment, CELL.c.region).join(CELL)


@dataclass(frozen=True, kw_only=True)
class StoredKeyring:
    """A keyring as it was handed in."""

    version: int
    envelope: str


def invite(connection: Connection, invitation: Invitation, stored: str, at: datetime) -> None:
    """Keep an enrolment token, whose hash is `stored`."""
    connection.execute(
        insert(INVITATION).values(
            id=invitation.id,
            hash=stored,
            cell=invitation.cell,
            environment=invitation.environment,
            region=invitation.region,
            made=at,
            expires=invitation.expires,
            used=invitation.used,
        )
    )


def invitation(connection: Connection, stored: str) -> Invitation | None:
    """The enrolment token whose hash is `stored`, held until the transaction ends."""
    held = select(INVITATION).where(INVITATION.c.hash == stored).with_for_update()
    row = connection.execute(held).first()
    if row is None:
        return None
    return Invitation(
        id=row.id,
        cell=row.cell,
        environment=row.environment,
        region=row.region,
        expires=row.expires,
        used=row.used,
    )


def use(connection: Connection, id: str, at: datetime) -> None:  # noqa: A002 - its name
    """Use the enrolment token up."""
    connection.execute(update(INVITATION).where(INVITATION.c.id == id).values(used=at))


def place(connection: Connection, cell: str) -> Place | None:
    """Where the cell `cell` belongs; None if no process of it was ever enrolled."""
    row = connection.execute(select(CELL).where(CELL.c.name == cell)).first()
    if row is None:
        return None
    return Place(cell=row.name, environment=row.environment, region=row.region)


def settle(connection: Connection, place: Place) -> None:
    """Let the cell belong where `place` says."""
    connection.execute(
        insert(CELL).values(name=place.cell, environment=place.environment, region=place.region)
    )


def enrol(connection: Connection, replica: Replica, stored: str) -> None:
    """Keep a process of a cell, whose token's hash is `stored`, in place of an earlier self."""
    values = {
        "id": replica.id,
        "cell": replica.cell,
        "sealing": replica.sealing,
        "url": replica.url,
        "profile": replica.profile.value,
        "token": stored,
        "at": replica.at,
    }
    made = upsert(REPLICA).values(signing=replica.signing, **values)
    connection.execute(made.on_conflict_do_update(index_elements=[REPLICA.c.signing], set_=values))


def replica_by_key(connection: Connection, key: str) -> Replica | None:
    """The process that holds the key named `key`, of either kind."""
    held = _REPLICAS.where((REPLICA.c.signing == key) | (REPLICA.c.sealing == key))
    row = connection.execute(held).first()
    return None if row is None else _replica(row)


def replica_by_token(connection: Connection, stored: str) -> Replica | None:
    """The process whose token has the hash `stored`."""
    row = connection.execute(_REPLICAS.where(REPLICA.c.token == stored)).first()
    return None if row is None else _replica(row)


def replicas(connection: Connection, environment: str | None = None) -> tuple[Replica, ...]:
    """All enrolled processes, or those of one environment, the latest first."""
    rows = _REPLICAS.order_by(REPLICA.c.at.desc(), REPLICA.c.id.desc())
    if environment is not None:
        rows = rows.where(CELL.c.environment == environment)
    return tuple(_replica(row) for row in connection.execute(rows))


def keyring(connection: Connection) -> StoredKeyring | None:
    """The keyring with the highest version."""
    newest = select(KEYRING).order_by(KEYRING.c.version.desc()).limit(1)
    row = connection.execute(newest).first()
    return None if row is None else StoredKeyring(version=row.version, envelope=row.envelope)


def add_keyring(
    connection: Connection, stored: StoredKeyring, digest: str, actor: str, at: datetime
) -> None:
    """Keep a version of the keyring."""
    connection.execute(
        insert(KEYRING).values(
            version=stored.version, envelope=stored.envelope, digest=digest, actor=actor, at=at
        )
    )


def _replica(row: Row[Any]) -> Replica:
    return Replica(
        id=row.id,
        cell=row.cell,
        environment=row.environment,
        region=row.region,
        signing=row.signing,
        sealing=row.sealing,
        url=row.url,
        profile=Profile(row.profile),
        at=row.at,
    )
