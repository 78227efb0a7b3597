"""The switch's tables: what is in force, what was, what is prepared or refused, what was heard."""

import functools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, TypeAlias

import orjson
from sqlalchemy import (
    Column,
    Index,
    Row,
    Table,
    Text,
    bindparam,
    delete,
    func,
    insert,
    literal,
    select,
    update,
)

from seatrial.cell.switch.domain import Prepared, Refused, agents_digest
from seatrial.contract.environments.rules import Rules
from seatrial.contract.releases.closure import Closure
from seatrial.kit.crypto.canonical import canonical
from seatrial.kit.crypto.digests import Digest
from seatrial.kit.database.connection import Connection
from seatrial.kit.database.dialects import Int64, Json, UtcDateTime, metadata, upsert
from seatrial.kit.database.history import History

HISTORY: Final = History.of("seatrial.cell.switch.migrations")
METADATA: Final = metadata()
ACTIVATION: Final = Table(
    "activation",
    METADATA,
    Column("id", Int64, primary_key=True, autoincrement=False),
    Column("environment", Text, nullable=False),
    Column("generation", Int64, nullable=False),
    Column("closure", Text, nullable=False),
    Column("rules", Text, nullable=False),
    Column("document", Json, nullable=False),
    Column("moved", Int64, nullable=False),
    Column("flipped", UtcDateTime, nullable=False),
)
AGENT: Final = Table(
    "active_agent",
    METADATA,
    Column("agent", Text, primary_key=True),
    Column("release", Text, nullable=False),
    Column("name", Text, nullable=False),
)
LIVED: Final = Table(
    "live_closure",
    METADATA,
    Column("generation", Int64, primary_key=True, autoincrement=False),
    Column("closure", Text, nullable=False),
    Column("agents", Text, nullable=False),
    Column("document", Json, nullable=False),
    Column("at", UtcDateTime, nullable=False),
)
Index(None, LIVED.c.agents)
STANCE: Final = Table(
    "switch_stance",
    METADATA,
    Column("kind", Text, primary_key=True),
    Column("generation", Int64, nullable=False),
    Column("closure", Text, nullable=False),
    Column("proposal", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("document", Json, nullable=False),
    Column("at", UtcDateTime, nullable=False),
)
REVOKED: Final = Table(
    "revoked_release",
    METADATA,
    Column("release", Text, primary_key=True),
    Column("reason", Text, nullable=False),
    Column("at", UtcDateTime, nullable=False),
)
KEPT: Final = Table(
    "switch_kept",
    METADATA,
    Column("kind", Text, primary_key=True),
    Column("version", Int64, nullable=False),
    Column("text", Text, nullable=False),
    Column("at", UtcDateTime, nullable=False),
)
RELEASE: Final = Table(
    "kept_release",
    METADATA,
    Column("release", Text, primary_key=True),
    Column("document", Json, nullable=False),
    Column("at", UtcDateTime, nullable=False),
)
FACT: Final = Table(
    "fact_sequence",
    METADATA,
    Column("release", Text, primary_key=True),
    Column("sequence", Int64, nullable=False),
    Column("counts", Text, nullable=False),
    Column("envelope", Text, nullable=False),
    Column("heard", Int64, nullable=False),
)

Line: TypeAlias = Row[*tuple[Any, ...]]
_PREPARED: Final = "prepared"
_REFUSED: Final = "refused"
_KEYRING: Final = "keyring"
_DESIRED: Final = "desired"
_CHUNK: Final = 500  # rows of one statement: SQLite takes so many parameters everywhere

_THE_LOCK: Final = literal(0x5EA7_121A1, Int64)  # any number that is this cell's alone
_SHARED: Final = select(
    func.pg_advisory_xact_lock_shared(_THE_LOCK), func.current_setting("transaction_isolation")
)
_ALONE: Final = select(func.pg_advisory_xact_lock(_THE_LOCK))
_ADMITTED: Final = (
    select(
        ACTIVATION.c.environment,
        ACTIVATION.c.generation,
        ACTIVATION.c.closure,
        ACTIVATION.c.rules,
        ACTIVATION.c.moved,
        AGENT.c.release,
        AGENT.c.name,
    )
    .select_from(ACTIVATION.outerjoin(AGENT, AGENT.c.agent == bindparam("agent")))
    .where(ACTIVATION.c.id == 1)
)
_ADMITTED_LOCKED: Final = _ADMITTED.with_for_update(read=True, of=ACTIVATION)
_ACTIVATION: Final = select(ACTIVATION).where(ACTIVATION.c.id == 1)
_MARKS: Final = (
    select(ACTIVATION.c.generation, STANCE.c.proposal)
    .select_from(ACTIVATION.outerjoin(STANCE, STANCE.c.kind == _PREPARED))
    .where(ACTIVATION.c.id == 1)
)


def admitting(connection: Connection, agent: str) -> Line | None:
    """What is in force for `agent`, and stays so until this transaction has ended.

    On PostgreSQL admissions share a lock that a flip takes alone. It is an advisory one and not
    the row's: those who wait for it stand in line, so that a stream of admissions cannot keep a
    flip out (beside 50 writers it took 0.27 s at most, and 0.74 s by the row's lock), and nothing
    is written. A transaction of one snapshot took it before it had the lock, perhaps before a
    flip; reading the row FOR SHARE then sends it back to its beginning.
    """
    if connection.dialect.name != "postgresql":
        return connection.execute(_ADMITTED, {"agent": agent}).first()
    _, isolation = connection.execute(_SHARED).one()
    fresh = isolation == "read committed"
    return connection.execute(_ADMITTED if fresh else _ADMITTED_LOCKED, {"agent": agent}).first()


def shut(connection: Connection) -> None:
    """Let nobody be admitted until this transaction has ended; those who are under way end first.

    Needs `Isolation.READ_COMMITTED`, so that what is read next is what they left.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(_ALONE)


def activation(connection: Connection) -> Line | None:
    """The row of what is in force."""
    return connection.execute(_ACTIVATION).first()


@functools.lru_cache(maxsize=16)
def rules_in(text: str) -> Rules:
    """The rules written as `text`; every admission asks, and they seldom change."""
    return Rules.read(orjson.loads(text))


def begin(connection: Connection, closure: Closure, at: datetime) -> bool:
    """Put `closure` in force as generation 0 where nothing is in force; false if something is."""
    fresh = upsert(ACTIVATION).values(_activation(0, closure, 0, at))
    made = connection.execute(fresh.on_conflict_do_nothing().returning(ACTIVATION.c.id)).first()
    if made is None:
        return False
    _remember(connection, 0, closure, at)
    return True


def activate(
    connection: Connection,
    generation: int,
    closure: Closure,
    at: datetime,
    *,
    moves: bool = False,
) -> None:
    """Put `closure` in force; `shut` comes first. With `moves`, older sessions move on at once."""
    values = _activation(generation, closure, generation, at)
    if not moves:
        del values["moved"]
    connection.execute(update(ACTIVATION).where(ACTIVATION.c.id == 1).values(values))
    connection.execute(delete(AGENT))
    rows = [
        {"agent": slug, "release": str(active.release), "name": active.name}
        for slug, active in closure.agents.items()
    ]
    if rows:
        connection.execute(insert(AGENT), rows)
    _remember(connection, generation, closure, at)


def marks(connection: Connection) -> tuple[int, str]:
    """What changes whenever something is put in force or prepared; cheap, for those who poll."""
    row = connection.execute(_MARKS).first()
    return (-1, "") if row is None else (row.generation, row.proposal or "")


def move(connection: Connection, generation: int) -> None:
    """Let every session that is older than `generation` move on."""
    connection.execute(update(ACTIVATION).where(ACTIVATION.c.id == 1).values(moved=generation))


def lived(connection: Connection) -> frozenset[Digest]:
    """The maps of agents that were in force here, by digest."""
    rows = connection.execute(select(LIVED.c.agents).distinct()).scalars()
    return frozenset(map(Digest.parse, rows))


def last_lived(connection: Connection, count: int) -> list[Closure]:
    """The newest `count` closures that are or were in force, newest first."""
    newest = select(LIVED.c.document).order_by(LIVED.c.generation.desc()).limit(count)
    return [Closure.read(document) for document in connection.execute(newest).scalars()]


def prepared(connection: Connection) -> Prepared | None:
    """What is ready to be put in force."""
    row = _stance(connection, _PREPARED)
    if row is None:
        return None
    return Prepared(
        generation=row.generation,
        closure=Closure.read(row.document),
        proposal=Digest.parse(row.proposal),
        at=row.at,
    )


def refused(connection: Connection) -> Refused | None:
    """What was refused last."""
    row = _stance(connection, _REFUSED)
    if row is None:
        return None
    return Refused(
        generation=row.generation,
        closure=Digest.parse(row.closure),
        proposal=Digest.parse(row.proposal),
        reason=row.reason,
        at=row.at,
    )


def keep_prepared(connection: Connection, made: Prepared) -> None:
    """Write down what is ready, instead of what was before."""
    document = made.closure.document()
    _keep_stance(connection, _PREPARED, made, made.closure.digest, "", document)


def keep_refused(connection: Connection, made: Refused) -> None:
    """Write down what was refused, instead of what was before."""
    _keep_stance(connection, _REFUSED, made, made.closure, made.reason, {})


def forget_stances(connection: Connection, generation: int) -> None:
    """Forget what was prepared or refused up to `generation`."""
    connection.execute(delete(STANCE).where(STANCE.c.generation <= generation))


def revoked(connection: Connection) -> frozenset[Digest]:
    """Releases that may not run again."""
    return frozenset(map(Digest.parse, connection.execute(select(REVOKED.c.release)).scalars()))


def revoke(connection: Connection, release: Digest, reason: str, at: datetime) -> bool:
    """Note that `release` may not run again; false if that is known."""
    row = upsert(REVOKED).values(release=str(release), reason=reason, at=at)
    made = row.on_conflict_do_nothing().returning(REVOKED.c.release)
    return connection.execute(made).first() is not None


def keyring(connection: Connection) -> tuple[int, str] | None:
    """Version and envelope of the newest keyring that was taken."""
    return _kept(connection, _KEYRING)


def keep_keyring(connection: Connection, version: int, envelope: str, at: datetime) -> None:
    """Take a keyring."""
    _keep(connection, _KEYRING, version, envelope, at)


def desired(connection: Connection) -> str | None:
    """The last document of control that was believed."""
    found = _kept(connection, _DESIRED)
    return None if found is None else found[1]


def keep_desired(connection: Connection, text: str, at: datetime) -> None:
    """Write down a document of control."""
    _keep(connection, _DESIRED, 0, text, at)


def release(connection: Connection, digest: Digest) -> dict[str, Any] | None:
    """The document of a release that is kept."""
    row = select(RELEASE.c.document).where(RELEASE.c.release == str(digest))
    found: dict[str, Any] | None = connection.execute(row).scalar()
    return found


def keep_release(
    connection: Connection, digest: Digest, document: Mapping[str, Any], at: datetime
) -> None:
    """Keep the document of a release."""
    row = upsert(RELEASE).values(release=str(digest), document=document, at=at)
    connection.execute(row.on_conflict_do_nothing())


def releases(connection: Connection) -> frozenset[Digest]:
    """All releases that are kept."""
    return frozenset(map(Digest.parse, connection.execute(select(RELEASE.c.release)).scalars()))


def forget_releases(connection: Connection, digests: Iterable[Digest]) -> None:
    """Keep these no longer."""
    names = [str(digest) for digest in digests]
    for start in range(0, len(names), _CHUNK):
        some = names[start : start + _CHUNK]
        connection.execute(delete(RELEASE).where(RELEASE.c.release.in_(some)))


@dataclass(frozen=True, kw_only=True)
class Said:
    """What was last said of a release's runs.

    Attributes:
        sequence: of that statement.
        counts: what it said, as text to compare.
        envelope: it.
        heard: the last sequence that control has answered for.
    """

    sequence: int
    counts: str
    envelope: str
    heard: int


def said(connection: Connection) -> dict[Digest, Said]:
    """What was last said of each release."""
    return {
        Digest.parse(row.release): Said(
            sequence=row.sequence, counts=row.counts, envelope=row.envelope, heard=row.heard
        )
        for row in connection.execute(select(FACT))
    }


def keep_said(connection: Connection, digest: Digest, words: Said) -> None:
    """Write down what is said of a release, before it is."""
    values = {
        "sequence": words.sequence,
        "counts": words.counts,
        "envelope": words.envelope,
        "heard": words.heard,
    }
    row = upsert(FACT).values(release=str(digest), **values)
    connection.execute(row.on_conflict_do_update(index_elements=[FACT.c.release], set_=values))


def heard(connection: Connection, digest: Digest, sequence: int) -> None:
    """Note that control has taken what was said under `sequence`."""
    connection.execute(
        update(FACT)
        .where(FACT.c.release == str(digest), FACT.c.heard < sequence)
        .values(heard=sequence)
    )


def _activation(generation: int, closure: Closure, moved: int, at: datetime) -> dict[str, Any]:
    return {
        "id": 1,
        "environment": closure.environment,
        "generation": generation,
        "closure": str(closure.digest),
        "rules": canonical(closure.rules.document()).decode(),
        "document": closure.document(),
        "moved": moved,
        "flipped": at,
    }


def _remember(connection: Connection, generation: int, closure: Closure, at: datetime) -> None:
    connection.execute(
        insert(LIVED).values(
            generation=generation,
            closure=str(closure.digest),
            agents=str(agents_digest(closure)),
            document=closure.document(),
            at=at,
        )
    )


def _stance(connection: Connection, kind: str) -> Line | None:
    return connection.execute(select(STANCE).where(STANCE.c.kind == kind)).first()


def _keep_stance(
    connection: Connection,
    kind: str,
    made: Prepared | Refused,
    closure: Digest,
    reason: str,
    document: Mapping[str, Any],
) -> None:
    values = {
        "generation": made.generation,
        "closure": str(closure),
        "proposal": str(made.proposal),
        "reason": reason,
        "document": document,
        "at": made.at,
    }
    row = upsert(STANCE).values(kind=kind, **values)
    connection.execute(row.on_conflict_do_update(index_elements=[STANCE.c.kind], set_=values))


def _kept(connection: Connection, kind: str) -> tuple[int, str] | None:
    row = connection.execute(select(KEPT).where(KEPT.c.kind == kind)).first()
    return None if row is None else (row.version, row.text)


def _keep(connection: Connection, kind: str, version: int, text: str, at: datetime) -> None:
    values = {"version": version, "text": text, "at": at}
    row = upsert(KEPT).values(kind=kind, **values)
    connection.execute(row.on_conflict_do_update(index_elements=[KEPT.c.kind], set_=values))
