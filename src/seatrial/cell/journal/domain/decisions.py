"""What became of each arrival, and why, in words for people."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from seatrial.cell.journal.domain.matching import (
    Answer,
    AskWhatHappened,
    Attach,
    Decision,
    Diverged,
    Divergence,
    Ending,
    FindMarker,
    Finished,
    GoLive,
    HoldWrite,
    NeedsPerson,
    Park,
    Patience,
    Redo,
    Refusal,
    Refuse,
    RetrySameKey,
    Sink,
    Wait,
)

_WITH_ROW: Final[Mapping[type[object], tuple[str, str]]] = {
    Answer: ("answered", "it is recorded as call {seq}"),
    Attach: ("attached", "it is call {seq} sent again"),
    GoLive: ("sent", "it is new"),
    Redo: ("redone", "call {seq} had no result, or a failure that nothing followed"),
    RetrySameKey: ("retried", "call {seq} had no result; it goes out with the same key"),
    AskWhatHappened: ("asked_for", "whether call {seq} has happened is asked there"),
    FindMarker: ("asked_for", "the marker of call {seq} is looked for"),
    NeedsPerson: ("unknown", "only a person can say whether call {seq} has happened"),
    Park: ("parked", "question {seq} is not answered yet"),
    Sink: ("sunk", "a shadow writes nowhere"),
}
_WAITS: Final = {
    Patience.TWIN: "an equal write is under way; whether this is its retry shows when that ends",
    Patience.REST: "it is not recorded, and recorded results have not been asked for yet",
    Patience.SETTLING: "a call is still under way",
}
_REFUSED: Final = {
    Refusal.UNRECORDED: "it is not recorded, and nothing goes out in this mode",
    Refusal.UNFINISHED: "it is recorded without a result, and nothing goes out in this mode",
    Refusal.SHADOW_READ: "the followed run did not make this read, and a shadow may not",
}
_STRAYED: Final = {
    Divergence.OTHER_WRITE: "it wants another write, and stays away from what it wrote before",
    Divergence.RETURNED: "it returned without coming back to what it wrote before",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Told:
    """A decision in words.

    Attributes:
        word: one of a small set, such as `answered`.
        reason: a clause.
        seq: of the row; None where there is none.
    """

    word: str
    reason: str
    seq: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Decided:
    """One decision of an attempt as it is kept.

    Attributes:
        n: counts the decisions of the attempt from 1.
        kind: of the call; `end` where the agent has returned.
        name: of the model, action or question.
        key: the call's key.
        told: see there.
        at: when.
    """

    n: int
    kind: str
    name: str
    key: str
    told: Told
    at: datetime


def told(decision: Decision | Ending) -> Told:
    """The words for a decision."""
    match decision:
        case Answer(row=row, approximate=True):
            return _of("approximated", f"it differs from call {row.seq} in times and ids", row.seq)
        case GoLive(row=row, diverged=True):
            return _of("sent", "it is new; recorded results were left out", row.seq)
        case (
            NeedsPerson(row=row)
            | Answer(row=row)
            | GoLive(row=row)
            | Redo(row=row)
            | Attach(row=row)
            | RetrySameKey(row=row)
            | AskWhatHappened(row=row)
            | FindMarker(row=row)
            | Park(row=row)
            | Sink(row=row)
        ):
            word, reason = _WITH_ROW[type(decision)]
            return _of(word, reason.format(seq=row.seq), row.seq)
        case _:
            return _without_row(decision)


def _without_row(decision: Decision | Ending) -> Told:
    match decision:
        case HoldWrite(blockers=blockers):
            numbers = ", ".join(str(row.seq) for row in blockers)
            return _of("held", f"a new write waits until calls {numbers} are asked for")
        case Wait(reason=reason):
            return _of("held", _WAITS[reason])
        case Refuse(reason=reason):
            return _of("refused", _REFUSED[reason])
        case Diverged(reason=reason, blockers=blockers):
            numbers = ", ".join(str(row.seq) for row in blockers)
            return _of("diverged", f"{_STRAYED[reason]}: calls {numbers}")
        case Finished():
            return _of("finished", "the agent returned, and all that it wrote is met")
        case _:
            return _of(type(decision).__name__.lower(), "")


def _of(word: str, reason: str, seq: int | None = None) -> Told:
    return Told(word=word, reason=reason, seq=seq)
