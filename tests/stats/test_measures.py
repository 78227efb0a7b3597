"""A measure's two tests, its verdicts, and the ready-made ones."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.stats.bets import even
from seatrial.stats.betting import MeanTest
from seatrial.stats.errors import ObservationRefused, ParameterRefused, StateRefused
from seatrial.stats.guards import (
    Price,
    Terms,
    cost_against_forecast,
    rate_against_budget,
    rate_against_control,
    steadiness,
)
from seatrial.stats.measures import Measure, Standing
from seatrial.stats.verdict import Outcome, Verdict, erred, voided, worst

TERMS = Terms(fall=0.04, margin=0.02)
PLAN = rate_against_control("resolved", TERMS, control=0.95)


def test_nothing_seen_is_inconclusive_and_says_how_much_is_missing() -> None:
    verdict = PLAN.verdict(PLAN.start())
    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert verdict.seen == 0
    assert verdict.missing == PLAN.promise.missing(PLAN.promise.start())
    assert (
        verdict.reason == f"resolved: undecided after 0 users; about {verdict.missing} are needed"
    )


def test_a_plan_without_an_outlook_only_says_that_more_is_needed() -> None:
    harm = MeanTest(stakes=even(bounds=(-1, 1), null=0, bets=[-0.1]))
    promise = MeanTest(stakes=even(bounds=(-1, 1), null=-0.02, bets=[0.1]))
    plan = Measure(name="resolved", harm=harm, promise=promise)
    verdict = plan.verdict(plan.start())
    assert verdict.missing is None
    assert verdict.reason.endswith("more are needed")


def test_shown_harm_fails_even_where_the_promise_was_shown_too() -> None:
    """Better within the margin and worse than the control can both be true."""
    promised = PLAN.fold(PLAN.start(), [1] * 60)
    assert PLAN.verdict(promised).outcome is Outcome.SUCCESSFUL
    harmed = PLAN.fold(promised, [-1] * 200)
    assert PLAN.promise.rejects(harmed.promise)
    assert PLAN.verdict(harmed).outcome is Outcome.FAILED


@given(st.lists(st.floats(-1, 1), min_size=1, max_size=30))
def test_steps_and_folds_and_merges_agree(values: list[float]) -> None:
    stepped = PLAN.start()
    for value in values:
        stepped = PLAN.step(stepped, value)
    folded = PLAN.fold(PLAN.start(), values)
    merged = PLAN.merge(PLAN.fold(PLAN.start(), values[:7]), PLAN.fold(PLAN.start(), values[7:]))
    for test, one, two, three in (
        (PLAN.harm, stepped.harm, folded.harm, merged.harm),
        (PLAN.promise, stepped.promise, folded.promise, merged.promise),
    ):
        assert test.log_e(one) == pytest.approx(test.log_e(two), abs=1e-9)
        assert test.log_e(one) == pytest.approx(test.log_e(three), abs=1e-9)


def test_a_merge_keeps_what_an_earlier_merge_had_shown() -> None:
    shown = PLAN.merge(PLAN.fold(PLAN.start(), [-1] * 12))
    sunk = PLAN.fold(PLAN.start(), [-1] * 12 + [1] * 40)
    assert PLAN.verdict(PLAN.merge(sunk)).outcome is not Outcome.FAILED
    assert PLAN.verdict(PLAN.merge(sunk, before=shown)).outcome is Outcome.FAILED


def test_a_standing_survives_json_and_a_damaged_one_is_refused() -> None:
    standing = PLAN.fold(PLAN.start(), [0, -1, 0.5])
    document = json.loads(json.dumps(standing.as_json()))
    assert PLAN.revive(document) == standing
    with pytest.raises(StateRefused):
        PLAN.revive({"harm": document["harm"]})
    with pytest.raises(StateRefused):
        PLAN.revive({"harm": document["promise"], "promise": document["promise"]})


def test_a_bad_number_becomes_an_error_verdict_and_moves_nothing() -> None:
    standing = PLAN.fold(PLAN.start(), [0, -1])
    with pytest.raises(ObservationRefused) as caught:
        PLAN.step(standing, math.nan)
    verdict = erred(caught.value)
    assert verdict.outcome is Outcome.ERROR
    assert "nan" in verdict.reason
    assert standing == PLAN.fold(PLAN.start(), [0, -1])


def _verdict(outcome: Outcome, missing: int | None = None) -> Verdict:
    return Verdict(outcome=outcome, reason=str(outcome), missing=missing)


def test_of_several_verdicts_the_worst_decides() -> None:
    order = [Outcome.SUCCESSFUL, Outcome.INCONCLUSIVE, Outcome.ERROR, Outcome.FAILED]
    for upto in range(1, 5):
        assert worst(map(_verdict, order[:upto])).outcome is order[upto - 1]
        assert worst(map(_verdict, reversed(order[:upto]))).outcome is order[upto - 1]
    open_yet = [_verdict(Outcome.INCONCLUSIVE, n) for n in (5, 80, None)]
    assert worst(open_yet).missing == 80


def test_no_verdict_at_all_is_no_pass() -> None:
    with pytest.raises(ParameterRefused):
        worst([])


def test_a_broken_comparison_voids_success_and_failure_alike() -> None:
    for outcome in Outcome:
        assert voided(_verdict(outcome), "broken").outcome is Outcome.ERROR


@pytest.mark.parametrize(
    "terms",
    [
        Terms(fall=0.04, margin=0.02, tolerated=0.05),
        Terms(fall=0.0, margin=0.02),
        Terms(fall=0.99, margin=0.02),
        Terms(fall=0.04, margin=0.0),
        Terms(fall=0.04, margin=0.96),
        Terms(fall=0.04, margin=0.02, tolerated=-0.01),
        Terms(fall=math.nan, margin=0.02),
        Terms(fall=0.04, margin=0.02, alpha=0),
    ],
)
def test_terms_without_meaning_are_refused(terms: Terms) -> None:
    with pytest.raises(ParameterRefused):
        rate_against_control("resolved", terms, control=0.95)
    with pytest.raises(ParameterRefused):
        rate_against_budget("in time", terms, budget=0.95)


def test_a_tolerated_fall_is_not_called_harm() -> None:
    terms = Terms(fall=0.06, margin=0.05, tolerated=0.03)
    plan = rate_against_control("resolved", terms, control=0.95)
    falling = plan.fold(plan.start(), ([0] * 97 + [-1] * 3) * 100)
    strict = PLAN.fold(PLAN.start(), ([0] * 97 + [-1] * 3) * 100)
    assert PLAN.verdict(strict).outcome is Outcome.FAILED
    assert plan.verdict(falling).outcome is not Outcome.FAILED


def test_more_controls_for_each_canary_user_need_fewer_canary_users() -> None:
    plans = [rate_against_control("r", TERMS, control=0.95, controls=n) for n in (1, 3, 9)]
    one, three, nine = (plan.harm.missing(plan.harm.start(), power=0.5) or 0 for plan in plans)
    assert one > three > nine > 0


def test_users_of_many_runs_vary_less_and_bear_larger_bets() -> None:
    assert steadiness(1, 0.3) == 1
    assert steadiness(1e9, 0.3) == pytest.approx(0.3)
    part = steadiness(25, 0.3)
    calm = rate_against_control("r", TERMS, control=0.95, steady=part)
    for bet, other in zip(calm.harm.stakes.bets, PLAN.harm.stakes.bets, strict=False):
        assert abs(bet) > abs(other)  # the largest of the calm one meet at the limit
    assert (calm.harm.missing(calm.harm.start()) or 0) < (PLAN.harm.missing(PLAN.harm.start()) or 0)
    for runs, likeness in ((0.5, 0.3), (math.nan, 0.3), (2, -0.1), (2, 1.1)):
        with pytest.raises(ParameterRefused):
            steadiness(runs, likeness)


@pytest.mark.parametrize("budget", [0.5, 0.95, 0.99])
def test_a_budget_for_a_quantile_fails_slow_releases_and_passes_held_ones(budget: float) -> None:
    plan = rate_against_budget("in time", Terms(fall=0.1, margin=0.05), budget=budget)
    share = round(budget * 100)
    held = [1] * share + [0] * (100 - share)
    slow = [1] * (share - 15) + [0] * (115 - share)
    assert plan.verdict(plan.fold(plan.start(), held * 30)).outcome is Outcome.SUCCESSFUL
    assert plan.verdict(plan.fold(plan.start(), slow * 30)).outcome is Outcome.FAILED


PRICE = Price(forecast=0.06, allowance=0.1, cap=0.5)


def test_a_saving_is_bounded_and_its_sign_tells_the_ratio() -> None:
    runs = [(0.05, True), (0.07, True), (0.09, False), (9.0, True)]
    savings = [PRICE.saving(cost, resolved=resolved) for cost, resolved in runs]
    low, high = PRICE.bounds
    assert all(low <= saving <= high for saving in savings)
    paid, resolved = sum(min(cost, 0.5) for cost, _ in runs), sum(done for _, done in runs)
    assert math.fsum(savings) == pytest.approx(1.1 * 0.06 * resolved - paid)
    for cost in (-0.01, math.nan, math.inf):
        with pytest.raises(ObservationRefused):
            PRICE.saving(cost, resolved=True)


def test_cost_within_the_allowance_passes_and_an_overrun_fails() -> None:
    earlier = [PRICE.saving(cost, resolved=True) for cost in (0.03, 0.05, 0.06, 0.08)] * 10
    plan = cost_against_forecast("cost", PRICE, recorded=earlier, overrun=0.02)
    assert plan.verdict(plan.fold(plan.start(), earlier * 60)).outcome is Outcome.SUCCESSFUL
    dear = [PRICE.saving(cost, resolved=True) for cost in (0.06, 0.1, 0.12)]
    assert plan.verdict(plan.fold(plan.start(), dear * 200)).outcome is Outcome.FAILED


def test_recorded_savings_must_fit_the_forecast() -> None:
    with pytest.raises(ObservationRefused):
        cost_against_forecast("cost", PRICE, recorded=[1.0], overrun=0.02)
    with pytest.raises(ParameterRefused, match="mean of the recorded"):
        cost_against_forecast("cost", PRICE, recorded=[-0.1, -0.2], overrun=0.02)
    with pytest.raises(ParameterRefused, match="overrun"):
        cost_against_forecast("cost", PRICE, recorded=[0.01], overrun=0)
    for broken in ({"forecast": 0.0}, {"allowance": 1.5}, {"cap": 0.05}):
        with pytest.raises(ParameterRefused):
            Price(**{"forecast": 0.06, "allowance": 0.1, "cap": 0.5} | broken)


def test_a_standing_is_two_wealths() -> None:
    assert PLAN.start() == Standing(harm=PLAN.harm.start(), promise=PLAN.promise.start())
