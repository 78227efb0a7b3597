"""What a run's journal holds, for those who look at it."""

from seatrial.cell.journal.domain.calls import Call, Totals
from seatrial.cell.journal.domain.decisions import Decided
from seatrial.cell.journal.domain.records import Recorded
from seatrial.cell.journal.store import calls as tries
from seatrial.cell.journal.store import decisions
from seatrial.cell.journal.store import records as store
from seatrial.kit.database.connection import Connection


def recorded(connection: Connection, run: str) -> list[Recorded]:
    """Every call of a run, once, in the order in which they were first made."""
    return store.rows(connection, run)


def tried(connection: Connection, run: str) -> tuple[list[Call], Totals]:
    """Everything that went out or was refused, in order, and all of it together."""
    totals = tries.totals(connection, [run]).get(run, Totals())
    return tries.calls(connection, run), totals


def decided(connection: Connection, run: str) -> list[tuple[int, Decided]]:
    """Each decision with its attempt, in order."""
    return decisions.listed(connection, run)
