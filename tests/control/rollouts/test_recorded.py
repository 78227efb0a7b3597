import gzip
import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from seatrial.control.rollouts.domain import Move, RecordingRefused
from seatrial.control.rollouts.recorded import replay
from seatrial.stats.verdict import Outcome
from tests.control.rollouts.plans import DOCUMENT, plan

RECORDED = Path(__file__).resolve().parents[3].parent / "shared" / "data" / "agents"
needs_recordings = pytest.mark.skipif(
    not RECORDED.is_dir(), reason="the recorded agent runs do not lie beside the checkout"
)


def _conversations(name: str) -> dict[str, dict[str, Any]]:
    with gzip.open(RECORDED / f"sierra_{name}_40x1.json.gz", "rt") as file:
        return {sim["task_id"]: sim for sim in json.load(file)["simulations"]}


def _turns(conversation: dict[str, Any]) -> list[float]:
    """Seconds that each of the agent's messages took, from the message before it."""
    stamps = [
        (m["role"], np.datetime64(m["timestamp"]))
        for m in conversation["messages"]
        if m.get("timestamp")
    ]
    return [
        float((after - before) / np.timedelta64(1, "s"))
        for (_, before), (role, after) in itertools.pairwise(stamps)
        if role == "assistant"
    ]


def _users(production: str, candidate: str) -> list[dict[str, Any]]:
    arms = {"production": _conversations(production), "candidate": _conversations(candidate)}
    return [
        {
            "arm": arm,
            "success": [conversations[task]["reward_info"]["reward"]],
            "in_time": _turns(conversations[task]),
        }
        for task in sorted(arms["production"])
        for arm, conversations in arms.items()
    ]


def _plan(success: float, budget: float) -> Any:
    metrics = [dict(metric) for metric in DOCUMENT["metrics"][:2]]
    metrics[0] |= {"baseline": success, "fall": 0.2, "margin": 0.05, "guardrail": False}
    metrics[1] |= {"budget": f"{budget:.2f}s", "fall": 0.1, "margin": 0.03}
    stages = [{**DOCUMENT["stages"][1], "weight": 50, "users": 0}, DOCUMENT["stages"][3]]
    # A conversation has about ten turns, which the latency is judged by.
    traffic = {"users_per_day": 40, "runs_per_user": 10}
    return plan(metrics=metrics, stages=stages, required=2, traffic=traffic)


def _p95(name: str) -> float:
    turns = [seconds for c in _conversations(name).values() for seconds in _turns(c)]
    return float(np.quantile(turns, 0.95))


@needs_recordings
def test_telecom_back_from_the_better_release_to_the_worse_aborts_on_success() -> None:
    sft, base = "gpt41-sft_telecom", "gpt41-base_telecom"
    replayed = replay(_plan(0.75, _p95(sft)), _users(sft, base))
    assert (replayed.decision.move, replayed.decision.outcome) == (Move.ABORT, Outcome.FAILED)
    assert replayed.decision.reasons[0].startswith("success is worse")


@needs_recordings
def test_retail_is_no_worse_in_success_but_is_stopped_for_its_latency() -> None:
    base, sft = "gpt41-base_retail", "gpt41-sft_retail"
    replayed = replay(_plan(0.85, _p95(base)), _users(base, sft))
    assert replayed.decision.move is Move.ABORT
    assert replayed.decision.reasons[0].startswith("in_time is worse")
    alone = _plan(0.85, 3600.0)
    assert replay(alone, _users(base, sft)).decision.move is Move.WAIT


def _pair(candidate: object, production: object) -> list[dict[str, Any]]:
    return [
        {"arm": "candidate", "success": [candidate]},
        {"arm": "production", "success": [production]},
    ]


def test_a_candidate_that_always_fails_is_aborted_after_a_few_users() -> None:
    replayed = replay(plan(), _pair(0, 1) * 200)
    assert replayed.decision.move is Move.ABORT
    assert replayed.users < 30


def test_too_little_data_is_no_pass() -> None:
    replayed = replay(plan(), _pair(1, 1) * 10)
    assert (replayed.decision.move, replayed.users) == (Move.WAIT, 10)
    assert replay(plan(), []).decision.outcome is Outcome.INCONCLUSIVE


@pytest.mark.parametrize(
    ("user", "said"),
    [
        ({"arm": "blue"}, "its arm is none of candidate, production"),
        ([], "its arm is none of"),
        ({"arm": "candidate", "success": [1.5]}, "success"),
        ({"arm": "candidate", "success": ["1"]}, "'1' is no number"),
        ({"arm": "candidate", "success": [float("nan")]}, "success"),
        ({"arm": "candidate", "success": 1}, "success"),
        ({"arm": "candidate", "in_time": [-1]}, "in_time: -1 seconds"),
        ({"arm": "candidate", "cost": [[-0.1, True]]}, "cost"),
        ({"arm": "candidate", "cost": [0.1]}, "cost"),
    ],
)
def test_a_wrong_line_is_refused_with_its_number(user: Any, said: str) -> None:
    with pytest.raises(RecordingRefused) as caught:
        replay(plan(), [*_pair(1, 1), user])
    assert "Line 3" in caught.value.message
    assert said in caught.value.message


def test_a_plan_that_never_compares_cannot_be_held_against_recordings() -> None:
    blind = plan(stages=[{"kind": "ramp", "weight": 100, "soak": "1d"}])
    with pytest.raises(RecordingRefused, match="no stage"):
        replay(blind, [])
