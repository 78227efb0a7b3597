"""What is written of a call so that it happens once, and what arrives to be matched with it."""

import enum
from dataclasses import dataclass
from typing import Final


class Kind(enum.StrEnum):
    """What is called."""

    MODEL = "model"
    ACTION = "action"
    MEMORY = "memory"
    WAIT = "wait"
    """Asks somebody or something outside (a review, a timer, an event), whose answer comes as a
    row's result while no process of the run lives."""


class Effect(enum.StrEnum):
    """What a call may do to the world, and so what may be done when its outcome is not known."""

    READ = "read"
    """Nothing; models too. It may be made again."""
    IDEMPOTENT = "idempotent"
    """A write that the other side performs once for one key, however often it is asked."""
    RECONCILABLE = "reconcilable"
    """A write of which the other side can tell later whether it happened."""
    TRANSACTIONAL = "transactional"
    """A write into a database that takes our own marker in the same transaction."""
    IRREVERSIBLE = "irreversible"
    """A write of which nobody but a person can tell."""


class RowState(enum.StrEnum):
    """How far a call came."""

    INTENT = "intent"
    DONE = "done"
    FAILED = "failed"
    """It was answered with an error, and had no effect."""
    UNKNOWN = "unknown"
    """It may have had its effect; a person has been asked."""
    CLEARED = "cleared"
    """A person has said that it did not happen: it may be performed."""


class Mode(enum.StrEnum):
    """What a run may do."""

    LIVE = "live"
    """Calls go out. Where rows of earlier attempts exist they answer first: that is resuming."""
    STRICT = "strict"
    """Nothing goes out: what is not recorded is refused."""
    SCRIPTED = "scripted"
    """As strict, over a recording from elsewhere, whose rows have keys of `keys.scripted`."""
    SHADOW = "shadow"
    """Models are called, reads are answered from the run that is shadowed, writes go nowhere."""
    FIXTURE = "fixture"
    """Calls take their way as in a live run, but a fixture answers actions and waits, and nothing
    else does: nothing is performed, nobody is asked, and no time passes."""


CLOSED: Final = frozenset((Mode.STRICT, Mode.SCRIPTED))
"""Modes in which nothing goes out."""

OPEN: Final = frozenset((Mode.LIVE, Mode.FIXTURE))
"""In which a run has a record of its own, and goes on from there."""


class Claim(enum.StrEnum):
    """What this attempt has made of a row."""

    OPEN = "open"
    """A caller waits for its result."""
    LOST = "lost"
    """The caller went away before it had all of the result."""
    CUT = "cut"
    """As lost, and what was asked for it was given up: a model call or read, never a write."""
    DELIVERED = "delivered"


SETTLED: Final = frozenset((RowState.DONE, RowState.FAILED))


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One call of a run.

    Attributes:
        seq: counts the rows of the run from 1, through all attempts.
        attempt: the one that wrote the intent or its result, whichever came last.
        kind: what was called.
        effect: what it may do. The recorded one counts, whatever a later release says.
        key: `keys.exact`.
        occurrence: counts the rows of the run with this kind and key from 1.
        state: see there.
        answer: digest of the result; None while there is none.
        borrowed: of another run, which this one shadows.
    """

    seq: int
    attempt: int
    kind: Kind
    effect: Effect
    key: str
    occurrence: int
    state: RowState = RowState.INTENT
    answer: str | None = None
    borrowed: bool = False

    @property
    def settled(self) -> bool:
        """Whether it has a result."""
        return self.state in SETTLED

    @property
    def binds(self) -> bool:
        """Whether no other write may happen before the agent has come back to this one."""
        return binds(self.kind, self.effect)


@dataclass(frozen=True, kw_only=True, slots=True)
class Arrival:
    """A call that an agent makes now.

    Attributes:
        kind: what.
        effect: what it may do, by the release in hand.
        key: `keys.exact`, or `keys.scripted` in that mode.
        mask: `keys.masked`; None until `Book.wants_mask` asks for it.
        retry: the client says itself that it sends this again.
        waited: it has waited as long as one may.
        shadowed: a shadow run may make this read itself.
    """

    kind: Kind
    effect: Effect
    key: str
    mask: str | None = None
    retry: bool = False
    waited: bool = False
    shadowed: bool = False

    @property
    def binds(self) -> bool:
        """Whether it is a write, or asks a person."""
        return binds(self.kind, self.effect)


@dataclass(frozen=True, kw_only=True, slots=True)
class Facts:
    """What holds for the whole attempt.

    Attributes:
        mode: see there.
        quiet: nothing of the agent has moved for as long as one may wait: all that it waits for
            are calls that are held.
        diverged: the attempt is marked so already; there is no use in waiting for the rest.
    """

    mode: Mode = Mode.LIVE
    quiet: bool = False
    diverged: bool = False


def binds(kind: Kind, effect: Effect) -> bool:
    """Whether such a call is a write, or asks a person."""
    return kind is Kind.WAIT or (kind is not Kind.MODEL and effect is not Effect.READ)
