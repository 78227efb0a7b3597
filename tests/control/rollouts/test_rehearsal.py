from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seatrial.control.rollouts import rehearsal
from seatrial.control.rollouts.domain import Move, Standing, decide
from seatrial.control.rollouts.rehearsal import harm_done, promises, rehearse, scenarios
from seatrial.control.rollouts.traffic import Scenario, draw, groups
from tests.control.rollouts.plans import plan

PLAN = plan()
SAME = Scenario(name="no worse")


def _fall(points: float, metric: str = "success") -> Scenario:
    return Scenario(name="worse", metric=metric, worsening=points)


def _rng() -> np.random.Generator:
    return np.random.default_rng(7)


def test_the_same_seed_plays_the_same_rehearsal() -> None:
    runs = [rehearse(PLAN, _fall(0.04), trials=20, rng=_rng()).trials for _ in range(2)]
    assert runs[0] == runs[1]


def test_a_good_candidate_is_seldom_aborted_and_mostly_finishes() -> None:
    result = rehearse(PLAN, SAME, trials=200, rng=_rng())
    # At 5 %, more than 20 of 200 has a chance of 0.1 %.
    assert result.share(Move.ABORT) <= 0.10
    assert result.share(Move.FINISH) > 0.5
    finished = result.days(Move.FINISH)
    assert finished is not None
    assert finished >= 8.0


def test_the_larger_the_fall_the_sooner_it_is_caught_and_the_fewer_meet_it() -> None:
    results = [rehearse(PLAN, _fall(fall), trials=60, rng=_rng()) for fall in (0.04, 0.10, 0.30)]
    assert all(result.share(Move.ABORT) > 0.95 for result in results)
    days = [result.days(Move.ABORT) or 0.0 for result in results]
    users = [result.users for result in results]
    assert days == sorted(days, reverse=True)
    assert users == sorted(users, reverse=True)


def test_money_lost_is_caught_and_counted() -> None:
    result = rehearse(PLAN, _fall(0.09, "cost"), trials=40, rng=_rng())
    assert result.share(Move.ABORT) == 1.0
    assert (harm_done(PLAN, result) or 0) > 0
    assert harm_done(PLAN, rehearse(PLAN, SAME, trials=20, rng=_rng())) is None


def test_a_promise_that_the_soak_is_too_short_for_is_told_with_the_soak_that_would_do() -> None:
    hasty = plan(
        stages=[
            {"kind": "canary", "weight": 10, "soak": "6h", "longest": "15d"},
            {"kind": "ramp", "weight": 100, "soak": "1d"},
        ]
    )
    told = {promise.metric: promise for promise in promises(hasty, trials=60, rng=_rng())}
    success = told["success"]
    assert success.caught < hasty.power
    assert success.needed is not None
    assert success.needed > timedelta(days=1)
    mended = plan(
        stages=[
            {
                "kind": "canary",
                "weight": 10,
                "soak": f"{success.needed / timedelta(hours=1):.0f}h",
                "longest": "15d",
            },
            {"kind": "ramp", "weight": 100, "soak": "1d"},
        ]
    )
    kept = {promise.metric: promise for promise in promises(mended, trials=60, rng=_rng())}
    assert kept["success"].caught >= mended.power - 0.15  # binomial noise of 60 trials


def test_a_plan_without_a_stage_that_compares_promises_nothing() -> None:
    blind = plan(stages=[{"kind": "ramp", "weight": 100, "soak": "1d"}])
    assert list(promises(blind, trials=20, rng=_rng())) == []
    assert rehearse(blind, _fall(0.3), trials=20, rng=_rng()).share(Move.FINISH) == 1.0


def test_every_usual_fall_is_rehearsed_on_every_metric() -> None:
    names = [scenario.name for scenario in scenarios(PLAN)]
    assert names[0] == "no worse"
    for points in (1, 4, 10, 30):
        assert f"success -{points} points" in names
        assert f"in_time -{points} points" in names
    assert sum(name.startswith("cost") for name in names) == 2
    assert len(set(names)) == len(names)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.floats(0, 0.3), st.integers(1, 3), st.integers(0, 400))
def test_the_search_over_arrays_finds_the_first_look_at_which_decide_does_not_wait(
    seed: int, fall: float, required: int, users: int
) -> None:
    stage: dict[str, Any] = {"kind": "canary", "weight": 10, "soak": "1d", "users": users}
    drawn = plan(required=required, stages=[stage, {"kind": "ramp", "weight": 100, "soak": "1d"}])
    rng = np.random.default_rng(seed)
    matched = groups(drawn, 0)
    values = {m.name: draw(drawn, m, matched, _fall(fall), (2, 150), rng) for m in drawn.metrics}
    evidence = rehearsal._evidence(drawn, 0, values, [rehearsal._Voyage(), rehearsal._Voyage()])
    first = rehearsal._first_moves(drawn, 0, evidence)
    for trial in range(2):
        found = next(
            (
                look
                for look in range(150)
                if decide(drawn, 0, _standing(drawn, evidence, trial, look)).move is not Move.WAIT
            ),
            150,
        )
        assert first[trial] == found


def _standing(drawn: Any, evidence: Any, trial: int, look: int) -> Standing:
    days, users = rehearsal._clock(drawn, 0, np.asarray(look))
    return Standing(
        elapsed=timedelta(days=float(days)),
        users=int(users),
        harm={n: rehearsal._plain(w[trial, look]) for n, w in evidence.harm.items()},
        promise={n: rehearsal._plain(w[trial, look]) for n, w in evidence.promise.items()},
    )


@pytest.mark.parametrize("correlation", [0.0, 0.3])
def test_drawn_users_have_the_rate_and_the_likeness_that_the_plan_states(
    correlation: float,
) -> None:
    drawn = plan(traffic={"users_per_day": 1000, "runs_per_user": 10, "correlation": correlation})
    success = drawn.metrics[0]
    values = draw(drawn, success, groups(drawn, 1), _fall(0.05), (1, 40_000), _rng())
    assert values.mean() == pytest.approx(-0.05, abs=0.004)
    alone = draw(drawn, success, groups(drawn, 2), SAME, (1, 40_000), _rng())
    # Var of a user's mean: p q (rho + (1 - rho) E[1/K]); two such users are subtracted.
    mean_inverse = np.mean(1 / (1 + _rng().poisson(9, 100_000)))
    expected = 2 * 0.95 * 0.05 * (correlation + (1 - correlation) * mean_inverse)
    assert alone.var() == pytest.approx(expected, rel=0.05)
