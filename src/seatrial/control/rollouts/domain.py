"""How a rollout is judged: its plan's metrics as measures, and the rule that moves it on.

`decide` is total and pure. Control calls it on what the cells have counted, a rehearsal on what it
has drawn; nothing else moves a rollout.
"""

import enum
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from seatrial.contract.rollouts.plan import CostMetric, Metric, Plan
from seatrial.kit.errors import Invalid, Unavailable
from seatrial.stats.combine import average, e_that_at_least
from seatrial.stats.guards import (
    Price,
    Terms,
    cost_against_forecast,
    rate_against_control,
    steadiness,
)
from seatrial.stats.measures import Measure
from seatrial.stats.verdict import Outcome

SPLIT_ALPHA: Final = 0.001
"""Chance of ever faulting a sound split. Small: every rollout is checked."""

_LONE_CONTROLS: Final = 20  # control users matched to one canary user; more add next to nothing
_SMOOTH: Final = 200  # recorded savings made up to tune the bets on cost


class RecordingRefused(Invalid):
    """Line {line} of the recorded users cannot be used: {reason}."""

    code = "recorded_user_refused"
    cause = "Each line is one user: an arm, and a list of values for each metric of the plan."
    remedy = "Mend the line; `docs/how-to/rehearse-a-rollout.md` shows the format."


class PlotUnavailable(Unavailable):
    """Cannot draw {path!r}: the package matplotlib is not installed."""

    code = "plot_unavailable"
    cause = "Pictures need the extra `plot`; everything else works without it."
    remedy = "Run `pip install 'seatrial[plot]'`, or leave `--plot` out."


class Move(enum.StrEnum):
    """What becomes of a rollout now."""

    WAIT = "wait"
    ADVANCE = "advance"
    FINISH = "finish"
    PAUSE = "pause"
    ABORT = "abort"


@dataclass(frozen=True, kw_only=True)
class Standing:
    """What is known at one moment of a stage.

    Attributes:
        elapsed: since the stage began.
        users: users of the candidate judged in this stage.
        harm: by metric, the evidence (e-value) that the candidate is worse than tolerated, over the
            whole rollout.
        promise: by metric, the evidence that it is within its margin, at this stage's margin.
        split: evidence that users did not reach the arms as planned.
        refused: why data could not be judged; empty where all was sound.
    """

    elapsed: timedelta
    users: int
    harm: Mapping[str, float]
    promise: Mapping[str, float]
    split: float = 1.0
    refused: str = ""


@dataclass(frozen=True, kw_only=True)
class Decision:
    """A move with its outcome and its reasons, each one sentence."""

    move: Move
    outcome: Outcome
    reasons: tuple[str, ...]


def controls(weight: float) -> int:
    """Control users matched to one user of the candidate at `weight` percent, 1 to 20."""
    return min(_LONE_CONTROLS, max(1, math.floor((100 - weight) / weight)))


def measure(plan: Plan, metric: Metric, stage: int) -> Measure:
    """The tests of one metric at a stage that compares, counted from 0.

    A rate compares users of the two releases who came at the same time; cost is held against its
    forecast. Whatever the metric, more is better in what the measure is fed.
    """
    if isinstance(metric, CostMetric):
        price = price_of(metric)
        resolved = round(_SMOOTH * metric.resolved)
        cost = metric.forecast * metric.resolved
        recorded = [price.saving(cost, resolved=n < resolved) for n in range(_SMOOTH)]
        return cost_against_forecast(
            metric.name, price, recorded=recorded, overrun=metric.overrun, alpha=plan.alpha
        )
    terms = Terms(
        fall=metric.fall,
        margin=plan.margin(metric, stage),
        tolerated=metric.tolerated,
        alpha=plan.alpha,
    )
    return rate_against_control(
        metric.name,
        terms,
        control=metric.usual,
        controls=controls(plan.stages[stage].weight),
        steady=steadiness(plan.traffic.runs_per_user, plan.traffic.correlation),
    )


def price_of(metric: CostMetric) -> Price:
    """What a resolved run may cost."""
    return Price(forecast=metric.forecast, allowance=metric.allowance, cap=metric.cap)


def decide(plan: Plan, stage: int, standing: Standing) -> Decision:
    """What to do at `stage`, counted from 0, as things stand. The first rule that applies decides.

    1. Data that cannot be judged, or a split that is not as planned: pause. It decides nothing.
    2. Harm shown on the metrics together: abort. The chance that a candidate within all that is
       tolerated is ever aborted is at most `plan.alpha`.
    3. Soak, users and promise all met: advance, or finish after the last stage.
    4. Undecided for longer than the stage allows: pause for a person.
    5. Else wait, and say what is missing. Too little data is never a pass.
    """
    now = plan.stages[stage]
    unsound = standing.refused or _split_fault(standing.split)
    if unsound:
        return Decision(move=Move.PAUSE, outcome=Outcome.ERROR, reasons=(unsound,))
    if now.compares and (harm := _harm(plan, standing)):
        return Decision(move=Move.ABORT, outcome=Outcome.FAILED, reasons=(harm,))
    missing = [*_missing_time(plan, stage, standing)]
    if now.compares:
        missing += _missing_promise(plan, standing)
    if not missing:
        last = stage == len(plan.stages) - 1
        return Decision(
            move=Move.FINISH if last else Move.ADVANCE,
            outcome=Outcome.SUCCESSFUL,
            reasons=("soaked long enough, and all that the plan asks is shown",),
        )
    late = now.longest is not None and standing.elapsed >= now.longest
    return Decision(
        move=Move.PAUSE if late else Move.WAIT,
        outcome=Outcome.INCONCLUSIVE,
        reasons=tuple(missing),
    )


def _split_fault(evidence: float) -> str:
    if evidence < 1 / SPLIT_ALPHA:
        return ""
    return "users did not reach the releases in the planned shares, so they cannot be compared"


def _harm(plan: Plan, standing: Standing) -> str:
    evidence = {metric.name: standing.harm[metric.name] for metric in plan.metrics}
    together = average(list(evidence.values()))
    if together < 1 / plan.alpha:
        return ""
    worst = max(evidence, key=lambda name: evidence[name])
    return f"{worst} is worse than tolerated (evidence {together:.3g} of {1 / plan.alpha:.3g})"


def _missing_time(plan: Plan, stage: int, standing: Standing) -> list[str]:
    now, missing = plan.stages[stage], []
    if standing.elapsed < now.soak:
        missing.append(f"soaked {standing.elapsed} of {now.soak}")
    if standing.users < now.users:
        missing.append(f"{standing.users} of {now.users} users judged")
    return missing


def _missing_promise(plan: Plan, standing: Standing) -> list[str]:
    enough, promise = 1 / plan.beta, standing.promise
    missing = [
        f"{metric.name}, a guardrail, is not yet shown to be within its margin"
        for metric in plan.metrics
        if metric.guardrail and promise[metric.name] < enough
    ]
    values = [promise[metric.name] for metric in plan.metrics]
    if e_that_at_least(plan.required, values) < enough:
        shown = sum(value >= enough for value in values)
        missing.append(f"{shown} metrics shown to be within their margins, {plan.required} needed")
    return missing
