"""A rollout plan held against recorded users: what would it have decided, and after whom?

Recorded users come as lines of JSON, in an order that no outcome has touched (drawn by chance,
or by a hash of the user):

    {"arm": "candidate", "success": [1, 0], "in_time": [1.2, 3.4], "cost": [[0.05, true]]}

A rate's values lie between 0 and 1, a latency's are seconds, a cost's are pairs of money and
whether the run was resolved. A metric may be missing where a user has no value of it.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any, Final

from seatrial.contract.rollouts.plan import CostMetric, LatencyMetric, Metric, Plan, RateMetric
from seatrial.control.rollouts.domain import (
    Decision,
    Move,
    RecordingRefused,
    Standing,
    decide,
    measure,
    price_of,
)
from seatrial.stats.cohorts import Arm, Subject, differences, user_mean
from seatrial.stats.errors import ObservationRefused

_ARMS: Final = {"candidate": Arm.CANARY, "production": Arm.CONTROL}


@dataclass(frozen=True, kw_only=True)
class Replayed:
    """What the plan decided, and how many users of the candidate it had judged by then."""

    decision: Decision
    users: int


def replay(plan: Plan, users: Iterable[Mapping[str, Any]]) -> Replayed:
    """Hold the first stage that compares against `users`, looking after each matched pair.

    Time is not recorded, so the soak counts as met; the least number of users does not.

    Raises:
        RecordingRefused: a line is not a user, or a value is outside its bounds.
    """
    stage = next((n for n, s in enumerate(plan.stages) if s.compares), None)
    if stage is None:
        raise RecordingRefused(line=0, reason="no stage of the plan compares two releases")
    people = [_person(line, user) for line, user in enumerate(users, 1)]
    tests = {metric.name: measure(plan, metric, stage) for metric in plan.metrics}
    states = {name: test.start() for name, test in tests.items()}
    latest = Replayed(decision=_now(plan, stage, 0, {}, {}), users=0)
    for count, step in enumerate(_steps(plan, people), 1):
        states |= {n: tests[n].step(states[n], v) for n, v in step.items() if v is not None}
        harm = {n: tests[n].harm.e_value(state.harm) for n, state in states.items()}
        promise = {n: tests[n].promise.e_value(state.promise) for n, state in states.items()}
        latest = Replayed(decision=_now(plan, stage, count, harm, promise), users=count)
        if latest.decision.move is not Move.WAIT:
            break
    return latest


def _now(
    plan: Plan, stage: int, users: int, harm: Mapping[str, float], promise: Mapping[str, float]
) -> Decision:
    nothing = {metric.name: 1.0 for metric in plan.metrics}
    standing = Standing(
        elapsed=plan.stages[stage].soak,
        users=users,
        harm={**nothing, **harm},
        promise={**nothing, **promise},
    )
    return decide(plan, stage, standing)


def _person(line: int, user: object) -> tuple[int, Arm, Mapping[str, Any]]:
    if not isinstance(user, dict) or user.get("arm") not in _ARMS:
        raise RecordingRefused(line=line, reason=f"its arm is none of {', '.join(_ARMS)}")
    return line, _ARMS[user["arm"]], user


def _steps(
    plan: Plan, people: list[tuple[int, Arm, Mapping[str, Any]]]
) -> Iterator[dict[str, float | None]]:
    """What each metric's tests are fed, group by group."""
    columns = {metric.name: _column(metric, people) for metric in plan.metrics}
    for row in zip_longest(*columns.values()):
        yield dict(zip(columns, row, strict=True))


def _column(metric: Metric, people: list[tuple[int, Arm, Mapping[str, Any]]]) -> list[float]:
    low, high = price_of(metric).bounds if isinstance(metric, CostMetric) else (0.0, 1.0)
    subjects = []
    for line, arm, user in people:
        try:
            values = tuple(_good(metric, value) for value in user.get(metric.name, ()))
            subject = Subject(arm=arm, values=values)
            user_mean(subject, low=low, high=high, late=None)
        except (ObservationRefused, TypeError, ValueError) as error:
            reason = f"{metric.name}: {error}"
            raise RecordingRefused(line=line, reason=reason.rstrip(".")) from None
        subjects.append(subject)
    if isinstance(metric, CostMetric):
        canaries = (s for s in subjects if s.arm is Arm.CANARY)
        means = (user_mean(subject, low=low, high=high, late=None) for subject in canaries)
        return [mean for mean in means if mean is not None]
    return list(differences(subjects, late=None))


def _good(metric: Metric, value: Any) -> float:  # noqa: ANN401 - whatever a file may hold
    """A run's value, turned so that more is better."""
    if isinstance(metric, CostMetric):
        cost, resolved = value
        return price_of(metric).saving(float(cost), resolved=bool(resolved))
    if not isinstance(value, int | float):
        raise TypeError(f"{value!r} is no number")
    if isinstance(metric, LatencyMetric):
        if not value >= 0:
            raise ValueError(f"{value!r} seconds")
        return float(value <= metric.budget.total_seconds())
    return value if _higher(metric) else 1 - value


def _higher(metric: RateMetric) -> bool:
    return metric.better == "higher"
