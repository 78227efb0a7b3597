"""Success rates of independent trials, and how sure one may be of them after one look."""

import math
from dataclasses import dataclass

from scipy.special import bdtrc, ndtri

from seatrial.stats.bounds import between, whole, within
from seatrial.stats.errors import ParameterRefused
from seatrial.stats.moments import Interval


@dataclass(frozen=True, kw_only=True, slots=True)
class Tried:
    """So many trials, of which so many succeeded.

    >>> Tried(successes=95, trials=100).rate
    0.95
    """

    successes: int
    trials: int

    def __post_init__(self) -> None:
        whole("trials", self.trials, 1)
        if whole("successes", self.successes) > self.trials:
            raise ParameterRefused(
                name="successes", rule=f"{self.trials} or fewer", value=self.successes
            )

    @property
    def rate(self) -> float:
        """The part that succeeded."""
        return self.successes / self.trials


def wilson(tried: Tried, *, confidence: float = 0.95) -> Interval:
    """The rate with its score interval (Wilson 1927), which stays inside [0, 1].

    >>> [round(end, 3) for end in wilson(Tried(successes=95, trials=100))]
    [0.888, 0.95, 0.978]
    """
    z = z_two_sided(confidence)
    n, p = tried.trials, tried.rate
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return Interval(max(0.0, centre - half), p, min(1.0, centre + half))


def newcombe(first: Tried, second: Tried, *, confidence: float = 0.95) -> Interval:
    """First rate less second, with the hybrid score interval (Newcombe 1998, method 10).

    >>> found = newcombe(Tried(successes=56, trials=70), Tried(successes=48, trials=80))
    >>> [round(end, 4) for end in found]
    [0.0524, 0.2, 0.3339]
    """
    one, two = wilson(first, confidence=confidence), wilson(second, confidence=confidence)
    apart = first.rate - second.rate
    return Interval(
        apart - math.hypot(first.rate - one.low, two.high - second.rate),
        apart,
        apart + math.hypot(one.high - first.rate, second.rate - two.low),
    )


def chance_of_passing(rate: float, *, trials: int, floor: float) -> float:
    """Probability that a sample's rate is at least `floor` if the true rate is `rate`.

    It shows what a bare threshold is worth: an agent that has not changed at all from 95 % passes
    "at least 94 %" on 200 cases four times in five.

    >>> round(chance_of_passing(0.95, trials=200, floor=0.94), 2)
    0.8
    """
    within("rate", rate, 0, 1)
    within("floor", floor, 0, 1)
    least = math.ceil(whole("trials", trials, 1) * floor - 1e-9)
    return float(bdtrc(least - 1, trials, rate)) if least > 0 else 1.0


def z_two_sided(confidence: float) -> float:
    """Standard normal deviations that leave `1 - confidence` outside, half on each side.

    >>> round(z_two_sided(0.95), 2)
    1.96
    """
    return float(ndtri((1 + between("confidence", confidence, 0, 1)) / 2))
