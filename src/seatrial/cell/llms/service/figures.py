"""What the model calls of this process have been so far, for its metrics."""

from collections import Counter
from typing import Final

from seatrial.cell.journal.domain.calls import Result

_MOST_NAMES: Final = 200  # models told apart; in dev an agent may ask for any name
_OTHER: Final = "other"


class ModelFigures:
    """Counts by provider and model.

    Attributes:
        calls: by provider, model, state.
        seconds: spent in calls, by provider and model.
        tokens: by provider, model, `input` or `output`.
        cost_usd: by provider and model.
        mismatches: answers by another model than the one asked for, by provider and model.
        refused: calls that were refused, by code.
    """

    def __init__(self) -> None:
        self.calls: Counter[tuple[str, ...]] = Counter()
        self.seconds: dict[tuple[str, ...], float] = {}
        self.tokens: Counter[tuple[str, ...]] = Counter()
        self.cost_usd: dict[tuple[str, ...], float] = {}
        self.mismatches: Counter[tuple[str, ...]] = Counter()
        self.refused: Counter[str] = Counter()
        self._names: set[str] = set()

    def count(self, provider: str, model: str, result: Result) -> None:
        """Count a call that has ended."""
        name = self._named(model)
        both = (provider, name)
        self.calls[(provider, name, str(result.state))] += 1
        self.seconds[both] = self.seconds.get(both, 0.0) + result.latency_ms / 1000
        if result.tokens is not None:
            self.tokens[(provider, name, "input")] += result.tokens.input
            self.tokens[(provider, name, "output")] += result.tokens.output
        if result.cost_usd is not None:
            self.cost_usd[both] = self.cost_usd.get(both, 0.0) + result.cost_usd

    def mismatch(self, provider: str, model: str) -> None:
        """Count an answer by another model."""
        self.mismatches[(provider, self._named(model))] += 1

    def refuse(self, code: str) -> None:
        """Count a refusal."""
        self.refused[code] += 1

    def _named(self, model: str) -> str:
        if model not in self._names:
            if len(self._names) >= _MOST_NAMES:
                return _OTHER
            self._names.add(model)
        return model
