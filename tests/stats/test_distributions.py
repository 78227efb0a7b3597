"""Segments and drift: against scipy, and against chance itself."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as scipy_stats
from scipy.spatial.distance import jensenshannon

from seatrial.stats import drift
from seatrial.stats.drift import divergence, smirnov, stability, tables
from seatrial.stats.errors import ObservationRefused, ParameterRefused
from seatrial.stats.segments import resemblance

CELLS = st.lists(st.tuples(st.integers(0, 60), st.integers(1, 60)), min_size=2, max_size=6)
SAMPLES = st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=25)


def rng() -> np.random.Generator:
    return np.random.default_rng(7)


@given(CELLS.filter(lambda cells: sum(a for a, _ in cells) > 0))
def test_the_chi_square_is_pearsons(cells: list[tuple[int, int]]) -> None:
    canary, control = zip(*cells, strict=True)
    found = resemblance(canary, control, rng=rng())
    oracle = scipy_stats.chi2_contingency([canary, control], correction=False)
    assert found.statistic == pytest.approx(oracle.statistic, abs=1e-9)
    assert found.p_chi_square == pytest.approx(oracle.pvalue, abs=1e-9)
    assert found.freedom == oracle.dof
    assert found.least_expected == pytest.approx(oracle.expected_freq.min())


def test_shuffling_agrees_with_the_chi_square_law_where_that_is_good() -> None:
    found = resemblance([200, 260, 140], [2100, 2400, 1500], rng=rng())
    assert found.least_expected > 100
    assert found.p_shuffled == pytest.approx(found.p_chi_square, abs=0.03)


def test_shuffling_keeps_its_level_where_the_chi_square_law_does_not_hold() -> None:
    """Many small cells. 300 samples of equal arms; 5 % is promised, 9 % leaves room for chance.

    A binomial of 300 at 5 % exceeds 27 once in 300 seeds.
    """
    source = np.random.default_rng(3)
    rejected = 0
    for _ in range(300):
        tables_ = source.multinomial(12, [0.7, 0.1, 0.05, 0.05, 0.05, 0.05], size=2)
        found = resemblance(tables_[0], tables_[1] + np.eye(6, dtype=int)[0], rng=source)
        rejected += found.p_shuffled <= 0.05
    assert rejected <= 27


def test_segments_nobody_is_in_do_not_count_and_one_alone_is_refused() -> None:
    with_empty = resemblance([5, 0, 5], [50, 0, 40], rng=rng())
    without = resemblance([5, 5], [50, 40], rng=rng())
    assert with_empty == without
    for canary, control in (
        ([5], [9]), ([5, 0], [9, 0]), ([5, 5], [1, 2, 3]), ([-1, 5], [1, 1]), ([0.5, 1], [1, 1]),
        ([0, 0], [1, 1]), ([[1, 2]], [[1, 2]]),
    ):  # fmt: skip
        with pytest.raises(ParameterRefused):
            resemblance(canary, control, rng=rng())


@given(st.lists(st.integers(-999, 999), min_size=2, max_size=40, unique=True), st.data())
def test_the_gap_and_its_chance_are_scipys(values: list[int], data: st.DataObject) -> None:
    cut = data.draw(st.integers(1, len(values) - 1))
    first, second = values[:cut], values[cut:]
    oracle = scipy_stats.ks_2samp(first, second, method="exact")
    found = smirnov(first, second)
    assert found.distance == pytest.approx(oracle.statistic)
    assert found.p_value == pytest.approx(oracle.pvalue, rel=1e-9)


def test_very_small_chances_are_as_exact_as_large_ones() -> None:
    source = np.random.default_rng(5)
    first, second = source.normal(0, 1, 476), source.normal(1, 1, 531)
    oracle = scipy_stats.ks_2samp(first, second, method="exact")
    assert oracle.pvalue < 1e-30
    assert smirnov(first, second).p_value == pytest.approx(oracle.pvalue, rel=1e-6)


def test_very_large_samples_take_the_limit_law(monkeypatch: pytest.MonkeyPatch) -> None:
    source = np.random.default_rng(5)
    first, second = source.normal(0, 1, 3000), source.normal(0.05, 1, 3000)
    exact = smirnov(first, second)
    monkeypatch.setattr(drift, "_EXACT", 1)
    limit = smirnov(first, second)
    assert limit.distance == exact.distance
    assert limit.p_value == pytest.approx(exact.p_value, rel=0.1)


@given(CELLS.filter(lambda cells: sum(a for a, _ in cells) > 0))
def test_the_divergence_is_scipys_distance_squared_in_bits(cells: list[tuple[int, int]]) -> None:
    first, second = map(np.array, zip(*cells, strict=True))
    oracle = jensenshannon(first / first.sum(), second / second.sum(), base=2) ** 2
    found = divergence(first, second, rng=rng())
    assert found.distance == pytest.approx(0 if math.isnan(oracle) else oracle, abs=1e-7)
    assert 0 <= found.distance <= 1 + 1e-12


def test_the_stability_index_is_the_textbook_sum() -> None:
    found = stability([50, 30, 20, 0], [30, 30, 40, 0], rng=rng())
    by_hand = (0.3 - 0.5) * math.log(0.3 / 0.5) + (0.4 - 0.2) * math.log(0.4 / 0.2)
    assert found.distance == pytest.approx(by_hand)
    emptied = stability([50, 50], [100, 0], rng=rng())
    assert math.isfinite(emptied.distance)
    assert emptied.p_value < 0.01


def test_halves_of_one_sample_are_not_called_drift_more_often_than_promised() -> None:
    """200 splits at 5 %: 10 expected; more than 19 happen once in 300 seeds.

    A fixed border of PSI 0.10 would have called them far more often at this size.
    """
    source = np.random.default_rng(11)
    called = above = 0
    for _ in range(200):
        first, second = tables(source.lognormal(size=120), source.lognormal(size=120))
        found = stability(first, second, rng=source)
        called += found.p_value <= 0.05
        above += found.distance >= 0.10
    assert called <= 19
    assert above > 40


@given(SAMPLES, SAMPLES, st.integers(2, 12))
def test_tables_hold_every_value_once(first: list[float], second: list[float], cells: int) -> None:
    one, two = tables(first, second, cells)
    assert (one.sum(), two.sum()) == (len(first), len(second))
    assert len(one) == len(two) <= cells


def test_samples_of_nothing_or_of_no_numbers_are_refused() -> None:
    for call in (smirnov, tables):
        for first, second in (([], [1.0]), ([1.0], [])):
            with pytest.raises(ParameterRefused):
                call(first, second)
        with pytest.raises(ObservationRefused):
            call([1.0, math.nan], [1.0])
    with pytest.raises(ParameterRefused):
        tables([1.0], [2.0], 1)
