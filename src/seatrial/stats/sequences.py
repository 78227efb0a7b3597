"""A mean with an interval that holds at every look, from the first: a confidence sequence.

The predictable plug-in empirical Bernstein sequence (Waudby-Smith and Ramdas 2023, theorem 2): each
value is weighted by what was known of the spread before it came.

Assumed: values within the bounds, and each value's mean, given the past, is the same number. Unlike
`moments` it needs no large sample; it is wider, and states of several cells do not merge.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from numpy.typing import ArrayLike

from seatrial.stats.bounds import between, observation, observations
from seatrial.stats.moments import Interval
from seatrial.stats.plans import digest, own, saved

_MOST: Final = 0.5  # of what one observation could ruin: the paper's own cut
_NAMES: Final = ("weight", "drawn", "paid", "total", "squares")
_FIELDS: Final[Mapping[str, type]] = {"plan": str, "count": int} | dict.fromkeys(_NAMES, float)


@dataclass(frozen=True, kw_only=True, slots=True)
class Seen:
    """What a sequence has seen; all but `plan` and `count` on the scale where low is 0 and high 1.

    Attributes:
        plan: digest of the plan that it belongs to.
        count: observations so far.
        weight: sum of the weights.
        drawn: sum of weight times value.
        paid: what the spread has cost.
        total: sum of the values.
        squares: sum of the squared distances, each from the mean known before.
    """

    plan: str
    count: int = 0
    weight: float = 0.0
    drawn: float = 0.0
    paid: float = 0.0
    total: float = 0.0
    squares: float = 0.0

    def as_json(self) -> dict[str, Any]:
        """Plain values, as `MeanSequence.revive` reads them back."""
        return {name: getattr(self, name) for name in _FIELDS}


@dataclass(frozen=True, kw_only=True)
class MeanSequence:
    """The plan of a confidence sequence for a bounded mean.

    Attributes:
        low: least value an observation can take.
        high: greatest value.
        alpha: probability of the interval ever missing the mean.

    >>> plan = MeanSequence(low=-1, high=1)
    >>> [round(end, 3) for end in plan.interval(plan.fold(plan.start(), [0, 0, 1, 0, 0, -1] * 100))]
    [-0.082, 0.001, 0.084]
    """

    low: float
    high: float
    alpha: float = 0.05

    def __post_init__(self) -> None:
        between("alpha", self.alpha, 0, 1)
        between("high", self.high, self.low, math.inf)

    def start(self) -> Seen:
        """Nothing seen."""
        return Seen(plan=self._digest)

    def step(self, seen: Seen, value: float) -> Seen:
        """After one more observation. O(1).

        Raises:
            ObservationRefused: the value is outside the bounds, or NaN.
            StateRefused: the state belongs to another plan.
        """
        own(seen.plan, self._digest)
        x = (observation(value, self.low, self.high) - self.low) / (self.high - self.low)
        now = seen.count + 1
        spread = (0.25 + seen.squares) / now
        weight = min(_MOST, math.sqrt(2 * self._doubt / (spread * now * math.log1p(now))))
        apart = (x - (0.5 + seen.total) / now) ** 2
        total = seen.total + x
        return Seen(
            plan=seen.plan,
            count=now,
            weight=seen.weight + weight,
            drawn=seen.drawn + weight * x,
            paid=seen.paid - apart * (math.log1p(-weight) + weight),
            total=total,
            squares=seen.squares + (x - (0.5 + total) / (now + 1)) ** 2,
        )

    def fold(self, seen: Seen, values: ArrayLike) -> Seen:
        """After many observations in order; as many `step`s."""
        for value in observations(values, self.low, self.high).ravel().tolist():
            seen = self.step(seen, value)
        return seen

    def interval(self, seen: Seen) -> Interval:
        """The interval now, and the weighted mean inside it; the bounds while nothing was seen."""
        own(seen.plan, self._digest)
        width = self.high - self.low
        if not seen.count:
            return Interval(self.low, self.low + width / 2, self.high)
        centre = seen.drawn / seen.weight
        half = (self._doubt + seen.paid) / seen.weight
        low, high = max(0.0, centre - half), min(1.0, centre + half)
        return Interval(*(self.low + width * end for end in (low, centre, high)))

    def revive(self, document: Mapping[str, Any]) -> Seen:
        """The state that `as_json` wrote.

        Raises:
            StateRefused: it is another plan's, or damaged.
        """
        seen = Seen(**saved(document, _FIELDS))
        own(seen.plan, self._digest)
        return seen

    @cached_property
    def _digest(self) -> str:
        return digest(self.low, self.high, self.alpha)

    @cached_property
    def _doubt(self) -> float:
        return math.log(2 / self.alpha)
