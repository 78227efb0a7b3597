"""How runs come to wait, and go on: each step within somebody's transaction.

A run that waits is a row. What it waits for is asked in a row of the journal; whoever answers that
row wakes the run in the same transaction, so that no answer is ever given and not heard.
"""

from datetime import datetime
from typing import Any, Final

import orjson

from seatrial.cell.journal.domain.records import Body, Halt
from seatrial.cell.journal.domain.rows import RowState
from seatrial.cell.journal.service import answers
from seatrial.cell.runs.domain import rules
from seatrial.cell.runs.domain.refusals import RunStateConflict, RunUnknown, WordsFull
from seatrial.cell.runs.domain.values import EventKind, Run, Stretch, Wait
from seatrial.cell.runs.service import endings
from seatrial.cell.runs.store import moves, threads, words
from seatrial.contract.runs.states import RunState, WaitReason
from seatrial.kit.database.connection import Connection

_EVENT: Final = "event:"
_MOST_DUE: Final = 100  # timers that are answered in one transaction


def park(connection: Connection, run: Run, halt: Halt, at: datetime) -> Run | None:
    """End a segment; None if the run is no longer held as `run` says.

    Returns:
        The run as it waits; or in the queue, where what it would wait for has come meanwhile.
    """
    hold = endings.hold_of(run)
    if not moves.stands(connection, hold):
        return None
    wait = _awaited(connection, run.id, halt, at)
    if wait is None:
        moves.go_on(connection, hold)
        return _moved(run, RunState.QUEUED, None)
    moves.park(connection, hold, wait)
    parts = (rules.told_wait(wait),)
    seq = rules.waiting_seq(run.attempt)
    threads.keep_events(
        connection, run.id, Stretch(first=seq, kind=EventKind.WAITING, parts=parts, at=at)
    )
    return _moved(run, RunState.WAITING, wait)


def wake(connection: Connection, run: str) -> bool:
    """Let a run that waits go on; false if it does not wait. Tell `Runs.woken` after the commit.

    Whatever it waits for must be answered in the same transaction; else it waits again.
    """
    return moves.wake(connection, run)


def goes_on(connection: Connection, run: str) -> bool:
    """Whether a run has not ended, and does not before this transaction has.

    Whoever answers what it asked looks first: an answer that nobody will hear is refused.
    """
    found = moves.locked(connection, run)
    return found is not None and not found.over


def fenced(connection: Connection, run: str, attempt: int) -> bool:
    """Whether `attempt` is the one in hand, and stays so until this transaction has ended.

    Whoever writes on behalf of an attempt (its calls, its log) asks first, in the same transaction,
    and writes nothing if it is not.
    """
    return moves.fenced(connection, run, attempt)


def ring(connection: Connection, at: datetime) -> list[Run]:
    """Wake the runs whose timers have gone off."""
    woken = []
    for run in moves.due(connection, at, most=_MOST_DUE):
        if run.waits is not None and run.waits.seq is not None:
            _answer(connection, run.id, run.waits.seq, {"at": at.isoformat()}, at)
        if moves.wake(connection, run.id):
            woken.append(_moved(run, RunState.QUEUED, None))
    return woken


def hear(
    connection: Connection, run_id: str, name: str, value: object, at: datetime
) -> tuple[Run, bool]:
    """Tell a run of an outside event; one that comes before it is asked for is kept.

    Returns:
        The run, and whether it was waiting for just that.

    Raises:
        RunUnknown: there is none.
        RunStateConflict: it has ended.
        WordsFull: too many events are kept for it already.
    """
    run = moves.locked(connection, run_id)
    if run is None:
        raise RunUnknown(run=run_id)
    if run.over:
        raise RunStateConflict(run=run_id, state=str(run.state), wish="told of an event")
    asked = [it for it in answers.questions(connection, run_id) if it.name == _EVENT + name]
    if not asked:
        if words.kept(connection, run_id) >= rules.MOST_WORDS:
            raise WordsFull(run=run_id, most=rules.MOST_WORDS)
        words.add(connection, run_id, name, orjson.dumps(value).decode(), at)
        return run, False
    _answer(connection, run_id, asked[0].seq, value, at)
    if run.waits is None or run.waits.seq != asked[0].seq:
        return run, False
    moves.wake(connection, run_id)
    return _moved(run, RunState.QUEUED, None), True


def _awaited(connection: Connection, run: str, halt: Halt, at: datetime) -> Wait | None:
    """What a halted run waits for; None where that has come meanwhile."""
    if halt.seq is None:
        return Wait(reason=halt.reason, since=at, detail=halt.detail)
    asked = answers.asked(connection, run, halt.seq)
    if asked is None:
        return None
    until = None
    if halt.reason is WaitReason.EVENT:
        word = words.take(connection, run, asked.name.removeprefix(_EVENT))
        if word is not None:
            _answer(connection, run, asked.seq, orjson.loads(word), at)
            return None
    if halt.reason is WaitReason.TIMER:
        request = asked.request.content if asked.request is not None else b"{}"
        until = rules.rings(orjson.loads(request), asked.since or at)
        if until <= at:
            _answer(connection, run, asked.seq, {"at": at.isoformat()}, at)
            return None
    return Wait(
        reason=halt.reason,
        since=asked.since or at,
        until=until,
        detail=asked.name,
        seq=asked.seq,
    )


def _answer(connection: Connection, run: str, seq: int, value: Any, at: datetime) -> None:  # noqa: ANN401
    body = Body(content=orjson.dumps(value), status=200)
    answers.answer(connection, run, seq, RowState.DONE, body, at)


def _moved(run: Run, state: RunState, wait: Wait | None) -> Run:
    forgiven = run.forgiven + int(run.state is RunState.RUNNING)
    return rules.moved(run, state, wait, forgiven)
