"""How many observations a control process can watch: one at a time, and in batches."""

import math
from collections.abc import Callable, Iterator
from typing import TypeVar

import numpy as np

from bench.harness import Comparison, Contender
from bench.work import Work
from seatrial.stats.change import watch_rate
from seatrial.stats.guards import Terms, rate_against_control
from seatrial.stats.ratio import RatioCheck
from seatrial.stats.sequences import MeanSequence

_State = TypeVar("_State")

_MANY = 20_000
_BATCH = 1_000_000
_PLAN = rate_against_control("resolved", Terms(fall=0.04, margin=0.02), control=0.95, controls=9)
_STAKES = _PLAN.harm.stakes


def _values(count: int) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    rng = np.random.default_rng(1)
    return (rng.random(count) < 0.95) - rng.binomial(9, 0.95, count) / 9


def numpy_by_one() -> Iterator[Work]:
    """The same arithmetic on arrays in place: no state kept apart, no bounds checked."""
    values = _values(_MANY).tolist()
    bets, shares = np.array(_STAKES.bets), np.log(_STAKES.shares)

    def work() -> int:
        logs, peak = np.zeros(len(bets)), 0.0
        for value in values:
            logs += np.log1p(bets * value)
            weighted = logs + shares
            top = weighted.max()
            peak = max(peak, top + math.log(np.exp(weighted - top).sum()))
        assert math.isfinite(peak)
        return _MANY

    yield work


def _stepped(
    start: Callable[[], _State], step: Callable[[_State, float], _State], values: list[float]
) -> Iterator[Work]:
    def work() -> int:
        state = start()
        for value in values:
            state = step(state, value)
        return len(values)

    yield work


def test_by_one() -> Iterator[Work]:
    yield from _stepped(_PLAN.harm.start, _PLAN.harm.step, _values(_MANY).tolist())


def measure_by_one() -> Iterator[Work]:
    yield from _stepped(_PLAN.start, _PLAN.step, _values(_MANY).tolist())


def watch_by_one() -> Iterator[Work]:
    watch = watch_rate(baseline=0.95, fall=0.04, run_length=1e6)
    yield from _stepped(watch.start, watch.step, (_values(_MANY) > -0.5).astype(float).tolist())


def sequence_by_one() -> Iterator[Work]:
    plan = MeanSequence(low=-1, high=1)
    yield from _stepped(plan.start, plan.step, _values(_MANY).tolist())


def ratio_by_one() -> Iterator[Work]:
    check = RatioCheck(shares=(0.9, 0.1))
    arms = (_values(_MANY) < -0.5).astype(float).tolist()
    yield from _stepped(check.start, lambda tally, arm: check.step(tally, int(arm)), arms)


def numpy_batch() -> Iterator[Work]:
    """The least a batch can cost: one log of one factor for each bet and value."""
    values = _values(_BATCH)
    bets = np.array(_STAKES.bets)

    def work() -> int:
        for start in range(0, _BATCH, 4096):
            np.log1p(values[start : start + 4096, np.newaxis] * bets).sum(axis=0)
        return _BATCH

    yield work


def test_batch() -> Iterator[Work]:
    values = _values(_BATCH)

    def work() -> int:
        return _PLAN.harm.fold(_PLAN.harm.start(), values).count

    yield work


def count_batch() -> Iterator[Work]:
    values = _values(_BATCH)

    def work() -> int:
        found, often = np.unique(values, return_counts=True)
        times = dict(zip(found.tolist(), often.tolist(), strict=True))
        return _PLAN.harm.count(_PLAN.harm.start(), times).count

    yield work


def _contender(name: str, function: str) -> Contender:
    return Contender(name=name, target=f"bench.stats:{function}")


COMPARISONS = (
    Comparison(
        name="stats-step",
        question="What does one observation cost, checked and kept as a state that can be saved?",
        operation="observation",
        contenders=(
            _contender("bare numpy, in place", "numpy_by_one"),
            _contender("MeanTest.step", "test_by_one"),
            _contender("Measure.step (harm and promise)", "measure_by_one"),
            _contender("ChangeWatch.step", "watch_by_one"),
            _contender("MeanSequence.step", "sequence_by_one"),
            _contender("RatioCheck.step", "ratio_by_one"),
        ),
    ),
    Comparison(
        name="stats-batch",
        question="What does an observation cost in a batch, looked at after each?",
        operation="observation",
        contenders=(
            _contender("bare numpy, never looked at", "numpy_batch"),
            _contender("MeanTest.fold", "test_batch"),
            _contender("MeanTest.count, looked at once", "count_batch"),
        ),
    ),
)
