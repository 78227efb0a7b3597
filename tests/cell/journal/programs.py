"""Agents as values: what they call, in which order, and how they take the answers."""

import enum
import random
from dataclasses import dataclass
from typing import Final, TypeAlias

from seatrial.cell.journal.domain.rows import Effect, Kind


class Manner(enum.StrEnum):
    """How a client behaves around one call."""

    PLAIN = "plain"
    DROPS = "drops"
    """It gives up before the answer, and sends the same again without saying so."""
    REPEATS = "repeats"
    """It gives up before the answer, and sends the same again, saying that it is a retry."""
    OVERTAKES = "overtakes"
    """As `REPEATS`, but the retry is there before the connection is seen to be closed."""
    UNHEARD = "unheard"
    """It loses an answer that was sent whole, and sends the same again, saying so."""
    FORGETS = "forgets"
    """It sends a write, and never looks at the answer."""


@dataclass(frozen=True, kw_only=True)
class Say:
    """One call.

    Attributes:
        kind: what.
        effect: what it does.
        name: tells calls apart. A model or write whose name ends in 4 fails now and then.
        context: the body holds all that the branch was answered so far.
        clock: the body holds the time and an id coined anew.
        stream: the answer comes in parts.
        manner: see there.
    """

    kind: Kind
    effect: Effect
    name: int
    context: bool = False
    clock: bool = False
    stream: bool = False
    manner: Manner = Manner.PLAIN


@dataclass(frozen=True, kw_only=True)
class Seq:
    """One after the other."""

    steps: tuple["Step", ...]


@dataclass(frozen=True, kw_only=True)
class Par:
    """All at once; each with an account of its own, unless they share one."""

    branches: tuple["Step", ...]
    shared: bool = False


@dataclass(frozen=True, kw_only=True)
class Many:
    """Equal calls at once, of which it takes all answers in no order.

    Its clients never repeat: nothing tells the retry of one from the other.
    """

    say: Say
    times: int


@dataclass(frozen=True, kw_only=True)
class If:
    """By the last answer."""

    then: "Step"
    otherwise: "Step"


@dataclass(frozen=True, kw_only=True)
class Dice:
    """By chance, and so perhaps otherwise in each attempt."""

    sides: tuple["Step", ...]


Step: TypeAlias = Say | Many | Seq | Par | If | Dice

WRITES: Final = (
    Effect.IDEMPOTENT,
    Effect.RECONCILABLE,
    Effect.TRANSACTIONAL,
    Effect.IRREVERSIBLE,
)


@dataclass(frozen=True, kw_only=True)
class Taste:
    """What kind of agents to make.

    Attributes:
        chance: with dice.
        shared: parallel branches may make equal calls.
        clocks: with times and ids in prompts.
        manners: of clients.
        size: calls, about.
    """

    chance: bool = False
    shared: bool = False
    clocks: bool = True
    manners: tuple[Manner, ...] = tuple(Manner)
    size: int = 6


def program(rng: random.Random, taste: Taste) -> Step:
    """An agent."""
    return _seq(rng, taste, taste.size, 2)


def _seq(rng: random.Random, taste: Taste, size: int, depth: int) -> Step:
    steps: list[Step] = []
    while size > 0:
        kind = rng.randrange(10)
        if depth and size >= 2 and kind == 0:
            half = max(1, size // 2)
            width = rng.choice((2, 2, 3))
            parts = [_seq(rng, taste, max(1, half // width), depth - 1) for _ in range(width)]
            if taste.shared and rng.randrange(2):
                parts = [parts[0]] * width
            steps.append(Par(branches=tuple(parts), shared=taste.shared))
            size -= half
        elif depth and size >= 2 and kind == 1:
            half = max(1, size // 2)
            one, other = (_seq(rng, taste, half, depth - 1) for _ in range(2))
            steps.append(If(then=one, otherwise=other))
            size -= half
        elif taste.chance and depth and kind == 2:
            half = max(1, size // 2)
            sides = tuple(_seq(rng, taste, half, depth - 1) for _ in range(2))
            steps.append(Dice(sides=sides))
            size -= half
        elif kind == 3 and size >= 2:
            say = _say(rng, taste)
            fit = not say.clock and say.name != 4 and say.manner is Manner.PLAIN
            steps.append(Many(say=say, times=2) if fit else say)
            size -= 2
        else:
            steps.append(_say(rng, taste))
            size -= 1
    return Seq(steps=tuple(steps))


def _say(rng: random.Random, taste: Taste) -> Say:
    kind = rng.choice((Kind.MODEL, Kind.MODEL, Kind.ACTION, Kind.ACTION, Kind.ACTION, Kind.WAIT))
    effect = Effect.READ
    if kind is Kind.WAIT:
        effect = Effect.IRREVERSIBLE
    elif kind is Kind.ACTION and rng.randrange(3):
        effect = rng.choice(WRITES)
    soft = kind is Kind.MODEL or (kind is Kind.ACTION and effect is Effect.READ)
    manner = rng.choice(taste.manners) if rng.randrange(2) else Manner.PLAIN
    clock = taste.clocks and soft and rng.randrange(3) == 0
    if kind is Kind.WAIT or (manner is Manner.FORGETS and soft):
        manner = Manner.PLAIN
    return Say(
        kind=kind,
        effect=effect,
        name=rng.randrange(4 if clock else 5) if rng.randrange(3) else 0,
        context=kind is Kind.MODEL and rng.randrange(2) == 0,
        clock=clock,
        stream=kind is Kind.MODEL and rng.randrange(2) == 0,
        manner=manner,
    )


def calls(step: Step) -> int:
    """How many calls stand in a program."""
    match step:
        case Say():
            return 1
        case Many(times=times):
            return times
        case Seq(steps=inner) | Par(branches=inner) | Dice(sides=inner):
            return sum(map(calls, inner))
        case If(then=then, otherwise=otherwise):
            return calls(then) + calls(otherwise)
