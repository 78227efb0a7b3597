"""From runs to what a test may count: one bounded mean for each user, canary matched to control.

A user stays on one release, so that user's runs resemble each other and are not separate evidence;
nor is a user who comes back tomorrow. Therefore a test counts a user **once**: a cohort is the
users whose first run in the rollout falls into one window of time, and it closes a fixed delay
after the window, whatever has come in by then. Cohorts are folded in the order of their windows.

Why each part is needed, and what fails without it, is measured in the simulations' page: with runs
as the unit, or users counted again in each window, a test at 5 % aborts far more healthy releases.
"""

import enum
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from seatrial.stats.bounds import observation


class Arm(enum.StrEnum):
    """Which release a user was given."""

    CANARY = "canary"
    CONTROL = "control"


@dataclass(frozen=True, kw_only=True, slots=True)
class Subject:
    """One user of a closed cohort.

    Attributes:
        arm: by the stable hash of the user, before anything was known of the outcome.
        values: what came in by the close, one for each run of the cohort's window.
        pending: runs of the window whose outcome had not come in by the close.
    """

    arm: Arm
    values: tuple[float, ...]
    pending: int = 0


def user_mean(
    subject: Subject, *, late: float | None, low: float = 0.0, high: float = 1.0
) -> float | None:
    """The one number that a user counts for: the mean of that user's runs.

    The claim tested is therefore about the mean over users, where a user of fifty runs counts as
    one of a single run; it is not the mean over runs.

    Args:
        subject: the user.
        late: value given to each run still pending at the close; None leaves such runs out, and
            then the claim is about outcomes that come in time. A release whose bad outcomes come
            after the close then looks better than it is; a value of failure keeps that out, and
            shrinks every difference by the part that is late.
        low: least value a run can have.
        high: greatest.

    Returns:
        None for a user without any value.

    >>> user_mean(Subject(arm=Arm.CANARY, values=(1, 1, 0), pending=1), late=0)
    0.5

    Raises:
        ObservationRefused: a value is outside the bounds, or NaN.
    """
    values = [observation(value, low, high) for value in subject.values]
    if late is not None:
        values += [observation(late, low, high)] * subject.pending
    return math.fsum(values) / len(values) if values else None


def differences(
    cohort: Iterable[Subject], *, late: float | None, low: float = 0.0, high: float = 1.0
) -> tuple[float, ...]:
    """Canary less control for each matched group of a closed cohort, for `Measure.fold`.

    Each user of the smaller arm is given an equal part of the larger arm, both in the order given.
    Give users in an order drawn by chance, such as that of another hash of their ids: then the
    dealing alone makes every difference fair under "the releases are equal", given those before it,
    even where users differ or are struck by the same outage. The order of first runs would not do:
    the first of few canary users comes later, on average, than the first of many control users.

    Args:
        cohort: its users, in an order drawn by chance.
        late: see `user_mean`.
        low: least value a run can have.
        high: greatest.

    Returns:
        Values in `[low - high, high - low]`; none if an arm is empty.

    >>> users = [Subject(arm=Arm.CANARY, values=(0,))]
    >>> users += [Subject(arm=Arm.CONTROL, values=(1,)), Subject(arm=Arm.CONTROL, values=(1, 0))]
    >>> differences(users, late=0)
    (-0.75,)
    """
    means: dict[Arm, list[float]] = {Arm.CANARY: [], Arm.CONTROL: []}
    for subject in cohort:
        mean = user_mean(subject, late=late, low=low, high=high)
        if mean is not None:
            means[subject.arm].append(mean)
    groups = min(map(len, means.values()))
    canary, control = (_dealt(means[arm], groups) for arm in (Arm.CANARY, Arm.CONTROL))
    return tuple(own - other for own, other in zip(canary, control, strict=True))


def _dealt(means: Sequence[float], groups: int) -> list[float]:
    """The mean of each of `groups` consecutive parts, whose sizes differ by at most one."""
    cuts = [len(means) * part // groups for part in range(groups + 1)] if groups else [0]
    return [math.fsum(means[start:end]) / (end - start) for start, end in pairwise(cuts)]
