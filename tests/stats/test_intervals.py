"""Means, sequences, quantiles and histograms: figures of others, and their own laws."""

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import betaln

from seatrial.stats.errors import ObservationRefused, ParameterRefused, StateRefused
from seatrial.stats.histogram import Buckets
from seatrial.stats.moments import Moments, difference, half_width, lift, rho_squared
from seatrial.stats.quantiles import interval, log_mixture, ranks, ranks_stitched
from seatrial.stats.sequences import MeanSequence

VALUES = st.lists(st.floats(-1e3, 1e3), max_size=30)
SECONDS = Buckets(least=0.001)


@given(st.lists(VALUES, max_size=4))
def test_moments_of_cells_add_up_to_those_of_all_values(cells: list[list[float]]) -> None:
    total = Moments()
    for cell in cells:
        total += Moments.of(cell)
    values = np.array([value for cell in cells for value in cell])
    assert total.count == len(values)
    if len(values) > 1:
        assert total.mean == pytest.approx(values.mean(), abs=1e-9)
        assert total.variance == pytest.approx(values.var(ddof=1), rel=1e-9, abs=1e-9)
    assert Moments(**json.loads(json.dumps(total.as_json()))) == total


def test_too_few_values_have_no_spread() -> None:
    assert Moments().variance == 0
    assert Moments.of([3.0]).variance == 0
    assert Moments().error == math.inf
    with pytest.raises(ParameterRefused):
        difference(Moments.of([1.0, 2.0]), Moments.of([1.0]))
    with pytest.raises(ParameterRefused):
        Moments.of_sums(0, 0, 0)
    with pytest.raises(ObservationRefused):
        Moments.of([1, math.nan])


def test_the_asymptotic_formula_gives_its_published_point() -> None:
    assert rho_squared(0.05, 1000) == pytest.approx(0.00793615, abs=1e-8)
    assert half_width(1, 1000, alpha=0.05, best_at=1000) == pytest.approx(0.09598, abs=5e-6)
    for bad in (0.0, 1.0, math.nan):
        with pytest.raises(ParameterRefused):
            rho_squared(bad, 1000)


def test_the_sequence_is_narrowest_near_the_size_it_is_tuned_to() -> None:
    def at(best_at: float) -> float:
        return half_width(1, 1000, best_at=best_at)

    assert at(1000) < min(at(100), at(10_000))


def test_lifts_agree_with_growthbook() -> None:
    """GrowthBook's own test of its sequential means and proportions.

    Its proportions take p(1 - p) as the variance; ours is the sample variance, n/(n - 1) times
    that, because it adds up over cells. The ends differ by 2e-5; ours is taken.
    """
    control = Moments.of_sums(3000, 1396.87, 52377.9767)
    canary = Moments.of_sums(3461, 2422.7, 134698.29)
    assert lift(canary, control, best_at=1000) == pytest.approx(
        (-0.55844, 0.50336, 1.56516), abs=1e-5
    )
    control, canary = Moments.of_sums(3000, 1396, 1396), Moments.of_sums(3461, 2422, 2422)
    found = lift(canary, control, best_at=5000)
    assert found == pytest.approx((0.40098, 0.50386, 0.60675), abs=5e-5)
    assert found.low < 0.40098
    assert found.high > 0.60675


def test_a_lift_over_nothing_is_refused() -> None:
    with pytest.raises(ParameterRefused, match="control's mean"):
        lift(Moments.of([1, 2]), Moments.of([-1, 1]))


@given(st.lists(st.floats(-1, 1), min_size=1, max_size=50))
def test_the_bernstein_sequence_is_the_printed_one(values: list[float]) -> None:
    """Waudby-Smith and Ramdas 2023, theorem 2, term by term on [0, 1]."""
    plan = MeanSequence(low=-1, high=1)
    x = (np.array(values) + 1) / 2
    t = np.arange(1, len(x) + 1)
    means = (0.5 + np.cumsum(x)) / (t + 1)
    before = np.concatenate([[0.5], means[:-1]])
    spreads = (0.25 + np.cumsum((x - means) ** 2)) / (t + 1)
    spreads = np.concatenate([[0.25], spreads[:-1]])
    weights = np.minimum(0.5, np.sqrt(2 * np.log(40) / (spreads * t * np.log1p(t))))
    paid = (4 * (x - before) ** 2 * (-np.log1p(-weights) - weights) / 4).sum()
    centre = (weights * x).sum() / weights.sum()
    half = (np.log(40) + paid) / weights.sum()
    low, high = max(0, centre - half), min(1, centre + half)
    found = plan.interval(plan.fold(plan.start(), values))
    assert found == pytest.approx((2 * low - 1, 2 * centre - 1, 2 * high - 1))


def test_a_sequence_that_saw_nothing_says_nothing() -> None:
    plan = MeanSequence(low=0, high=10)
    assert plan.interval(plan.start()) == (0, 5, 10)


def test_a_sequence_refuses_bad_values_bounds_and_states() -> None:
    plan = MeanSequence(low=0, high=1)
    for value in (math.nan, 1.1):
        with pytest.raises(ObservationRefused):
            plan.step(plan.start(), value)
    for low, high, alpha in ((1, 1, 0.05), (0, math.inf, 0.05), (0, 1, 1.0)):
        with pytest.raises(ParameterRefused):
            MeanSequence(low=low, high=high, alpha=alpha)
    seen = plan.fold(plan.start(), [0, 1, 0.5])
    assert plan.revive(json.loads(json.dumps(seen.as_json()))) == seen
    other = MeanSequence(low=0, high=2)
    for call in (
        lambda: other.step(seen, 1),
        lambda: other.interval(seen),
        lambda: other.revive(seen.as_json()),
        lambda: plan.revive(seen.as_json() | {"weight": math.inf}),
    ):
        with pytest.raises(StateRefused):
            call()


def test_the_mixture_gives_the_figures_of_the_authors_library() -> None:
    """confseq's unit test, made with a reference in R: s = 10, v = 100, g = 0.2, h = 0.8.

    With g + h = 1 that is n = 625 values at p = 0.2, of which 125 + 10 lie below. Its bound at
    95 %, s = 31.4308, lets at most 156 lie below.
    """
    assert log_mixture(135, 625, 0.2, alpha=0.05, best_at=625) == pytest.approx(
        -0.6941012, abs=1e-6
    )
    assert ranks(625, 0.2, best_at=625).high == 156


@given(st.integers(0, 400), st.floats(0.02, 0.98))
def test_the_mixture_is_a_likelihood_ratio_against_the_quantile(count: int, p: float) -> None:
    """It is fair: its mean under the binomial is 1, at every count."""
    below = np.arange(count + 1)
    log_chance = (
        -np.log(count + 1) - betaln(count - below + 1, below + 1)
        + below * math.log(p) + (count - below) * math.log1p(-p)
    )  # fmt: skip
    evidence = [log_mixture(int(n), count, p, alpha=0.05, best_at=200) for n in below]
    assert np.exp(log_chance + evidence).sum() == pytest.approx(1)


@given(st.integers(0, 3000), st.floats(0.01, 0.99), st.floats(0.001, 0.3))
def test_ranks_enclose_the_quantiles_own_rank(count: int, p: float, alpha: float) -> None:
    for found in (ranks(count, p, alpha=alpha), ranks_stitched(max(count, 1), p, alpha=alpha)):
        assert 0 <= found.low <= max(count, 1) * p
        assert math.floor(count * p) <= found.high <= max(count, 1)


@pytest.mark.parametrize(
    ("p", "alpha", "best_at"),
    [(0, 0.05, 9), (1, 0.05, 9), (0.5, 0, 9), (0.5, 1, 9), (0.5, 0.05, 0)],
)
def test_ranks_of_nothing_sensible_are_refused(p: float, alpha: float, best_at: float) -> None:
    with pytest.raises(ParameterRefused):
        ranks(10, p, alpha=alpha, best_at=best_at)
    if best_at:
        with pytest.raises(ParameterRefused):
            ranks_stitched(10, p, alpha=alpha)
    with pytest.raises(ParameterRefused):
        ranks(-1, 0.5)
    with pytest.raises(ParameterRefused):
        ranks_stitched(0, 0.5)


def test_a_quantile_without_enough_data_has_open_ends() -> None:
    assert interval([], 0.5) == (-math.inf, -math.inf, math.inf)
    assert interval([1.0, 2.0, 3.0], 0.5) == (-math.inf, 2.0, math.inf)


@given(st.lists(st.lists(st.floats(0, 1e4), max_size=40), max_size=4), st.sampled_from([0.5, 0.95]))
def test_a_histogram_added_over_cells_keeps_quantiles_within_a_bucket(
    cells: list[list[float]], p: float
) -> None:
    total = SECONDS.add(SECONDS.count(cell) for cell in cells)
    values = sorted(value for cell in cells for value in cell)
    assert total == SECONDS.count(values)
    assert SECONDS.revive(json.loads(json.dumps(total.as_json()))) == total
    exact, found = interval(values, p), SECONDS.interval(total, p)
    assert found.low <= max(exact.low, 0)
    assert found.high >= exact.high
    if values:
        assert exact.estimate * 0.999999 <= found.estimate
        assert found.estimate <= max(exact.estimate * 1.02, 0.001) * 1.000001
    if math.isfinite(exact.high):
        assert found.high <= max(exact.high * 1.02, 0.001) * 1.000001


def test_a_histogram_refuses_what_is_no_latency_and_other_buckets() -> None:
    for value in (-1.0, math.nan, math.inf):
        with pytest.raises(ObservationRefused):
            SECONDS.count([1.0, value])
    other = Buckets(least=0.001, ratio=1.05)
    with pytest.raises(StateRefused):
        SECONDS.add([other.count([1.0])])
    with pytest.raises(StateRefused):
        SECONDS.interval(other.count([1.0]), 0.5)
    for least, ratio in ((0, 1.02), (0.001, 1.0)):
        with pytest.raises(ParameterRefused):
            Buckets(least=least, ratio=ratio)


@pytest.mark.parametrize(
    "damage",
    [{"plan": "x"}, {"buckets": [3, 2]}, {"buckets": [1]}, {"counts": [1, 0]}, {"counts": [1, -1]},
     {"counts": [1, 1.5]}, {"buckets": [1, True]}],
)  # fmt: skip
def test_a_damaged_histogram_is_refused(damage: dict[str, object]) -> None:
    document = SECONDS.count([1.0, 2.0]).as_json()
    with pytest.raises(StateRefused):
        SECONDS.revive(document | damage)
