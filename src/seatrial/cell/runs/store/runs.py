"""Rows of runs: written when accepted, read one by one and in lists."""

import functools
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import orjson
from sqlalchemy import (
    Boolean,
    Insert,
    Row,
    Select,
    and_,
    bindparam,
    insert,
    literal_column,
    or_,
    select,
)

from seatrial.cell.journal.domain.rows import Mode
from seatrial.cell.runs.domain.values import Failure, Filter, Judgement, Run, Usage, Wait
from seatrial.cell.runs.store.tables import DEAD, OF_TENANT, RUN, TAG, TROUBLED, WAITING
from seatrial.contract.runs.states import Lane, Outcome, RunState, WaitReason
from seatrial.kit.crypto.digests import Digest
from seatrial.kit.database.connection import Connection
from seatrial.kit.database.dialects import now, upsert

_KEY: Final = (RUN.c.tenant, RUN.c.agent, RUN.c.caller, RUN.c.key)
_BY_ID: Final = select(RUN).where(RUN.c.id == bindparam("id"))
_BY_KEY: Final = select(RUN).where(
    RUN.c.tenant == bindparam("tenant"),
    RUN.c.agent == bindparam("agent"),
    RUN.c.caller == bindparam("caller"),
    RUN.c.key == bindparam("key"),
)
_HEADS: Final = select(*(column for column in RUN.c if column.name not in {"input", "output"}))
_TURNS: Final = (
    select(RUN.c.id, RUN.c.input, RUN.c.output)
    .where(
        RUN.c.session == bindparam("session"),
        RUN.c.agent == bindparam("agent"),
        RUN.c.tenant == bindparam("tenant"),
        RUN.c.id < bindparam("before"),
        RUN.c.state == literal_column("'succeeded'"),
        # What somebody tried on his own machine is no part of a customer's talk, nor of another's.
        or_(
            RUN.c.local.is_(False),
            and_(bindparam("local", type_=Boolean), RUN.c.caller == bindparam("caller")),
        ),
    )
    .order_by(RUN.c.id.desc())
    .limit(bindparam("most"))
)


@dataclass(frozen=True, kw_only=True)
class Fresh:
    """A run to be written.

    Attributes:
        run: as it begins.
        input: its input as JSON.
        key: of idempotency.
        digest: of the request's body.
        handicap: how much later than it came it stands in the queue.
        lease: seconds that its worker may be silent, where it begins at once; else None.
    """

    run: Run
    input: str
    key: str | None
    digest: str | None
    handicap: timedelta
    lease: float | None


@functools.lru_cache(maxsize=256)
def _insertion(handicap: timedelta, lease: float | None, *, keyed: bool) -> Insert:
    timed = {
        "rank": now(handicap),
        "ready": now(),
        "lease": None if lease is None else now(timedelta(seconds=lease)),
    }
    if not keyed:
        return insert(RUN).values(timed)
    return (
        upsert(RUN)
        .values(timed)
        .on_conflict_do_nothing(index_elements=_KEY, index_where=RUN.c.key.is_not(None))
        .returning(RUN.c.id)
    )


def add(connection: Connection, fresh: Fresh) -> bool:
    """Write a run; false if another with its key was written meanwhile."""
    run = fresh.run
    statement = _insertion(fresh.handicap, fresh.lease, keyed=fresh.key is not None)
    values = {
        "id": run.id,
        "agent": run.agent,
        "release": "" if run.release is None else str(run.release),
        "release_name": run.release_name,
        "generation": run.generation,
        "session": run.session,
        "tenant": run.tenant,
        "caller": run.caller,
        "state": run.state.value,
        "attempt": run.attempt,
        "forgiven": run.forgiven,
        "attempts": run.attempts,
        "own_attempts": run.own_attempts,
        "priority": run.priority,
        "lane": run.lane.value,
        "tags": orjson.dumps(dict(run.tags)).decode() if run.tags else "",
        "local": run.local,
        "counted": run.counted,
        "created": run.created,
        "started": run.started,
        "timeout_seconds": run.timeout_seconds,
        "steps": run.steps,
        "dead": False,
        "worker": run.worker,
        "key": fresh.key,
        "key_digest": fresh.digest,
        "input_tokens": 0,
        "output_tokens": 0,
        "cost_usd": 0.0,
        "calls": 0,
        "mode": run.mode.value,
        "follows": run.follows,
        "input": fresh.input,
    }
    result = connection.execute(statement, values)
    if fresh.key is not None and result.first() is None:
        return False
    if run.tags:
        rows = [{"name": n, "value": v, "run": run.id} for n, v in run.tags.items()]
        connection.execute(insert(TAG), rows)
    return True


def of_key(
    connection: Connection, key: str, *, tenant: str, agent: str, caller: str
) -> tuple[Run, str] | None:
    """The run of a caller's idempotency key, and the digest of its request's body."""
    asked = {"tenant": tenant, "agent": agent, "caller": caller, "key": key}
    row = connection.execute(_BY_KEY, asked).first()
    return None if row is None else (read(row), row.key_digest)


def get(connection: Connection, run: str) -> Run | None:
    """The run, payloads included."""
    row = connection.execute(_BY_ID, {"id": run}).first()
    return None if row is None else read(row)


def several(connection: Connection, runs: Sequence[str]) -> list[Run]:
    """Those of `runs` that exist, payloads included."""
    return [read(row) for row in connection.execute(select(RUN).where(RUN.c.id.in_(runs)))]


def ends(connection: Connection, runs: Collection[str]) -> dict[str, datetime]:
    """When each of `runs` ended; those that have not are not in it."""
    asked = select(RUN.c.id, RUN.c.ended).where(RUN.c.id.in_(list(runs)), RUN.c.ended.is_not(None))
    return {row.id: row.ended for row in connection.execute(asked)}


def heads(connection: Connection, wanted: Filter, *, after: str | None, limit: int) -> list[Run]:
    """Runs without payloads, the newest first; only those born before the run `after`."""
    query = _chosen(_HEADS, wanted).limit(limit)
    if after is not None:
        query = query.where(RUN.c.id < after)
    return [read(row) for row in connection.execute(query)]


def whole(connection: Connection, wanted: Filter, *, limit: int) -> list[Run]:
    """Runs with payloads, the newest first."""
    return [read(row) for row in connection.execute(_chosen(select(RUN), wanted).limit(limit))]


def _chosen(query: Select[*tuple[Any, ...]], wanted: Filter) -> Select[*tuple[Any, ...]]:
    query = query.order_by(RUN.c.id.desc())
    for name in ("agent", "state", "session", "release", "local", "tenant", "caller"):
        value = getattr(wanted, name)
        if value is not None:
            query = query.where(RUN.c[name] == value)
    if wanted.troubled:
        query = query.where(
            TROUBLED, RUN.c.mode == literal_column("'live'"), RUN.c.local.is_(False)
        )
    if wanted.waits is not None:
        query = query.where(WAITING, RUN.c.wait_reason == wanted.waits.value)
    if wanted.tenant:
        query = query.where(OF_TENANT)
    if wanted.dead is not None:
        query = query.where(DEAD if wanted.dead else RUN.c.dead.is_(False))
    if wanted.tag is not None:
        name, value = wanted.tag
        query = query.join(TAG, TAG.c.run == RUN.c.id)
        query = query.where(TAG.c.name == name, TAG.c.value == value)
    return query


def turns(
    connection: Connection, run: Run, *, most: int, largest: int
) -> tuple[dict[str, Any], ...]:
    """Earlier runs of `run`'s session that succeeded, the oldest first.

    If it is local, local ones of the same caller are among them.

    Args:
        connection: in a transaction.
        run: before which.
        most: how many at most; the newest count.
        largest: bytes of their JSON together, likewise.
    """
    found: list[dict[str, Any]] = []
    asked = {
        "session": run.session,
        "agent": run.agent,
        "tenant": run.tenant,
        "before": run.id,
        "local": run.local,
        "caller": run.caller,
        "most": most,
    }
    for row in connection.execute(_TURNS, asked):
        largest -= len(row.input) + len(row.output or "")
        if largest < 0:
            break
        turn = {"run": row.id, "input": _loaded(row.input), "output": _loaded(row.output)}
        found.append(turn)
    return tuple(reversed(found))


def read(row: Row[*tuple[Any, ...]]) -> Run:
    """The run in a row; where the row has no payloads, without them."""
    columns = row._mapping  # noqa: SLF001 - how SQLAlchemy names it; it is public
    return Run(
        id=row.id,
        agent=row.agent,
        release=Digest.parse(row.release) if row.release else None,
        release_name=row.release_name,
        generation=row.generation,
        session=row.session,
        tenant=row.tenant,
        caller=row.caller,
        state=RunState(row.state),
        input=_loaded(columns.get("input")),
        output=_loaded(columns.get("output")),
        failure=Failure(code=row.error_code, message=row.error_message) if row.error_code else None,
        attempt=row.attempt,
        forgiven=row.forgiven,
        attempts=row.attempts,
        own_attempts=row.own_attempts,
        priority=row.priority,
        lane=Lane(row.lane),
        tags=orjson.loads(row.tags) if row.tags else {},
        local=row.local,
        counted=row.counted,
        created=row.created,
        started=row.started,
        ended=row.ended,
        timeout_seconds=row.timeout_seconds,
        steps=row.steps,
        dead=row.dead,
        judgement=_judgement(row),
        usage=Usage(
            input_tokens=row.input_tokens,
            output_tokens=row.output_tokens,
            cost_usd=row.cost_usd,
            calls=row.calls,
        ),
        worker=row.worker,
        mode=Mode(row.mode),
        follows=row.follows,
        waits=_wait(row),
    )


def _wait(row: Row[*tuple[Any, ...]]) -> Wait | None:
    if row.wait_reason is None:
        return None
    return Wait(
        reason=WaitReason(row.wait_reason),
        since=row.wait_since,
        until=row.wait_until,
        detail=row.wait_detail or "",
        seq=row.wait_seq,
    )


def _judgement(row: Row[*tuple[Any, ...]]) -> Judgement | None:
    if row.outcome is None:
        return None
    return Judgement(
        outcome=Outcome(row.outcome), note=row.outcome_note, at=row.outcome_at, by=row.outcome_by
    )


def _loaded(text: str | None) -> Any:  # noqa: ANN401 - any JSON value
    return None if text is None else orjson.loads(text)
