"""Counts of positive values in buckets of equal ratio: small, and exact to add over cells."""

import math
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike

from seatrial.stats.bounds import between, observations
from seatrial.stats.errors import StateRefused
from seatrial.stats.moments import Interval
from seatrial.stats.plans import digest, own, saved
from seatrial.stats.quantiles import ranks

_FIELDS: Final[Mapping[str, type]] = {"plan": str, "buckets": list, "counts": list}


@dataclass(frozen=True, kw_only=True, slots=True)
class Histogram:
    """How many values fell into which bucket.

    Attributes:
        plan: digest of the buckets that it belongs to.
        buckets: numbers of the buckets that are not empty, rising.
        counts: values in each, 1 or more.
    """

    plan: str
    buckets: tuple[int, ...] = ()
    counts: tuple[int, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Plain values, as `Buckets.revive` reads them back."""
        return {"plan": self.plan, "buckets": list(self.buckets), "counts": list(self.counts)}


@dataclass(frozen=True, kw_only=True)
class Buckets:
    """The plan of a histogram: bucket k ends at `least * ratio**k`, and the first begins at 0.

    Attributes:
        least: where the first bucket ends, in the measure's unit.
        ratio: of one bucket's end to the one's before; 1.02 keeps quantiles within 2 %.

    >>> seconds = Buckets(least=0.001, ratio=1.02)
    >>> east, west = seconds.count([0.8, 1.2, 3.0]), seconds.count([1.1, 9.5])
    >>> round(seconds.interval(seconds.add([east, west]), 0.5).estimate, 1)
    1.2
    """

    least: float
    ratio: float = 1.02

    def __post_init__(self) -> None:
        between("least", self.least, 0, math.inf)
        between("ratio", self.ratio, 1, math.inf)

    def count(self, values: ArrayLike) -> Histogram:
        """The histogram of some values.

        Raises:
            ObservationRefused: a value is negative, infinite or NaN.
        """
        scaled = np.maximum(observations(values, 0).ravel() / self.least, 1.0)
        places = np.ceil(np.log(scaled) / math.log(self.ratio)).astype(np.int64)
        numbers, counts = np.unique(places, return_counts=True)
        return Histogram(
            plan=self._digest, buckets=tuple(numbers.tolist()), counts=tuple(counts.tolist())
        )

    def add(self, parts: Iterable[Histogram]) -> Histogram:
        """All parts as one.

        Raises:
            StateRefused: a part belongs to other buckets.
        """
        total: Counter[int] = Counter()
        for part in parts:
            own(part.plan, self._digest)
            total.update(dict(zip(part.buckets, part.counts, strict=True)))
        numbers = tuple(sorted(total))
        return Histogram(
            plan=self._digest, buckets=numbers, counts=tuple(total[number] for number in numbers)
        )

    def interval(
        self, histogram: Histogram, p: float, *, alpha: float = 0.05, best_at: float = 1000
    ) -> Interval:
        """The p-quantile with its interval over all looks; see `quantiles.ranks`.

        The ends are the outer edges of their buckets, so the guarantee is kept, a bucket wider.
        """
        own(histogram.plan, self._digest)
        below = list(accumulate(histogram.counts))
        count = below[-1] if below else 0
        low, high = ranks(count, p, alpha=alpha, best_at=best_at)

        def edge(rank: int, inwards: int) -> float:
            place = bisect_left(below, rank)
            if place == len(below):
                return math.inf
            return self._end(histogram.buckets[place] - inwards)

        least = edge(low, 1) if low else 0.0
        return Interval(least, edge(max(1, math.ceil(count * p)), 0), edge(high + 1, 0))

    def revive(self, document: Mapping[str, Any]) -> Histogram:
        """The histogram that `as_json` wrote.

        Raises:
            StateRefused: it is of other buckets, or damaged.
        """
        fields = saved(document, _FIELDS)
        own(fields["plan"], self._digest)
        numbers, counts = fields["buckets"], fields["counts"]
        whole = all(type(value) is int and value >= 0 for value in numbers + counts)
        if (
            not whole
            or 0 in counts
            or sorted(set(numbers)) != numbers
            or len(numbers) != len(counts)
        ):
            raise StateRefused(problem="its buckets do not rise, or its counts do not match them")
        return Histogram(plan=fields["plan"], buckets=tuple(numbers), counts=tuple(counts))

    def _end(self, bucket: int) -> float:
        return self.least * self.ratio**bucket if bucket >= 0 else 0.0

    @cached_property
    def _digest(self) -> str:
        return digest(self.least, self.ratio)
