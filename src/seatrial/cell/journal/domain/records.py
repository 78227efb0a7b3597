"""What is kept of a call beside its row, and what this room refuses."""

from dataclasses import dataclass
from datetime import datetime

from seatrial.cell.journal.domain.rows import Row
from seatrial.contract.runs.states import WaitReason
from seatrial.kit.errors import Conflict, Failed, Unavailable


class AttemptStale(Conflict):
    """Attempt {attempt} of the run {run!r} is no longer the one in hand."""

    code = "attempt_stale"
    cause = "Its worker was silent for too long, or the run was cancelled; another has taken over."
    remedy = "Nothing: this process ends, and the run goes on elsewhere."


class CallSettled(Conflict):
    """Call {seq} of the run {run!r} is no intent any more: it may not begin."""

    code = "call_settled"
    cause = "Somebody has said what became of it since this attempt began."
    remedy = "Nothing: the attempt ends, and the next one answers the call from the record."


class CallGivenUp(Conflict):
    """Call {seq} of the run {run!r} was given up while others waited for its result."""

    code = "call_given_up"
    cause = "The caller that had it made went away, or the other side cut the answer off."
    remedy = "Send the call again: it is made again."


class AnswerNotKept(Failed):
    """The answer to call {seq} of the run {run!r} is not kept any more, or never was."""

    code = "answer_not_kept"
    cause = "It was larger than what is kept, or older, or the journal's disk ceiling was reached."
    remedy = "Look at the run's receipt for what happened; start the run anew if that is harmless."


class JournalFull(Unavailable):
    """The journal is {over} bytes above its ceiling of {ceiling} bytes; no new run is accepted."""

    code = "journal_full"
    cause = "Runs that have not ended hold all of it, and none may lose what it is recovered from."
    remedy = "End runs that wait (`seatrial runs list --state waiting`), or raise `journal.max_gb`."
    retry_after = 60.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Body:
    """A request or an answer as it went by.

    Attributes:
        content: every byte, of a stream too.
        media: its content type.
        status: of an answer.
        retry: whether a client shall send the call again, in the answer's own words; None where
            it says nothing of that.
    """

    content: bytes
    media: str = "application/json"
    status: int | None = None
    retry: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Recorded:
    """A row with what the rule does not ask for.

    Attributes:
        row: see there.
        name: of the model or action.
        waived: a person has said that the agent need not come back to it.
        begun: when its first intent was written.
        settled: when it got its result, or became unknown.
    """

    row: Row
    name: str
    waived: bool = False
    begun: datetime | None = None
    settled: datetime | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Halt:
    """Why a segment must end before its agent does.

    Attributes:
        reason: what the run waits for.
        seq: of the row that is asked about; None where there is no one row.
        detail: for people: the question's or write's name, or how the agent strayed.
    """

    reason: WaitReason
    seq: int | None
    detail: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Question:
    """What somebody outside is asked: a question without an answer, or a write that is unknown.

    Attributes:
        seq: of its row.
        name: such as `review:refund`, `timer`, `event:paid`; of an unknown write, the action.
        unknown: it is a write, and the question is whether it happened.
        request: what was asked, the action's arguments; None where they are not kept.
        since: when it was asked first.
        key: of the row.
        occurrence: of the row; with run, name and key it makes the effect's key.
    """

    seq: int
    name: str
    unknown: bool
    request: Body | None
    since: datetime | None
    key: str
    occurrence: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Bounds:
    """How large and how long.

    Attributes:
        body: bytes of a body that is kept. A model's or read's answer beyond it is not recorded,
            and asked for again by the next attempt; of a write, that it happened is recorded.
        patience: seconds that a call waits for the rest of a replay.
        quiet: seconds without a move of the agent after which a held write is a divergence.
    """

    body: int = 16 << 20
    patience: float = 2.0
    quiet: float = 30.0
