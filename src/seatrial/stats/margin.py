"""Is a rate at most a margin below another?

Tests and sample sizes for one look at independent trials. They rest on the score statistic of a
given difference, with the rates fitted under it (Farrington and Manning 1990; Mee 1984 inverts it
to an interval; Miettinen and Nurminen 1985 widen it by N/(N-1)). The fit is by bisection of the
likelihood's slope, which also holds where both rates are 0 or 1 and the published closed form does
not.
"""

import enum
import math
from dataclasses import dataclass
from typing import Final

from scipy.special import ndtr, ndtri

from seatrial.stats.bounds import between, within
from seatrial.stats.moments import Interval
from seatrial.stats.proportions import Tried, z_two_sided

_HALVINGS: Final = 45  # of an interval no wider than 2: 6e-14 is left


class Variance(enum.Enum):
    """Whose variance the score statistic takes."""

    FARRINGTON_MANNING = "farrington-manning"
    """The fitted one; its interval is Mee's."""

    MIETTINEN_NURMINEN = "miettinen-nurminen"
    """The fitted one times N / (N - 1)."""


@dataclass(frozen=True, kw_only=True)
class NonInferiority:
    """The result of one test.

    Attributes:
        z: the score statistic; large speaks for the canary.
        p_value: one-sided, against "the canary is the margin or more below the control".
        interval: canary less control, two-sided at 1 - 2 alpha; above -margin if the test rejects.
    """

    z: float
    p_value: float
    interval: Interval


def non_inferiority(
    canary: Tried, control: Tried, *, margin: float, alpha: float = 0.05
) -> NonInferiority:
    """Test "the canary's rate is at least the control's less `margin`", by Farrington and Manning.

    >>> canary, control = Tried(successes=83, trials=88), Tried(successes=69, trials=76)
    >>> found = non_inferiority(canary, control, margin=0.10)
    >>> round(found.z, 3), round(found.p_value, 4)
    (2.957, 0.0016)
    """
    within("margin", margin, 0, 1)
    between("alpha", alpha, 0, 0.5)
    z = score(canary, control, -margin)
    return NonInferiority(
        z=z,
        p_value=float(ndtr(-z)),
        interval=score_interval(canary, control, confidence=1 - 2 * alpha),
    )


def score(
    first: Tried,
    second: Tried,
    difference: float,
    variance: Variance = Variance.FARRINGTON_MANNING,
) -> float:
    """The score statistic of "first rate less second is `difference`", standard normal if true.

    >>> one, two = Tried(successes=83, trials=88), Tried(successes=69, trials=76)
    >>> round(score(one, two, -0.10, Variance.MIETTINEN_NURMINEN), 3)
    2.948
    """
    p, q = fitted(first, second, within("difference", float(difference), -1, 1))
    spread = p * (1 - p) / first.trials + q * (1 - q) / second.trials
    if variance is Variance.MIETTINEN_NURMINEN:
        both = first.trials + second.trials
        spread *= both / (both - 1)
    apart = first.rate - second.rate - difference
    if spread <= 0:
        return math.copysign(math.inf, apart) if apart else 0.0
    return apart / math.sqrt(spread)


def score_interval(
    first: Tried,
    second: Tried,
    *,
    confidence: float = 0.95,
    variance: Variance = Variance.FARRINGTON_MANNING,
) -> Interval:
    """First rate less second, with the differences that the score test does not reject.

    >>> found = score_interval(Tried(successes=56, trials=70), Tried(successes=48, trials=80))
    >>> [round(end, 4) for end in found]
    [0.0533, 0.2, 0.3377]
    """
    z = z_two_sided(confidence)
    apart = first.rate - second.rate

    def end(beyond: float) -> float:
        """The statistic falls as the difference rises: halve between the estimate and beyond."""
        inner, outer = apart, beyond
        for _ in range(_HALVINGS):
            middle = (inner + outer) / 2
            inside = abs(score(first, second, middle, variance)) < z
            inner, outer = (middle, outer) if inside else (inner, middle)
        return inner

    return Interval(end(-1.0), apart, end(1.0))


def fitted(first: Tried, second: Tried, difference: float) -> tuple[float, float]:
    """The two rates of highest likelihood among those that differ by exactly `difference`.

    >>> [
    ...     round(rate, 4)
    ...     for rate in fitted(
    ...         Tried(successes=83, trials=88), Tried(successes=69, trials=76), -0.10
    ...     )
    ... ]
    [0.849, 0.949]
    """
    parts = (first.rate, second.rate)
    return fitted_shares(parts, (float(first.trials), float(second.trials)), difference)


def fitted_shares(
    rates: tuple[float, float], weights: tuple[float, float], difference: float
) -> tuple[float, float]:
    """`fitted` for expected rates, as a sample-size formula needs; weights are the arms' sizes.

    >>> [round(rate, 4) for rate in fitted_shares((0.95, 0.95), (1, 1), -0.02)]
    [0.9382, 0.9582]
    """
    low, high = max(0.0, -difference), min(1.0, 1.0 - difference)
    if low >= high:
        return high + difference, high

    def slope(q: float) -> float:
        sides = zip(rates, (q + difference, q), weights, strict=True)
        return sum(
            weight * (_part(rate, at) - _part(1 - rate, 1 - at)) for rate, at, weight in sides
        )

    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if slope(middle) > 0 else (low, middle)
    q = (low + high) / 2
    return min(1.0, max(0.0, q + difference)), q


def trials_needed(
    *,
    canary: float,
    control: float,
    margin: float,
    alpha: float = 0.05,
    power: float = 0.8,
    controls: float = 1.0,
) -> int:
    """Canary trials for the test to reject with probability `power` (Farrington and Manning 1990).

    Args:
        canary: its true rate, if all is as hoped.
        control: the control's.
        margin: largest fall that is still called no worse.
        alpha: highest probability of calling a canary at the margin no worse.
        power: probability wanted of a right "no worse".
        controls: control trials for each canary trial.

    >>> trials_needed(canary=0.95, control=0.95, margin=0.02)
    1500
    """
    null, true = _spreads(canary, control, margin, controls)
    reach = float(ndtri(1 - between("alpha", alpha, 0, 0.5))) * null
    reach += float(ndtri(between("power", power, alpha, 1))) * true
    return math.ceil((reach / (canary - control + margin)) ** 2)


def power_with(
    trials: int,
    *,
    canary: float,
    control: float,
    margin: float,
    alpha: float = 0.05,
    controls: float = 1.0,
) -> float:
    """Probability that the test rejects with so many canary trials; say it before the run.

    >>> round(power_with(300, canary=0.95, control=0.95, margin=0.02), 2)
    0.29
    """
    null, true = _spreads(canary, control, margin, controls)
    gap = (canary - control + margin) * math.sqrt(trials)
    return float(ndtr((gap - float(ndtri(1 - alpha)) * null) / true))


def _spreads(canary: float, control: float, margin: float, controls: float) -> tuple[float, float]:
    """Standard deviation of one canary trial's difference: at the margin, and in truth."""
    within("canary", canary, 0, 1)
    between("control", control, 0, 1)
    between("margin", margin, max(0.0, control - canary), 1)
    between("controls", controls, 0, math.inf)
    p, q = fitted_shares((canary, control), (1.0, controls), -margin)
    null = p * (1 - p) + q * (1 - q) / controls
    true = canary * (1 - canary) + control * (1 - control) / controls
    return math.sqrt(null), math.sqrt(true)


def _part(rate: float, at: float) -> float:
    if rate == 0:
        return 0.0
    return rate / at if at > 0 else math.inf
