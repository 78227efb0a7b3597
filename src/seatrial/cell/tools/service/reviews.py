"""What people are asked, and what they say: each answer in one transaction with the wake."""

from dataclasses import dataclass
from typing import Any, Final

import orjson

from seatrial.cell.journal.domain.records import Body, Question
from seatrial.cell.journal.domain.rows import RowState
from seatrial.cell.journal.service import answers
from seatrial.cell.runs.domain.values import Filter, Run
from seatrial.cell.runs.service.runs import Runs
from seatrial.cell.runs.service.waiting import goes_on, wake
from seatrial.cell.tools.domain.refusals import ReviewSettled, ReviewUnfit
from seatrial.cell.tools.domain.values import REVIEW, Told
from seatrial.contract.runs.states import RunState, WaitReason
from seatrial.kit.clock import Clock
from seatrial.kit.crypto.digests import Digest
from seatrial.kit.database.connection import Connection
from seatrial.kit.database.database import Database
from seatrial.kit.transparency.domain import Entry
from seatrial.kit.transparency.service import append

_How = tuple[str, str, bool]
"""The kind of the log's entry, the verb, and whether it is said of an unknown outcome."""

_APPROVED: Final[_How] = ("review.approved", "approved", False)
_REJECTED: Final[_How] = ("review.rejected", "rejected", False)
_HAPPENED: Final[_How] = ("outcome.happened", "said to have happened", True)
_NOT_HAPPENED: Final[_How] = ("outcome.cleared", "said not to have happened", True)


@dataclass(frozen=True, kw_only=True)
class Asked:
    """One thing that a person is asked.

    Attributes:
        run: that waits.
        question: see there.
        action: that it is about.
    """

    run: Run
    question: Question
    action: str


@dataclass(frozen=True, kw_only=True)
class Word:
    """What a person says.

    Attributes:
        by: id of the token.
        reason: in words; payload.
    """

    by: str
    reason: str = ""


class Reviews:
    """Proposals and unknown outcomes of one cell's runs."""

    def __init__(self, database: Database, runs: Runs, clock: Clock) -> None:
        self._database = database
        self._runs = runs
        self._clock = clock

    async def listed(self, *, tenant: str | None, limit: int) -> list[Asked]:
        """What is asked now, that of the newest runs first."""
        found: list[Run] = []
        for reason in (WaitReason.REVIEW, WaitReason.UNKNOWN):
            wanted = Filter(state=RunState.WAITING, waits=reason, tenant=tenant)
            page, _ = await self._runs.listed(wanted, after=None, limit=limit)
            found += page

        def use_case(connection: Connection) -> list[Asked]:
            return [
                Asked(run=run, question=question, action=question.name.removeprefix(REVIEW))
                for run in found
                for question in answers.questions(connection, run.id)
                if question.unknown or question.name.startswith(REVIEW)
            ]

        asked = await self._database.read(use_case)
        return sorted(asked, key=lambda each: each.run.id, reverse=True)[:limit]

    async def decide(self, run_id: str, seq: int, word: Word, *, approved: bool) -> Run:
        """Approve or reject a proposal.

        Raises:
            ReviewSettled: it is not asked, or not any more.
            ReviewUnfit: it is no proposal.
        """
        document = {"approved": approved, "by": word.by, "reason": word.reason}
        body = Body(content=orjson.dumps(document), status=200)
        return await self._said(run_id, seq, word, _APPROVED if approved else _REJECTED, body)

    async def happened(self, run_id: str, seq: int, word: Word, value: Any) -> Run:  # noqa: ANN401
        """Say that a write has happened, and what its agent is answered.

        Raises:
            ReviewSettled: it is not asked, or not any more.
            ReviewUnfit: nothing is unknown of it.
        """
        body = Told(ok=True, value=value).body()
        return await self._said(run_id, seq, word, _HAPPENED, body)

    async def not_happened(self, run_id: str, seq: int, word: Word) -> Run:
        """Say that a write has not happened: it is performed when the run goes on.

        Raises:
            ReviewSettled: it is not asked, or not any more.
            ReviewUnfit: nothing is unknown of it.
        """
        return await self._said(run_id, seq, word, _NOT_HAPPENED, None)

    async def _said(self, run_id: str, seq: int, word: Word, how: _How, body: Body | None) -> Run:
        at, (kind, wish, outcome) = self._clock.now(), how

        def use_case(connection: Connection) -> bool:
            asked = None
            if goes_on(connection, run_id):
                asked = answers.asked(connection, run_id, seq)
            if asked is None:
                raise ReviewSettled(run=run_id, seq=seq)
            if asked.unknown is not outcome or not (asked.unknown or asked.name.startswith(REVIEW)):
                what = "its outcome is unknown" if asked.unknown else "a proposal is asked about"
                raise ReviewUnfit(run=run_id, seq=seq, wish=wish, asked=what)
            state = RowState.CLEARED if body is None else RowState.DONE
            if not answers.answer(connection, run_id, seq, state, body, at):
                raise ReviewSettled(run=run_id, seq=seq)
            entry = Entry(
                kind=kind,
                subject=f"{run_id}/{seq}",
                actor=word.by,
                body={"action": asked.name, "reason": str(Digest.of(word.reason.encode()))},
                at=at,
            )
            append(connection, entry)
            return wake(connection, run_id)

        woken = await self._database.write(use_case)
        run = await self._runs.get(run_id)
        if woken:
            self._runs.woken(run)
        return run
