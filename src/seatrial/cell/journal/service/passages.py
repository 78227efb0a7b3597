"""One call on its way through an attempt."""

from typing import Final, Protocol, Self

from seatrial.cell.journal.domain import keys
from seatrial.cell.journal.domain.calls import CallKey, Intent, Result
from seatrial.cell.journal.domain.matching import Decision
from seatrial.cell.journal.domain.records import Body
from seatrial.cell.journal.domain.rows import Row, RowState

Begun = tuple[CallKey, Intent]
"""A try that goes out with the intent."""

Ended = tuple[CallKey, Result]
"""What became of it."""


class Way(Protocol):
    """What a passage needs of its attempt."""

    async def begin(self, row: Row, call: keys.Call, tried: Begun | None) -> None:
        """Write an intent."""
        ...

    async def settle(
        self,
        row: Row,
        call: keys.Call,
        state: RowState,
        body: Body,
        ended: Ended | None,
        unwritten: Begun | None,
    ) -> None:
        """Write a result."""
        ...

    async def unknown(self, row: Row) -> None:
        """Write that a person must say what became of it."""
        ...

    async def answered(self, row: Row) -> Body:
        """The result, when there is one."""
        ...

    def pass_by(self, row: Row, state: RowState) -> None:
        """It had a result that is not kept."""
        ...

    def refuse(self, row: Row, call: keys.Call, why: str) -> None:
        """It may not go out after all."""
        ...

    def leave(self, row: Row | None, *, delivered: bool, cut: bool) -> None:
        """The caller is gone."""
        ...


class Passage:
    """One call on its way through an attempt. As a context, it is left when its caller is.

    Attributes:
        decision: what is to be done.
        row: the row that it has claimed; None where it has none.
    """

    def __init__(self, attempt: Way, decision: Decision, row: Row | None, call: keys.Call) -> None:
        self.decision: Final = decision
        self.row: Final = row
        self._attempt = attempt
        self._call = call
        self._left = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.lost()

    async def begin(self, tried: Begun | None = None) -> None:
        """Write the intent. An effect may begin only when this has returned.

        Args:
            tried: the try that goes out with it, for the same transaction.

        Raises:
            AttemptStale: another attempt has the run: nothing may begin.
            CallSettled: somebody has said what became of it: nothing may begin.
        """
        await self._attempt.begin(self._own, self._call, tried)

    async def settle(
        self,
        state: RowState,
        body: Body,
        ended: Ended | None = None,
        *,
        unwritten: Begun | None = None,
    ) -> None:
        """Write the result: done, or failed where it is sure that it had no effect.

        Args:
            state: which of the two.
            body: what the agent is answered.
            ended: what became of the try, for the same transaction. A try is kept in any case,
                for it was paid.
            unwritten: the try of a model call or read for which `begin` was not called: its intent
                is written in the same transaction.
        """
        await self._attempt.settle(self._own, self._call, state, body, ended, unwritten)

    def pass_by(self, state: RowState) -> None:
        """It had a result, of which nothing is kept: the next attempt makes the call again."""
        self._attempt.pass_by(self._own, state)

    async def unknown(self) -> None:
        """Write that it may have happened, and nobody but a person can tell: the segment ends."""
        await self._attempt.unknown(self._own)

    async def answer(self) -> Body:
        """The recorded result, or the one that is under way.

        Raises:
            AnswerNotKept: it is recorded that there was one, and no more.
            CallGivenUp: what was under way was given up; arrive again.
        """
        return await self._attempt.answered(self._own)

    def refuse(self, why: str) -> None:
        """It may not go out after all: a limit of the run is reached. Nothing is recorded.

        Args:
            why: the code of the limit.
        """
        self._attempt.refuse(self._own, self._call, why)
        self.lost(cut=True)

    def delivered(self) -> None:
        """The caller has all of it."""
        self._leave(delivered=True, cut=False)

    def lost(self, *, cut: bool = False) -> None:
        """The caller is gone. `cut`: what was asked for it was given up; never for a write."""
        self._leave(delivered=False, cut=cut)

    @property
    def _own(self) -> Row:
        if self.row is None:
            raise RuntimeError(f"{type(self.decision).__name__} has no row")
        return self.row

    def _leave(self, *, delivered: bool, cut: bool) -> None:
        if not self._left:
            self._left = True
            self._attempt.leave(self.row, delivered=delivered, cut=cut)
