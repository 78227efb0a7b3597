"""A measure that guards a rollout: one stream, one test of harm, one test of the promise.

Every measure is turned so that more is better: a share of successes, of answers in time, of runs
without escalation, or money saved. One observation belongs to one user (see `cohorts`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from numpy.typing import ArrayLike

from seatrial.stats.betting import MeanTest, Wealth
from seatrial.stats.errors import StateRefused
from seatrial.stats.verdict import Outcome, Verdict


@dataclass(frozen=True, kw_only=True, slots=True)
class Standing:
    """How a measure stands: the wealth of its two tests."""

    harm: Wealth
    promise: Wealth

    def as_json(self) -> dict[str, Any]:
        """Plain values, as `Measure.revive` reads them back."""
        return {"harm": self.harm.as_json(), "promise": self.promise.as_json()}


@dataclass(frozen=True, kw_only=True)
class Measure:
    """The plan of one measure.

    Attributes:
        name: as people call it.
        harm: rejects "no worse than allowed"; its bets are negative.
        promise: rejects "worse than the margin"; its bets are positive.

    >>> from seatrial.stats.bets import even
    >>> harm = MeanTest(stakes=even(bounds=(-1, 1), null=0, bets=[-0.2, -0.5]))
    >>> promise = MeanTest(stakes=even(bounds=(-1, 1), null=-0.02, bets=[0.1, 0.2]))
    >>> plan = Measure(name="resolved", harm=harm, promise=promise)
    >>> standing = plan.fold(plan.start(), [-0.9] * 12)
    >>> plan.verdict(standing).outcome
    <Outcome.FAILED: 'Failed'>
    """

    name: str
    harm: MeanTest
    promise: MeanTest

    def start(self) -> Standing:
        """Nothing seen."""
        return Standing(harm=self.harm.start(), promise=self.promise.start())

    def step(self, standing: Standing, value: float) -> Standing:
        """After one more user. See `MeanTest.step`."""
        return Standing(
            harm=self.harm.step(standing.harm, value),
            promise=self.promise.step(standing.promise, value),
        )

    def fold(self, standing: Standing, values: ArrayLike) -> Standing:
        """After many users, in order. See `MeanTest.fold`."""
        return Standing(
            harm=self.harm.fold(standing.harm, values),
            promise=self.promise.fold(standing.promise, values),
        )

    def merge(self, *parts: Standing, before: Standing | None = None) -> Standing:
        """All cells' standings as one. See `MeanTest.merge` for when that is sound.

        Args:
            parts: the newest standing of each cell.
            before: the last merge of the same cells, whose highest evidence is kept.
        """
        past = before or self.start()
        return Standing(
            harm=self.harm.merge((p.harm for p in parts), peak=past.harm.peak),
            promise=self.promise.merge((p.promise for p in parts), peak=past.promise.peak),
        )

    def verdict(self, standing: Standing) -> Verdict:
        """Failed as soon as harm is shown, else Successful once the promise is, else Inconclusive.

        Each of the first two is false with probability at most its test's `alpha`, over all looks.
        """
        seen = standing.promise.count
        if self.harm.rejects(standing.harm):
            reason = f"{self.name}: worse than allowed"
            return Verdict(outcome=Outcome.FAILED, reason=reason, seen=seen)
        if self.promise.rejects(standing.promise):
            reason = f"{self.name}: shown to be within the margin"
            return Verdict(outcome=Outcome.SUCCESSFUL, reason=reason, seen=seen)
        missing = self.promise.missing(standing.promise)
        more = "more" if missing is None else f"about {missing}"
        reason = f"{self.name}: undecided after {seen} users; {more} are needed"
        return Verdict(outcome=Outcome.INCONCLUSIVE, reason=reason, seen=seen, missing=missing)

    def revive(self, document: Mapping[str, Any]) -> Standing:
        """The standing that `as_json` wrote.

        Raises:
            StateRefused: it is another plan's, or damaged.
        """
        if document.keys() != {"harm", "promise"}:
            raise StateRefused(problem=f"its fields are {sorted(document)}")
        return Standing(
            harm=self.harm.revive(document["harm"]),
            promise=self.promise.revive(document["promise"]),
        )
