"""Quantiles (of latency, say) with intervals that hold at every look.

Which ranks bound a quantile depends only on how many values there are: the number of values at or
below the true p-quantile is binomial, whatever their law (Howard and Ramdas 2022, Bernoulli 28).

Assumed: independent values of one law that does not drift, so one value for each user.
"""

import math
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import betaln

from seatrial.stats.bounds import between, observations, whole
from seatrial.stats.moments import Interval

_WEAKEST: Final = 1e-3  # of the least prior that keeps the mixture proper: the authors' own floor


class Ranks(NamedTuple):
    """The number of values at or below the quantile lies from `low` to `high`."""

    low: int
    high: int


def log_mixture(below: int, count: int, p: float, *, alpha: float, best_at: float) -> float:
    """Log evidence against "the p-quantile has `below` of `count` values at or below it", in nats.

    The binomial's beta mixture, whose prior is centred on `p` and as firm as is best near `best_at`
    values: the two-sided bound of the authors' own library, here by its beta functions.

    >>> round(log_mixture(135, 625, 0.2, alpha=0.05, best_at=625), 5)
    -0.6941
    """
    even = p * (1 - p)
    bits = -2 * math.log(alpha)
    firm = max(best_at * even / (bits + math.log1p(bits)) - even, _WEAKEST * even)
    a, b = firm / (1 - p), firm / p
    posterior = float(betaln(a + below, b + count - below) - betaln(a, b))
    return posterior - below * math.log(p) - (count - below) * math.log1p(-p)


def ranks(count: int, p: float, *, alpha: float = 0.05, best_at: float = 1000) -> Ranks:
    """Ranks that hold the p-quantile at every look, narrowest near `best_at` values.

    Args:
        count: values so far.
        p: which quantile, strictly between 0 and 1.
        alpha: probability of ever missing it.
        best_at: number of values at which the plan expects to decide.

    >>> ranks(1000, 0.95)
    Ranks(low=928, high=969)
    """
    whole("count", count)
    between("p", p, 0, 1)
    between("alpha", alpha, 0, 1)
    between("best_at", best_at, 0, math.inf)
    barrier = -math.log(alpha)

    def inside(below: int) -> bool:
        return log_mixture(below, count, p, alpha=alpha, best_at=best_at) < barrier

    middle = math.floor(count * p)
    low, out = middle, -1
    while low - out > 1:
        half = (low + out) // 2
        low, out = (half, out) if inside(half) else (low, half)
    high, out = middle, count + 1
    while out - high > 1:
        half = (high + out) // 2
        high, out = (half, out) if inside(half) else (high, half)
    return Ranks(low, high)


def ranks_stitched(count: int, p: float, *, alpha: float = 0.05) -> Ranks:
    """Ranks that hold the p-quantile at every look, by equation 9 of the paper.

    They narrow at the fastest rate there is, sqrt(log log n / n), yet are nearly twice as wide as
    `ranks` near the size that those are tuned to.

    >>> ranks_stitched(1000, 0.95)
    Ranks(low=914, high=986)
    """
    whole("count", count, 1)
    between("p", p, 0, 1)
    between("alpha", alpha, 0, 1)
    doubt = (1.4 * math.log(math.log(2.1 * count)) + math.log(10 / alpha)) / count
    off = 1.5 * math.sqrt(p * (1 - p) * doubt) + 0.8 * doubt
    low, high = math.ceil(count * (p - off)), math.floor(count * (p + off))
    return Ranks(max(low, 0), min(high, count))


def interval(
    values: ArrayLike, p: float, *, alpha: float = 0.05, best_at: float = 1000
) -> Interval:
    """The p-quantile of recorded values, in their unit, with its interval over all looks.

    An end beyond the data is infinite.

    >>> interval(range(1, 1001), 0.95)
    Interval(low=928.0, estimate=950.0, high=970.0)
    """
    ordered = np.sort(observations(values).ravel()).tolist()
    low, high = ranks(len(ordered), p, alpha=alpha, best_at=best_at)
    return Interval(
        _ranked(ordered, low),
        _ranked(ordered, math.ceil(len(ordered) * p)),
        _ranked(ordered, high + 1),
    )


def _ranked(ordered: list[float], rank: int) -> float:
    if rank < 1:
        return -math.inf
    return ordered[rank - 1] if rank <= len(ordered) else math.inf
