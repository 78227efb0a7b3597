"""Questions whose answers a run waits for without its process."""

from typing import Any, Final

import orjson

from seatrial.cell.journal.domain.keys import Call
from seatrial.cell.journal.domain.matching import (
    Answer,
    Attach,
    Diverged,
    GoLive,
    NeedsPerson,
    Park,
    Refusal,
    Refuse,
    Sink,
)
from seatrial.cell.journal.domain.records import Body, CallGivenUp
from seatrial.cell.journal.domain.rows import Effect, Mode, RowState
from seatrial.cell.journal.service.recall import Attempt
from seatrial.cell.tools.domain.refusals import ActionUnrecorded

STAND_IN: Final = {"stand_in": "a shadow run writes nowhere, and asks nobody"}
"""What a shadow run is told where the run that it follows has no answer."""

_REHEARSED: Final = {"stand_in": "a run on a fixture asks nobody, and waits for nothing"}

_WHY: Final = {
    Refusal.UNRECORDED: "is not recorded",
    Refusal.UNFINISHED: "is recorded without a result",
    Refusal.SHADOW_READ: "is not recorded",
}


async def waited(attempt: Attempt, call: Call, stand_in: dict[str, Any]) -> Body:
    """Put a question and return its answer; the segment ends where that is not there yet.

    Args:
        attempt: in hand.
        call: the question.
        stand_in: the answer for a shadow run, which asks nobody.

    Raises:
        AttemptStale: the segment has ended.
        ActionUnrecorded: in a mode in which nothing goes out, and the question is not recorded.
    """
    while True:
        with await attempt.arrive(call, Effect.READ) as passage:
            match passage.decision:
                case Answer() | Attach():
                    try:
                        body = await passage.answer()
                    except CallGivenUp:
                        continue
                    passage.delivered()
                    return body
                case Refuse(reason=reason):
                    raise unrecorded(call.name, reason)
                case Sink():
                    instead = _REHEARSED if attempt.mode is Mode.FIXTURE else stand_in
                    body = Body(content=orjson.dumps(instead), status=200)
                    await passage.begin(None)
                    await passage.settle(RowState.DONE, body)
                    passage.delivered()
                    return body
                case GoLive(row=row):
                    await passage.begin(None)
                    attempt.halt(Park(row=row))
                case NeedsPerson() | Park() | Diverged() as halting:
                    attempt.halt(halting)
            await attempt.hold()


def unrecorded(name: str, reason: Refusal) -> ActionUnrecorded:
    """The refusal of a call in a mode in which nothing goes out."""
    return ActionUnrecorded(action=name, why=_WHY[reason])
