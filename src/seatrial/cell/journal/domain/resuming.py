"""Which recorded failures the next attempt makes again.

A failure is an answer: an agent that went on from it must be told it again. One after which it
asked nothing more is what it may have died of. Told again, it would kill every attempt, and
nothing rests on it; so a model call or read that failed last is made again.
"""

from collections.abc import Sequence
from dataclasses import replace

from seatrial.cell.journal.domain.records import Recorded
from seatrial.cell.journal.domain.rows import RowState


def resumed(recorded: Sequence[Recorded]) -> list[Recorded]:
    """The rows as a live attempt takes them over: failures that nothing rests on are intents."""
    begun = [it.begun for it in recorded if it.begun is not None]
    last = max(begun, default=None)

    def dead_end(it: Recorded) -> bool:
        if it.row.binds or it.row.state is not RowState.FAILED:
            return False
        return it.settled is not None and last is not None and last < it.settled

    return [
        replace(it, row=replace(it.row, state=RowState.INTENT, answer=None)) if dead_end(it) else it
        for it in recorded
    ]
