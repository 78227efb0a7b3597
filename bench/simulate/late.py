"""Outcomes that arrive late, failures later than successes: what order and closing rule do."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from bench.simulate.findings import Check, Floats, Setting, Table, percent
from bench.simulate.rollouts import ALPHA, CONTROL, HORIZON, TERMS, looks, plan

_USERS_AN_HOUR = 50
_SUCCESS_HOURS, _FAILURE_HOURS = 1.0, 24.0  # mean time until the outcome is known
_CLOSE_HOURS = 6.0
_PAIRS = HORIZON[1]

Arm = tuple[NDArray[np.bool_], Floats]
"""Whether each user succeeded, and the hours until that was known, in the order of first runs."""

Rule = Callable[[Arm, Arm], Floats]
"""What becomes a difference: from the canary's and the control's users."""


def arm(rng: np.random.Generator, mean: float, shape: tuple[int, int]) -> Arm:
    good = rng.random(shape) < mean
    return good, rng.exponential(np.where(good, _SUCCESS_HOURS, _FAILURE_HOURS))


def counted_as_failure(canary: Arm, control: Arm) -> Floats:
    """At the close, what has not come in is a failure."""
    own, other = (good & (hours <= _CLOSE_HOURS) for good, hours in (canary, control))
    return own.astype(np.float64) - other


def left_out(canary: Arm, control: Arm) -> Floats:
    """At the close, what has not come in is left out; the rest is matched in order."""
    kept = []
    for good, hours in (canary, control):
        order = np.argsort(hours > _CLOSE_HOURS, axis=1, kind="stable")
        kept.append(np.take_along_axis(good, order, axis=1).astype(float))
    least = min(int((hours <= _CLOSE_HOURS).sum(axis=1).min()) for _, hours in (canary, control))
    apart: Floats = kept[0][:, :least] - kept[1][:, :least]
    return apart


def as_they_arrive(canary: Arm, control: Arm, before: Arm) -> Floats:
    """No cohorts: whatever is known is matched at once, while control's old failures trickle in."""
    served = np.arange(canary[0].shape[1]) / _USERS_AN_HOUR
    earlier = np.arange(-before[0].shape[1], 0) / _USERS_AN_HOUR
    own = _in_order(canary[0], served + canary[1])
    values = np.concatenate([before[0], control[0]], axis=1)
    known = np.concatenate([earlier + before[1], served + control[1]], axis=1)
    other = _in_order(values, np.where(known < 0, np.inf, known))
    return own.astype(float) - other[:, : own.shape[1]]


def _in_order(values: NDArray[np.bool_], when: Floats) -> NDArray[np.bool_]:
    return np.take_along_axis(values, np.argsort(when, axis=1), axis=1)


def late(setting: Setting) -> Table:
    rng, shape = setting.rng(), (setting.streams, _PAIRS)
    measure = plan(1)
    arms = {mean: arm(rng, mean, shape) for mean in (CONTROL - TERMS.margin, CONTROL - TERMS.fall)}
    equal, control = arm(rng, CONTROL, shape), arm(rng, CONTROL, shape)
    before = arm(rng, CONTROL, (setting.streams, 6000))
    border, fallen = arms.values()
    rows, checks = [], []
    ways: dict[str, Rule] = {
        "cohorts, late counted as failure": counted_as_failure,
        "cohorts, late left out": left_out,
        "as they arrive (wrong)": lambda own, other: as_they_arrive(own, other, before),
    }
    for name, way in ways.items():
        false = looks(measure.harm, way(equal, control))
        early = looks(measure.promise, way(border, control))
        caught = looks(measure.harm, way(fallen, control))
        rows.append((name, percent(false.rate), percent(early.rate), caught.told()))
        if "wrong" not in name:
            checks.append(Check(promise=f"false aborts, {name}", most=ALPHA, found=false.rate,
                                counted=false.counts))  # fmt: skip
        if "counted" in name:
            checks.append(Check(promise=f"false promotions at the margin, {name}", most=ALPHA,
                                found=early.rate, counted=early.counts))  # fmt: skip
    return Table(
        title="Outcomes that come late",
        text=f"A success is known after {_SUCCESS_HOURS:.0f} h on average, a failure after "
        f"{_FAILURE_HOURS:.0f} h; cohorts close {_CLOSE_HOURS:.0f} h after the last first run; "
        f"{_USERS_AN_HOUR} users an hour in each arm, and the control has been served before.",
        head=("rule", "false aborts", "false promotions at the margin", "95 → 91 %: canary users"),
        rows=rows,
        checks=checks,
    )
