import copy
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.contract.rollouts.plan import (
    LatencyMetric,
    PlanInvalid,
    RateMetric,
    StageKind,
    parse,
)
from tests.contract.rollouts.plans import GOOD


def _with(path: str, value: object) -> dict[str, Any]:
    document = copy.deepcopy(GOOD)
    *way, last = [int(part) if part.isdigit() else part for part in path.split(".")]
    place: Any = document
    for part in way:
        place = place[part]
    if value is ...:
        del place[last]
    else:
        place[last] = value
    return document


def test_a_good_plan_is_read_whole() -> None:
    plan = parse(GOOD)
    assert [stage.weight for stage in plan.stages] == [0, 5, 25, 100]
    assert plan.stages[0].kind is StageKind.SHADOW
    assert plan.stages[1].soak == timedelta(days=7)
    assert (plan.alpha, plan.beta, plan.power) == (0.05, 0.05, 0.8)


def test_a_tighter_margin_holds_from_its_stage_on() -> None:
    plan = parse(GOOD)
    success, in_time, _ = plan.metrics
    assert isinstance(success, RateMetric)
    assert isinstance(in_time, LatencyMetric)
    assert [plan.margin(success, stage) for stage in range(4)] == [0.03, 0.03, 0.02, 0.02]
    assert plan.margin(in_time, 3) == 0.03


def test_only_a_stage_between_nobody_and_everybody_compares() -> None:
    assert [stage.compares for stage in parse(GOOD).stages] == [False, True, True, False]


def test_where_lower_is_better_the_good_share_is_the_rest() -> None:
    plan = parse(_with("metrics.0", {**GOOD["metrics"][0], "better": "lower", "baseline": 0.1}))
    success = plan.metrics[0]
    assert isinstance(success, RateMetric)
    assert success.usual == pytest.approx(0.9)


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        ("stages.2.weight", 4, "weights must grow, but 4 follows 5"),
        ("stages.2.weight", 5, "weights must grow, but 5 follows 5"),
        ("stages.3.weight", 90, "ends at 100"),
        ("stages.0.weight", 3, "shadow has no weight"),
        ("stages.1.weight", 0, "every other stage has one"),
        ("stages.1.weight", float("nan"), "stages.1.weight"),
        ("stages.1.soak", "-1d", "a duration is a number"),
        ("stages.1.soak", "9999w", "stages.1.soak"),
        ("stages.1.soak", 7, "a duration is text"),
        ("stages.1.users", -1, "stages.1.users"),
        ("stages.2.margins", {"sucess": 0.01}, "no margin of 'sucess' to tighten"),
        ("stages.2.margins", {"cost": 0.01}, "no margin of 'cost' to tighten"),
        ("stages.1.longest", "6d", "longest must not be shorter"),
        ("stages.2.margins", {"success": 0.04}, "a margin may only tighten"),
        ("stages", [], "stages"),
        ("metrics.1.name", "success", "share a name"),
        ("metrics.1.name", "Bad Name", "metrics.1"),
        ("metrics.0.kind", "magic", "metrics.0"),
        ("metrics.0.fall", 0.0, "fall"),
        ("metrics.0.fall", 0.96, "smaller than the usual rate, 0.95"),
        ("metrics.0.tolerated", 0.04, "fall 0.04 must be larger than tolerated 0.04"),
        ("metrics.2.overrun", 0.6, "overrun must be smaller"),
        ("metrics.0.marign", 0.1, "did you mean 'margin'"),
        ("metrics.2.cap", 0.06, "cap must be larger"),
        ("metrics.0.margin", ..., "margin: field required"),
        ("required", 4, "required 4 is more than the 3 metrics"),
        ("alpha", 0.9, "alpha"),
        ("traffic.users_per_day", 0, "traffic.users_per_day"),
        ("stagess", [], "did you mean 'stages'"),
    ],
)
def test_a_wrong_plan_is_refused_with_the_place(path: str, value: object, said: str) -> None:
    with pytest.raises(PlanInvalid) as caught:
        parse(_with(path, value))
    assert said in caught.value.message


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(max_size=5) | st.integers(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
        max_leaves=8,
    ),
    st.sampled_from(["stages", "metrics", "stages.1", "metrics.0", "traffic", "stages.2.margins"]),
)
def test_any_value_in_any_place_is_a_plan_or_a_named_error(value: object, path: str) -> None:
    document = _with(path, value)
    try:
        plan = parse(document)
    except PlanInvalid:
        return
    assert plan.stages[-1].weight == 100
