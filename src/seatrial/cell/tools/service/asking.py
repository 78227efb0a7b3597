"""Questions whose answers a run waits for without its process."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import replace
from typing import Any, Final, TypeVar

import orjson

from seatrial.cell.journal.domain.keys import Call
from seatrial.cell.journal.domain.matching import (
    Answer,
    Attach,
    Diverged,
    GoLive,
    NeedsPerson,
    Park,
    Redo,
    Refusal,
    Refuse,
    Sink,
)
from seatrial.cell.journal.domain.records import Body, CallGivenUp
from seatrial.cell.journal.domain.rows import Effect, Mode, Row, RowState
from seatrial.cell.journal.service.passages import Passage
from seatrial.cell.journal.service.recall import Attempt
from seatrial.cell.tools.domain.refusals import ActionUnrecorded, WaitUnanswered
from seatrial.cell.tools.domain.values import Told

_T = TypeVar("_T")
STAND_IN: Final = {"stand_in": "a shadow run writes nowhere, and asks nobody"}
"""What a shadow run is told where the run that it follows has no answer."""

_UNANSWERED: Final = 409
"""The status of what is recorded of a wait to which a fixture has no answer."""

_WHY: Final = {
    Refusal.UNRECORDED: "is not recorded",
    Refusal.UNFINISHED: "is recorded without a result",
    Refusal.SHADOW_READ: "is not recorded",
}


class Errand:
    """A call that nobody cuts off once it has claimed a row, though its caller may go.

    What has begun is performed and recorded, a question that was put ends the segment, and the same
    call again is taken for the repetition: from the moment at which the caller goes, not from the
    one at which there is an answer, which a later call of the same kind must not be given.
    """

    def __init__(self) -> None:
        self._passage: Passage | None = None
        self._gone = False

    async def arrive(
        self,
        attempt: Attempt,
        call: Call,
        effect: Effect,
        *,
        retry: bool = False,
        shadowed: bool = False,
    ) -> Passage:
        """See `Attempt.arrive`. Whoever is gone makes no further call."""
        self._passage = None
        if self._gone:
            raise asyncio.CancelledError
        self._passage = await attempt.arrive(call, effect, retry=retry, shadowed=shadowed)
        return self._passage

    async def run(self, doing: Coroutine[Any, Any, _T], kept: set["asyncio.Task[Any]"]) -> _T:
        """Do all of it, and wait for it as long as the caller does.

        Args:
            doing: the work.
            kept: where the task is held until it is over.
        """
        work = asyncio.ensure_future(doing)
        kept.add(work)
        work.add_done_callback(kept.discard)
        try:
            return await asyncio.shield(work)
        except asyncio.CancelledError:
            self._gone = True
            work.add_done_callback(_retrieved)
            if self._passage is None:
                work.cancel()  # it has made no call
            else:
                self._passage.lost()
            raise


def _retrieved(work: "asyncio.Task[Any]") -> None:
    if not work.cancelled():
        work.exception()  # there is nobody to be told


Rehearsed = Callable[[Row], Awaitable[Told]]
"""What a run on a fixture is answered, by the row of its question."""


async def waited(
    errand: Errand,
    attempt: Attempt,
    call: Call,
    stand_in: dict[str, Any],
    rehearsed: Rehearsed,
) -> tuple[Passage, Body]:
    """Put a question and return its answer; the segment ends where that is not there yet.

    Args:
        errand: that it is a part of.
        attempt: in hand.
        call: the question.
        stand_in: the answer for a shadow run, which asks nobody.
        rehearsed: the answer for a run on a fixture, which waits for nothing.

    Returns:
        The passage, which is the caller's to leave, and the answer.

    Raises:
        AttemptStale: the segment has ended.
        ActionUnrecorded: in a mode in which nothing goes out, and the question is not recorded.
        WaitUnanswered: the run's fixture has no answer.
    """
    while True:
        passage = await errand.arrive(attempt, call, Effect.READ)
        try:
            said = await _answer(attempt, passage, call, stand_in, rehearsed)
        except CallGivenUp:
            passage.lost()
            continue
        except BaseException:
            passage.lost()
            raise
        if said.status == _UNANSWERED:
            passage.delivered()
            told = Told.read(said)
            raise WaitUnanswered(wait=call.name, reason=(told.error or "").rstrip("."))
        return passage, said


async def _answer(
    attempt: Attempt,
    passage: Passage,
    call: Call,
    stand_in: dict[str, Any],
    rehearsed: Rehearsed,
) -> Body:
    match passage.decision:
        case Answer() | Attach():
            return await passage.answer()
        case Refuse(reason=reason):
            raise unrecorded(call.name, reason)
        case Sink():
            return await _settled(passage, Told(ok=True, value=stand_in))
        case GoLive(row=row) | Redo(row=row) if attempt.mode is Mode.FIXTURE:
            return await _settled(passage, await rehearsed(row))
        case GoLive(row=row):
            await passage.begin(None)
            attempt.halt(Park(row=row))
        case NeedsPerson() | Park() | Diverged() as halting:
            attempt.halt(halting)
    return await attempt.hold()


async def _settled(passage: Passage, told: Told) -> Body:
    """Record what is answered at once, and return it."""
    if told.ok:
        state, body = RowState.DONE, Body(content=orjson.dumps(told.value), status=200)
    else:
        state, body = RowState.FAILED, replace(told.body(), status=_UNANSWERED)
    await passage.begin(None)
    await passage.settle(state, body)
    return body


def unrecorded(name: str, reason: Refusal) -> ActionUnrecorded:
    """The refusal of a call in a mode in which nothing goes out."""
    return ActionUnrecorded(action=name, why=_WHY[reason])
