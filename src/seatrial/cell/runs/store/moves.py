"""How a run passes from state to state. Who no longer holds a run changes nothing."""

import functools
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Update, bindparam, func, literal_column, or_, select, update

from seatrial.cell.journal.domain.rows import Mode
from seatrial.cell.runs.domain.values import Ending, Failure, Run, Usage, Wait
from seatrial.cell.runs.store.runs import read
from seatrial.cell.runs.store.tables import QUEUED, RUN, RUNNING, TIMED, WAITING
from seatrial.contract.runs.states import RunState
from seatrial.kit.database.connection import Connection
from seatrial.kit.database.dialects import now, unclaimed
from seatrial.kit.database.prepared import Prepared


@dataclass(frozen=True, kw_only=True, slots=True)
class Hold:
    """One attempt at a run in one process. Two can never hold the same.

    Attributes:
        run: its id.
        attempt: its number.
        worker: the process.
    """

    run: str
    attempt: int
    worker: str


# Who holds a run, and until when, serves dispatch alone: what is lost of it costs an attempt, and
# never the run. Who holds it then is nobody.
_holder: Final = func.coalesce(RUN.c.worker, literal_column("''"))
_FORSAKEN: Final = or_(RUN.c.lease < now(), RUN.c.lease.is_(None))
_HELD: Final = (
    RUN.c.id == bindparam("the_run"),
    RUN.c.attempt == bindparam("the_attempt"),
    _holder == bindparam("the_worker"),
    RUNNING,
)
_STANDS: Final = select(RUN.c.id).where(*_HELD).with_for_update(read=True)
_END: Final = (
    update(RUN)
    .where(*_HELD)
    .values(
        state=bindparam("to"),
        output=bindparam("output"),
        error_code=bindparam("error_code"),
        error_message=bindparam("error_message"),
        ended=bindparam("ended"),
        dead=bindparam("dead"),
        input_tokens=bindparam("input_tokens"),
        output_tokens=bindparam("output_tokens"),
        cost_usd=bindparam("cost_usd"),
        calls=bindparam("calls"),
        lease=None,
    )
)
_FENCE: Final = Prepared(
    select(RUN.c.id)
    .where(RUN.c.id == bindparam("run"), RUN.c.attempt == bindparam("attempt"), RUNNING)
    .with_for_update(read=True)
)
_READY: Final = (
    select(RUN.c.agent, RUN.c.caller, func.count().label("runs"))
    .where(QUEUED, RUN.c.ready <= now())
    .group_by(RUN.c.agent, RUN.c.caller)
)
_NO_WAIT: Final = {
    "wait_reason": None,
    "wait_since": None,
    "wait_until": None,
    "wait_detail": None,
    "wait_seq": None,
}
_WAKE: Final = (
    update(RUN)
    .where(RUN.c.id == bindparam("the_run"), WAITING)
    .values(state=RunState.QUEUED.value, ready=now(), **_NO_WAIT)
)
_DUE: Final = select(RUN.c.id).where(TIMED, RUN.c.wait_until <= bindparam("at")).limit(1)
_LAPSED: Final = select(RUN.c.id).where(RUNNING, _FORSAKEN).limit(1)
_LOCKED: Final = select(RUN).where(RUN.c.id == bindparam("id")).with_for_update()


@functools.lru_cache(maxsize=8)
def _sign(lease: float) -> Update:
    return (
        update(RUN)
        .where(
            RUN.c.id.in_(bindparam("the_runs", expanding=True)),
            RUN.c.worker == bindparam("the_worker"),
            RUNNING,
        )
        .values(lease=now(timedelta(seconds=lease)))
        .returning(RUN.c.id, RUN.c.attempt)
    )


def claim(
    connection: Connection,
    worker: str,
    *,
    most: int,
    without: Collection[str],
    lease: float,
    at: datetime,
) -> list[Run]:
    """Take up to `most` runs from the queue, those first that have stood there longest.

    Args:
        connection: in a transaction of `Isolation.READ_COMMITTED`.
        worker: who takes them.
        most: how many at most.
        without: agents that have no room at this worker.
        lease: seconds that it may be silent.
        at: the time, for `started`.
    """
    rows = select(RUN.c.id).where(QUEUED, RUN.c.ready <= now()).order_by(RUN.c.rank).limit(most)
    if without:
        rows = rows.where(RUN.c.agent.not_in(sorted(without)))
    found = connection.execute(unclaimed(rows)).scalars().all()
    if not found:
        return []
    taken = (
        update(RUN)
        .where(RUN.c.id.in_(found))
        .values(
            state=RunState.RUNNING.value,
            attempt=RUN.c.attempt + 1,
            worker=worker,
            lease=now(timedelta(seconds=lease)),
            started=func.coalesce(RUN.c.started, at),
            error_code=None,
            error_message=None,
        )
        .returning(RUN)
    )
    return [read(row) for row in connection.execute(taken)]


def sign(
    connection: Connection, worker: str, own: Sequence[str], lease: float
) -> set[tuple[str, int]]:
    """Give a sign of life for those of the runs `own` that `worker` still holds.

    Only for those: a run that was claimed, but whose claim the worker never learned of, must run
    out of its lease.

    Returns:
        Which runs and attempts that are.
    """
    rows = connection.execute(_sign(lease), {"the_worker": worker, "the_runs": own})
    return {(row.id, row.attempt) for row in rows}


def extend(connection: Connection, hold: Hold, lease: float) -> bool:
    """Give a sign of life for one run; false if it is no longer held."""
    statement = update(RUN).where(*_HELD).values(lease=now(timedelta(seconds=lease)))
    return connection.execute(statement, _names(hold)).rowcount == 1


def stands(connection: Connection, hold: Hold) -> bool:
    """Whether `hold` is still the one, and stays so until this transaction has ended."""
    return connection.execute(_STANDS, _names(hold)).first() is not None


def fenced(connection: Connection, run: str, attempt: int) -> bool:
    """Whether `attempt` is the one in hand, and stays so until this transaction has ended."""
    return _FENCE.finds(connection, {"run": run, "attempt": attempt})


def end(connection: Connection, hold: Hold, ending: Ending) -> bool:
    """Bring a run to its end; false if it is no longer held."""
    failure, usage = ending.failure, ending.usage
    values = {
        **_names(hold),
        "to": ending.state.value,
        "output": ending.output,
        "error_code": failure.code if failure else None,
        "error_message": failure.message if failure else None,
        "ended": ending.at,
        "dead": ending.dead,
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "cost_usd": usage.cost_usd,
        "calls": usage.calls,
    }
    return connection.execute(_END, values).rowcount == 1


def put_back(
    connection: Connection, hold: Hold, failure: Failure, *, pause: float, forgiven: bool
) -> bool:
    """Put a run back into the queue, at its old place; false if it is no longer held.

    Args:
        connection: in a transaction.
        hold: who held it.
        failure: why.
        pause: seconds before it may be claimed.
        forgiven: the attempt does not count.
    """
    back = (
        update(RUN)
        .where(*_HELD)
        .values(
            state=RunState.QUEUED.value,
            ready=now(timedelta(seconds=pause)),
            worker=None,
            lease=None,
            forgiven=RUN.c.forgiven + int(forgiven),
            error_code=failure.code,
            error_message=failure.message,
        )
    )
    return connection.execute(back, _names(hold)).rowcount == 1


def park(connection: Connection, hold: Hold, wait: Wait) -> bool:
    """Let a run wait, held by nobody; false if it is no longer held. The attempt does not count."""
    parked = (
        update(RUN)
        .where(*_HELD)
        .values(
            state=RunState.WAITING.value,
            worker=None,
            lease=None,
            forgiven=RUN.c.forgiven + 1,
            wait_reason=wait.reason.value,
            wait_since=wait.since,
            wait_until=wait.until,
            wait_detail=wait.detail,
            wait_seq=wait.seq,
        )
    )
    return connection.execute(parked, _names(hold)).rowcount == 1


def go_on(connection: Connection, hold: Hold) -> bool:
    """Put a run back at its old place, to be claimed at once; false if it is no longer held.

    The attempt does not count.
    """
    back = (
        update(RUN)
        .where(*_HELD)
        .values(
            state=RunState.QUEUED.value,
            ready=now(),
            worker=None,
            lease=None,
            forgiven=RUN.c.forgiven + 1,
        )
    )
    return connection.execute(back, _names(hold)).rowcount == 1


def wake(connection: Connection, run: str) -> bool:
    """Put a run that waits into the queue, at its old place; false if it does not wait."""
    return connection.execute(_WAKE, {"the_run": run}).rowcount == 1


def due(connection: Connection, at: datetime, *, most: int) -> list[Run]:
    """Runs whose timers have gone off, now held by this transaction."""
    rows = select(RUN).where(TIMED, RUN.c.wait_until <= at).order_by(RUN.c.wait_until).limit(most)
    return [read(row) for row in connection.execute(unclaimed(rows))]


def any_due(connection: Connection, at: datetime) -> bool:
    """Whether `due` would find one; for those who only look."""
    return connection.execute(_DUE, {"at": at}).first() is not None


def lapsed(connection: Connection, *, most: int) -> list[Run]:
    """Runs whose workers have been silent for too long, now held by this transaction."""
    rows = select(RUN).where(RUNNING, _FORSAKEN).order_by(RUN.c.lease).limit(most)
    return [read(row) for row in connection.execute(unclaimed(rows))]


def any_lapsed(connection: Connection) -> bool:
    """Whether `lapsed` would find one; for those who only look."""
    return connection.execute(_LAPSED).first() is not None


def orphans(connection: Connection, worker: str, *, most: int) -> list[Run]:
    """Runs that others than `worker` hold on this cell's own machines."""
    rows = select(RUN).where(RUNNING, _holder != worker, RUN.c.local.is_(False)).limit(most)
    return [read(row) for row in connection.execute(unclaimed(rows))]


def any_orphan(connection: Connection, worker: str) -> bool:
    """Whether `orphans` would find one that nobody has locked; for those who only look."""
    rows = select(RUN.c.id).where(RUNNING, _holder != worker, RUN.c.local.is_(False)).limit(1)
    return connection.execute(rows).first() is not None


def locked(connection: Connection, run: str) -> Run | None:
    """The run, which nobody else changes until this transaction has ended."""
    row = connection.execute(_LOCKED, {"id": run}).first()
    return None if row is None else read(row)


def cancel(
    connection: Connection, run: str, at: datetime, usage: Usage, failure: Failure | None = None
) -> None:
    """End a locked run by cancelling it; `failure` says why, where there is more to say."""
    connection.execute(
        update(RUN)
        .where(RUN.c.id == run)
        .values(
            state=RunState.CANCELLED.value,
            ended=at,
            lease=None,
            error_code=failure.code if failure else RUN.c.error_code,
            error_message=failure.message if failure else RUN.c.error_message,
            **_NO_WAIT,
            input_tokens=usage.input_tokens,
            output_tokens=usage.output_tokens,
            cost_usd=usage.cost_usd,
            calls=usage.calls,
        )
    )


def redrive(connection: Connection, run: str) -> None:
    """Put a locked run that failed into the queue, with all its tries before it."""
    connection.execute(
        update(RUN)
        .where(RUN.c.id == run)
        .values(
            state=RunState.QUEUED.value,
            forgiven=RUN.c.attempt,
            ready=now(),
            rank=now(),
            ended=None,
            output=None,
            dead=False,
            worker=None,
            outcome=None,
            outcome_note=None,
            outcome_at=None,
            outcome_by=None,
        )
    )


def queued(connection: Connection) -> dict[tuple[str, str], int]:
    """How many runs may be claimed, by agent and caller."""
    return {(row.agent, row.caller): row.runs for row in connection.execute(_READY)}


def held_by(connection: Connection, worker: str) -> set[tuple[str, int]]:
    """Runs and attempts that `worker` holds."""
    rows = select(RUN.c.id, RUN.c.attempt).where(RUN.c.worker == worker, RUNNING)
    return {(row.id, row.attempt) for row in connection.execute(rows)}


def standing(connection: Connection, runs: Sequence[str]) -> dict[str, tuple[str, int, Any]]:
    """State, attempt and beginning of each of `runs`."""
    rows = select(RUN.c.id, RUN.c.state, RUN.c.attempt, RUN.c.started).where(RUN.c.id.in_(runs))
    return {row.id: (row.state, row.attempt, row.started) for row in connection.execute(rows)}


def unfinished(connection: Connection) -> dict[str, int]:
    """How many runs of each release have not come to their end."""
    rows = (
        select(RUN.c.release, func.count().label("runs"))
        .where(or_(QUEUED, RUNNING, WAITING))
        .group_by(RUN.c.release)
    )
    return {row.release: row.runs for row in connection.execute(rows)}


def followed(connection: Connection) -> set[str]:
    """The fixtures, by digest, on which a run is that has not come to its end."""
    rows = select(RUN.c.follows).where(
        or_(QUEUED, RUNNING, WAITING), RUN.c.mode == str(Mode.FIXTURE)
    )
    return {row.follows for row in connection.execute(rows) if row.follows}


def _names(hold: Hold) -> dict[str, Any]:
    return {"the_run": hold.run, "the_attempt": hold.attempt, "the_worker": hold.worker}
