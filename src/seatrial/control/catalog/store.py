"""The tables of agents, their releases, and what people signed of where these come from."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import (
    Column,
    ForeignKey,
    Row,
    Select,
    Table,
    Text,
    UniqueConstraint,
    insert,
    select,
    update,
)

from seatrial.control.catalog.domain import KnownRelease
from seatrial.kit.crypto.digests import Digest
from seatrial.kit.database.connection import Connection
from seatrial.kit.database.dialects import Int64, Json, UtcDateTime, metadata, upsert
from seatrial.kit.database.history import History

HISTORY: Final = History.of("seatrial.control.catalog.migrations")
METADATA: Final = metadata()
AGENT: Final = Table(
    "agent",
    METADATA,
    Column("slug", Text, primary_key=True),
    Column("owner", Text, nullable=False),
    Column("description", Text, nullable=False),
    Column("latest", Int64, nullable=False),
    Column("at", UtcDateTime, nullable=False),
)
RELEASE: Final = Table(
    "release",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("agent", Text, ForeignKey("agent.slug"), nullable=False),
    Column("number", Int64, nullable=False),
    Column("digest", Text, nullable=False, unique=True),
    Column("document", Text, nullable=False),
    Column("author", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("commit", Text, nullable=False),
    Column("dirty", Int64, nullable=False),
    Column("at", UtcDateTime, nullable=False),
    UniqueConstraint("agent", "number"),
)
PROVENANCE: Final = Table(
    "provenance",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("release", Text, ForeignKey("release.digest"), nullable=False, index=True),
    Column("envelope", Text, nullable=False),
    Column("keys", Json, nullable=False),
    Column("at", UtcDateTime, nullable=False),
)

_LISTED: Final[Select[Any]] = select(
    *(column for column in RELEASE.c if column is not RELEASE.c.document)
)


@dataclass(frozen=True, kw_only=True)
class Agent:
    """An agent as it is kept."""

    slug: str
    owner: str
    description: str
    latest: int


def next_number(
    connection: Connection, slug: str, owner: str, description: str, at: datetime
) -> int:
    """The number of the agent's next release, taken; the agent is held until the end.

    Not empty `owner` and `description` replace what is known.
    """
    made = upsert(AGENT).values(slug=slug, owner=owner, description=description, latest=1, at=at)
    given = {"owner": owner, "description": description}
    taken = made.on_conflict_do_update(
        index_elements=[AGENT.c.slug],
        set_={
            "latest": AGENT.c.latest + 1,
            **{name: value for name, value in given.items() if value},
        },
    )
    number: int = connection.execute(taken.returning(AGENT.c.latest)).scalar_one()
    return number


def describe(connection: Connection, slug: str, owner: str, description: str) -> None:
    """Replace what is known of the agent by what is not empty."""
    given = {"owner": owner, "description": description}
    known = {name: value for name, value in given.items() if value}
    if known:
        connection.execute(update(AGENT).where(AGENT.c.slug == slug).values(known))


def agents(connection: Connection) -> tuple[Agent, ...]:
    """All agents by slug."""
    rows = connection.execute(select(AGENT).order_by(AGENT.c.slug))
    return tuple(
        Agent(slug=row.slug, owner=row.owner, description=row.description, latest=row.latest)
        for row in rows
    )


def add(connection: Connection, release: KnownRelease, document: str) -> None:
    """Keep a release, whose canonical form is `document`."""
    connection.execute(
        insert(RELEASE).values(
            id=release.id,
            agent=release.agent,
            number=release.number,
            digest=str(release.digest),
            document=document,
            author=release.author,
            key=release.key,
            commit=release.commit,
            dirty=int(release.dirty),
            at=release.at,
        )
    )


def by_digest(connection: Connection, digest: Digest) -> KnownRelease | None:
    """The release named `digest`."""
    row = connection.execute(_LISTED.where(RELEASE.c.digest == str(digest))).first()
    return None if row is None else _release(row)


def by_digests(connection: Connection, digests: Collection[Digest]) -> tuple[KnownRelease, ...]:
    """The releases among `digests`, in no order."""
    named = RELEASE.c.digest.in_([str(each) for each in digests])
    return tuple(_release(row) for row in connection.execute(_LISTED.where(named)))


def by_number(connection: Connection, agent: str, number: int) -> KnownRelease | None:
    """The release `agent@number`."""
    found = _LISTED.where(RELEASE.c.agent == agent, RELEASE.c.number == number)
    row = connection.execute(found).first()
    return None if row is None else _release(row)


def document(connection: Connection, digest: Digest) -> str | None:
    """The canonical form of the release named `digest`."""
    found = select(RELEASE.c.document).where(RELEASE.c.digest == str(digest))
    text: str | None = connection.execute(found).scalar()
    return text


def listed(
    connection: Connection, agent: str | None, after: str | None, limit: int
) -> tuple[KnownRelease, ...]:
    """At most `limit` releases, the newest first, from the one after the id `after` on."""
    rows = _LISTED.order_by(RELEASE.c.id.desc()).limit(limit)
    if agent is not None:
        rows = rows.where(RELEASE.c.agent == agent)
    if after is not None:
        rows = rows.where(RELEASE.c.id < after)
    return tuple(_release(row) for row in connection.execute(rows))


def witness(
    connection: Connection,
    id: str,  # noqa: A002 - its name
    digest: Digest,
    envelope: str,
    keys: tuple[str, ...],
    at: datetime,
) -> None:
    """Keep an envelope of provenance, signed by `keys`."""
    connection.execute(
        insert(PROVENANCE).values(
            id=id, release=str(digest), envelope=envelope, keys=list(keys), at=at
        )
    )


def provenance(connection: Connection, digest: Digest) -> tuple[str, ...]:
    """The envelopes of a release, the first first."""
    rows = select(PROVENANCE.c.envelope).where(PROVENANCE.c.release == str(digest))
    return tuple(connection.execute(rows.order_by(PROVENANCE.c.id)).scalars())


def witnesses(connection: Connection, digest: Digest) -> tuple[tuple[str, ...], ...]:
    """Who signed each envelope of a release."""
    rows = select(PROVENANCE.c["keys"]).where(PROVENANCE.c.release == str(digest))
    return tuple(tuple(keys) for keys in connection.execute(rows).scalars())


def _release(row: Row[Any]) -> KnownRelease:
    return KnownRelease(
        id=row.id,
        agent=row.agent,
        number=row.number,
        digest=Digest.parse(row.digest),
        author=row.author,
        key=row.key,
        commit=row.commit,
        dirty=bool(row.dirty),
        at=row.at,
    )
