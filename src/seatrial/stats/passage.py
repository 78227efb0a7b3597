"""How many observations until a walk that rises on average first stands above a barrier."""

import math
from typing import Final

from scipy.special import log_ndtr, ndtr

from seatrial.stats.bounds import between

_HALVINGS: Final = 60


def chance_by(looks: float, *, barrier: float, growth: float, spread: float) -> float:
    """Probability that the walk has reached the barrier within `looks` steps.

    The first passage of Brownian motion with drift (Schrödinger 1915, the inverse Gaussian law).
    A walk in steps overshoots a little, so it arrives slightly later than this says.

    Args:
        looks: steps, above 0.
        barrier: height still to climb, above 0.
        growth: mean of one step.
        spread: standard deviation of one step, above 0.

    >>> round(chance_by(100, barrier=3, growth=0.03, spread=0.25), 3)
    0.646
    """
    root = spread * math.sqrt(looks)
    back = 2 * growth * barrier / spread**2 + log_ndtr(-(growth * looks + barrier) / root)
    return min(1.0, float(ndtr((growth * looks - barrier) / root)) + math.exp(min(0.0, back)))


def looks_until(power: float, *, barrier: float, growth: float, spread: float) -> int | None:
    """Steps after which the barrier has been reached with probability `power`.

    Returns:
        0 if it is already reached; None if the walk does not rise and may never arrive.

    >>> looks_until(0.8, barrier=3, growth=0.03, spread=0.25)
    144
    """
    between("power", power, 0, 1)
    if barrier <= 0:
        return 0
    if growth <= 0:
        return None
    low, high = 0.0, barrier / growth
    while chance_by(high, barrier=barrier, growth=growth, spread=spread) < power:
        low, high = high, 2 * high
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        reached = chance_by(middle, barrier=barrier, growth=growth, spread=spread) >= power
        low, high = (low, middle) if reached else (middle, high)
    return math.ceil(high)
