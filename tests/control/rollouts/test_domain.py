from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.control.rollouts.domain import Move, Standing, controls, decide, measure
from seatrial.stats.verdict import Outcome
from tests.control.rollouts.plans import plan

PLAN = plan()
METRICS = [metric.name for metric in PLAN.metrics]
ENOUGH = {"success": 25.0, "in_time": 25.0, "cost": 25.0}
NOTHING = dict.fromkeys(METRICS, 1.0)
SOAKED = timedelta(days=6)
_EVIDENCE = st.fixed_dictionaries({name: st.floats(0, 1e6, allow_nan=False) for name in METRICS})


def _standing(**changes: object) -> Standing:
    good: dict[str, object] = {
        "elapsed": SOAKED,
        "users": 400,
        "harm": NOTHING,
        "promise": ENOUGH,
    }
    return Standing(**{**good, **changes})  # type: ignore[arg-type] # the fields' own types


def test_a_stage_with_all_it_asks_for_advances_and_the_last_finishes() -> None:
    assert decide(PLAN, 1, _standing()).move is Move.ADVANCE
    assert decide(PLAN, 3, _standing()).move is Move.FINISH


def test_shown_harm_aborts_and_names_the_worst_metric() -> None:
    decision = decide(PLAN, 1, _standing(harm={**NOTHING, "cost": 61.0}))
    assert (decision.move, decision.outcome) == (Move.ABORT, Outcome.FAILED)
    assert decision.reasons[0].startswith("cost is worse than tolerated")


def test_harm_wins_over_a_promise_shown_at_the_same_look() -> None:
    assert decide(PLAN, 1, _standing(harm=dict.fromkeys(METRICS, 20.0))).move is Move.ABORT


@pytest.mark.parametrize(
    ("changes", "missing"),
    [
        ({"elapsed": timedelta(days=4)}, "soaked 4 days"),
        ({"users": 299}, "299 of 300 users"),
        ({"promise": {**ENOUGH, "success": 19.9}}, "success, a guardrail"),
        ({"promise": {**NOTHING, "success": 25.0}}, "1 metrics shown"),
    ],
)
def test_what_is_missing_is_said_and_is_no_pass(changes: dict[str, object], missing: str) -> None:
    decision = decide(PLAN, 1, _standing(**changes))
    assert (decision.move, decision.outcome) == (Move.WAIT, Outcome.INCONCLUSIVE)
    assert missing in " ".join(decision.reasons)


def test_undecided_for_too_long_pauses_for_a_person() -> None:
    late = _standing(elapsed=timedelta(days=15), promise=NOTHING)
    assert decide(PLAN, 1, late).move is Move.PAUSE


@pytest.mark.parametrize("changes", [{"split": 1000.0}, {"refused": "a NaN came in"}])
def test_data_that_cannot_be_judged_pauses_whatever_it_seems_to_say(
    changes: dict[str, object],
) -> None:
    harmful = _standing(harm=dict.fromkeys(METRICS, 1e6), **changes)
    decision = decide(PLAN, 1, harmful)
    assert (decision.move, decision.outcome) == (Move.PAUSE, Outcome.ERROR)


def test_a_shadow_asks_for_time_alone() -> None:
    assert decide(PLAN, 0, _standing(promise=NOTHING)).move is Move.ADVANCE
    assert decide(PLAN, 0, _standing(elapsed=timedelta(hours=1))).move is Move.WAIT


@given(_EVIDENCE, _EVIDENCE, st.integers(0, 600), st.floats(0, 20), st.integers(0, 3))
def test_every_standing_has_an_answer_with_a_reason(
    harm: dict[str, float], promise: dict[str, float], users: int, days: float, stage: int
) -> None:
    standing = _standing(harm=harm, promise=promise, users=users, elapsed=timedelta(days=days))
    decision = decide(PLAN, stage, standing)
    assert decision.reasons
    if decision.move in {Move.ADVANCE, Move.FINISH}:
        assert standing.elapsed >= PLAN.stages[stage].soak
        assert decision.outcome is Outcome.SUCCESSFUL


@given(_EVIDENCE, _EVIDENCE, st.integers(0, 600), st.sampled_from(METRICS), st.floats(1, 1e3))
def test_more_evidence_of_harm_never_moves_a_rollout_on(
    harm: dict[str, float], promise: dict[str, float], users: int, metric: str, times: float
) -> None:
    before = decide(PLAN, 1, _standing(harm=harm, promise=promise, users=users))
    worse = {**harm, metric: harm[metric] * times}
    after = decide(PLAN, 1, _standing(harm=worse, promise=promise, users=users))
    assert after.move in {before.move, Move.ABORT}


@pytest.mark.parametrize(("weight", "matched"), [(1, 20), (5, 19), (25, 3), (50, 1), (90, 1)])
def test_each_canary_user_is_matched_to_those_who_stayed(weight: float, matched: int) -> None:
    assert controls(weight) == matched


def test_a_margin_tightens_the_promise_of_its_stage() -> None:
    tight = plan(
        stages=[
            {"kind": "canary", "weight": 10, "soak": "1d"},
            {"kind": "ramp", "weight": 50, "soak": "1d", "margins": {"success": 0.01}},
            {"kind": "ramp", "weight": 100, "soak": "1d"},
        ]
    )
    success = tight.metrics[0]
    nulls = [measure(tight, success, stage).promise.stakes.null for stage in (0, 1)]
    assert nulls == [-0.03, -0.01]
