"""Did users reach the arms in the shares that were planned? If not, the comparison is void.

The evidence is a multinomial Bayes factor with a Dirichlet prior around the planned shares (Lindon
and Malek 2022, "Anytime-valid inference for multinomial count data", NeurIPS): a test martingale,
so it may be read at every look. Counts of several cells add up exactly.

Assumed: each user is assigned once, by itself, with the planned probabilities; count users, not
runs, and count them when they are assigned, before anything can lose one.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import gammaln

from seatrial.stats.bounds import Floats, between, observations, shares, some, whole
from seatrial.stats.errors import StateRefused
from seatrial.stats.plans import digest, own, saved
from seatrial.stats.verdict import Verdict, voided

_FIELDS: Final[Mapping[str, type]] = {"plan": str, "counts": list, "peak": float}


@dataclass(frozen=True, kw_only=True, slots=True)
class Tally:
    """How many users each arm was given.

    Attributes:
        plan: digest of the check that it belongs to.
        counts: users of each arm.
        peak: highest log e-value at any look so far, at least 0.
    """

    plan: str
    counts: tuple[int, ...]
    peak: float

    def as_json(self) -> dict[str, Any]:
        """Plain values, as `RatioCheck.revive` reads them back."""
        return {"plan": self.plan, "counts": list(self.counts), "peak": self.peak}


@dataclass(frozen=True, kw_only=True)
class RatioCheck:
    """The plan of a sample-ratio check.

    Attributes:
        shares: planned part of the users of each arm; positive, summing to 1.
        alpha: highest probability of ever finding a mismatch where there is none. It is checked for
            every rollout, so it is small.
        firmness: users that the prior is worth. More finds small mismatches sooner, and large ones
            later; 1,000 suits a mismatch of a few percent of an arm.

    >>> check = RatioCheck(shares=(0.9, 0.1))
    >>> check.broken(check.add(check.start(), (9000, 1000)))
    False
    >>> check.broken(check.add(check.start(), (9000, 850)))
    True
    """

    shares: tuple[float, ...]
    alpha: float = 0.001
    firmness: float = 1000.0

    def __post_init__(self) -> None:
        shares("shares", some("shares", self.shares, 2))
        between("alpha", self.alpha, 0, 1)
        between("firmness", self.firmness, 0, math.inf)

    def start(self) -> Tally:
        """No user yet."""
        return Tally(plan=self._digest, counts=(0,) * len(self.shares), peak=0.0)

    def step(self, tally: Tally, arm: int) -> Tally:
        """After one more user of the arm at this place in `shares`."""
        return self.add(tally, [int(place == arm) for place in range(len(self.shares))])

    def add(self, tally: Tally, more: Sequence[int]) -> Tally:
        """After more users of each arm, looked at once, at the end.

        Raises:
            ParameterRefused: a number is negative or not whole.
            StateRefused: the tally belongs to another plan, or arms are missing.
        """
        own(tally.plan, self._digest)
        if len(more) != len(self.shares):
            raise StateRefused(problem=f"{len(more)} counts for {len(self.shares)} arms")
        counts = tuple(
            old + whole("count", new) for old, new in zip(tally.counts, more, strict=True)
        )
        peak = max(tally.peak, self._log_e(counts))
        return Tally(plan=tally.plan, counts=counts, peak=peak)

    def merge(self, parts: Iterable[Tally], *, peak: float = 0.0) -> Tally:
        """All cells' tallies as one, looked at now; cells must have users of their own.

        Args:
            parts: the newest tally of each cell.
            peak: highest log e-value of earlier merges, in nats.
        """
        total = self.start()
        for part in parts:
            own(part.plan, self._digest)
            counts = tuple(a + b for a, b in zip(total.counts, part.counts, strict=True))
            total = Tally(plan=total.plan, counts=counts, peak=0.0)
        now = self._log_e(total.counts)
        return Tally(plan=total.plan, counts=total.counts, peak=max(peak, now, 0.0))

    def path(self, counts: ArrayLike) -> Floats:
        """Log e-value, in nats, for tables of counts with the arms along the last axis; for charts.

        >>> RatioCheck(shares=(0.5, 0.5)).path([[10, 10], [400, 600]]).round(2).tolist()
        [-0.01, 9.68]
        """
        prior = np.asarray(self.shares) * self.firmness
        seen = observations(counts, 0)
        total = gammaln(self.firmness) - gammaln(self.firmness + seen.sum(axis=-1))
        arms = gammaln(prior + seen) - gammaln(prior) - seen * np.log(self.shares)
        logs: Floats = total + arms.sum(axis=-1)
        return logs

    def log_e(self, tally: Tally) -> float:
        """Log of the evidence for a mismatch now, in nats."""
        own(tally.plan, self._digest)
        return self._log_e(tally.counts)

    def broken(self, tally: Tally) -> bool:
        """Whether a mismatch was found at any look so far."""
        own(tally.plan, self._digest)
        return tally.peak >= -math.log(self.alpha)

    def over(self, verdict: Verdict, tally: Tally) -> Verdict:
        """The verdict if the ratio is sound, else Error: a broken comparison decides nothing."""
        if not self.broken(tally):
            return verdict
        reason = f"users did not reach the arms as planned: {tally.counts} for {self.shares}"
        return voided(verdict, reason)

    def revive(self, document: Mapping[str, Any]) -> Tally:
        """The tally that `as_json` wrote.

        Raises:
            StateRefused: it is another plan's, or damaged.
        """
        fields = saved(document, _FIELDS)
        own(fields["plan"], self._digest)
        counts = fields["counts"]
        sound = all(type(count) is int and count >= 0 for count in counts)
        if not sound or len(counts) != len(self.shares) or fields["peak"] < 0:
            raise StateRefused(problem=f"its counts are {counts!r}")
        return Tally(plan=fields["plan"], counts=tuple(counts), peak=fields["peak"])

    @cached_property
    def _digest(self) -> str:
        return digest(*self.shares, self.firmness)

    @cached_property
    def _prior(self) -> list[tuple[float, float, float]]:
        """For each arm: the prior's users, log gamma of them, and log of the planned share."""
        users = [share * self.firmness for share in self.shares]
        return [
            (worth, math.lgamma(worth), math.log(share))
            for worth, share in zip(users, self.shares, strict=True)
        ]

    def _log_e(self, counts: Sequence[int]) -> float:
        """`path` for one table: ten times as fast on single numbers."""
        log = math.lgamma(self.firmness) - math.lgamma(self.firmness + sum(counts))
        for seen, (worth, before, share) in zip(counts, self._prior, strict=True):
            log += math.lgamma(worth + seen) - before - seen * share
        return log
