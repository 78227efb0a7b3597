"""The rules of runs, each a function of values."""

import enum
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any, Final

from seatrial.cell.hosts.domain import (
    BuildTimedOut,
    BundleMissing,
    HostExited,
    HostsClosed,
    HostStopped,
    HostTimedOut,
    HostUnstartable,
    InterpreterMissing,
    IsolationMissing,
    RunTimedOut,
    WheelsMissing,
)
from seatrial.cell.runs.domain.refusals import (
    GenerationBehind,
    KeyReused,
    LeaseExpired,
    ReleaseAway,
    RunRefused,
    RunStateConflict,
    SessionOfOther,
    SlotTimedOut,
    WaitMalformed,
)
from seatrial.cell.runs.domain.values import (
    Asked,
    EventKind,
    Failure,
    Run,
    RunEvent,
    Session,
    Stretch,
    Wait,
)
from seatrial.cell.switch.domain import ReleaseAbsent
from seatrial.contract.runs.states import Lane, RunState
from seatrial.kit.crypto.digests import Digest
from seatrial.kit.errors import Fault, SeatrialError, TimedOut, Unavailable

# --- States -------------------------------------------------------------------------------------

_Q, _R, _W = RunState.QUEUED, RunState.RUNNING, RunState.WAITING
_S, _F, _C = RunState.SUCCEEDED, RunState.FAILED, RunState.CANCELLED
LEGAL: Final[Mapping[RunState, frozenset[RunState]]] = MappingProxyType(
    {
        _Q: frozenset({_R, _C}),
        _R: frozenset({_Q, _W, _S, _F, _C}),
        _W: frozenset({_Q, _F, _C}),
        _S: frozenset(),
        _F: frozenset({_Q}),  # redrive
        _C: frozenset(),
    }
)
"""To which states each state may pass on. What succeeded or was cancelled stays so."""


def refuse_move(run: str, state: RunState, to: RunState, wish: str) -> None:
    """Raise `RunStateConflict` where a run may not pass from `state` to `to`."""
    if to not in LEGAL[state]:
        raise RunStateConflict(run=run, state=str(state), wish=wish)


def moved(run: Run, state: RunState, wait: Wait | None, forgiven: int) -> Run:
    """`run` once it is held by nobody: it waits, or stands in the queue again."""
    return replace(run, state=state, waits=wait, worker=None, forgiven=forgiven)


# --- Waiting ------------------------------------------------------------------------------------

MOST_WORDS: Final = 100  # events that are kept for a run before it asks for them
LARGEST_WORD: Final = 65_536  # bytes of one
LONGEST_WAIT: Final = timedelta(days=366)
_EVENT_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}\Z")


def refuse_event_name(name: str) -> None:
    """Raise `WaitMalformed` for a name that no event can have."""
    if not _EVENT_NAME.match(name):
        raise WaitMalformed(
            reason="an event's name is 1 to 64 letters, digits, dots, hyphens or underscores"
        )


def rings(asked: Mapping[str, Any], since: datetime) -> datetime:
    """When a timer goes off.

    Args:
        asked: as the agent asked: `seconds` from the first time that it did, or `until`, ISO 8601
            with an offset.
        since: when it asked first. Another attempt asks again, and the time goes on.

    Raises:
        WaitMalformed: it names no time within a year.
    """
    seconds, until = asked.get("seconds"), asked.get("until")
    longest = LONGEST_WAIT.total_seconds()
    if isinstance(seconds, int | float) and not isinstance(seconds, bool) and until is None:
        if not 0 <= seconds <= longest:
            raise WaitMalformed(reason=f"`seconds` is 0 to {longest:.0f}")
        return since + timedelta(seconds=seconds)
    if not isinstance(until, str) or seconds is not None:
        raise WaitMalformed(reason="it has neither `seconds`, a number, nor `until`, a time")
    try:
        at = datetime.fromisoformat(until)
    except ValueError:
        raise WaitMalformed(reason="`until` is no ISO 8601 time") from None
    if at.tzinfo is None:
        raise WaitMalformed(reason="`until` has no offset, such as `Z`")
    if at - since > LONGEST_WAIT:
        raise WaitMalformed(reason="`until` is more than a year away")
    return at.astimezone(UTC)


def told_wait(wait: Wait) -> dict[str, Any]:
    """What a wait looks like to callers."""
    return {
        "reason": wait.reason.value,
        "since": _instant(wait.since),
        "until": None if wait.until is None else _instant(wait.until),
        "detail": wait.detail,
        "seq": wait.seq,
    }


def _instant(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")


# --- Retries ------------------------------------------------------------------------------------


class Cause(enum.StrEnum):
    """What kind of reason a failure has."""

    PASSING = "passing"
    """It may be gone on the next try, or in another process."""

    LASTING = "lasting"
    """It would come again: an output that is too large, an entry that is missing."""

    OWN = "own"
    """The agent itself failed."""

    AWAY = "away"
    """This process alone lacks the release, and nothing of the run was done."""


_PASSING: Final = frozenset(
    {
        # The host died, was not to be had, or took too long.
        HostExited.code,
        HostsClosed.code,
        HostStopped.code,
        HostTimedOut.code,
        HostUnstartable.code,
        RunTimedOut.code,
        # This machine lacks what another one may have.
        BuildTimedOut.code,
        BundleMissing.code,
        InterpreterMissing.code,
        IsolationMissing.code,
        WheelsMissing.code,
        ReleaseAbsent.code,
        LeaseExpired.code,
        SlotTimedOut.code,
        Fault.code,
    }
)


def cause(code: str) -> Cause:
    """The kind of a failure that is not the agent's own, by its code."""
    if code == ReleaseAway.code:
        return Cause.AWAY
    return Cause.PASSING if code in _PASSING else Cause.LASTING


def cause_of(error: SeatrialError) -> Cause:
    """The kind of an error that was raised on the way to an agent process."""
    found = cause(error.code)
    if found is Cause.LASTING and isinstance(error, Unavailable | TimedOut):
        return Cause.PASSING
    return found


FIRST_PAUSE: Final = 1.0  # seconds
LONGEST_PAUSE: Final = 60.0
FIRST_AWAY: Final = 0.5
LONGEST_AWAY: Final = 15.0
MOST_AWAY: Final = 50  # attempts; some eight to twelve minutes


@dataclass(frozen=True, kw_only=True, slots=True)
class Tries:
    """How often a run may be tried.

    An exception that the agent itself raises is its answer, and is not asked for again, unless
    the release's limits say `attempts`: whoever sets that wants its failures tried again, and
    knows that the agent can bear it.

    Attributes:
        passing: where the reason is passing.
        own: where the agent raised.
    """

    passing: int
    own: int

    @classmethod
    def of(cls, attempts: int | None, fallback: int) -> "Tries":
        """What a release's limit means; `fallback` is the cell's for those without one."""
        return cls(passing=attempts or fallback, own=attempts or 1)


@dataclass(frozen=True, kw_only=True, slots=True)
class Next:
    """What follows a failed attempt.

    Attributes:
        pause: seconds until the next try; None for no further one.
        dead: there is none because the tries are used up.
        forgiven: the failed one does not count.
    """

    pause: float | None
    dead: bool = False
    forgiven: bool = False


def after_failure(cause: Cause, *, attempt: int, tried: int, tries: Tries, chance: float) -> Next:
    """What follows when an attempt failed.

    Args:
        cause: the kind of its reason.
        attempt: its number.
        tried: attempts so far that count, this one included.
        tries: the bounds.
        chance: from [0, 1), drawn anew each time: full jitter.
    """
    if cause is Cause.AWAY:
        if attempt <= MOST_AWAY:
            pause = min(LONGEST_AWAY, FIRST_AWAY * 2.0 ** min(attempt - 1, 10))
            return Next(pause=pause * (1 + chance) / 2, forgiven=True)
        cause = Cause.PASSING  # nobody has it: every run ends
    bound = {Cause.PASSING: tries.passing, Cause.OWN: tries.own}.get(cause, 1)
    if tried >= bound:
        return Next(pause=None, dead=cause is Cause.PASSING or bound > 1)
    return Next(pause=chance * ceiling(tried))


def ceiling(tried: int) -> float:
    """The longest pause after try number `tried`, in seconds: 1, 2, 4 … 60."""
    return min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** min(max(tried, 1) - 1, 10))


# --- The queue ----------------------------------------------------------------------------------

STEP: Final = 5.0  # seconds of one priority
BATCH_WAIT: Final = 300.0

_PRIORITIES: Final = range(10)


def handicap(lane: Lane, priority: int) -> timedelta:
    """How much later than it came a run stands in the queue.

    The queue is in order of arrival plus this, so it ages by itself: a batch run is overtaken by
    those alone that come within the next 300 to 345 s, and then it is its turn.
    """
    if priority not in _PRIORITIES:
        raise RunRefused(reason=f"`priority` is 0 to 9, not {priority}")
    seconds = priority * STEP + (BATCH_WAIT if lane is Lane.BATCH else 0.0)
    return timedelta(seconds=seconds)


# --- Sessions -----------------------------------------------------------------------------------


def moves(session: Session, *, moved_at: int, idle_seconds: float, now: datetime) -> bool:
    """Whether the next run of a session takes the present release instead of the session's own.

    Args:
        session: as it stands.
        moved_at: the last generation made by a rollback or a revocation.
        idle_seconds: after so long without a run it may move.
        now: the time.
    """
    if session.generation < moved_at:
        return True
    return now - session.last > timedelta(seconds=idle_seconds)


def refuse_foreign(session: Session, asked: Asked) -> None:
    """Raise `SessionOfOther` unless the caller may be told the turns of `session`."""
    if session.owner not in {None, asked.caller_name} and not asked.payload:
        raise SessionOfOther(session=session.name)


def refuse_behind(generation: int, seen: int | None) -> None:
    """Raise `GenerationBehind` if the caller has met a newer generation than this cell's."""
    if seen is not None and seen > generation:
        raise GenerationBehind(generation=generation, seen=seen)


# --- Idempotency --------------------------------------------------------------------------------


def refuse_other(key: str, *, known: str, asked: str) -> None:
    """Raise `KeyReused` unless the digest of the body is that of the caller's first request."""
    if known != asked:
        raise KeyReused(key=key)


# --- What failed -------------------------------------------------------------------------------

_LONGEST_CODE: Final = 100  # characters
_LONGEST_MESSAGE: Final = 4_000


def failure(code: str, message: str) -> Failure:
    """A failure whose text every database takes, whatever an agent put into it."""
    return Failure(
        code=_kept(code, _LONGEST_CODE) or "failure_unnamed",
        message=_kept(message, _LONGEST_MESSAGE),
    )


def _kept(text: str, most: int) -> str:
    text = text.replace("\0", "\N{REPLACEMENT CHARACTER}").encode(errors="replace").decode()
    return text if len(text) <= most else f"{text[: most - 1]}…"


# --- What callers may name ----------------------------------------------------------------------

_SESSION: Final = re.compile(r"[!-.0-\[\]-~]{1,200}\Z")
_KEY: Final = re.compile(r"[!-~]{1,255}\Z")
_TAG: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}\Z")
_MOST_TAGS: Final = 20
_LONGEST_TAG: Final = 256


def refuse_names(*, session: str | None, key: str | None, tags: Mapping[str, str]) -> None:
    """Raise `RunRefused` for a session, key or tag that cannot be kept or be asked for again."""
    if session is not None and not _SESSION.match(session):
        raise RunRefused(
            reason="`session` is 1 to 200 visible ASCII characters without slash and backslash"
        )
    if key is not None and not _KEY.match(key):
        raise RunRefused(reason="`Idempotency-Key` is 1 to 255 visible ASCII characters")
    if len(tags) > _MOST_TAGS:
        raise RunRefused(reason=f"there are more than {_MOST_TAGS} tags")
    for name, value in tags.items():
        if not _TAG.match(name):
            raise RunRefused(
                reason="a tag's name is 1 to 64 letters, digits, dots, hyphens or underscores"
            )
        if len(value) > _LONGEST_TAG or not value.isprintable():
            raise RunRefused(reason=f"a tag's value is at most {_LONGEST_TAG} printable characters")


# --- Events -------------------------------------------------------------------------------------

SPAN: Final = 1_000_000_000
"""Room for the events of one attempt. Each attempt has a span of its own, so that ids rise even
where the newest events of a dead worker were lost, and need not be counted before writing."""

ACCEPTED_SEQ: Final = 1
STARTED_SEQ: Final = 2
_FIRST_CHUNK: Final = 3


def first_chunk(attempt: int) -> int:
    """Seq of the first chunk of an attempt."""
    return (attempt - 1) * SPAN + _FIRST_CHUNK


def restarted_seq(attempt: int) -> int:
    """Seq of the event that says that `attempt` will not be the last."""
    return attempt * SPAN + 1


def attempt_of(seq: int) -> int:
    """The attempt after which an event came that says that the run restarts or waits."""
    return seq // SPAN


def waiting_seq(attempt: int) -> int:
    """Seq of the event that says that the run waits after `attempt`: none restarts too."""
    return restarted_seq(attempt)


def ended_seq(attempt: int) -> int:
    """Seq of the end in `attempt`, or while another was to come; 0 for one that never began."""
    return max(attempt, 1) * SPAN + 2


def events(run: Run, kept: Sequence[Stretch], after: int) -> list[RunEvent]:
    """Every event of `run` later than `after`; beginning and end are read from the run itself.

    Args:
        run: as it stands.
        kept: its stretches, in order.
        after: the last seq that the listener has; 0 for none.
    """
    found = []
    if after < ACCEPTED_SEQ:
        found.append(RunEvent(seq=ACCEPTED_SEQ, kind=EventKind.ACCEPTED, run=run))
    if after < STARTED_SEQ and run.started is not None:
        found.append(RunEvent(seq=STARTED_SEQ, kind=EventKind.STARTED, run=run))
    for stretch in kept:
        for seq, data in enumerate(stretch.parts, stretch.first):
            if seq > after:
                found.append(RunEvent(seq=seq, kind=stretch.kind, data=data))
    end = ended_seq(run.attempt)
    if run.over and end > after:
        found.append(RunEvent(seq=end, kind=EventKind.ENDED, run=run))
    return found


def seed(run: str) -> int:
    """The seed of a run's random numbers, the same on every attempt."""
    return int(Digest.of(run.encode()).hex[:12], 16)
