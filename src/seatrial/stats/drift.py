"""Has a distribution moved? Distances between a frozen reference and the present, with p-values.

Textbook borders ("PSI above 0.10: look") have no margin: halves of one unchanged agent reached
0.099 at 238 values a side. So every distance comes with the chance of one so large where nothing
has moved.
All tests here are for one look, and assume independent values (one for each user).
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import kolmogorov

from seatrial.stats.bounds import Floats, observations, some, whole
from seatrial.stats.shuffle import Counts, Statistic, counts, p_by_shuffling

_LEAST_SHARE: Final = 1e-4  # stands for an empty cell, whose logarithm would be infinite
_EXACT: Final = 2e8  # lattice points: 0.4 s; beyond, the limit law's error is far below chance's


@dataclass(frozen=True, kw_only=True)
class Drift:
    """A distance, and the probability of one so large where nothing has moved."""

    distance: float
    p_value: float


def stability(reference: ArrayLike, current: ArrayLike, *, rng: np.random.Generator) -> Drift:
    """The population stability index of two tables of counts, in nats.

    The sum over cells of (current - reference) * log(current / reference), of shares: a symmetric
    relative entropy. The cells must have been fixed before either sample was seen.

    >>> moved = stability([50, 30, 20], [30, 30, 40], rng=np.random.default_rng(1))
    >>> round(moved.distance, 3), moved.p_value < 0.01
    (0.241, True)
    """
    return _shuffled(_stability, reference, current, rng)


def divergence(reference: ArrayLike, current: ArrayLike, *, rng: np.random.Generator) -> Drift:
    """The Jensen-Shannon divergence of two tables of counts, in bits from 0 to 1 (Lin 1991).

    Fit for mixes, such as which tools are called.

    >>> divergence([10, 0], [0, 10], rng=np.random.default_rng(1)).distance
    1.0
    """
    return _shuffled(_divergence, reference, current, rng)


def tables(reference: ArrayLike, current: ArrayLike, cells: int = 10) -> tuple[Counts, Counts]:
    """Counts of two samples of numbers in cells that hold equal parts of both together.

    Cells cut from one of the samples alone would spoil the shuffle's exactness.

    >>> [table.tolist() for table in tables([1, 2, 3, 4], [3, 4, 5, 6], cells=2)]
    [[3, 1], [1, 3]]
    """
    first, second = observations(reference).ravel(), observations(current).ravel()
    whole("cells", cells, 2)
    pooled = np.concatenate([some("reference", first), some("current", second)])
    edges = np.unique(np.quantile(pooled, np.arange(1, cells) / cells))
    in_first, in_second = (
        np.bincount(np.searchsorted(edges, sample), minlength=len(edges) + 1)
        for sample in (first, second)
    )
    return in_first, in_second


def smirnov(reference: ArrayLike, current: ArrayLike) -> Drift:
    """The largest gap between two samples' distribution functions (Kolmogorov and Smirnov).

    The p-value is exact for continuous values, and errs on the safe side where values are tied.

    >>> smirnov([1, 2, 3, 4], [5, 6, 7, 8])
    Drift(distance=1.0, p_value=0.028571428571428567)
    """
    first, second = np.sort(observations(reference).ravel()), np.sort(observations(current).ravel())
    m, n = len(some("reference", first)), len(some("current", second))
    pooled = np.concatenate([first, second])
    above = np.searchsorted(first, pooled, side="right") * n
    gaps = np.abs(above - np.searchsorted(second, pooled, side="right") * m)
    gap = int(gaps.max())
    exact = m * (m + n) <= _EXACT
    p_value = _first_hit(m, n, gap) if exact else float(kolmogorov(gap / np.sqrt(m * n * (m + n))))
    return Drift(distance=gap / (m * n), p_value=min(1.0, p_value))


def _shuffled(
    statistic: Statistic, reference: ArrayLike, current: ArrayLike, rng: np.random.Generator
) -> Drift:
    first = counts("reference", reference)
    second = counts("current", current, like=first)
    used = first + second > 0
    first, second = first[used], second[used]
    return Drift(
        distance=float(statistic(first, second)),
        p_value=p_by_shuffling(statistic, first, second, rng=rng),
    )


def _shares(table: Counts) -> Floats:
    shares: Floats = table / table.sum(axis=-1, keepdims=True)
    return shares


def _stability(first: Counts, second: Counts) -> Floats:
    p, q = (np.maximum(_shares(table), _LEAST_SHARE) for table in (first, second))
    index: Floats = ((q - p) * np.log(q / p)).sum(axis=-1)
    return index


def _divergence(first: Counts, second: Counts) -> Floats:
    p, q = _shares(first), _shares(second)
    middle = (p + q) / 2
    bits: Floats = (_surprise(p, middle) + _surprise(q, middle)) / 2
    return bits


def _surprise(shares: Floats, under: Floats) -> Floats:
    ratio = np.divide(shares, under, out=np.ones_like(shares), where=shares > 0)
    surprise: Floats = (shares * np.log2(ratio)).sum(axis=-1)
    return surprise


def _first_hit(m: int, n: int, gap: int) -> float:
    """Probability that a random order of m and n values ever has |i·n - j·m| >= gap.

    The mass that reaches the border is added up diagonal by diagonal, never taken from 1, so that
    a p-value of 1e-35 is as exact as one of 0.1.
    """
    alive = np.zeros(m + 1)
    alive[0] = 1.0
    hit = 0.0
    i = np.arange(m + 1)
    for drawn in range(m + n):
        left = m + n - drawn
        from_first = alive * (m - i) / left
        alive = alive - from_first
        alive[1:] += from_first[:-1]
        out = np.abs(i * n - (drawn + 1 - i) * m) >= gap
        hit += float(alive[out].sum())
        alive[out] = 0.0
    return hit
