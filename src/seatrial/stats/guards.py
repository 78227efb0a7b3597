"""The measures that most rollouts watch: rates against the control or a budget, and cost."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from seatrial.stats.bets import FOR_HARM, FOR_PROMISE, Reach, tuned
from seatrial.stats.betting import MeanTest
from seatrial.stats.bounds import between, observations, within
from seatrial.stats.errors import ParameterRefused
from seatrial.stats.law import Law
from seatrial.stats.measures import Measure


@dataclass(frozen=True, kw_only=True)
class Terms:
    """What a plan promises of one rate. All four are fixed before the first user is served.

    Attributes:
        fall: smallest fall that the plan promises to catch.
        margin: largest fall that may still be called no worse.
        tolerated: largest fall that is not called harm; below `fall`.
        alpha: highest probability of a false abort, and of a false promotion, each.
    """

    fall: float
    margin: float
    tolerated: float = 0.0
    alpha: float = 0.05

    def of(self, rate: float) -> None:
        """Refuse terms that have no meaning for a measure whose usual rate is `rate`.

        >>> Terms(fall=0.04, margin=0.02).of(0.95)

        Raises:
            ParameterRefused: a fall or the margin is larger than the rate, or in the wrong order.
        """
        between("rate", rate, 0, 1)
        within("tolerated", self.tolerated, 0, rate)
        between("margin", self.margin, 0, rate)
        if not self.tolerated < self.fall <= rate:
            rule = f"above what is tolerated ({self.tolerated}), up to {rate}"
            raise ParameterRefused(name="fall", rule=rule, value=self.fall)


def steadiness(runs: float, likeness: float) -> float:
    """Variance of a user's mean over `runs` runs, as a part of one run's (Kish 1965, section 5.4).

    Args:
        runs: mean runs of a user, at least 1.
        likeness: correlation of one user's runs, from 0 to 1.

    >>> round(steadiness(10, 0.3), 2)
    0.37
    """
    within("likeness", likeness, 0, 1)
    if not runs >= 1:
        raise ParameterRefused(name="runs", rule="at least 1", value=runs)
    return likeness + (1 - likeness) / runs


def rate_against_control(
    name: str, terms: Terms, *, control: float, controls: int = 1, steady: float = 1.0
) -> Measure:
    """A rate compared with users who are served at the same time: canary less control, -1 to 1.

    For latency, the rate is the share of answers within a threshold frozen beforehand, such as the
    baseline's p95 (`control=0.95`) or p50 (`control=0.5`). For what should be rare (escalations,
    safety violations), it is the share of runs without it.

    Args:
        name: as people call it.
        terms: what the plan promises.
        control: rate expected of the control. It tunes the bets; no guarantee rests on it.
        controls: control users matched to one canary user.
        steady: `steadiness` of a user's mean. It too only tunes the bets: values that vary less
            bear larger ones.

    >>> terms = Terms(fall=0.04, margin=0.02)
    >>> plan = rate_against_control("resolved", terms, control=0.95, controls=9)
    >>> plan.harm.missing(plan.harm.start(), power=0.5)
    244
    """
    terms.of(control)

    def law(difference: float) -> Law:
        canary = min(1.0, max(0.0, control + difference))
        return Law.of_difference(canary, control, controls).steadied(steady)

    return Measure(
        name=name,
        harm=_test((-1.0, 1.0), law, -terms.tolerated, -terms.fall, FOR_HARM, terms.alpha),
        promise=_test((-1.0, 1.0), law, -terms.margin, 0.0, FOR_PROMISE, terms.alpha),
    )


def rate_against_budget(name: str, terms: Terms, *, budget: float) -> Measure:
    """A rate compared with a number fixed beforehand; no control is served. Values from 0 to 1.

    What moves all users (a slow provider, a holiday) counts against the canary here: prefer
    `rate_against_control` wherever there is a control.

    Args:
        name: as people call it.
        terms: what the plan promises.
        budget: the rate that must be held, strictly between 0 and 1.

    >>> terms = Terms(fall=0.05, margin=0.02)
    >>> plan = rate_against_budget("within 4 s", terms, budget=0.95)
    >>> plan.verdict(plan.fold(plan.start(), [1] * 300)).outcome
    <Outcome.SUCCESSFUL: 'Successful'>
    """
    terms.of(budget)

    def law(rate: float) -> Law:
        return Law.of_rate(min(1.0, max(0.0, rate)))

    borders = (budget - terms.tolerated, budget - terms.margin)
    return Measure(
        name=name,
        harm=_test((0.0, 1.0), law, borders[0], budget - terms.fall, FOR_HARM, terms.alpha),
        promise=_test((0.0, 1.0), law, borders[1], budget, FOR_PROMISE, terms.alpha),
    )


@dataclass(frozen=True, kw_only=True)
class Price:
    """What a resolved case may cost.

    Attributes:
        forecast: cost for each resolved case that was forecast, in money.
        allowance: part of the forecast that may be exceeded, 0.1 for 10 %.
        cap: cost at which one run's cost is cut. The lower, the faster the verdict, and the more of
            the tail is not seen: every claim is about capped cost.
    """

    forecast: float
    allowance: float
    cap: float

    def __post_init__(self) -> None:
        between("forecast", self.forecast, 0, self.cap)
        within("allowance", self.allowance, 0, 1)

    @property
    def bounds(self) -> tuple[float, float]:
        """Least and greatest value of `saving`."""
        return -self.cap, (1 + self.allowance) * self.forecast

    def saving(self, cost: float, *, resolved: bool) -> float:
        """What one run saved against the most it may cost, in money; below 0 it cost too much.

        A cost per resolution is a ratio of two means. It is within the allowance exactly if the
        mean of `(1 + allowance) * forecast * resolved - cost` is at least 0: the mean of one
        bounded number.

        >>> price = Price(forecast=0.06, allowance=0.1, cap=0.5)
        >>> round(price.saving(0.05, resolved=True), 3), price.saving(9.0, resolved=False)
        (0.016, -0.5)

        Raises:
            ObservationRefused: the cost is negative, infinite or NaN.
        """
        (known,) = observations([cost], 0).tolist()
        return self.bounds[1] * resolved - min(float(known), self.cap)


def cost_against_forecast(
    name: str, price: Price, *, recorded: Sequence[float], overrun: float, alpha: float = 0.05
) -> Measure:
    """Cost per resolved case against its forecast; one value is a user's mean `Price.saving`.

    Args:
        name: as people call it.
        price: what a case may cost.
        recorded: savings of earlier users, whose mean is above 0; they tune the bets, and no
            guarantee rests on them.
        overrun: smallest mean loss for each run that the plan promises to catch, in money.
        alpha: highest probability of a false abort, and of a false promotion, each.

    >>> price = Price(forecast=0.06, allowance=0.1, cap=0.5)
    >>> earlier = [price.saving(cost, resolved=True) for cost in (0.03, 0.05, 0.08)]
    >>> plan = cost_against_forecast("cost", price, recorded=earlier, overrun=0.02)
    >>> plan.verdict(plan.fold(plan.start(), [-0.1] * 40)).outcome
    <Outcome.FAILED: 'Failed'>
    """
    low, high = price.bounds
    usual = Law.of_values(observations(recorded, low, high).tolist())
    between("mean of the recorded savings", usual.mean, 0, high)
    between("overrun", overrun, 0, price.cap)

    def law(mean: float) -> Law:
        return usual.moved_to(mean, low, high)

    return Measure(
        name=name,
        harm=_test((low, high), law, 0.0, -overrun, FOR_HARM, alpha),
        promise=_test((low, high), law, 0.0, usual.mean, FOR_PROMISE, alpha),
    )


def _test(
    bounds: tuple[float, float],
    law: Callable[[float], Law],
    null: float,
    expected: float,
    reach: Reach,
    alpha: float,
) -> MeanTest:
    """A test of the claim at `null`, tuned to the case that `expected` is true."""
    stakes = tuned(
        bounds=bounds,
        null=null,
        family=lambda times: law(null + times * (expected - null)),
        reach=reach,
    )
    return MeanTest(stakes=stakes, alpha=alpha)
