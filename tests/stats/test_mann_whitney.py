"""The rank-sum companion, against R's figures as Kayenta keeps them, and scipy."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from seatrial.stats.errors import ObservationRefused, ParameterRefused
from seatrial.stats.mann_whitney import shift

# Kayenta, MannWhitneySuite, "tie out with R version": 90 values a side, most of them tied.
CONTROL = [
    1.5, 6.0, 5.0, 2.5, 2.5, 2.0, 2.0, 3.5, 3.0, 3.0, 3.0, 2.0, 3.0, 8.0, 4.0, 2.5, 3.0, 2.5,
    2.5, 2.0, 2.5, 2.0, 2.0, 2.5, 3.5, 3.0, 1.5, 5.0, 2.5, 5.5, 2.0, 2.5, 3.5, 2.0, 2.5, 4.0,
    2.0, 2.0, 2.0, 2.0, 5.5, 4.5, 4.0, 3.0, 3.0, 3.5, 2.5, 3.0, 2.5, 4.0, 6.0, 2.0, 5.0, 6.0,
    3.5, 3.0, 54.5, 3.0, 5.0, 6.0, 3.5, 4.5, 2.5, 2.0, 6.0, 5.0, 2.5, 3.5, 2.0, 3.0, 2.5, 3.5,
    3.5, 2.5, 3.0, 4.5, 3.0, 15.5, 5.0, 2.5, 3.0, 4.0, 3.5, 4.0, 4.0, 2.0, 4.5, 2.5, 4.0, 3.0,
]  # fmt: skip
EXPERIMENT = [
    2.5, 2.5, 2.0, 2.5, 3.5, 2.0, 3.5, 1.5, 3.0, 3.0, 2.5, 3.5, 2.0, 2.5, 2.0, 2.0, 5.0, 3.0,
    2.0, 1.5, 2.0, 4.0, 3.0, 2.5, 3.0, 2.0, 2.0, 2.0, 2.5, 3.5, 1.5, 1.5, 3.5, 2.0, 2.5, 2.5,
    3.0, 3.5, 2.5, 6.5, 2.5, 4.0, 2.5, 3.0, 2.5, 6.5, 2.5, 3.0, 1.5, 2.0, 2.5, 3.0, 7.5, 1.5,
    2.0, 4.0, 2.5, 2.0, 2.5, 3.5, 4.0, 2.5, 3.0, 2.5, 2.0, 3.5, 3.0, 16.5, 3.0, 3.0, 7.0, 4.5,
    5.0, 2.0, 3.5, 6.0, 1.5, 3.0, 2.5, 4.0, 3.0, 1.5, 5.0, 3.0, 2.5, 5.5, 3.0, 1.5, 2.5, 6.0,
]  # fmt: skip
NUMBERS = st.lists(st.integers(-50, 50).map(float), min_size=2, max_size=30)
UNTIED = st.lists(st.integers(-50, 50), min_size=2, max_size=12, unique=True)


def test_the_small_case_is_exact() -> None:
    found = shift([10, 20, 30, 40], [1, 2, 3, 4])
    assert found.interval == (6.0, 22.5, 39.0)
    assert found.p_value == pytest.approx(0.02857142857142857)


def test_the_tied_case_ties_out_with_r() -> None:
    """R finds the steps of the staircase by bisection to 1e-4; ours are the steps themselves."""
    low, estimate, high = shift(EXPERIMENT, CONTROL).interval
    assert low == pytest.approx(-0.500002521696696, abs=1e-4)
    assert estimate == pytest.approx(-0.4999393907180323, abs=1e-4)
    assert high == pytest.approx(-3.486287505871302e-05, abs=1e-4)


@given(NUMBERS, NUMBERS)
def test_the_p_value_is_scipys(first: list[float], second: list[float]) -> None:
    tied = len(set(first + second)) < len(first + second)
    method: Any = "asymptotic" if tied else "exact"
    oracle = scipy_stats.mannwhitneyu(first, second, method=method).pvalue
    expected = 1.0 if math.isnan(oracle) else oracle
    assert shift(first, second).p_value == pytest.approx(expected, abs=1e-9)


@given(UNTIED, UNTIED, st.integers(-20, 20))
def test_moving_a_sample_moves_its_shift(first: list[int], second: list[int], by: int) -> None:
    """Halves in one sample alone: no ties over the samples, before and after."""
    halves = np.array(second) + 0.5
    for times in (1, 60):
        moved = [np.tile(np.array(first), times) + push for push in (0.0, by)]
        here, there = (shift(sample, np.tile(halves, times)) for sample in moved)
        gone = np.subtract(there.interval, here.interval)
        assert gone == pytest.approx(np.full(3, by), abs=1e-6)
        assert here.interval.low <= here.interval.estimate <= here.interval.high


def test_a_wider_confidence_gives_a_wider_interval() -> None:
    source = np.random.default_rng(1)
    first, second = source.normal(size=60), source.normal(size=70)
    narrow, wide = shift(first, second, confidence=0.8), shift(first, second, confidence=0.98)
    assert wide.interval.low < narrow.interval.low < narrow.interval.high < wide.interval.high


def test_all_values_alike_are_no_shift() -> None:
    found = shift([3.0] * 9, [3.0] * 5)
    assert found.interval == (0.0, 0.0, 0.0)
    assert found.p_value == 1


def test_samples_of_nothing_or_of_no_numbers_are_refused() -> None:
    with pytest.raises(ParameterRefused):
        shift([], [1.0])
    with pytest.raises(ObservationRefused):
        shift([math.nan], [1.0])
    with pytest.raises(ParameterRefused):
        shift([1.0], [2.0], confidence=1)
