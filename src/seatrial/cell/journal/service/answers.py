"""What people and the world outside say of calls, within transactions of others."""

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime

from seatrial.cell.journal.domain.records import Body, Question, Recorded
from seatrial.cell.journal.domain.rows import Kind, Row, RowState
from seatrial.cell.journal.store import decisions
from seatrial.cell.journal.store import records as store
from seatrial.kit.crypto.digests import Digest
from seatrial.kit.database.connection import Connection


def questions(connection: Connection, run: str) -> list[Question]:
    """What is asked in a run and not answered yet, oldest first."""
    found = [it for it in store.rows(connection, run) if _is_asked(it.row)]
    requests = dict(store.requests(connection, run, [it.row.seq for it in found]))
    return [_question(it, requests.get(it.row.seq)) for it in found]


def asked(connection: Connection, run: str, seq: int) -> Question | None:
    """What is asked in one row of a run; None if it is answered."""
    found = store.row(connection, run, seq)
    if found is None or not _is_asked(found.row):
        return None
    requests = dict(store.requests(connection, run, [seq]))
    return _question(found, requests.get(seq))


def answer(
    connection: Connection, run: str, seq: int, state: RowState, body: Body | None, now: datetime
) -> bool:
    """What somebody outside says of a call: of a question, or of a write that is unknown.

    Args:
        connection: of the transaction that says it.
        run: of which run.
        seq: which of its rows.
        state: done or failed with a body; cleared if it did not happen and may be performed.
        body: what the agent is answered.
        now: when.

    Returns:
        Whether it was still to be said: the first answer stays.
    """
    found = store.row(connection, run, seq)
    if found is None:
        return False
    digest = None if body is None else str(Digest.of(body.content))
    row = replace(found.row, state=state, answer=digest)
    said = store.settle(connection, run, row, now)
    if said and body is not None:
        store.keep(connection, run, seq, store.ANSWER, body)
    return said


def waive(connection: Connection, run: str, seqs: Collection[int]) -> None:
    """A person has said that the agent need not come back to these writes."""
    store.waive(connection, run, seqs)


def unmet(connection: Connection, run: str) -> list[Row]:
    """Writes and questions to which the newest attempt has not come back, oldest first.

    What it has met is known once `Attempt.still` or `Attempt.finish` has returned.
    """
    met = decisions.met(connection, run)
    return [
        it.row
        for it in store.rows(connection, run)
        if it.row.binds and not it.waived and it.row.seq not in met
    ]


def _question(found: Recorded, request: Body | None) -> Question:
    return Question(
        seq=found.row.seq,
        name=found.name,
        unknown=found.row.state is RowState.UNKNOWN,
        request=request,
        since=found.settled or found.begun,
        key=found.row.key,
        occurrence=found.row.occurrence,
    )


def _is_asked(row: Row) -> bool:
    waits = row.kind is Kind.WAIT and row.state is RowState.INTENT
    return waits or row.state is RowState.UNKNOWN
