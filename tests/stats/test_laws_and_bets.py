"""What a plan expects, the bets that follow, and the sample sizes it states."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.stats.bets import EVEN, FOR_CHANGE, FOR_HARM, FOR_PROMISE, even, tuned
from seatrial.stats.errors import ParameterRefused
from seatrial.stats.law import Law
from seatrial.stats.passage import chance_by, looks_until
from seatrial.stats.stakes import largest_bet

RATES = st.floats(0.01, 0.99)


@given(RATES, RATES, st.integers(1, 12))
def test_a_difference_has_the_mean_and_spread_of_independent_trials(
    canary: float, control: float, controls: int
) -> None:
    law = Law.of_difference(canary, control, controls)
    variance = canary * (1 - canary) + control * (1 - control) / controls
    assert law.mean == pytest.approx(canary - control, abs=1e-9)
    assert law.spread == pytest.approx(math.sqrt(variance))


@given(RATES, RATES)
def test_no_other_bet_grows_faster_than_kelly(canary: float, control: float) -> None:
    law = Law.of_difference(canary, control)
    limit = largest_bet(-1, 1, 0, law.mean)
    bet = law.kelly(0, limit)
    best = law.growth(bet, 0)[0]
    sign = math.copysign(1, law.mean)
    for other in np.linspace(0, limit, 50) * sign:
        assert law.growth(float(other), 0)[0] <= best + 1e-9


def test_kelly_for_a_coin_is_twice_its_edge() -> None:
    """Kelly 1956: at even odds stake 2p - 1."""
    coin = Law(values=(-1, 1), weights=(0.4, 0.6))
    assert coin.kelly(0, 0.99) == pytest.approx(0.2)
    assert Law(values=(1.0,), weights=(1.0,)).kelly(0, 0.99) == 0.99


def test_a_law_moved_keeps_inside_the_bounds() -> None:
    moved = Law.of_values([0.0, 0.5, 1.0]).moved_to(0.8, 0, 1)
    assert moved.values == pytest.approx((0.3, 0.8, 1.0))
    assert moved.mean == pytest.approx(0.7)


@pytest.mark.parametrize(
    ("values", "weights"),
    [((1, 2), (1,)), ((), ()), ((math.nan,), (1,)), ((1, 2), (0.5, 0.6)), ((1, 2), (1.5, -0.5))],
)
def test_a_law_that_is_none_is_refused(
    values: tuple[float, ...], weights: tuple[float, ...]
) -> None:
    with pytest.raises(ParameterRefused):
        Law(values=values, weights=weights)


@pytest.mark.parametrize("rate", [-0.1, 1.1, math.nan])
def test_a_rate_that_is_none_is_refused(rate: float) -> None:
    for make in (
        Law.of_rate,
        lambda r: Law.of_difference(r, 0.5),
        lambda r: Law.of_difference(0.5, r),
    ):
        with pytest.raises(ParameterRefused):
            make(rate)
    with pytest.raises(ParameterRefused):
        Law.of_difference(0.5, 0.5, 0)


def test_no_values_are_no_law() -> None:
    with pytest.raises(ParameterRefused):
        Law.of_values([])


@pytest.mark.parametrize("reach", [FOR_HARM, FOR_PROMISE, FOR_CHANGE])
def test_every_reach_stakes_the_whole_wealth(reach: list[tuple[float, float]]) -> None:
    assert math.fsum(share for _, share in reach) == pytest.approx(1)


def test_bets_that_meet_at_the_limit_become_one() -> None:
    stakes = tuned(
        bounds=(-1, 1),
        null=0,
        family=lambda times: Law.of_difference(0.95 - 0.1 * times, 0.95, 9),
        reach=[(1, 0.5), (2, 0.3), (3, 0.2)],
    )
    assert stakes.bets == (-0.99,)
    assert stakes.shares == pytest.approx((1.0,))


def test_an_effect_of_nothing_has_no_bet() -> None:
    with pytest.raises(ParameterRefused, match="bet"):
        tuned(bounds=(-1, 1), null=0, family=lambda _: Law.of_difference(0.9, 0.9), reach=[(1, 1)])


def test_even_bets_are_eight_from_4_to_50_percent() -> None:
    assert len(EVEN) == 8
    assert EVEN[0] == pytest.approx(0.0398, abs=1e-4)
    assert EVEN[-1] == pytest.approx(0.5012, abs=1e-4)
    assert even(bounds=(0, 1), null=0.5).shares == (1 / 8,) * 8


@given(st.floats(0.5, 6), st.floats(0.002, 0.2), st.floats(0.05, 0.5), st.floats(0.05, 0.95))
def test_the_steps_stated_reach_the_barrier_with_the_power_stated(
    barrier: float, growth: float, spread: float, power: float
) -> None:
    looks = looks_until(power, barrier=barrier, growth=growth, spread=spread)
    assert looks is not None
    assert chance_by(looks, barrier=barrier, growth=growth, spread=spread) >= power - 1e-9
    if looks > 1:
        assert chance_by(looks - 1, barrier=barrier, growth=growth, spread=spread) < power + 1e-9


def test_a_walk_that_sinks_may_never_arrive_and_one_that_is_there_has_arrived() -> None:
    assert looks_until(0.8, barrier=3, growth=-0.01, spread=0.1) is None
    assert looks_until(0.8, barrier=-1, growth=-0.01, spread=0.1) == 0
    with pytest.raises(ParameterRefused, match="power"):
        looks_until(1.0, barrier=3, growth=0.1, spread=0.1)


def test_the_passage_law_agrees_with_walks_that_were_walked() -> None:
    rng = np.random.default_rng(1)
    walks = np.cumsum(rng.normal(0.03, 0.1, (4000, 200)), axis=1)
    arrived = (np.maximum.accumulate(walks, axis=1)[:, -1] >= 6).mean()
    # steps arrive a little later than Brownian motion does
    assert arrived <= chance_by(200, barrier=6, growth=0.03, spread=0.1) <= arrived + 0.05
