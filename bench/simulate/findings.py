"""What a simulation hands over: tables to read, and checks that fail the run when broken."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

NEVER = np.iinfo(np.int64).max
_STREAMS_AT_ONCE = 200


@dataclass(frozen=True, kw_only=True)
class Check:
    """A promise and what was found.

    Attributes:
        promise: in words.
        most: the found number may not exceed this.
        found: what was found.
        counted: the counts behind it.
        aim: a stricter number that is aimed at, not promised.
    """

    promise: str
    most: float
    found: float
    counted: str
    aim: float | None = None

    @property
    def kept(self) -> bool:
        return self.found <= self.most


@dataclass(frozen=True, kw_only=True)
class Table:
    title: str
    text: str
    head: tuple[str, ...]
    rows: Sequence[Sequence[str]]
    checks: Sequence[Check] = field(default=())


@dataclass(frozen=True, kw_only=True)
class Setting:
    """How large a simulation is.

    Attributes:
        streams: independent repetitions.
        seed: of the generator that every table begins from anew.
    """

    streams: int
    seed: int

    def rng(self) -> np.random.Generator:
        return np.random.default_rng(self.seed)


@dataclass(frozen=True)
class Looks:
    """At which observation each stream first crossed, counted from 1; NEVER if it did not."""

    first: NDArray[np.int64]

    @property
    def crossed(self) -> int:
        return int((self.first != NEVER).sum())

    @property
    def rate(self) -> float:
        return self.crossed / len(self.first)

    @property
    def counts(self) -> str:
        return f"{self.crossed:,} of {len(self.first):,}"

    def after(self, part: float) -> float:
        """Observations after which this part of all streams had crossed; infinite if fewer did."""
        ordered = np.sort(self.first)
        at = ordered[max(0, int(np.ceil(part * len(ordered))) - 1)]
        return float("inf") if at == NEVER else float(at)

    def told(self) -> str:
        """Median and 90 % point, as one cell."""
        return f"{_number(self.after(0.5))} / {_number(self.after(0.9))}"


def crossings(path: Callable[[Floats], Floats], streams: Floats, barrier: float) -> Looks:
    """Look at every stream after every observation.

    Args:
        path: log evidence after each observation, along the last axis.
        streams: one row for each stream.
        barrier: in nats.
    """
    parts = range(0, len(streams), _STREAMS_AT_ONCE)
    return Looks(
        np.concatenate(
            [first_at(path(streams[at : at + _STREAMS_AT_ONCE]) >= barrier) for at in parts]
        )
    )


def first_at(reached: NDArray[np.bool_]) -> NDArray[np.int64]:
    return np.where(reached.any(axis=-1), reached.argmax(axis=-1) + 1, NEVER)


def percent(value: float, places: int = 2) -> str:
    return f"{100 * value:.{places}f} %"


def _number(value: float) -> str:
    return f"{value:,.0f}" if np.isfinite(value) else "beyond"
