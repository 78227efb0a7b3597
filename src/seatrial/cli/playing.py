"""Plays a conversation to an agent of a cell, compares what it does, and has its end judged."""

import asyncio
import shlex
import subprocess
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from pydantic import BaseModel, ConfigDict, ValidationError

from seatrial.cli.servers.cell import Cell
from seatrial.cli.waiting import Row, had, how
from seatrial.contract.runs.states import RunState
from seatrial.data.recordings.domain import Recording, Turn
from seatrial.data.recordings.figures import Figures
from seatrial.kit.errors import Failed

_PATIENCE: Final = 300.0  # seconds for a command around a conversation
_WORDS: Final = {True: "solved", False: "not solved"}


class CommandBroke(Failed):
    """The command {command!r} around a conversation broke: {reason}."""

    code = "command_broke"
    cause = 'It must end with 0, and a judge must say {"succeeded": true} or false, and no more.'
    remedy = "Run it by hand; a judge is given the recording as JSON on standard input."


class _Verdict(BaseModel):
    """What a judge says."""

    model_config = ConfigDict(extra="forbid")

    succeeded: bool


@dataclass(frozen=True, kw_only=True)
class Around:
    """What is run around each conversation.

    Attributes:
        before: a command that makes the world what it was; empty for none.
        judge: a command that is given the recording and tells whether its task is solved.
        variables: their environment.
    """

    before: str = ""
    judge: str = ""
    variables: Mapping[str, str] = field(default_factory=dict)

    async def prepare(self) -> None:
        """Run `before`; raises `CommandBroke`."""
        if self.before:
            await asyncio.to_thread(_run, self.before, b"", self.variables)

    async def verdict(self, recording: Recording) -> bool | None:
        """What the judge says, None without one; raises `CommandBroke`."""
        if not self.judge:
            return None
        told = recording.model_dump_json().encode()
        said = await asyncio.to_thread(_run, self.judge, told, self.variables)
        try:
            return _Verdict.model_validate_json(said, strict=True).succeeded
        except ValidationError:
            reason = f"it says {said[:400].decode(errors='replace')!r}"
            raise CommandBroke(command=self.judge, reason=reason) from None


@dataclass(frozen=True, kw_only=True)
class Played:
    """How a conversation went.

    Attributes:
        figures: what it came to.
        same: every answer, call, result and the verdict were those of the record; None where
            nothing is recorded but the person's part.
        why: the first difference, or what failed; empty where there is none.
        session: where the runs are found.
        runs: how many turns were had.
    """

    figures: Figures
    same: bool | None
    why: str
    session: str
    runs: int

    def told(self) -> Row:
        """As JSON."""
        return {
            "recording": self.figures.name,
            "same": self.same,
            "succeeded": self.figures.succeeded,
            "runs": self.runs,
            "why": self.why,
            "session": self.session,
        }


async def play(cell: Cell, agent: str, recording: Recording, around: Around) -> Played:
    """Say everything that the person said, each turn once the last is over.

    It ends at the first turn that goes another way: the person would have said something else.

    Raises:
        CommandBroke: a command around it came to no end, or to none that says anything.
    """
    await around.prepare()
    session, why = f"rec-{uuid.uuid4().hex[:20]}", ""
    receipts: list[Row] = []
    for number, turn in enumerate(recording.turns, 1):
        run = await had(cell, agent, turn.said, f"{session}-{number}", session=session)
        receipts.append(await cell.receipt(str(run["id"])))
        why = difference(turn, run, _called(receipts[-1]))
        if why:
            why = f"turn {number}: {why}"
            break
    verdict = await around.verdict(recording)
    if not why and None not in {verdict, recording.succeeded} and verdict != recording.succeeded:
        why = f"it is {_WORDS[verdict is True]} where it was {_WORDS[recording.succeeded is True]}"
    recorded = recording.succeeded is not None or any(turn.steps for turn in recording.turns)
    return Played(
        figures=_figures(recording.name, verdict, receipts),
        same=False if why else (True if recorded else None),
        why=why,
        session=session,
        runs=len(receipts),
    )


def difference(turn: Turn, run: Row, made: Sequence[str]) -> str:
    """Where `run` went another way than `turn`; empty if nowhere.

    Args:
        turn: as it was recorded.
        run: at its end.
        made: names of the actions that it called, in order.
    """
    if run.get("state") != RunState.SUCCEEDED and not turn.cut:
        return f"the run {how(run)}"
    if not turn.steps:
        return ""
    recorded = [call.name for step in turn.steps for call in step.calls]
    if list(made) != recorded:
        return f"it calls {_names(made)} where it called {_names(recorded)}"
    if turn.cut:
        return ""  # nobody recorded what comes after
    if run.get("output") != turn.answer:
        return f"it says {run.get('output')!r} where it said {turn.answer!r}"
    return ""


def _figures(name: str, verdict: bool | None, receipts: Sequence[Row]) -> Figures:
    totals = [receipt["totals"] for receipt in receipts]
    known = all(each["cost_known"] for each in totals)
    release = receipts[-1]["release"]
    return Figures(
        name=name,
        release=str(release["name"] or release["digest"]),
        succeeded=verdict,
        path=tuple(name for receipt in receipts for name in _called(receipt)),
        tokens=sum(each["input_tokens"] + each["output_tokens"] for each in totals),
        cost_usd=sum(float(each["cost_usd"]) for each in totals) if known else None,
        seconds=tuple(
            round(receipt["duration_ms"] / 1_000, 3)
            for receipt in receipts
            if receipt["duration_ms"] is not None
        ),
    )


def _called(receipt: Row) -> list[str]:
    """The actions that a run called, without its questions to people."""
    return [
        str(entry["name"])
        for entry in receipt["journal"]
        if entry["kind"] == "action" and ":" not in entry["name"]
    ]


def _names(names: Sequence[str]) -> str:
    return ", ".join(names) or "nothing"


def _run(command: str, told: bytes, variables: Mapping[str, str]) -> bytes:
    """What the command says on standard output."""
    try:
        done = subprocess.run(
            shlex.split(command),
            env=variables,
            input=told,
            capture_output=True,
            timeout=_PATIENCE,
            check=False,
        )
    except (OSError, ValueError) as error:
        raise CommandBroke(command=command, reason=str(error)) from None
    except subprocess.TimeoutExpired:
        reason = f"it took more than {_PATIENCE:.0f} s"
        raise CommandBroke(command=command, reason=reason) from None
    if done.returncode:
        last = done.stderr.decode(errors="replace").strip()[-400:]
        reason = f"exit code {done.returncode}{': ' if last else ''}{last}"
        raise CommandBroke(command=command, reason=reason)
    return done.stdout
