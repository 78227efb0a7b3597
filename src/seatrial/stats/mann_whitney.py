"""Is one sample's typical value shifted against another's? A companion for a single look.

The rank-sum test with the Hodges-Lehmann estimate and its interval, as R's `wilcox.test` and
Kayenta give them. It must not be watched: at every look it errs afresh, so no verdict rests on it.
"""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtr

from seatrial.stats.bounds import Floats, between, observations, some
from seatrial.stats.moments import Interval
from seatrial.stats.proportions import z_two_sided

_EXACT_BELOW: Final = 50  # values a side, as in R


@dataclass(frozen=True, kw_only=True)
class Shift:
    """How far the first sample lies above the second.

    Attributes:
        interval: the shift with its two ends, in the values' unit.
        p_value: two-sided, against "no shift".
    """

    interval: Interval
    p_value: float


def shift(first: ArrayLike, second: ArrayLike, *, confidence: float = 0.95) -> Shift:
    """Estimate the shift of the first sample against the second.

    Exact below 50 values a side without ties, else by the normal law with ties and continuity
    corrected. Assumed: independent values whose laws differ by a shift alone.

    >>> shift([10, 20, 30, 40], [1, 2, 3, 4]).interval
    Interval(low=6.0, estimate=22.5, high=39.0)
    """
    between("confidence", confidence, 0, 1)
    x = observations(some("first", np.ravel(np.asarray(first))))
    y = observations(some("second", np.ravel(np.asarray(second))))
    apart = np.sort(np.subtract.outer(x, y).ravel())
    tied = len(np.unique(np.concatenate([x, y]))) < len(x) + len(y)
    if not tied and max(len(x), len(y)) < _EXACT_BELOW:
        return _exact(x, y, apart, confidence)
    return _normal(x, y, apart, confidence)


def _exact(x: Floats, y: Floats, apart: Floats, confidence: float) -> Shift:
    below = np.cumsum(_orders(len(x), len(y)))
    below = below / below[-1]
    wins = int((apart > 0).sum())
    tail = below[min(wins, len(apart) - wins)]
    rank = max(1, int(np.searchsorted(below, (1 - confidence) / 2 * (1 - 1e-12))))
    ends = Interval(float(apart[rank - 1]), float(np.median(apart)), float(apart[-rank]))
    return Shift(interval=ends, p_value=min(1.0, 2 * float(tail)))


def _orders(m: int, n: int) -> Floats:
    """How many orders of m and n values have 0, 1, … m·n pairs in which the first is larger.

    The Gaussian binomial coefficient, factor by factor: times (1 - q^(n+i)), over (1 - q^i).
    """
    ways = np.zeros(m * n + 1)
    ways[0] = 1.0
    for i in range(1, m + 1):
        ways[n + i :] -= ways[: -(n + i)].copy()
        for start in range(i):
            ways[start::i] = np.cumsum(ways[start::i])
    return ways


def _normal(x: Floats, y: Floats, apart: Floats, confidence: float) -> Shift:
    p_value = min(1.0, 2 * float(ndtr(-abs(_z(x, y, 0.0)))))
    z = z_two_sided(confidence)
    steps = np.unique(apart)
    ends = Interval(*(_crossing(x, y, steps, level) for level in (z, 0.0, -z)))
    return Shift(interval=ends, p_value=p_value)


def _z(x: Floats, y: Floats, by: float) -> float:
    """The rank-sum statistic of `x - by` against `y`; 0 where all values are tied."""
    m, n = len(x), len(y)
    moved = x - by
    values, place, ties = np.unique(
        np.concatenate([moved, y]), return_inverse=True, return_counts=True
    )
    ranks = (np.cumsum(ties) - (ties - 1) / 2)[place]
    above = float(ranks[:m].sum()) - m * (m + 1) / 2 - m * n / 2
    tied = float((ties**3 - ties).sum()) / ((m + n) * (m + n - 1))
    variance = m * n / 12 * (m + n + 1 - tied)
    if len(values) == 1 or variance <= 0:
        return 0.0
    return (above - math.copysign(0.5, above) * (above != 0)) / math.sqrt(variance)


def _crossing(x: Floats, y: Floats, steps: Floats, level: float) -> float:
    """Where the statistic, a falling staircase, steps from above `level` to it or below."""
    low, high = 0, len(steps) - 1
    while low < high:
        middle = (low + high) // 2
        behind = (steps[middle] + steps[middle + 1]) / 2
        low, high = (low, middle) if _z(x, y, float(behind)) <= level else (middle + 1, high)
    return float(steps[low])
