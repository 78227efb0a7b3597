"""What people and the world outside say of calls, within transactions of others."""

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime

from seatrial.cell.journal.domain.records import Body, Question
from seatrial.cell.journal.domain.rows import Kind, Row, RowState
from seatrial.cell.journal.store import decisions
from seatrial.cell.journal.store import records as store
from seatrial.kit.crypto.digests import Digest
from seatrial.kit.database.connection import Connection


def questions(connection: Connection, run: str) -> list[Question]:
    """What is asked in a run and not answered yet, oldest first."""
    found = [it for it in store.rows(connection, run) if _is_asked(it.row)]
    requests = dict(store.requests(connection, run, [it.row.seq for it in found]))
    return [
        Question(
            seq=it.row.seq,
            name=it.name,
            unknown=it.row.state is RowState.UNKNOWN,
            request=requests.get(it.row.seq),
            since=it.settled or it.begun,
            key=it.row.key,
            occurrence=it.row.occurrence,
        )
        for it in found
    ]


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


def _is_asked(row: Row) -> bool:
    waits = row.kind is Kind.WAIT and row.state is RowState.INTENT
    return waits or row.state is RowState.UNKNOWN
