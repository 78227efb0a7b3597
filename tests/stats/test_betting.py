"""The e-process: fair under the claim whatever nature does, and the same by every road."""

import json
import math
import random
from collections.abc import Sequence
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.stats.bets import EVEN, even
from seatrial.stats.betting import MeanTest, Wealth
from seatrial.stats.errors import ObservationRefused, ParameterRefused, StateRefused
from seatrial.stats.stakes import Outlook, Stakes, largest_bet

HARM = MeanTest(stakes=even(bounds=(-1, 1), null=0, bets=[-bet for bet in EVEN]))
OTHER = MeanTest(stakes=even(bounds=(-1, 1), null=0.1, bets=EVEN))
DIFFERENCES = st.lists(st.floats(-1, 1), max_size=40)


@st.composite
def plans(draw: st.DrawFn) -> MeanTest:
    """Any claim on values in [0, 1] or [-1, 1], with bets up to the border of ruin."""
    low = draw(st.sampled_from([-1.0, 0.0]))
    null = draw(st.floats(low + 0.05, 0.95))
    signs = draw(st.lists(st.sampled_from([-1.0, 1.0]), min_size=1, max_size=4))
    bets = tuple(
        sign * draw(st.floats(0.001, 1)) * largest_bet(low, 1, null, sign) for sign in signs
    )
    parts = draw(st.lists(st.floats(0.1, 1), min_size=len(bets), max_size=len(bets)))
    shares = tuple(part / math.fsum(parts) for part in parts)
    return MeanTest(stakes=Stakes(low=low, high=1, null=null, bets=bets, shares=shares))


@given(plans(), st.randoms(use_true_random=False))
def test_no_play_of_nature_within_the_claim_makes_wealth_grow_on_average(
    plan: MeanTest, nature: random.Random
) -> None:
    """After every history nature picks anew among all two-valued laws that obey the claim."""
    stakes = plan.stakes

    def expected(wealth: Wealth, depth: int) -> float:
        if depth == 0:
            return plan.e_value(wealth)
        below, above = nature.uniform(stakes.low, stakes.null), nature.uniform(stakes.null, 1)
        mean = stakes.null
        if min(stakes.bets) > 0:
            mean = nature.uniform(below, stakes.null)
        elif max(stakes.bets) < 0:
            mean = nature.uniform(stakes.null, above)
        up = (mean - below) / (above - below) if above > below else 0.0
        return up * expected(plan.step(wealth, above), depth - 1) + (1 - up) * expected(
            plan.step(wealth, below), depth - 1
        )

    assert expected(plan.start(), 5) <= 1 + 1e-9


def test_under_a_fair_coin_wealth_ever_reaches_20_in_at_most_5_percent_of_all_futures() -> None:
    """Ville's inequality, counted over every sequence of 14 pairs."""
    futures = np.array(list(product([-1, 1], repeat=14)), dtype=float)
    reached = (HARM.path(futures) >= math.log(20)).any(axis=1).mean()
    assert 0 < reached <= 0.05


@given(plans(), st.data())
def test_one_by_one_all_at_once_and_the_chart_agree(plan: MeanTest, data: st.DataObject) -> None:
    low, high = plan.stakes.low, plan.stakes.high
    values = data.draw(st.lists(st.floats(low, high), min_size=1, max_size=40))
    wealth, levels = plan.start(), []
    for value in values:
        wealth = plan.step(wealth, value)
        levels.append(plan.log_e(wealth))
    folded = plan.fold(plan.start(), values)
    assert folded.logs == pytest.approx(wealth.logs, abs=1e-9)
    assert folded.peak == pytest.approx(wealth.peak, abs=1e-9)
    assert folded.count == wealth.count == len(values)
    assert plan.path(values).tolist() == pytest.approx(levels, abs=1e-9)
    assert wealth.peak == max(0.0, *levels)


def test_a_batch_longer_than_the_memory_allotted_is_folded_in_parts() -> None:
    values = np.tile([-1.0, 0.0, 1.0, 0.0], 2500)
    folded = HARM.fold(HARM.start(), values)
    assert folded.peak == pytest.approx(max(0.0, HARM.path(values).max()))
    assert HARM.log_e(folded) == pytest.approx(HARM.path(values)[-1])
    assert HARM.fold(folded, []) == folded


@given(st.integers(0, 50), st.integers(0, 50), st.integers(0, 500))
def test_counts_say_all_of_yes_and_no(wins: int, losses: int, ties: int) -> None:
    counted = HARM.count(HARM.start(), {1: wins, -1: losses, 0: ties})
    folded = HARM.fold(HARM.start(), [1] * wins + [-1] * losses + [0] * ties)
    closed = sum((1 - bet) ** wins * (1 + bet) ** losses for bet in EVEN) / len(EVEN)
    assert HARM.log_e(counted) == pytest.approx(HARM.log_e(folded))
    assert HARM.e_value(counted) == pytest.approx(closed)
    assert counted.count == folded.count


@given(st.lists(DIFFERENCES, max_size=4), st.randoms(use_true_random=False))
def test_merged_cells_are_one_stream_in_any_order(
    cells: list[list[float]], shuffle: random.Random
) -> None:
    parts = [HARM.fold(HARM.start(), cell) for cell in cells]
    together = HARM.fold(HARM.start(), [value for cell in cells for value in cell])
    shuffled = list(parts)
    shuffle.shuffle(shuffled)
    for order in (parts, shuffled):
        merged = HARM.merge(order)
        assert HARM.log_e(merged) == pytest.approx(HARM.log_e(together), abs=1e-9)
        assert merged.count == together.count


def test_a_merge_remembers_the_best_look_at_earlier_merges() -> None:
    high = HARM.fold(HARM.start(), [-1] * 12)
    later = HARM.fold(high, [1] * 12)
    assert HARM.rejects(HARM.merge([high]))
    assert not HARM.rejects(HARM.merge([later]))
    assert HARM.rejects(HARM.merge([later], peak=HARM.merge([high]).peak))


def test_a_rejection_stays_when_the_evidence_sinks_again() -> None:
    high = HARM.fold(HARM.start(), [-1] * 12)
    later = HARM.fold(high, [1] * 30)
    assert HARM.e_value(later) < 1
    assert HARM.rejects(later)
    assert HARM.p_value(later) == pytest.approx(1 / HARM.e_value(high))
    assert HARM.p_value(HARM.start()) == 1


@pytest.mark.parametrize("value", [math.nan, 1.0000001, -math.inf, math.inf])
def test_a_value_that_cannot_be_moves_nothing(value: float) -> None:
    wealth = HARM.step(HARM.start(), -1)
    for act in (
        HARM.step,
        lambda w, v: HARM.fold(w, [0, v, 0]),
        lambda w, v: HARM.count(w, {v: 1}),
    ):
        with pytest.raises(ObservationRefused, match="not a number from -1"):
            act(wealth, value)
    with pytest.raises(ObservationRefused):
        HARM.path([[0.0, value]])
    assert wealth == HARM.step(HARM.start(), -1)


@given(plans(), st.data())
def test_a_state_survives_json(plan: MeanTest, data: st.DataObject) -> None:
    values = data.draw(st.lists(st.floats(plan.stakes.low, 1), max_size=9))
    wealth = plan.fold(plan.start(), values)
    assert plan.revive(json.loads(json.dumps(wealth.as_json()))) == wealth


@pytest.mark.parametrize(
    "damage",
    [
        {"logs": [0.0]},
        {"logs": "none"},
        {"logs": [0.0] * 7 + [math.nan]},
        {"logs": [0.0] * 7 + [True]},
        {"count": -1},
        {"count": 1.5},
        {"peak": -0.1},
        {"peak": math.inf},
        {"plan": "another"},
        {"more": 1},
    ],
)
def test_a_damaged_state_is_refused(damage: dict[str, object]) -> None:
    with pytest.raises(StateRefused):
        HARM.revive(HARM.start().as_json() | damage)
    with pytest.raises(StateRefused, match="its fields are"):
        HARM.revive({"plan": HARM.stakes.digest})


def test_a_state_of_another_plan_is_refused_everywhere() -> None:
    stranger = OTHER.start()
    calls = (
        lambda: HARM.step(stranger, 0),
        lambda: HARM.fold(stranger, [0]),
        lambda: HARM.count(stranger, {0: 1}),
        lambda: HARM.merge([HARM.start(), stranger]),
        lambda: HARM.log_e(stranger),
        lambda: HARM.e_value(stranger),
        lambda: HARM.p_value(stranger),
        lambda: HARM.rejects(stranger),
        lambda: HARM.missing(stranger),
        lambda: HARM.revive(stranger.as_json()),
    )
    for call in calls:
        with pytest.raises(StateRefused, match="it belongs to"):
            call()


@pytest.mark.parametrize(
    ("bets", "shares"),
    [((0.0,), (1,)), ((1.0,), (1,)), ((-1.0,), (1,)), ((0.1,), (0.9,)), ((0.1, 0.2), (1,)),
     ((0.1, 0.2), (1.5, -0.5)), ((math.nan,), (1,)), ((), ())],
)  # fmt: skip
def test_bets_that_could_be_ruined_or_do_not_add_up_are_refused(
    bets: Sequence[float], shares: Sequence[float]
) -> None:
    with pytest.raises(ParameterRefused):
        Stakes(low=-1, high=1, null=0, bets=tuple(bets), shares=tuple(shares))


@pytest.mark.parametrize("null", [-1, 1, 2, math.nan])
def test_a_claim_at_the_border_of_the_values_is_refused(null: float) -> None:
    with pytest.raises(ParameterRefused):
        Stakes(low=-1, high=1, null=null, bets=(0.1,), shares=(1,))


@pytest.mark.parametrize("alpha", [0, 1, -0.1, math.nan])
def test_a_level_that_is_no_probability_is_refused(alpha: float) -> None:
    with pytest.raises(ParameterRefused, match="alpha"):
        MeanTest(stakes=HARM.stakes, alpha=alpha)


def test_a_negative_count_is_refused() -> None:
    with pytest.raises(ParameterRefused):
        HARM.count(HARM.start(), {1: -1})


def test_what_is_missing_shrinks_as_evidence_comes_and_is_unknown_without_an_outlook() -> None:
    assert HARM.missing(HARM.start()) is None
    outlook = Outlook(growth=(0.0062, -0.1), spread=(0.11, 0.2))
    stakes = Stakes(low=-1, high=1, null=0, bets=(-0.3, 0.3), shares=(0.5, 0.5), outlook=outlook)
    test = MeanTest(stakes=stakes)
    begin = test.missing(test.start())
    later = test.missing(test.fold(test.start(), [-1] * 5))
    assert begin is not None
    assert later is not None
    assert 0 < later < begin
    assert test.missing(test.fold(test.start(), [-1] * 60)) == 0


def test_an_outlook_under_which_no_bet_gains_promises_nothing() -> None:
    outlook = Outlook(growth=(-0.1,), spread=(0.2,))
    stakes = Stakes(low=-1, high=1, null=0, bets=(0.3,), shares=(1,), outlook=outlook)
    assert MeanTest(stakes=stakes).missing(MeanTest(stakes=stakes).start()) is None


def test_overwhelming_evidence_is_cut_not_infinite() -> None:
    wealth = HARM.count(HARM.start(), {-1: 100_000})
    assert HARM.e_value(wealth) == pytest.approx(math.exp(700))
    assert HARM.p_value(wealth) == 0.0
