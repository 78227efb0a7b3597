"""What a run's journal holds, for those who look at it."""

from collections.abc import Collection
from dataclasses import dataclass

from seatrial.cell.journal.domain.calls import Call, Totals
from seatrial.cell.journal.domain.decisions import Decided
from seatrial.cell.journal.domain.records import AnswerNotKept, Body, Recorded
from seatrial.cell.journal.domain.rows import Kind
from seatrial.cell.journal.store import calls as tries
from seatrial.cell.journal.store import decisions
from seatrial.cell.journal.store import records as store
from seatrial.kit.database.connection import Connection


@dataclass(frozen=True, kw_only=True, slots=True)
class Exchange:
    """A call with what was asked and answered.

    Attributes:
        recorded: its row.
        request: the arguments of an action, or what a question was.
        answer: as it was kept.
    """

    recorded: Recorded
    request: Body
    answer: Body


def recorded(connection: Connection, run: str) -> list[Recorded]:
    """Every call of a run, once, in the order in which they were first made."""
    return store.rows(connection, run)


def exchanged(connection: Connection, run: str, questions: tuple[str, ...]) -> list[Exchange]:
    """The settled actions of a run and its answered questions, with what was said, in order.

    Args:
        connection: in a transaction.
        run: whose.
        questions: how the names of those begin that matter.

    Raises:
        AnswerNotKept: of one the body has gone.
    """
    rows = [
        it
        for it in store.rows(connection, run)
        if it.row.settled
        and (
            it.row.kind is Kind.ACTION
            or (it.row.kind is Kind.WAIT and it.name.startswith(questions))
        )
    ]
    found: dict[tuple[int, str], Body] = {
        (seq, side): body
        for seq, side, body in store.bodies(connection, run, [it.row.seq for it in rows])
    }
    exchanges: list[Exchange] = []
    for it in rows:
        request = found.get((it.row.seq, store.REQUEST))
        answer = found.get((it.row.seq, store.ANSWER))
        if request is None or answer is None:
            raise AnswerNotKept(run=run, seq=it.row.seq)
        exchanges.append(Exchange(recorded=it, request=request, answer=answer))
    return exchanges


def counted(connection: Connection, runs: Collection[str]) -> dict[str, int]:
    """How many actions and waits of each key some runs have come to the end of together."""
    return store.counted(connection, runs, (Kind.ACTION, Kind.WAIT))


def tried(connection: Connection, run: str) -> tuple[list[Call], Totals]:
    """Everything that went out or was refused, in order, and all of it together."""
    totals = tries.totals(connection, [run]).get(run, Totals())
    return tries.calls(connection, run), totals


def decided(connection: Connection, run: str) -> list[tuple[int, Decided]]:
    """Each decision with its attempt, in order."""
    return decisions.listed(connection, run)
