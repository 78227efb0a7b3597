"""Evidence about the mean of a bounded stream, good at every look.

Start with one unit of wealth and bet against a claim. If the claim is true no bet gains on average,
so wealth ever reaches `1/alpha` with probability at most `alpha`, however often one looks and
whenever one stops (Ville 1939; Waudby-Smith and Ramdas 2023, JRSS-B 86, section 4). The wealth is
the e-value.

Assumed of the stream: every value lies in the bounds, and given all that was seen before, the next
value's mean obeys the claim. It need not be independent, identically distributed or normal.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike

from seatrial.stats.bounds import Floats, between, observations, whole
from seatrial.stats.errors import StateRefused
from seatrial.stats.plans import saved
from seatrial.stats.stakes import Stakes

_LARGEST: Final = 700.0  # exp of it is still a float
_ROWS: Final = 4096  # folded at once: bounds the memory that a long batch takes
_FIELDS: Final[Mapping[str, type]] = {"plan": str, "count": int, "logs": tuple, "peak": float}


@dataclass(frozen=True, kw_only=True, slots=True)
class Wealth:
    """What the bets of one plan have become.

    Attributes:
        plan: digest of the stakes that it belongs to.
        count: observations so far.
        logs: log of what one unit on each bet has become, in nats.
        peak: highest log e-value at any look so far, at least 0.
    """

    plan: str
    count: int
    logs: tuple[float, ...]
    peak: float

    def as_json(self) -> dict[str, Any]:
        """Plain values, as `MeanTest.revive` reads them back."""
        return {
            "plan": self.plan,
            "count": self.count,
            "logs": list(self.logs),
            "peak": self.peak,
        }


@dataclass(frozen=True, kw_only=True)
class MeanTest:
    """The plan of a test of a claim about a mean.

    Attributes:
        stakes: the claim, and the bets against it.
        alpha: highest probability of ever rejecting the claim if it is true.

    >>> stakes = Stakes(low=-1, high=1, null=0, bets=(-0.3,), shares=(1,))
    >>> test = MeanTest(stakes=stakes, alpha=0.05)
    >>> wealth = test.start()
    >>> for difference in (-1, 0, -1):
    ...     wealth = test.step(wealth, difference)
    >>> round(test.e_value(wealth), 4), test.rejects(wealth)
    (1.69, False)
    """

    stakes: Stakes
    alpha: float = 0.05

    def __post_init__(self) -> None:
        between("alpha", self.alpha, 0, 1)

    def start(self) -> Wealth:
        """One unit of wealth, nothing seen."""
        zeros = (0.0,) * len(self.stakes.bets)
        return Wealth(plan=self.stakes.digest, count=0, logs=zeros, peak=0.0)

    def step(self, wealth: Wealth, value: float) -> Wealth:
        """The wealth after one more observation. O(number of bets).

        Raises:
            ObservationRefused: the value is outside the bounds, or NaN.
            StateRefused: the wealth belongs to another plan.
        """
        self._own(wealth)
        factors = self.stakes.factors(value)
        logs = tuple([log + more for log, more in zip(wealth.logs, factors, strict=True)])
        return self._after(wealth, 1, logs, self.stakes.mixed(logs))

    def fold(self, wealth: Wealth, values: ArrayLike) -> Wealth:
        """The wealth after many observations in order, looked at after each; as many `step`s."""
        self._own(wealth)
        array = observations(values, self.stakes.low, self.stakes.high).ravel()
        for start in range(0, len(array), _ROWS):
            rows = array[start : start + _ROWS]
            logs = np.asarray(wealth.logs) + self.stakes.walks(rows)
            top = float(self.stakes.mixtures(logs).max())
            wealth = self._after(wealth, len(rows), tuple(logs[-1].tolist()), top)
        return wealth

    def count(self, wealth: Wealth, times: Mapping[float, int]) -> Wealth:
        """The wealth after `times[value]` observations of each value, looked at once, at the end.

        For one canary user against one control user with yes-or-no outcomes, three counts say all:
        canary alone succeeded (1), both or neither (0), control alone (-1).

        >>> test = MeanTest(stakes=Stakes(low=-1, high=1, null=0, bets=(-0.5,), shares=(1,)))
        >>> round(test.e_value(test.count(test.start(), {-1: 12, 1: 0})), 1)
        129.7
        """
        self._own(wealth)
        logs = wealth.logs
        for value, often in times.items():
            whole("times", often)
            factors = self.stakes.factors(value)
            logs = tuple([log + often * more for log, more in zip(logs, factors, strict=True)])
        return self._after(wealth, sum(times.values()), logs, self.stakes.mixed(logs))

    def merge(self, parts: Iterable[Wealth], *, peak: float = 0.0) -> Wealth:
        """The wealth of one stream made of the parts' streams, looked at now.

        Sound when every part began from `start` on observations of its own, and each observation's
        mean, given all that *any* part had seen before, obeys the claim; parts that advance at the
        same instant must be independent given that past. Cells that serve different users meet
        this. Parts that share users, or one of which foretells another, do not: average their
        e-values instead (`combine.average`), and see there what that needs.

        Args:
            parts: the newest wealth of each part.
            peak: highest log e-value of earlier merges of the same parts, in nats.

        >>> test = MeanTest(stakes=Stakes(low=-1, high=1, null=0, bets=(-0.5,), shares=(1,)))
        >>> east, west = test.step(test.start(), -1), test.fold(test.start(), [-1, 0])
        >>> round(test.e_value(test.merge([east, west])), 2)
        2.25
        """
        kept = list(parts)
        for part in kept:
            self._own(part)
        logs = tuple(map(math.fsum, zip(self.start().logs, *(p.logs for p in kept), strict=True)))
        before = Wealth(plan=self.stakes.digest, count=0, logs=logs, peak=max(peak, 0.0))
        return self._after(before, sum(p.count for p in kept), logs, self.stakes.mixed(logs))

    def path(self, values: ArrayLike) -> Floats:
        """Log e-value after each observation of fresh streams, along the last axis; for charts.

        >>> test = MeanTest(stakes=Stakes(low=-1, high=1, null=0, bets=(0.5,), shares=(1,)))
        >>> test.path([1, -1]).round(3).tolist()
        [0.405, -0.288]
        """
        array = observations(values, self.stakes.low, self.stakes.high)
        return self.stakes.mixtures(self.stakes.walks(array))

    def log_e(self, wealth: Wealth) -> float:
        """Log of the e-value now, in nats."""
        self._own(wealth)
        return self.stakes.mixed(wealth.logs)

    def e_value(self, wealth: Wealth) -> float:
        """The evidence against the claim now: what one unit of wealth has become, cut at e^700."""
        return math.exp(min(self.log_e(wealth), _LARGEST))

    def p_value(self, wealth: Wealth) -> float:
        """A p-value that may be read at every look: one over the highest e-value so far."""
        self._own(wealth)
        return math.exp(-wealth.peak)

    def rejects(self, wealth: Wealth) -> bool:
        """Whether the evidence has reached `1/alpha` at any look so far."""
        self._own(wealth)
        return wealth.peak >= self._barrier

    def missing(self, wealth: Wealth, power: float = 0.8) -> int | None:
        """Observations still needed until the claim is rejected with probability `power`.

        It counts on the plan's own expectation; if the truth is less clear, more are needed.

        Returns:
            None if the plan states no expectation.
        """
        if self.rejects(wealth):
            return 0
        return self.stakes.looks_until(self._barrier, wealth.logs, power)

    def revive(self, document: Mapping[str, Any]) -> Wealth:
        """The wealth that `as_json` wrote.

        Raises:
            StateRefused: it is another plan's, or damaged.
        """
        wealth = Wealth(**saved(document, _FIELDS))
        self._own(wealth)
        if wealth.count < 0 or wealth.peak < 0:
            raise StateRefused(problem=f"count {wealth.count} or peak {wealth.peak} is negative")
        return wealth

    @cached_property
    def _barrier(self) -> float:
        return -math.log(self.alpha)

    def _own(self, wealth: Wealth) -> None:
        self.stakes.own(wealth.plan, wealth.logs)

    def _after(self, wealth: Wealth, more: int, logs: tuple[float, ...], now: float) -> Wealth:
        return Wealth(
            plan=wealth.plan,
            count=wealth.count + more,
            logs=logs,
            peak=max(wealth.peak, now),
        )
