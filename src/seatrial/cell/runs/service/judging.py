"""What became of a run for the business, and what people think of its answer; often said late."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import orjson

from seatrial.cell.runs.domain.refusals import (
    InputTooLarge,
    RunRefused,
    RunStateConflict,
    RunUnknown,
)
from seatrial.cell.runs.domain.values import Feedback, Judgement, Run, Said
from seatrial.cell.runs.store import moves, runs, threads
from seatrial.contract.runs.states import Outcome
from seatrial.kit.clock import Clock
from seatrial.kit.crypto.digests import Digest
from seatrial.kit.database.connection import Connection, Isolation
from seatrial.kit.database.database import Database
from seatrial.kit.ids import Ids

_LONGEST: Final = 10_000  # characters of a note or comment
_LARGEST: Final = 1 << 20  # bytes of a correction


@dataclass(frozen=True, kw_only=True)
class Judge:
    """Takes outcomes and feedback.

    Each is kept; of outcomes the last one counts, in the run and in the counts of its release.

    Attributes:
        database: the cell's.
        clock: for when.
        ids: for entries.
        changed: told the release after an outcome; must return at once.
    """

    database: Database
    clock: Clock
    ids: Ids
    changed: Callable[[Digest | None], None]

    async def outcome(self, run_id: str, outcome: Outcome, *, note: str = "", by: str) -> Run:
        """Say what became of a run.

        Raises:
            RunUnknown: there is none.
            RunStateConflict: it has not ended.
            RunRefused: the note cannot be kept.
        """
        _refuse_text("note", note)
        judgement = Judgement(outcome=outcome, note=note, at=self.clock.now(), by=by)
        said = Said(id=self.ids.new("said"), at=judgement.at, by=by, judgement=judgement)

        def use_case(connection: Connection) -> Run:
            run = moves.locked(connection, run_id)
            if run is None:
                raise RunUnknown(run=run_id)
            if not run.over:
                raise RunStateConflict(run=run_id, state=str(run.state), wish="judged")
            threads.add_said(connection, run_id, said)
            threads.judge(connection, run_id, judgement)
            _count(connection, run, outcome)
            return _again(connection, run_id)

        run = await self.database.write(use_case, isolation=Isolation.READ_COMMITTED)
        self.changed(run.release)
        return run

    async def feedback(self, run_id: str, feedback: Feedback, *, by: str) -> Said:
        """Say what somebody thinks of a run's answer.

        Raises:
            RunUnknown: there is none.
            RunRefused, InputTooLarge: it cannot be kept.
        """
        if feedback == Feedback():
            raise RunRefused(reason="the feedback says nothing")
        _refuse_text("comment", feedback.comment)
        if feedback.score is not None and not 0 <= feedback.score <= 1:
            raise RunRefused(reason="`score` is from 0 to 1")
        size = len(orjson.dumps(feedback.correction))
        if size > _LARGEST:
            raise InputTooLarge(size=size, limit=_LARGEST)
        said = Said(id=self.ids.new("said"), at=self.clock.now(), by=by, feedback=feedback)

        def use_case(connection: Connection) -> None:
            _again(connection, run_id)
            threads.add_said(connection, run_id, said)

        await self.database.write(use_case, isolation=Isolation.READ_COMMITTED)
        return said

    async def said(self, run_id: str) -> list[Said]:
        """All that was said of a run, the oldest first."""
        return await self.database.read(lambda connection: threads.said_of(connection, run_id))


def _again(connection: Connection, run_id: str) -> Run:
    run = runs.get(connection, run_id)
    if run is None:
        raise RunUnknown(run=run_id)
    return run


def _count(connection: Connection, run: Run, outcome: Outcome) -> None:
    if not run.counted or run.release is None:
        return
    before = run.judgement
    was_good = before is not None and before.outcome is Outcome.RESOLVED
    more = {
        "judged": int(before is None),
        "good": int(outcome is Outcome.RESOLVED) - int(was_good),
    }
    threads.count(connection, str(run.release), run.id, run.created, more)


def _refuse_text(name: str, text: str) -> None:
    if len(text) > _LONGEST:
        raise RunRefused(reason=f"`{name}` has more than {_LONGEST} characters")
    if "\0" in text:
        raise RunRefused(reason=f"`{name}` holds a NUL character")
