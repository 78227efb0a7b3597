"""A watch that never ends: has the mean fallen since it was frozen as the baseline?

Each bet begins anew from one unit before every observation and goes on: the fall may have come at
any time. While nothing has changed, the expected number of observations until the shares' sum
reaches `run_length` is at least `run_length` (Shin, Ramdas and Rinaldo 2023, "E-detectors"). That
is a mean time between false alarms, not a probability of ever giving one: whatever stays alert for
ever gives one some day.

Assumed while nothing has changed: values within the bounds, and each value's mean, given the past,
on the allowed side of `null`. A baseline estimated from little data may itself stand too high: put
`null` at the border of what is tolerated, such as the lower end of the baseline's interval.
"""

import enum
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike

from seatrial.stats.bets import FOR_CHANGE, tuned
from seatrial.stats.bounds import Floats, between, observations, within
from seatrial.stats.errors import StateRefused
from seatrial.stats.law import Law
from seatrial.stats.plans import own, saved
from seatrial.stats.stakes import Stakes

_FIELDS: Final[Mapping[str, type]] = {
    "plan": str,
    "count": int,
    "logs": tuple,
    "level": float,
    "alarm": int,
}


class Restart(enum.Enum):
    """What becomes of the bets begun at all the different times. Both keep the run length."""

    ALL = "e-sr"
    """They are added up (Shiryaev and Roberts). The real run length is near the one asked for."""

    BEST = "e-cusum"
    """The best one counts (Page's CUSUM). Its real run length is some 100 times the one asked for,
    and it notices as late as `ALL` does with that run length."""


_JOINED: Final = {Restart.ALL: np.logaddexp, Restart.BEST: np.maximum}


@dataclass(frozen=True, kw_only=True, slots=True)
class Watched:
    """What a watch has seen.

    Attributes:
        plan: name of the plan that it belongs to.
        count: observations so far.
        logs: log of what stands behind each bet at the next observation, in nats.
        level: log of the bets' wealth after the last observation, in nats; 0 at the start.
        alarm: the observation at which the alarm went off, counted from 1; 0 while it has not.
    """

    plan: str
    count: int
    logs: tuple[float, ...]
    level: float
    alarm: int

    def as_json(self) -> dict[str, Any]:
        """Plain values, as `ChangeWatch.revive` reads them back."""
        return {name: getattr(self, name) for name in _FIELDS} | {"logs": list(self.logs)}


@dataclass(frozen=True, kw_only=True)
class ChangeWatch:
    """The plan of a watch.

    States of several cells cannot be merged: their order in time is lost. Watch one joint stream,
    or each cell by itself: m cells give a false alarm up to m times as often.

    Attributes:
        stakes: the claim that nothing has changed, and the bets against it.
        run_length: least expected number of observations between false alarms, above 1.
        restart: how bets begun at different times are joined.

    >>> watch = watch_rate(baseline=0.95, fall=0.04, run_length=10_000)
    >>> watch.fold(watch.start(), [1] * 500 + [0] * 12).alarm
    507
    """

    stakes: Stakes
    run_length: float
    restart: Restart = Restart.ALL

    def __post_init__(self) -> None:
        between("run_length", self.run_length, 1, math.inf)

    def start(self) -> Watched:
        """One unit of wealth, nothing seen."""
        zeros = (0.0,) * len(self.stakes.bets)
        return Watched(plan=self._name, count=0, logs=zeros, level=0.0, alarm=0)

    def step(self, watched: Watched, value: float) -> Watched:
        """After one more observation. O(number of bets).

        Raises:
            ObservationRefused: the value is outside the bounds, or NaN.
            StateRefused: the state belongs to another plan.
        """
        self._own(watched)
        factors = self.stakes.factors(value)
        grown = [log + more for log, more in zip(watched.logs, factors, strict=True)]
        level = self.stakes.mixed(grown)
        rings = not watched.alarm and level >= self._barrier
        return Watched(
            plan=watched.plan,
            count=watched.count + 1,
            logs=tuple([self._ready(log) for log in grown]),
            level=level,
            alarm=watched.count + 1 if rings else watched.alarm,
        )

    def fold(self, watched: Watched, values: ArrayLike) -> Watched:
        """After many observations in order; as many `step`s."""
        self._own(watched)
        array = observations(values, self.stakes.low, self.stakes.high).ravel()
        if not len(array):
            return watched
        grown = self._walks(array, np.asarray(watched.logs))
        levels = self.stakes.mixtures(grown)
        reached = np.flatnonzero(levels >= self._barrier)
        rings = len(reached) and not watched.alarm
        return Watched(
            plan=watched.plan,
            count=watched.count + len(array),
            logs=tuple([self._ready(log) for log in grown[-1].tolist()]),
            level=float(levels[-1]),
            alarm=watched.count + int(reached[0]) + 1 if rings else watched.alarm,
        )

    def path(self, values: ArrayLike) -> Floats:
        """The level after each observation of fresh streams, along the last axis, in nats.

        The alarm goes off where it first reaches log(run_length).
        """
        array = observations(values, self.stakes.low, self.stakes.high)
        return self.stakes.mixtures(self._walks(array, np.zeros(len(self.stakes.bets))))

    def revive(self, document: Mapping[str, Any]) -> Watched:
        """The state that `as_json` wrote.

        Raises:
            StateRefused: it is another plan's, or damaged.
        """
        watched = Watched(**saved(document, _FIELDS))
        self._own(watched)
        if len(watched.logs) != len(self.stakes.bets) or min(watched.logs) < 0:
            raise StateRefused(problem=f"its logs are {watched.logs}")
        if not 0 <= watched.alarm <= watched.count:
            raise StateRefused(problem=f"alarm {watched.alarm} of {watched.count} observations")
        return watched

    @cached_property
    def _name(self) -> str:
        return f"{self.restart.value}-{self.stakes.digest}"

    @cached_property
    def _barrier(self) -> float:
        return math.log(self.run_length)

    def _own(self, watched: Watched) -> None:
        own(watched.plan, self._name)

    def _ready(self, log: float) -> float:
        """What stands behind a bet next: what it has become, joined with a fresh unit."""
        if self.restart is Restart.BEST:
            return max(log, 0.0)
        return log + math.log1p(math.exp(-log)) if log > 0 else math.log1p(math.exp(log))

    def _walks(self, values: Floats, before: Floats) -> Floats:
        """All bets' logs at once: one begun before observation s has grown by S_t - S_(s-1)."""
        sums = self.stakes.walks(values)
        first = np.broadcast_to(before, sums[..., :1, :].shape)
        begun = np.concatenate([first, -sums[..., :-1, :]], axis=-2)
        walks: Floats = sums + _JOINED[self.restart].accumulate(begun, axis=-2)
        return walks


def watch_rate(
    *,
    baseline: float,
    fall: float,
    run_length: float,
    tolerated: float = 0.0,
    restart: Restart = Restart.ALL,
) -> ChangeWatch:
    """A watch over a rate in [0, 1] that was frozen when its release was promoted.

    Args:
        baseline: the frozen rate.
        fall: smallest fall that the plan promises to catch.
        run_length: least expected number of observations between false alarms, above 1.
        tolerated: largest fall that is not to be told.
        restart: see `Restart`.

    >>> watch = watch_rate(baseline=0.95, fall=0.04, run_length=10_000)
    >>> [round(bet, 2) for bet in watch.stakes.bets]
    [-1.05, -2.53]
    """
    between("baseline", baseline, 0, 1)
    within("tolerated", tolerated, 0, baseline)
    between("fall", fall, tolerated, baseline)
    null = baseline - tolerated

    def law(times: float) -> Law:
        return Law.of_rate(max(0.0, null - times * (fall - tolerated)))

    stakes = tuned(bounds=(0.0, 1.0), null=null, family=law, reach=FOR_CHANGE)
    return ChangeWatch(stakes=stakes, run_length=run_length, restart=restart)
