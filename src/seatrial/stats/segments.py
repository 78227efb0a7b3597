"""Do the canary's users look like all users? Counts by segment (region, plan, language) tell."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import chdtrc

from seatrial.stats.bounds import Floats
from seatrial.stats.errors import ParameterRefused
from seatrial.stats.shuffle import Counts, counts, p_by_shuffling


@dataclass(frozen=True, kw_only=True)
class Resemblance:
    """How far the canary's segments are from the control's.

    Attributes:
        statistic: Pearson's chi-square.
        freedom: its degrees of freedom.
        p_chi_square: by the chi-square law; good where every cell expects 5 users or more.
        p_shuffled: by shuffling, exact at any size.
        least_expected: users expected in the emptiest cell.
    """

    statistic: float
    freedom: int
    p_chi_square: float
    p_shuffled: float
    least_expected: float


def resemblance(canary: ArrayLike, control: ArrayLike, *, rng: np.random.Generator) -> Resemblance:
    """Compare the segments of two arms; a small p-value says that the canary is not representative.

    This is one look: repeated looks err more often than the p-value says. For the arms' sizes,
    which may be watched, see `ratio`.

    Args:
        canary: users of each segment.
        control: the same for the control, in the same order.
        rng: source of the shuffles.

    >>> found = resemblance([30, 20, 0], [280, 190, 30], rng=np.random.default_rng(1))
    >>> round(found.statistic, 2), found.freedom, round(found.p_chi_square, 3)
    (3.18, 2, 0.204)

    Raises:
        ParameterRefused: the counts are not such, or fewer than two segments have users.
    """
    own = counts("canary", canary)
    other = counts("control", control, like=own)
    used = own + other > 0
    own, other = own[used], other[used]
    if len(own) < 2:
        raise ParameterRefused(name="segments", rule="two with users, or more", value=len(own))
    statistic = float(_chi_square(own, other))
    return Resemblance(
        statistic=statistic,
        freedom=len(own) - 1,
        p_chi_square=float(chdtrc(len(own) - 1, statistic)),
        p_shuffled=p_by_shuffling(_chi_square, own, other, rng=rng),
        least_expected=float(
            (own + other).min() * min(own.sum(), other.sum()) / (own + other).sum()
        ),
    )


def _chi_square(own: Counts, other: Counts) -> Floats:
    pooled = own + other
    part = own.sum(axis=-1, keepdims=True) / pooled.sum(axis=-1, keepdims=True)
    expected = pooled * part
    distance: Floats = ((own - expected) ** 2 / (expected * (1 - part))).sum(axis=-1)
    return distance
