"""Sessions, the events of runs, what was said of runs, and the counts of releases."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from zlib import crc32

import orjson
from sqlalchemy import Row, and_, bindparam, case, func, insert, or_, select, update

from seatrial.cell.runs.domain.values import (
    EventKind,
    Feedback,
    Judgement,
    Said,
    Session,
    SessionFilter,
    Stretch,
)
from seatrial.cell.runs.store.tables import COUNT, EVENT, RUN, SAID, SESSION
from seatrial.cell.switch.domain import Counts
from seatrial.contract.runs.states import Outcome
from seatrial.kit.crypto.digests import Digest
from seatrial.kit.database.connection import Connection
from seatrial.kit.database.dialects import upsert

_SHARDS: Final = 8
"""Rows over which the counts of one release are spread: those who end runs on PostgreSQL would else
wait for each other's commits."""

_NAMED: Final = (
    SESSION.c.name == bindparam("the_name"),
    SESSION.c.agent == bindparam("the_agent"),
    SESSION.c.tenant == bindparam("the_tenant"),
)
_SESSION: Final = select(SESSION).where(*_NAMED).with_for_update()
_TOUCH: Final = update(SESSION).where(*_NAMED).values(last=bindparam("at"))
_EVENTS: Final = (
    select(EVENT)
    .where(EVENT.c.run == bindparam("run"), EVENT.c.last > bindparam("after"))
    .order_by(EVENT.c.first)
    .limit(bindparam("most"))
)
_FIGURES: Final = ("succeeded", "failed", "cancelled", "good", "judged")
_FRESH: Final = upsert(COUNT)
_ADD: Final = _FRESH.on_conflict_do_update(
    index_elements=[COUNT.c.release, COUNT.c.shard],
    set_={
        **{name: COUNT.c[name] + _FRESH.excluded[name] for name in _FIGURES},
        "first": case(
            (COUNT.c.first > _FRESH.excluded["first"], _FRESH.excluded["first"]),
            else_=COUNT.c.first,
        ),
    },
)
_COUNTS: Final = select(
    func.min(COUNT.c.first).label("first"),
    *(func.sum(COUNT.c[name]).label(name) for name in _FIGURES),
).where(COUNT.c.release == bindparam("release"))


def session(connection: Connection, name: str, agent: str, tenant: str) -> Session | None:
    """The session, which nobody else changes until this transaction has ended."""
    row = connection.execute(_SESSION, _session_names(name, agent, tenant)).first()
    return None if row is None else _session(row)


def add_session(connection: Connection, fresh: Session) -> bool:
    """Write a new session; false if it was there already."""
    values = {
        "name": fresh.name,
        "agent": fresh.agent,
        "tenant": fresh.tenant,
        "owner": fresh.owner,
        "release": str(fresh.release),
        "release_name": fresh.release_name,
        "generation": fresh.generation,
        "turns": fresh.turns,
        "created": fresh.created,
        "last": fresh.last,
    }
    statement = upsert(SESSION).on_conflict_do_nothing().returning(SESSION.c.name)
    return connection.execute(statement, values).first() is not None


def change_session(connection: Connection, changed: Session) -> None:
    """Write a session anew."""
    statement = (
        update(SESSION)
        .where(*_NAMED)
        .values(
            release=str(changed.release),
            release_name=changed.release_name,
            generation=changed.generation,
            turns=changed.turns,
            last=changed.last,
        )
    )
    connection.execute(statement, _session_names(changed.name, changed.agent, changed.tenant))


def touch_session(connection: Connection, name: str, agent: str, tenant: str, at: datetime) -> None:
    """Note that a run of the session has ended."""
    connection.execute(_TOUCH, {**_session_names(name, agent, tenant), "at": at})


def sessions(connection: Connection, wanted: SessionFilter, *, limit: int) -> list[Session]:
    """Sessions, the one last used first."""
    query = select(SESSION).order_by(SESSION.c.last.desc(), SESSION.c.name.desc()).limit(limit)
    for column in ("agent", "tenant", "name"):
        value = getattr(wanted, column)
        if value is not None:
            query = query.where(SESSION.c[column] == value)
    if wanted.caller is not None:
        own = select(RUN.c.id).where(
            RUN.c.session == SESSION.c.name,
            RUN.c.agent == SESSION.c.agent,
            RUN.c.tenant == SESSION.c.tenant,
            RUN.c.caller == wanted.caller,
        )
        query = query.where(own.exists())
    if wanted.after is not None:
        last, seen = wanted.after
        query = query.where(
            or_(SESSION.c.last < last, and_(SESSION.c.last == last, SESSION.c.name < seen))
        )
    return [_session(row) for row in connection.execute(query)]


def keep_events(connection: Connection, run: str, stretch: Stretch) -> None:
    """Keep a stretch of a run's events."""
    connection.execute(
        insert(EVENT),
        {
            "run": run,
            "first": stretch.first,
            "last": stretch.first + len(stretch.parts) - 1,
            "kind": stretch.kind.value,
            "parts": orjson.dumps(stretch.parts).decode(),
            "at": stretch.at,
        },
    )


def kept_events(connection: Connection, run: str, after: int, *, most: int) -> list[Stretch]:
    """The first `most` stretches of a run that hold events later than `after`."""
    asked = {"run": run, "after": after, "most": most}
    return [_stretch(row) for row in connection.execute(_EVENTS, asked)]


def restarts(connection: Connection, run: str) -> list[Stretch]:
    """The stretches of a run that tell why it was begun again, or had to wait."""
    kinds = (EventKind.RESTARTED.value, EventKind.WAITING.value)
    rows = select(EVENT).where(EVENT.c.run == run, EVENT.c.kind.in_(kinds))
    return [_stretch(row) for row in connection.execute(rows.order_by(EVENT.c.first))]


def last_events(connection: Connection, runs: Sequence[str]) -> dict[str, int]:
    """The last seq that is kept of each of `runs`."""
    rows = (
        select(EVENT.c.run, func.max(EVENT.c.last).label("last"))
        .where(EVENT.c.run.in_(runs))
        .group_by(EVENT.c.run)
    )
    return {row.run: row.last for row in connection.execute(rows)}


def add_said(connection: Connection, run: str, said: Said) -> None:
    """Keep what somebody said of a run."""
    judgement, feedback = said.judgement, said.feedback
    connection.execute(
        insert(SAID),
        {
            "id": said.id,
            "run": run,
            "at": said.at,
            "by": said.by,
            "outcome": judgement.outcome.value if judgement else None,
            "note": judgement.note if judgement else "",
            "feedback": orjson.dumps(feedback).decode() if feedback else None,
        },
    )


def said_of(connection: Connection, run: str) -> list[Said]:
    """All that was said of a run, the oldest first."""
    rows = select(SAID).where(SAID.c.run == run).order_by(SAID.c.id)
    return [_said(row) for row in connection.execute(rows)]


def judge(connection: Connection, run: str, judgement: Judgement) -> None:
    """Write the outcome that counts into the run's row."""
    connection.execute(
        update(RUN)
        .where(RUN.c.id == run)
        .values(
            outcome=judgement.outcome.value,
            outcome_note=judgement.note,
            outcome_at=judgement.at,
            outcome_by=judgement.by,
        )
    )


def count(
    connection: Connection, release: str, run: str, created: datetime, more: Mapping[str, int]
) -> None:
    """Add to the counts of a release.

    Args:
        connection: in a transaction.
        release: its digest.
        run: whose end or outcome is counted; spreads the writers.
        created: when that run was accepted.
        more: by figure; what is taken back is negative.
    """
    values = {name: more.get(name, 0) for name in _FIGURES}
    shard = crc32(run.encode()) % _SHARDS
    connection.execute(_ADD, {"release": release, "shard": shard, "first": created, **values})


def counts(connection: Connection, release: str) -> Counts:
    """What became of the runs of a release."""
    row = connection.execute(_COUNTS, {"release": release}).one()
    if row.first is None:
        return Counts()
    # PostgreSQL adds up 64-bit numbers into decimals.
    return Counts(first=row.first, **{name: int(getattr(row, name)) for name in _FIGURES})


def _session_names(name: str, agent: str, tenant: str) -> dict[str, Any]:
    return {"the_name": name, "the_agent": agent, "the_tenant": tenant}


def _session(row: Row[*tuple[Any, ...]]) -> Session:
    return Session(
        name=row.name,
        agent=row.agent,
        tenant=row.tenant,
        owner=row.owner,
        release=Digest.parse(row.release),
        release_name=row.release_name,
        generation=row.generation,
        turns=row.turns,
        created=row.created,
        last=row.last,
    )


def _stretch(row: Row[*tuple[Any, ...]]) -> Stretch:
    parts = tuple(orjson.loads(row.parts))
    return Stretch(first=row.first, kind=EventKind(row.kind), parts=parts, at=row.at)


def _said(row: Row[*tuple[Any, ...]]) -> Said:
    judgement = None
    if row.outcome is not None:
        judgement = Judgement(outcome=Outcome(row.outcome), note=row.note, at=row.at, by=row.by)
    feedback = Feedback(**orjson.loads(row.feedback)) if row.feedback else None
    return Said(id=row.id, at=row.at, by=row.by, judgement=judgement, feedback=feedback)
