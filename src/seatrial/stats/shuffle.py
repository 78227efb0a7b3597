"""Would chance alone tell two samples apart so well? Deal the pooled counts anew, many times."""

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from seatrial.stats.bounds import Floats, whole
from seatrial.stats.errors import ParameterRefused

Counts = NDArray[np.int64]

Statistic = Callable[[Counts, Counts], Floats]
"""Takes counts of the first and of the second sample, cells along the last axis."""


def counts(name: str, values: ArrayLike, like: Counts | None = None) -> Counts:
    """`values` as an array of counts of one sample, with as many cells as `like`.

    >>> counts("canary", [3, 0, 4]).tolist()
    [3, 0, 4]

    Raises:
        ParameterRefused: a count is negative or not whole, all are 0, or cells are missing.
    """
    array = np.asarray(values)
    kept = array.astype(np.int64)
    if array.ndim != 1 or (kept != array).any() or (kept < 0).any() or not kept.sum():
        raise ParameterRefused(name=name, rule="whole counts, not all 0", value=array.tolist())
    if like is not None and len(kept) != len(like):
        raise ParameterRefused(name=name, rule=f"of {len(like)} cells", value=array.tolist())
    return kept


def p_by_shuffling(
    statistic: Statistic,
    first: Counts,
    second: Counts,
    *,
    rng: np.random.Generator,
    rounds: int = 1999,
) -> float:
    """Part of all ways to deal the pooled sample in which the statistic is at least as large.

    A permutation test: exact at any sample size if single values are independent and, under "no
    difference", alike. The p-value is (1 + hits) / (1 + rounds), so it is never 0 and its least is
    1 / (1 + rounds).

    Args:
        statistic: larger where the samples differ more.
        first: counts of the first sample.
        second: counts of the second, cell by cell.
        rng: source of the shuffles.
        rounds: how many.

    >>> apart = lambda a, b: np.abs(a - b).sum(axis=-1)
    >>> alike, other = np.array([50, 50]), np.array([80, 20])
    >>> p_by_shuffling(apart, alike, other, rng=np.random.default_rng(1), rounds=999)
    0.001
    """
    whole("rounds", rounds, 1)
    pooled = first + second
    dealt = rng.multivariate_hypergeometric(
        pooled, int(first.sum()), size=rounds, method="marginals"
    )
    observed = statistic(first, second)
    hits = int((statistic(dealt, pooled - dealt) >= observed - 1e-12).sum())
    return (1 + hits) / (1 + rounds)
