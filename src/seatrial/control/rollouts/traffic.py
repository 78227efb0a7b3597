"""Users drawn from what a plan expects, and made worse on purpose: the sea of a rehearsal."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from seatrial.contract.rollouts.plan import CostMetric, Metric, Plan, Traffic
from seatrial.control.rollouts.domain import controls, price_of

Floats = NDArray[np.float64]

_COST_SHAPE: Final = 4.0  # of a gamma law: single runs differ by half their mean


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """What is wrong with the candidate.

    Attributes:
        name: for the table.
        metric: which metric is worse; None for a candidate like production.
        worsening: how many points of a rate are lost, or how much money each run loses.
    """

    name: str
    metric: str | None = None
    worsening: float = 0.0

    def of(self, metric: Metric) -> float:
        """How much worse `metric` is."""
        return self.worsening if metric.name == self.metric else 0.0


@dataclass(frozen=True, kw_only=True)
class Groups:
    """How users of a stage that compares are matched.

    Attributes:
        per_day: matched groups each day.
        canaries: users of the candidate in each.
        controls: users of production in each.
    """

    per_day: float
    canaries: int
    controls: int


def groups(plan: Plan, stage: int) -> Groups:
    """How users are matched at a stage that compares: the smaller arm one by one."""
    weight = plan.stages[stage].weight
    smaller = min(weight, 100 - weight)
    return Groups(
        per_day=plan.traffic.users_per_day * smaller / 100,
        canaries=controls(100 - weight),
        controls=controls(weight),
    )


def draw(
    plan: Plan,
    metric: Metric,
    matched: Groups,
    scenario: Scenario,
    size: tuple[int, int],
    rng: Generator,
) -> Floats:
    """What the tests of `metric` are fed: one value for each group of each trial.

    Args:
        plan: whose traffic is drawn.
        metric: whose values.
        matched: the groups.
        scenario: what is wrong with the candidate.
        size: trials and groups.
        rng: where chance comes from.
    """
    if isinstance(metric, CostMetric):
        return _savings(metric, plan.traffic, scenario.of(metric), size, rng)
    canary = _rates(
        metric.usual - scenario.of(metric), plan.traffic, (*size, matched.canaries), rng
    )
    control = _rates(metric.usual, plan.traffic, (*size, matched.controls), rng)
    difference: Floats = canary.mean(axis=-1) - control.mean(axis=-1)
    return difference


def _runs(traffic: Traffic, size: tuple[int, ...], rng: Generator) -> NDArray[np.int64]:
    return 1 + rng.poisson(traffic.runs_per_user - 1, size)


def _rates(mean: float, traffic: Traffic, size: tuple[int, ...], rng: Generator) -> Floats:
    """Each user's share of good runs; one user's runs are alike (beta-binomial)."""
    runs = _runs(traffic, size, rng)
    alike = traffic.correlation
    if alike > 0 and 0 < mean < 1:
        tilt = (1 - alike) / alike
        chance = rng.beta(mean * tilt, (1 - mean) * tilt, size)
    else:
        chance = np.full(size, mean)
    shares: Floats = rng.binomial(runs, chance) / runs
    return shares


def _savings(
    metric: CostMetric, traffic: Traffic, loss: float, size: tuple[int, ...], rng: Generator
) -> Floats:
    """Each user's mean saving: the allowance of resolved runs less what all runs cost."""
    low, high = price_of(metric).bounds
    runs = _runs(traffic, size, rng)
    resolved = rng.binomial(runs, metric.resolved) / runs
    usual = metric.forecast * metric.resolved
    mean = high * metric.resolved + loss if loss else usual
    cost = rng.gamma(_COST_SHAPE * runs, mean / (_COST_SHAPE * runs), size)
    saved: Floats = np.clip(high * resolved - cost, low, high)
    return saved
