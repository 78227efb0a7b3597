"""How attempts and runs end: each a use case that a worker without its lease cannot carry out."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from seatrial.cell.runs.domain import rules
from seatrial.cell.runs.domain.refusals import LeaseExpired, LocalLeft, Redriven, RunUnknown
from seatrial.cell.runs.domain.values import (
    Ending,
    EventKind,
    Failure,
    Run,
    Stretch,
)
from seatrial.cell.runs.service.ports import UsageOf
from seatrial.cell.runs.store import moves, runs, threads
from seatrial.contract.runs.states import Outcome, RunState
from seatrial.kit.database.connection import Connection


@dataclass(frozen=True, kw_only=True)
class Failed:
    """An attempt that did not succeed.

    Attributes:
        failure: why.
        cause: of which kind.
        at: when.
        chance: from [0, 1), for the pause before the next try.
    """

    failure: Failure
    cause: rules.Cause
    at: datetime
    chance: float


def hold_of(run: Run) -> moves.Hold:
    """The hold under which `run` was claimed."""
    return moves.Hold(run=run.id, attempt=run.attempt, worker=run.worker or "")


def end(connection: Connection, run: Run, ending: Ending, usage: UsageOf) -> Run | None:
    """Bring a run to its end; None if it is no longer held as `run` says."""
    ending = replace(ending, usage=usage(connection, run.id))
    if not moves.end(connection, hold_of(run), ending):
        return None
    _count(connection, run, {ending.state.value: 1})
    _touch(connection, run, ending.at)
    return replace(
        run,
        state=ending.state,
        failure=ending.failure,
        ended=ending.at,
        dead=ending.dead,
        usage=ending.usage,
    )


def fail(connection: Connection, run: Run, failed: Failed, usage: UsageOf) -> Run | None:
    """End an attempt that failed: with a next try, or with the run's end. None as in `end`."""
    after = rules.after_failure(
        failed.cause,
        attempt=run.attempt,
        tried=run.tries,
        tries=rules.Tries(passing=run.attempts, own=run.own_attempts),
        chance=failed.chance,
    )
    if after.pause is not None:
        return put_back(
            connection,
            run,
            failed.failure,
            pause=after.pause,
            at=failed.at,
            forgiven=after.forgiven,
        )
    ending = Ending(state=RunState.FAILED, at=failed.at, failure=failed.failure, dead=after.dead)
    return end(connection, run, ending, usage)


def put_back(
    connection: Connection,
    run: Run,
    failure: Failure,
    *,
    pause: float,
    at: datetime,
    forgiven: bool = False,
) -> Run | None:
    """Put a run back into the queue; None as in `end`. With `forgiven` the try does not count."""
    if not moves.put_back(connection, hold_of(run), failure, pause=pause, forgiven=forgiven):
        return None
    threads.keep_events(connection, run.id, _restarted(run, failure, at))
    return replace(
        run,
        state=RunState.QUEUED,
        failure=failure,
        worker=None,
        forgiven=run.forgiven + int(forgiven),
    )


def sweep(
    connection: Connection, at: datetime, chance: Callable[[], float], usage: UsageOf
) -> list[Run]:
    """Take the runs of silent workers from them: each goes on elsewhere, or ends."""
    return [
        changed
        for run in moves.lapsed(connection, most=100)
        if (changed := _bereaved(connection, run, at, chance(), usage)) is not None
    ]


def adopt(connection: Connection, worker: str, at: datetime, usage: UsageOf) -> list[Run]:
    """As `sweep`, for all that others hold: who owns the database alone knows that they are gone.

    The first try of the new process comes at once: nothing is gained by waiting.
    """
    return [
        changed
        for run in moves.orphans(connection, worker, most=100)
        if (changed := _bereaved(connection, run, at, 0.0, usage)) is not None
    ]


def cancel(
    connection: Connection,
    run_id: str,
    at: datetime,
    usage: UsageOf,
    failure: Failure | None = None,
) -> Run:
    """End a run because somebody wants it to; `failure` says why, where there is more to say.

    Raises:
        RunUnknown: there is none.
        RunStateConflict: it has ended by itself.
    """
    run = moves.locked(connection, run_id)
    if run is None:
        raise RunUnknown(run=run_id)
    rules.refuse_move(run_id, run.state, RunState.CANCELLED, "cancelled")
    used = usage(connection, run_id)
    moves.cancel(connection, run_id, at, used, failure)
    _count(connection, run, {RunState.CANCELLED.value: 1})
    _touch(connection, run, at)
    return replace(
        run,
        state=RunState.CANCELLED,
        failure=failure or run.failure,
        ended=at,
        usage=used,
        waits=None,
    )


def redrive(connection: Connection, run_id: str, at: datetime) -> Run:
    """Send a run that failed on its way again, with all its tries before it.

    Its attempt goes on counting, so no writer of an earlier life can pass for one of this. What
    was counted of its end and its outcome is taken back; the history of both is kept.

    Raises:
        RunUnknown: there is none.
        RunStateConflict: it has not failed, or was run on somebody's own machine.
    """
    run = moves.locked(connection, run_id)
    if run is None:
        raise RunUnknown(run=run_id)
    state = RunState.CANCELLED if run.local else run.state
    rules.refuse_move(run_id, state, RunState.QUEUED, "redriven")
    taken = {RunState.FAILED.value: -1}
    if run.judgement is not None:
        taken["judged"] = -1
        taken["good"] = -int(run.judgement.outcome is Outcome.RESOLVED)
    moves.redrive(connection, run_id)
    _count(connection, run, taken)
    _touch(connection, run, at)
    again = Failure(code=Redriven.code, message=Redriven().message)
    threads.keep_events(connection, run_id, _restarted(run, again, at))
    found = runs.get(connection, run_id)
    if found is None:
        raise RunUnknown(run=run_id)
    return found


def _bereaved(
    connection: Connection, run: Run, at: datetime, chance: float, usage: UsageOf
) -> Run | None:
    if run.local:
        left = Failure(code=LocalLeft.code, message=LocalLeft().message)
        ending = Ending(state=RunState.FAILED, at=at, failure=left)
        return end(connection, run, ending, usage)
    expired = Failure(code=LeaseExpired.code, message=LeaseExpired().message)
    failed = Failed(failure=expired, cause=rules.Cause.PASSING, at=at, chance=chance)
    return fail(connection, run, failed, usage)


def _restarted(run: Run, failure: Failure, at: datetime) -> Stretch:
    told = {"attempt": run.attempt + 1, "code": failure.code, "message": failure.message}
    return Stretch(
        first=rules.restarted_seq(run.attempt), kind=EventKind.RESTARTED, parts=(told,), at=at
    )


def _count(connection: Connection, run: Run, more: dict[str, int]) -> None:
    if run.counted and run.release is not None:
        threads.count(connection, str(run.release), run.id, run.created, more)


def _touch(connection: Connection, run: Run, at: datetime) -> None:
    if run.session is not None and not run.local:
        threads.touch_session(connection, run.session, run.agent, run.tenant, at)
