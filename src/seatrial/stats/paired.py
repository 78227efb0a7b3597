"""Two releases on the same cases: only the cases on which they differ say which is better.

A win is a case that the new release solves and the old one does not; a loss is the reverse. If the
releases are equally good, each differing case is a fair coin.
"""

from typing import Literal

import numpy as np
from scipy.special import bdtr, bdtrc

from seatrial.stats.bets import EVEN, even
from seatrial.stats.betting import MeanTest
from seatrial.stats.bounds import between, whole, within
from seatrial.stats.errors import ParameterRefused
from seatrial.stats.shuffle import Counts

Side = Literal["worse", "better", "different"]


def mcnemar(wins: int, losses: int, *, side: Side = "different") -> float:
    """The exact p-value against "the new release is as good as the old", for one look (McNemar).

    Args:
        wins: cases that only the new release solved.
        losses: cases that only the old one solved.
        side: what the new release is suspected to be.

    >>> round(mcnemar(12, 0), 6), mcnemar(6, 6)
    (0.000488, 1.0)
    """
    both = whole("wins", wins) + whole("losses", losses)
    few = {"worse": wins, "better": losses, "different": min(wins, losses)}[side]
    one_sided = float(bdtr(few, both, 0.5))
    return min(1.0, 2 * one_sided) if side == "different" else one_sided


def evidence(wins: int, losses: int, *, side: Literal["worse", "better"] = "worse") -> float:
    """The e-value against "the new release is not `side`", by even bets.

    It may be read at any look, cases may come in any order, and more may be added later; reject at
    1/alpha.

    >>> round(evidence(0, 12), 1), round(evidence(6, 6), 2)
    (24.7, 0.75)
    """
    sign = -1.0 if side == "worse" else 1.0
    test = MeanTest(stakes=even(bounds=(-1, 1), null=0, bets=[sign * bet for bet in EVEN]))
    return test.e_value(test.count(test.start(), {1: wins, -1: losses}))


def mcnemar_power(cases: int, *, win: float, loss: float, alpha: float = 0.05) -> float:
    """Probability that the exact two-sided test rejects; say it before the run.

    Args:
        cases: cases that both releases are given.
        win: probability that a case is a win.
        loss: probability that a case is a loss.
        alpha: level of the test.

    >>> round(mcnemar_power(300, win=0.01, loss=0.05), 2)
    0.79
    """
    whole("cases", cases, 1)
    between("alpha", alpha, 0, 1)
    differ = within("win", win, 0, 1) + within("loss", loss, 0, 1)
    if not 0 < differ <= 1:
        raise ParameterRefused(name="win and loss", rule="together above 0, up to 1", value=differ)
    both = np.arange(cases + 1)
    chance = np.diff(bdtr(both, cases, differ), prepend=0.0)
    few = _rejected(cases, alpha)
    worse, better = bdtrc(both - few - 1, both, loss / differ), bdtr(few, both, loss / differ)
    return float(chance @ np.where(few < 0, 0.0, worse + better))


def _rejected(cases: int, alpha: float) -> Counts:
    """For each number of differing cases, the most losses (or wins) that still reject; -1: none."""
    most = np.full(cases + 1, -1)
    few = -1
    for both in range(cases + 1):
        if 2 * bdtr(few + 1, both, 0.5) <= alpha:
            few += 1
        most[both] = few
    return most
