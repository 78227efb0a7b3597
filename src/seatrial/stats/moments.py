"""Means with intervals for people to look at, from three numbers that add up over cells.

The interval is an asymptotic confidence sequence: it holds at all looks at once in the limit of
much data, from about 200 observations of each arm (Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas
2021, arXiv 2103.06476v7). It is for charts; verdicts rest on `betting`, which needs no limit.

Assumed: independent observations, one for each user, with a finite variance.
"""

import math
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

from numpy.typing import ArrayLike

from seatrial.stats.bounds import between, observations, whole


class Interval(NamedTuple):
    """An estimate between two ends, all in the measure's unit."""

    low: float
    estimate: float
    high: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Moments:
    """A sample, told by its size, mean and sum of squared distances from the mean.

    >>> (Moments.of([1, 2]) + Moments.of([3, 6])).variance
    4.666666666666667
    """

    count: int = 0
    mean: float = 0.0
    squares: float = 0.0

    @classmethod
    def of(cls, values: ArrayLike) -> Self:
        """The moments of recorded values.

        Raises:
            ObservationRefused: a value is infinite or NaN.
        """
        array = observations(values)
        if not array.size:
            return cls()
        mean = float(array.mean())
        return cls(count=array.size, mean=mean, squares=float(((array - mean) ** 2).sum()))

    @classmethod
    def of_sums(cls, count: int, total: float, total_of_squares: float) -> Self:
        """The moments of a sample known by its size, sum and sum of squares."""
        mean = total / whole("count", count, 1)
        return cls(count=count, mean=mean, squares=max(0.0, total_of_squares - mean * total))

    def __add__(self, other: "Moments") -> "Moments":
        """Both samples as one (Chan, Golub and LeVeque 1979: no cancellation)."""
        count = self.count + other.count
        if not count:
            return self
        apart = other.mean - self.mean
        return Moments(
            count=count,
            mean=self.mean + apart * other.count / count,
            squares=self.squares + other.squares + apart**2 * self.count * other.count / count,
        )

    @property
    def variance(self) -> float:
        """The sample variance, in the measure's unit squared; 0 for fewer than two values."""
        return self.squares / (self.count - 1) if self.count > 1 else 0.0

    @property
    def error(self) -> float:
        """The variance of the mean."""
        return self.variance / self.count if self.count else math.inf

    def as_json(self) -> dict[str, Any]:
        """Plain values; `Moments(**document)` reads them back."""
        return {"count": self.count, "mean": self.mean, "squares": self.squares}


def rho_squared(alpha: float, best_at: float) -> float:
    """The parameter under which the sequence is tightest near `best_at` observations.

    Equation 161 of arXiv 2103.06476v7, in closed form.

    >>> round(rho_squared(0.05, 1000), 8)
    0.00793615
    """
    between("alpha", alpha, 0, 1)
    between("best_at", best_at, 0, math.inf)
    bits = -2 * math.log(alpha)
    return (bits + math.log(bits + 1)) / best_at


def half_width(variance: float, count: int, *, alpha: float = 0.05, best_at: float = 1000) -> float:
    """Half the width of the sequence's interval after `count` observations (equation 9).

    >>> round(half_width(1, 1000), 5)
    0.09598
    """
    scale = whole("count", count, 1) * rho_squared(alpha, best_at)
    looks = 2 * (scale + 1) / (count * scale) * math.log(math.sqrt(scale + 1) / alpha)
    return math.sqrt(variance * looks)


def difference(
    canary: Moments, control: Moments, *, alpha: float = 0.05, best_at: float = 1000
) -> Interval:
    """Canary less control, with its interval over all looks, in the measure's unit.

    >>> values = [0, 1] * 400
    >>> [round(end, 3) for end in difference(Moments.of(values), Moments.of(values))]
    [-0.076, 0.0, 0.076]
    """
    estimate = canary.mean - control.mean
    return _around(estimate, canary.error + control.error, canary, control, alpha, best_at)


def lift(
    canary: Moments, control: Moments, *, alpha: float = 0.05, best_at: float = 5000
) -> Interval:
    """Canary over control less 1, with its interval over all looks; 0.1 is 10 % more.

    The error is by the delta method, so the control's mean must be many standard errors from 0.

    >>> control = Moments.of_sums(3000, 1396.87, 52377.9767)
    >>> canary = Moments.of_sums(3461, 2422.7, 134698.29)
    >>> [round(end, 5) for end in lift(canary, control, best_at=1000)]
    [-0.55844, 0.50336, 1.56516]
    """
    between("control's mean, in size", abs(control.mean), 0, math.inf)
    estimate = canary.mean / control.mean - 1
    error = (canary.error + (estimate + 1) ** 2 * control.error) / control.mean**2
    return _around(estimate, error, canary, control, alpha, best_at)


def _around(
    estimate: float,
    error: float,
    canary: Moments,
    control: Moments,
    alpha: float,
    best_at: float,
) -> Interval:
    """Both arms as one stream of `n` observations whose variance is `n` times the error."""
    for moments in (canary, control):
        whole("count", moments.count, 2)
    count = canary.count + control.count
    half = half_width(error * count, count, alpha=alpha, best_at=best_at)
    return Interval(estimate - half, estimate, estimate + half)
