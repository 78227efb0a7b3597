"""What a person may choose for a run that waits, and how one is run again on its record."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

import orjson

from seatrial.cell.journal.domain.rows import OPEN, Mode, RowState
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

_TAGS: Final = {Mode.STRICT: "replay", Mode.SHADOW: "shadow"}
"""The tag of a run that follows another; it holds that one's id."""

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


def follow(
    connection: Connection,
    run_id: str,
    fresh: Fresh,
    *,
    mode: Mode,
    caller: str,
    release: str | None,
) -> Run:
    """Put a run into the queue that follows another, on the same input.

    Args:
        connection: in a write transaction.
        run_id: which one it follows.
        fresh: what a new run is made of.
        mode: `STRICT` replays it, and all that is called is answered from there; `SHADOW` asks
            models anew, and writes nowhere.
        caller: id of the token that asks.
        release: on which, by digest; None for its own.

    Raises:
        RunUnknown: there is none.
        RunStateConflict: it has not ended, ran on somebody's own machine, or is a shadow that is
            to be replayed: a part of its answers is not its own.
        SeatrialError: the release is not in this cell.
    """
    run = runs.get(connection, run_id)
    if run is None:
        raise RunUnknown(run=run_id)
    borrowed = run.mode is Mode.SHADOW and mode is Mode.STRICT
    if not run.over or run.local or run.release is None or borrowed:
        state = "local" if run.local else "a shadow" if borrowed else str(run.state)
        raise RunStateConflict(run=run_id, state=state, wish=f"followed by a {_TAGS[mode]}")
    wanted = run.release if release is None else Digest.parse(release)
    limits = fresh.ports.limits(connection, wanted)
    again = replace(
        _following(run, wanted, fresh, mode),
        caller=caller,
        timeout_seconds=limits.timeout_seconds or fresh.bounds.timeout,
        steps=None if mode is Mode.STRICT else limits.steps,  # of a replay nothing goes out
    )
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


def _following(run: Run, release: Digest, fresh: Fresh, mode: Mode) -> Run:
    """A run that follows `run`; what a replay follows is followed by a replay of it too."""
    scripted = run.mode is Mode.SCRIPTED and mode is Mode.STRICT
    return replace(
        run,
        id=fresh.id,
        release=release,
        release_name=run.release_name if release == run.release else str(release),
        session=None,
        state=RunState.QUEUED,
        failure=None,
        output=None,
        attempt=0,
        forgiven=0,
        attempts=1,
        own_attempts=1,
        tags={_TAGS[mode]: run.id},
        counted=False,
        created=fresh.at,
        started=None,
        ended=None,
        dead=False,
        judgement=None,
        worker=None,
        mode=Mode.SCRIPTED if scripted else mode,
        follows=run.id if run.mode in OPEN else run.follows,
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
