"""Real recorded agents: two versions of one agent on the same tasks, and four trials of another."""

from datetime import datetime
from typing import Any

import numpy as np
import pytest

from seatrial.stats.drift import divergence, smirnov, stability
from seatrial.stats.guards import Terms, rate_against_control
from seatrial.stats.paired import evidence, mcnemar
from seatrial.stats.passk import pass_k
from seatrial.stats.proportions import Tried
from seatrial.stats.verdict import Outcome
from tests.stats.conftest import Recorded


def _runs(recorded: Recorded, version: str, domain: str) -> dict[str, Any]:
    document = recorded(f"sierra_gpt41-{version}_{domain}_40x1")
    return {run["task_id"]: run for run in document["simulations"]}


def _solved(runs: dict[str, Any]) -> dict[str, bool]:
    return {task: run["reward_info"]["reward"] == 1.0 for task, run in runs.items()}


def _turns(run: dict[str, Any]) -> list[float]:
    """Seconds until each answer of the agent."""
    when = [datetime.fromisoformat(message["timestamp"]) for message in run["messages"]]
    return [
        (after - before).total_seconds()
        for before, after, message in zip(when, when[1:], run["messages"][1:], strict=False)
        if message["role"] == "assistant"
    ]


def _tools(runs: dict[str, Any]) -> list[str]:
    return [
        call["name"]
        for run in runs.values()
        for message in run["messages"]
        if message["role"] == "assistant"
        for call in message.get("tool_calls") or ()
    ]


@pytest.mark.parametrize(("domain", "wins", "losses"), [("telecom", 12, 0), ("retail", 6, 6)])
def test_wins_and_losses_of_the_tuned_version(
    recorded: Recorded, domain: str, wins: int, losses: int
) -> None:
    base, tuned = (_solved(_runs(recorded, version, domain)) for version in ("base", "sft"))
    assert base.keys() == tuned.keys()
    assert sum(tuned[task] > base[task] for task in base) == wins
    assert sum(tuned[task] < base[task] for task in base) == losses


def test_going_back_in_telecom_would_be_rolled_back_and_retail_would_not() -> None:
    """From the tuned version back to the base: 12 losses and no win, against 6 and 6."""
    assert evidence(0, 12) == pytest.approx(24.7, abs=0.05)
    assert evidence(0, 12) > 20
    assert evidence(6, 6) == pytest.approx(0.75, abs=0.005)
    assert mcnemar(0, 12) == pytest.approx(2 / 2**12)


def test_retail_is_as_good_and_slower(recorded: Recorded) -> None:
    """Quality stays open while latency fails: p95 went from 2.88 to 4.32 s."""
    runs = {version: _runs(recorded, version, "retail") for version in ("base", "sft")}
    turns = {v: {task: _turns(run) for task, run in r.items()} for v, r in runs.items()}
    every = {v: np.concatenate([*t.values()]) for v, t in turns.items()}
    p95 = {v: np.quantile(values, 0.95) for v, values in every.items()}
    assert (p95["base"], p95["sft"]) == pytest.approx((2.88, 4.32), abs=0.005)

    tasks = sorted(turns["base"])
    in_time = [
        float(np.mean(np.array(turns["sft"][t]) <= p95["base"]))
        - float(np.mean(np.array(turns["base"][t]) <= p95["base"]))
        for t in tasks
    ]
    latency = rate_against_control("in time", Terms(fall=0.10, margin=0.03), control=0.95)
    assert latency.verdict(latency.fold(latency.start(), in_time)).outcome is Outcome.FAILED

    solved = {version: _solved(r) for version, r in runs.items()}
    quality = rate_against_control("solved", Terms(fall=0.15, margin=0.05), control=0.85)
    apart = [float(solved["sft"][t]) - float(solved["base"][t]) for t in tasks]
    assert quality.verdict(quality.fold(quality.start(), apart)).outcome is Outcome.INCONCLUSIVE


@pytest.mark.parametrize(
    ("domain", "p_value", "index", "bits"),
    [("telecom", 3.7e-12, 0.398, 0.128), ("retail", 2.6e-35, 1.154, 0.0039)],
)
def test_latency_and_tool_mix_moved_as_measured(
    recorded: Recorded, domain: str, p_value: float, index: float, bits: float
) -> None:
    """The divergences were recalled as .127 and .003; recomputed they are .128 and .0039, taken."""
    versions = [_runs(recorded, version, domain) for version in ("base", "sft")]
    base, tuned = (np.concatenate([_turns(run) for run in runs.values()]) for runs in versions)
    assert smirnov(base, tuned).p_value == pytest.approx(p_value, rel=0.02)

    edges = np.quantile(base, np.arange(1, 10) / 10)
    cells = [np.bincount(np.searchsorted(edges, values), minlength=10) for values in (base, tuned)]
    moved = stability(cells[0], cells[1], rng=np.random.default_rng(1))
    assert moved.distance == pytest.approx(index, abs=0.001)
    assert moved.p_value == pytest.approx(1 / 2000)

    called = [_tools(runs) for runs in versions]
    names = sorted({*called[0], *called[1]})
    mixes = [[calls.count(name) for name in names] for calls in called]
    mix = divergence(mixes[0], mixes[1], rng=np.random.default_rng(1))
    assert mix.distance == pytest.approx(bits, abs=0.0005)


def test_pass_k_is_that_of_the_published_table(recorded: Recorded) -> None:
    """tau-bench, gpt-4o, airline: 50 tasks of 4 trials."""
    trials: dict[int, list[bool]] = {}
    for run in recorded("tau1_airline_gpt-4o_50x4"):
        trials.setdefault(run["task_id"], []).append(run["reward"] == 1.0)
    tasks = [Tried(successes=sum(each), trials=len(each)) for each in trials.values()]
    assert [task.trials for task in tasks] == [4] * 50
    found = [pass_k(tasks, k).estimate for k in (1, 2, 3, 4)]
    assert found == pytest.approx([0.420, 0.2733, 0.220, 0.200], abs=5e-5)
