"""What a person may choose for a run that waits, and how one is run again on its record."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

import orjson

from seatrial.cell.journal.domain.rows import Mode, RowState
from seatrial.cell.journal.service import answers
from seatrial.cell.journal.service.reading import recorded
from seatrial.cell.runs.domain import rules
from seatrial.cell.runs.domain.refusals import (
    RunAbandoned,
    RunStartedAnew,
    RunStateConflict,
    RunUnknown,
)
from seatrial.cell.runs.domain.values import Asked, Bounds, Choice, Failure, Run
from seatrial.cell.runs.service import accepting, endings
from seatrial.cell.runs.service.ports import Ports, UsageOf
from seatrial.cell.runs.store import moves, runs
from seatrial.contract.runs.states import RunState, WaitReason
from seatrial.kit.crypto.digests import Digest
from seatrial.kit.database.connection import Connection
from seatrial.kit.errors import SeatrialError
from seatrial.kit.transparency.domain import Entry
from seatrial.kit.transparency.service import append

REPLAY_TAG: Final = "replay"
"""The tag of a replay, with the id of the run that it follows."""

_ANEW_TAG: Final = "anew"


@dataclass(frozen=True, kw_only=True)
class Fresh:
    """What a new run is made of, beside the one that it comes from.

    Attributes:
        id: of the new run.
        at: the time.
        ports: see there.
        bounds: see there.
    """

    id: str
    at: datetime
    ports: Ports
    bounds: Bounds


def resume(connection: Connection, run_id: str, choice: Choice, at: datetime) -> Run:
    """Let a run go on that has strayed: its agent need not come back to what it left out.

    Raises:
        RunUnknown: there is none.
        RunStateConflict: it has not strayed.
    """
    run = _waiting(connection, run_id, "resumed", WaitReason.DIVERGED)
    left = [row.seq for row in answers.unmet(connection, run_id)]
    answers.waive(connection, run_id, left)
    moves.wake(connection, run_id)
    _log(connection, "run.resumed", run_id, choice, at)
    return rules.moved(run, RunState.QUEUED, None, run.forgiven)


def abandon(
    connection: Connection, run_id: str, choice: Choice, at: datetime, usage: UsageOf
) -> Run:
    """End a run that waits; what it has done stays done.

    Raises:
        RunUnknown: there is none.
        RunStateConflict: it does not wait.
    """
    _waiting(connection, run_id, "abandoned")
    why = RunAbandoned(why=choice.why or "no reason given", writes=_writes(connection, run_id))
    _log(connection, "run.abandoned", run_id, choice, at)
    return endings.cancel(connection, run_id, at, usage, _failure(why))


def restart(
    connection: Connection,
    run_id: str,
    choice: Choice,
    fresh: Fresh,
) -> tuple[Run, Run]:
    """End a run that waits, and accept its input anew; the ended and the new one.

    Raises:
        RunUnknown: there is none.
        RunStateConflict: it does not wait.
        SeatrialError: no release of the agent may be run here.
    """
    run = _waiting(connection, run_id, "restarted")
    asked = Asked(
        agent=run.agent,
        input=run.input,
        caller=run.caller,
        caller_name="",
        payload=True,  # the session is its own
        tenant=run.tenant,
        session=run.session,
        lane=run.lane,
        priority=run.priority,
        tags={**run.tags, _ANEW_TAG: run.id},
        counted=run.counted,
    )
    at, ports = fresh.at, fresh.ports
    order = accepting.order(asked, run=fresh.id, at=at, bounds=fresh.bounds)
    anew, _ = accepting.accept(connection, order, ports, fresh.bounds)
    why = RunStartedAnew(
        anew=fresh.id, why=choice.why or "no reason given", writes=_writes(connection, run_id)
    )
    _log(connection, "run.restarted", run_id, choice, at)
    return endings.cancel(connection, run_id, at, ports.usage, _failure(why)), anew


def replay(
    connection: Connection,
    run_id: str,
    fresh: Fresh,
    *,
    caller: str,
    release: str | None,
) -> Run:
    """Put a run into the queue that follows another: all that it calls is answered from there.

    Raises:
        RunUnknown: there is none.
        RunStateConflict: it has not ended, or ran on somebody's own machine.
        SeatrialError: the release is not in this cell.
    """
    run = runs.get(connection, run_id)
    if run is None:
        raise RunUnknown(run=run_id)
    if not run.over or run.local or run.release is None:
        state = "local" if run.local else str(run.state)
        raise RunStateConflict(run=run_id, state=state, wish="replayed")
    wanted = run.release if release is None else Digest.parse(release)
    limits = fresh.ports.limits(connection, wanted)
    seconds = limits.timeout_seconds or fresh.bounds.timeout
    again = _following(run, wanted, fresh, caller=caller, seconds=seconds)
    runs.add(
        connection,
        runs.Fresh(
            run=again,
            input=orjson.dumps(run.input).decode(),
            key=None,
            digest=None,
            handicap=rules.handicap(again.lane, again.priority),
            lease=None,
        ),
    )
    return again


def _following(run: Run, release: Digest, fresh: Fresh, *, caller: str, seconds: float) -> Run:
    """A run that makes the calls of `run` again, on the same input."""
    return replace(
        run,
        id=fresh.id,
        release=release,
        release_name=run.release_name if release == run.release else str(release),
        session=None,
        caller=caller,
        state=RunState.QUEUED,
        failure=None,
        output=None,
        attempt=0,
        forgiven=0,
        attempts=1,
        own_attempts=1,
        tags={REPLAY_TAG: run.id},
        counted=False,
        created=fresh.at,
        started=None,
        ended=None,
        timeout_seconds=seconds,
        steps=None,  # nothing goes out
        dead=False,
        judgement=None,
        worker=None,
        mode=Mode.SCRIPTED if run.mode is Mode.SCRIPTED else Mode.STRICT,
        follows=run.follows if run.mode in {Mode.STRICT, Mode.SCRIPTED} else run.id,
        waits=None,
    )


def _waiting(
    connection: Connection, run_id: str, wish: str, reason: WaitReason | None = None
) -> Run:
    run = moves.locked(connection, run_id)
    if run is None:
        raise RunUnknown(run=run_id)
    waits = run.waits
    if waits is None or reason not in {None, waits.reason}:
        state = str(run.state) if waits is None else f"waiting ({waits.reason})"
        raise RunStateConflict(run=run_id, state=state, wish=wish)
    return run


def _writes(connection: Connection, run: str) -> int:
    """How many writes have happened."""
    return sum(
        it.row.binds and it.row.state is RowState.DONE and it.row.kind.value != "wait"
        for it in recorded(connection, run)
    )


def _failure(error: SeatrialError) -> Failure:
    return rules.failure(error.code, error.message)


def _log(connection: Connection, kind: str, run: str, choice: Choice, at: datetime) -> None:
    """Keep in the cell's log who chose; the reason is payload, so its digest alone."""
    body = {"why": str(Digest.of(choice.why.encode()))}
    append(connection, Entry(kind=kind, subject=run, actor=choice.by, body=body, at=at))
