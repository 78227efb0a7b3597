"""Plays a recorded conversation to an agent of a cell, and compares what it does."""

import uuid
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from seatrial.cli.servers.cell import Cell
from seatrial.cli.waiting import WAIT, Row, ended, started
from seatrial.contract.runs.states import RunState
from seatrial.data.recordings.domain import Recording, Turn


@dataclass(frozen=True, kw_only=True)
class Played:
    """How a conversation went.

    Attributes:
        recording: its name.
        same: every answer, call and result was that of the record.
        runs: how many turns were had.
        why: the first difference; empty where there is none.
        session: where the runs are found.
    """

    recording: str
    same: bool
    runs: int
    why: str
    session: str

    def told(self) -> Row:
        """As JSON."""
        return asdict(self)


async def play(cell: Cell, agent: str, recording: Recording) -> Played:
    """Say everything that the person said, each turn once the last is over.

    It ends at the first turn that goes another way: the person would have said something else.
    """
    session, why, runs = f"rec-{uuid.uuid4().hex[:20]}", "", 0
    for number, turn in enumerate(recording.turns, 1):
        body = {"input": turn.said, "mode": "wait", "wait_seconds": WAIT, "session": session}
        key = (("idempotency-key", f"{session}-{number}"),)
        run = await ended(cell, await started(cell, agent, body, key))
        runs += 1
        receipt = await cell.receipt(str(run["id"]))
        why = difference(turn, run, [each["name"] for each in receipt["journal"] if _is_call(each)])
        if why:
            why = f"turn {number}: {why}"
            break
    return Played(recording=recording.name, same=not why, runs=runs, why=why, session=session)


def difference(turn: Turn, run: Row, made: Sequence[str]) -> str:
    """Where `run` went another way than `turn`; empty if nowhere.

    Args:
        turn: as it was recorded.
        run: at its end.
        made: names of the actions that it called, in order.
    """
    recorded = [call.name for step in turn.steps for call in step.calls]
    if run.get("state") != RunState.SUCCEEDED and not turn.cut:
        error = run.get("error") or {}
        return f"the run {run.get('state')}: {error.get('code')}: {error.get('message', '')}"
    if list(made) != recorded:
        return f"it calls {_names(made)} where it called {_names(recorded)}"
    if turn.cut:
        return ""  # nobody recorded what comes after
    if run.get("output") != turn.answer:
        return f"it says {run.get('output')!r} where it said {turn.answer!r}"
    return ""


def _names(names: Sequence[str]) -> str:
    return ", ".join(names) or "nothing"


def _is_call(entry: Row) -> bool:
    """Whether an entry of a journal is a call of an action, and no question to a person."""
    return entry["kind"] == "action" and ":" not in entry["name"]
