"""Two releases beside each other, on the same conversations."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from seatrial.data.recordings.domain import NothingToCompare
from seatrial.data.recordings.figures import Figures
from seatrial.stats.moments import Interval
from seatrial.stats.paired import mcnemar
from seatrial.stats.proportions import Tried, newcombe


@dataclass(frozen=True, kw_only=True)
class Side:
    """One release in numbers.

    Attributes:
        release: its name.
        solved: of the conversations that have a verdict; None where none has.
        calls: of tools, a conversation.
        tokens: a conversation; None where one is not known. The same for what follows.
        cost_usd: a conversation.
        cost_a_success: all that was spent, for each conversation that was solved.
        median_seconds: to an answer.
        slow_seconds: to an answer: nine of ten are as fast.
    """

    release: str
    solved: Tried | None
    calls: float
    tokens: float | None
    cost_usd: float | None
    cost_a_success: float | None
    median_seconds: float | None
    slow_seconds: float | None


@dataclass(frozen=True, kw_only=True)
class Compared:
    """Two releases on the same conversations.

    Attributes:
        pairs: both figures of each conversation, in the order of the first release.
        first: the release that is.
        second: the release that may follow it.
        left_out: names that only one of them has.
    """

    pairs: tuple[tuple[Figures, Figures], ...]
    first: Side
    second: Side
    left_out: tuple[str, ...]

    @property
    def gained(self) -> list[str]:
        """Conversations that only the second release solves."""
        return [a.name for a, b in self.pairs if b.succeeded is True and a.succeeded is False]

    @property
    def lost(self) -> list[str]:
        """Conversations that only the first release solves."""
        return [a.name for a, b in self.pairs if a.succeeded is True and b.succeeded is False]

    @property
    def chance(self) -> float:
        """How likely such a difference is between two equally good releases (McNemar, exact)."""
        return mcnemar(len(self.gained), len(self.lost))

    @property
    def difference(self) -> Interval | None:
        """By how much the second's rate of success is higher (95 %; Newcombe); None: no verdicts.

        It takes the conversations as if they were not paired, which is wider than need be.
        """
        if self.first.solved is None or self.second.solved is None:
            return None
        return newcombe(self.second.solved, self.first.solved)

    @property
    def same_path(self) -> int:
        """Conversations in which both call the same tools in the same order."""
        return sum(a.path == b.path for a, b in self.pairs)


def compare(
    first: Sequence[Figures], second: Sequence[Figures], names: tuple[str, str]
) -> Compared:
    """Both beside each other, on the conversations that both had.

    Args:
        first: of the release that is.
        second: of the release that may follow it.
        names: of their files, for the refusal.

    Raises:
        NothingToCompare: there are none.
    """
    there = {each.name: each for each in second}
    pairs = tuple((each, there[each.name]) for each in first if each.name in there)
    if not pairs:
        raise NothingToCompare(first=names[0], second=names[1])
    both = {each.name for each, _ in pairs}
    return Compared(
        pairs=pairs,
        first=_side([a for a, _ in pairs]),
        second=_side([b for _, b in pairs]),
        left_out=tuple(each.name for each in (*first, *second) if each.name not in both),
    )


def _side(figures: Sequence[Figures]) -> Side:
    verdicts = [each.succeeded for each in figures if each.succeeded is not None]
    seconds = sorted(each for it in figures for each in it.seconds)
    costs = [each.cost_usd for each in figures]
    cost = _mean(costs)
    solved = sum(verdicts)
    return Side(
        release=figures[0].release,
        solved=Tried(successes=solved, trials=len(verdicts)) if verdicts else None,
        calls=statistics.fmean(len(each.path) for each in figures),
        tokens=_mean([each.tokens for each in figures]),
        cost_usd=cost,
        cost_a_success=cost * len(figures) / solved if cost is not None and solved else None,
        median_seconds=statistics.median(seconds) if seconds else None,
        slow_seconds=seconds[-(-len(seconds) * 9 // 10) - 1] if seconds else None,
    )


def _mean(values: Sequence[float | None]) -> float | None:
    known = [each for each in values if each is not None]
    return statistics.fmean(known) if len(known) == len(values) else None
