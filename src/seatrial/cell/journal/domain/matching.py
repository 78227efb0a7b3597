"""The rule of matching: what becomes of a call that an agent makes, by what is recorded.

`decide` is total and pure. It is asked when a call arrives, and asked again about a call that
waits or is held whenever the book has changed. Whoever carries a decision out tells the book
before anything else may happen. `finish` is asked when the agent returns.

The promise: an agent that is run again from its start, and makes the calls that it made, gets the
answers that it got and performs nothing twice; one that does not is stopped before its first write.
"""

import enum
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

from seatrial.cell.journal.domain.book import Book
from seatrial.cell.journal.domain.rows import (
    CLOSED,
    OPEN,
    Arrival,
    Claim,
    Effect,
    Facts,
    Kind,
    Mode,
    Row,
    RowState,
)

_ALONE: Final = frozenset((Claim.LOST, Claim.CUT))


class Patience(enum.StrEnum):
    """What a call waits for, briefly."""

    TWIN = "twin"
    """The same write is under way for a caller that is still there: whether this is a second one
    or a retry shows when the first is delivered, or its caller is seen to be gone."""
    REST = "rest"
    """It is not recorded, and the agent has not come back to all that is. A faithful replay meets
    every recorded result before it makes a new call."""
    SETTLING = "settling"
    """The agent has returned while a write of its own is under way, or a call waits."""


class Refusal(enum.StrEnum):
    """Why nothing answers in a mode in which nothing goes out."""

    UNRECORDED = "unrecorded"
    UNFINISHED = "unfinished"
    """It is recorded, but without a result."""
    SHADOW_READ = "shadow_read"
    """A shadow run may not make this read itself, and the shadowed run did not make it."""


class Divergence(enum.StrEnum):
    """How an agent strayed from what it did before."""

    OTHER_WRITE = "other_write"
    """It wants to write or ask something else, and stays away from a write that it made."""
    RETURNED = "returned"
    """It returned without coming back to a write that it made."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """Answer with the row's result; `approximate` where only the masked bodies are equal."""

    row: Row
    approximate: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Attach:
    """It is the call of this row sent again: wait for the row's result, or take it."""

    row: Row


@dataclass(frozen=True, kw_only=True, slots=True)
class Wait:
    """Ask again when the book changes; when patience is over, with `Arrival.waited`."""

    reason: Patience


@dataclass(frozen=True, kw_only=True, slots=True)
class GoLive:
    """Write `row` as an intent, then make the call. `diverged`: mark the run so."""

    row: Row
    diverged: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Redo:
    """A call that was cut and had no effect: write `row`, and make it again. Both are paid.

    That is a model call or a read; where a fixture answers, whatever was called.
    """

    row: Row


@dataclass(frozen=True, kw_only=True, slots=True)
class RetrySameKey:
    """Write `row` as an intent of this attempt, then perform it, with its idempotency key."""

    row: Row


@dataclass(frozen=True, kw_only=True, slots=True)
class AskWhatHappened:
    """Ask the system whether the write happened; only if it did not, write `row` and perform it.

    Not before the timeout of the attempt that began it is over: until then it may still happen.
    """

    row: Row


@dataclass(frozen=True, kw_only=True, slots=True)
class FindMarker:
    """Look for our marker in the effect's database; only where it is none, write `row`, perform it.

    The effect's own transaction refuses a second marker, so this one may be asked at once.
    """

    row: Row


@dataclass(frozen=True, kw_only=True, slots=True)
class NeedsPerson:
    """Nobody but a person can tell what happened. End the segment; ask, unless `asked`."""

    row: Row
    asked: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Park:
    """The question was put and is not answered: end the segment."""

    row: Row


@dataclass(frozen=True, kw_only=True, slots=True)
class HoldWrite:
    """Keep the caller waiting until the agent has come back to each of `blockers`."""

    blockers: tuple[Row, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Diverged:
    """End the segment, perform nothing: a person chooses resume, abandon or restart."""

    reason: Divergence
    blockers: tuple[Row, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Refuse:
    """Answer with an error; nothing goes out."""

    reason: Refusal


@dataclass(frozen=True, kw_only=True, slots=True)
class Sink:
    """Write `row`, and answer as if it had been performed; nothing goes out."""

    row: Row


@dataclass(frozen=True, kw_only=True, slots=True)
class Finished:
    """The agent's output is the run's."""


Decision: TypeAlias = (
    Answer
    | Attach
    | Wait
    | GoLive
    | Redo
    | RetrySameKey
    | AskWhatHappened
    | FindMarker
    | NeedsPerson
    | Park
    | HoldWrite
    | Diverged
    | Refuse
    | Sink
)
Ending: TypeAlias = Finished | Wait | Diverged | NeedsPerson


def decide(book: Book, arrival: Arrival, facts: Facts) -> Decision:
    """What becomes of `arrival`."""
    same = book.same(arrival)
    return (
        _joined(book, arrival, same)
        or _recorded(book, same, facts)
        or _unrecorded(book, arrival, facts)
    )


def finish(book: Book) -> Ending:
    """What becomes of a run whose agent has returned."""
    blockers = book.blockers
    if blockers:
        return Diverged(reason=Divergence.RETURNED, blockers=tuple(blockers))
    if book.under_way or book.waiting:
        return Wait(reason=Patience.SETTLING)
    unknown = book.unknown
    if unknown:
        return NeedsPerson(row=unknown[0], asked=True)
    return Finished()


def _joined(book: Book, arrival: Arrival, same: Sequence[Row]) -> Decision | None:
    """A call that is, or may be, one of this attempt's own sent again."""
    lost = [row for row in same if book.claim_of(row) in _ALONE]
    if lost:
        return _lost(book, lost[0])
    under_way = [row for row in same if book.claim_of(row) is Claim.OPEN]
    if arrival.retry and under_way:
        return Attach(row=under_way[-1])
    if arrival.retry:
        return _delivered_in_vain(book, same)
    if arrival.binds and under_way:
        return Wait(reason=Patience.TWIN)
    return None


def _lost(book: Book, row: Row) -> Decision:
    """A call whose caller went away before it was answered."""
    if book.claim_of(row) is Claim.CUT:
        return Redo(row=_again(book, row))
    return NeedsPerson(row=row, asked=True) if row.state is RowState.UNKNOWN else Attach(row=row)


def _delivered_in_vain(book: Book, same: Sequence[Row]) -> Decision | None:
    """A success that was sent whole, and yet not received: no client repeats what succeeded."""
    delivered = [row for row in same if book.claim_of(row) is Claim.DELIVERED]
    if delivered and delivered[-1].state is RowState.DONE:
        return Attach(row=delivered[-1])
    return None


def _recorded(book: Book, same: Sequence[Row], facts: Facts) -> Decision | None:
    """A call that is in the journal, and to which this attempt has not come back yet."""
    rows = [row for row in same if book.unclaimed(row) and _answers(row)]
    settled = [row for row in rows if row.settled]
    if settled:
        return Answer(row=settled[0])
    if not rows:
        return None
    if facts.mode in CLOSED:
        return Refuse(reason=Refusal.UNFINISHED)
    return _unsettled(book, rows[0], facts)


def _answers(row: Row) -> bool:
    """Whether `row` may answer: of a shadowed run only a result, and never a model's."""
    return not row.borrowed or (row.kind is not Kind.MODEL and row.settled)


def _unsettled(book: Book, row: Row, facts: Facts) -> Decision:
    """A row that an earlier attempt left without a result."""
    if row.state is RowState.UNKNOWN:
        return NeedsPerson(row=row, asked=True)
    if facts.mode is Mode.FIXTURE:  # nothing was performed, and what answers can answer again
        return Redo(row=_again(book, row))
    if row.kind is Kind.WAIT:
        return Park(row=row)
    if not row.binds:
        return Redo(row=_again(book, row))
    return _unfinished_write(book, row)


def _unfinished_write(book: Book, row: Row) -> Decision:
    again = _again(book, row)
    if row.state is RowState.CLEARED:
        return RetrySameKey(row=again)
    match row.effect:
        case Effect.IDEMPOTENT:
            return RetrySameKey(row=again)
        case Effect.RECONCILABLE:
            return AskWhatHappened(row=again)
        case Effect.TRANSACTIONAL:
            return FindMarker(row=again)
        case _:
            return NeedsPerson(row=row, asked=False)


def _again(book: Book, row: Row) -> Row:
    """The row as it is to be written before anything goes out again: this attempt's own intent."""
    return replace(row, attempt=book.attempt, state=RowState.INTENT)


def _unrecorded(book: Book, arrival: Arrival, facts: Facts) -> Decision:
    """A call that no row answers by its key."""
    return (
        _alike(book, arrival)
        or _kept_in(book, arrival, facts)
        or _held(book, arrival, facts)
        or GoLive(row=book.next(arrival), diverged=book.replaying)
    )


def _alike(book: Book, arrival: Arrival) -> Decision | None:
    """A model call or read whose body differs from a recorded one in times and ids alone."""
    rows = book.alike(arrival)
    return Answer(row=rows[0], approximate=True) if rows else None


def _kept_in(book: Book, arrival: Arrival, facts: Facts) -> Decision | None:
    """A call that may not go out in this mode."""
    if facts.mode in CLOSED:
        return Refuse(reason=Refusal.UNRECORDED)
    if facts.mode in OPEN or arrival.kind is Kind.MODEL:
        return None  # what performs it in a rehearsal is the recording
    if arrival.binds:
        return Sink(row=book.next(arrival))
    return None if arrival.shadowed else Refuse(reason=Refusal.SHADOW_READ)


def _held(book: Book, arrival: Arrival, facts: Facts) -> Decision | None:
    """A new call while not all that is recorded has been met."""
    blockers = tuple(book.blockers) if arrival.binds else ()
    if blockers and facts.quiet:
        return Diverged(reason=Divergence.OTHER_WRITE, blockers=blockers)
    if blockers:
        return HoldWrite(blockers=blockers)
    if book.replaying and not arrival.waited and not facts.diverged:
        return Wait(reason=Patience.REST)
    return None
