"""Several tests, one answer. E-values are in plain units (1 is no evidence), not logs."""

import math
from collections.abc import Sequence

import numpy as np

from seatrial.stats.bounds import observations, shares, some, whole
from seatrial.stats.errors import ParameterRefused


def average(e_values: Sequence[float], weights: Sequence[float] | None = None) -> float:
    """One e-value against "every claim is true", however the tests depend on each other.

    Reject at `1/alpha`. The mean of e-values is an e-value under any dependence, and admissible
    (Vovk and Wang 2021, Annals of Statistics 49). For looks at any time each process must be fair
    given all that *any* of them has seen, as tests of the same users' measures are. Processes fair
    only given their own past (cells where one foretells another) keep this at a time fixed
    beforehand, not at one chosen by watching (Choe and Ramdas 2024).

    Args:
        e_values: current ones, each 0 or more.
        weights: fixed beforehand, positive, summing to 1; equal if not given.

    >>> average([60.0, 0.5, 0.7, 1.2])
    15.6
    """
    kept = observations(some("e_values", e_values), 0)
    parts = shares("weights", (1 / len(kept),) * len(kept) if weights is None else weights)
    if len(parts) != len(kept):
        raise ParameterRefused(name="weights", rule="one for each e-value", value=len(parts))
    return math.fsum(part * e for part, e in zip(parts, kept.tolist(), strict=True))


def product(e_values: Sequence[float]) -> float:
    """One e-value from tests of the same claim that follow one another, or share nothing.

    Sound if each test's bets were chosen before its own data and each test is fair given the data
    of those before it: phases of one rollout, or cells with users of their own. Not for several
    measures of the same users: there the product overstates, use `average`.

    >>> product([4.0, 5.0])
    20.0
    """
    return float(np.prod(observations(some("e_values", e_values), 0)))


def p_from_e(e_value: float) -> float:
    """A p-value from an e-value: min(1, 1/E), by Markov's inequality.

    >>> p_from_e(40.0), p_from_e(0.2)
    (0.025, 1.0)
    """
    (kept,) = observations([e_value], 0).tolist()
    return 1.0 if kept <= 1 else 1 / kept


def p_that_at_least(least: int, p_values: Sequence[float]) -> float:
    """The p-value against "fewer than `least` of the claims are false".

    It is `(n - least + 1) · p_(least)`: partial conjunction by Bonferroni, under any dependence
    (Benjamini and Heller 2008, Biometrics 64). For 3 of 4 it is twice the third smallest. The third
    smallest itself would err in 9.75 % of cases at 5 % when two are truly inferior; this errs in
    4.94 % (independent tests).

    Args:
        least: claims that must be rejected, from 1 to all.
        p_values: those of `MeanTest.p_value` may be read at every look.

    >>> round(p_that_at_least(3, [0.001, 0.02, 0.01, 0.9]), 4)
    0.04
    """
    ordered = np.sort(observations(some("p_values", p_values, whole("least", least, 1)), 0, 1))
    return min(1.0, float((len(ordered) - least + 1) * ordered[least - 1]))


def e_that_at_least(least: int, e_values: Sequence[float]) -> float:
    """The e-value against "fewer than `least` of the claims are false".

    The mean of the `n - least + 1` smallest: if the claim is true, at least so many of the tests
    are fair, and the smallest ones are no larger than those. At one moment it is at least as large
    as one over `p_that_at_least` of the same e-values; the p-value form may remember each test's
    best moment instead.

    >>> e_that_at_least(3, [1000.0, 50.0, 100.0, 1.0])
    25.5
    """
    ordered = np.sort(observations(some("e_values", e_values, whole("least", least, 1)), 0))
    return float(ordered[: len(ordered) - least + 1].mean())
