"""What a plan expects to see: a finite law of values, from which bets and sample sizes follow."""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final, Self

import numpy as np

from seatrial.stats.bounds import Floats, shares, whole, within
from seatrial.stats.errors import ParameterRefused

_HALVINGS: Final = 60  # of a bracket no wider than 1e9: beyond a float's precision


@dataclass(frozen=True, kw_only=True)
class Law:
    """A random value that takes `values[i]` with probability `weights[i]`.

    Attributes:
        values: in the measure's own unit.
        weights: positive, summing to 1.
    """

    values: tuple[float, ...]
    weights: tuple[float, ...]

    def __post_init__(self) -> None:
        shares("weights", self.weights)
        if len(self.values) != len(self.weights) or not all(map(math.isfinite, self.values)):
            raise ParameterRefused(
                name="law", rule="one finite value for each weight", value=self.values
            )

    @classmethod
    def of_rate(cls, rate: float) -> Self:
        """A yes or no: 1 with probability `rate`, else 0.

        >>> Law.of_rate(0.95).mean
        0.95
        """
        within("rate", rate, 0, 1)
        return cls._of([(1.0, rate), (0.0, 1 - rate)])

    @classmethod
    def of_difference(cls, canary: float, control: float, controls: int = 1) -> Self:
        """A canary's yes or no less the mean of `controls` yeses or noes of the control.

        Args:
            canary: the canary's success rate.
            control: the control's success rate.
            controls: control users matched to one canary user.

        >>> round(Law.of_difference(0.91, 0.95, 9).mean, 6)
        -0.04
        """
        within("canary", canary, 0, 1)
        within("control", control, 0, 1)
        whole("controls", controls, 1)
        return cls._of(
            (own - hits / controls, p * _binomial(hits, controls, control))
            for own, p in ((1.0, canary), (0.0, 1 - canary))
            for hits in range(controls + 1)
        )

    @classmethod
    def of_values(cls, values: Iterable[float]) -> Self:
        """Recorded values, each as likely as the others.

        >>> Law.of_values([1, 2, 2, 3]).mean
        2.0
        """
        kept = tuple(float(value) for value in values)
        return cls(values=kept, weights=(1 / max(len(kept), 1),) * len(kept))

    @classmethod
    def _of(cls, pairs: Iterable[tuple[float, float]]) -> Self:
        kept = [(value, weight) for value, weight in pairs if weight > 0]
        return cls(values=tuple(v for v, _ in kept), weights=tuple(w for _, w in kept))

    @property
    def mean(self) -> float:
        """The expected value, in the values' unit."""
        return self.expect(lambda values: values)

    @property
    def spread(self) -> float:
        """The standard deviation, in the values' unit."""
        mean = self.mean
        return math.sqrt(self.expect(lambda values: (values - mean) ** 2))

    def expect(self, of: Callable[[Floats], Floats]) -> float:
        """The expected value of a function of the value, which takes all values at once."""
        return float(np.dot(self.weights, of(np.asarray(self.values))))

    def moved_to(self, mean: float, low: float, high: float) -> "Law":
        """This law pushed along to another mean, each value clipped to `low` and `high`.

        Where values are clipped the mean falls a little short.
        """
        push = mean - self.mean
        moved = tuple(min(high, max(low, value + push)) for value in self.values)
        return Law(values=moved, weights=self.weights)

    def steadied(self, part: float) -> "Law":
        """This law with `part` of its variance and the same mean: each value drawn towards it.

        >>> law = Law.of_rate(0.9).steadied(0.25)
        >>> round(law.mean, 6), round(law.spread, 6)
        (0.9, 0.15)
        """
        within("part", part, 0, 1)
        mean, root = self.mean, math.sqrt(part)
        drawn = tuple(mean + root * (value - mean) for value in self.values)
        return Law(values=drawn, weights=self.weights)

    def kelly(self, null: float, limit: float) -> float:
        """The bet under which wealth grows fastest if this law is true.

        It maximises E[log(1 + bet · (x - null))], a concave function of the bet
        (Kelly 1956; Waudby-Smith and Ramdas 2023, section 5).

        Args:
            null: the mean that the bet is against.
            limit: the largest bet allowed in the direction of this law's mean, positive.

        Returns:
            A bet from `-limit` to `limit`, with the sign of `mean - null`.

        >>> round(Law.of_difference(0.91, 0.95).kelly(0, 0.99), 3)
        -0.305
        """
        sign = math.copysign(1.0, self.mean - null)

        def slope(size: float) -> float:
            return self.expect(lambda x: (gain := sign * (x - null)) / (1 + size * gain))

        if slope(limit) >= 0:
            return sign * limit
        low, high = 0.0, limit
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            low, high = (middle, high) if slope(middle) > 0 else (low, middle)
        return sign * low

    def growth(self, bet: float, null: float) -> tuple[float, float]:
        """Mean and standard deviation of one observation's log factor, in nats."""
        mean = self.expect(lambda x: np.log1p(bet * (x - null)))
        square = self.expect(lambda x: (np.log1p(bet * (x - null)) - mean) ** 2)
        return mean, math.sqrt(square)


def _binomial(hits: int, of: int, rate: float) -> float:
    return math.comb(of, hits) * rate**hits * (1 - rate) ** (of - hits)
