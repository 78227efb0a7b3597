"""pass^k: the chance that an agent solves a task k times in a row, over all tasks.

An agent that solves each of two tasks half the time has pass^1 = 50 % and pass^2 = 25 %; one that
always solves one and never the other has 50 % for both. Users meet the second number.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from seatrial.stats.bounds import some, whole
from seatrial.stats.errors import ParameterRefused
from seatrial.stats.proportions import Tried


@dataclass(frozen=True, kw_only=True)
class PassK:
    """An estimate of pass^k.

    Attributes:
        k: times in a row.
        estimate: unbiased, from 0 to 1.
        error: standard error if the tasks are a sample of all tasks that matter.
        error_of_suite: standard error if these tasks are all that matter and only the runs vary;
            None if a task has fewer than 2k runs, for then no unbiased one exists.
    """

    k: int
    estimate: float
    error: float
    error_of_suite: float | None


def pass_k(tasks: Sequence[Tried], k: int) -> PassK:
    """Estimate pass^k from several runs of each task.

    For one task of n runs, c of them solved, C(c, k) / C(n, k) is the part of all k-subsets without
    a failure, an unbiased estimate of the k-th power of its rate (tau-bench 2024, after Chen et al.
    2021 for pass@k). Tasks are averaged with equal weight. `error` is the spread of the tasks'
    estimates over the root of their number. For `error_of_suite` each task's variance is its
    estimate squared less the unbiased estimate of the 2k-th power, C(c, 2k) / C(n, 2k).

    Assumed: runs of a task are independent and alike.

    >>> found = pass_k([Tried(successes=4, trials=4), Tried(successes=2, trials=4)], 2)
    >>> round(found.estimate, 4), round(found.error, 4), round(found.error_of_suite, 4)
    (0.5833, 0.4167, 0.0833)

    Raises:
        ParameterRefused: no task, or a task with fewer than k runs.
    """
    whole("k", k, 1)
    least = min(task.trials for task in some("tasks", tasks))
    if least < k:
        raise ParameterRefused(name="k", rule=f"{least} or less, the runs of a task", value=k)
    parts = [_part(task, k) for task in tasks]
    mean = math.fsum(parts) / len(parts)
    spread = math.fsum((part - mean) ** 2 for part in parts)
    between = spread / max(len(parts) - 1, 1) / len(parts)
    return PassK(
        k=k,
        estimate=mean,
        error=math.sqrt(between),
        error_of_suite=_error_of_suite(tasks, k, least),
    )


def _part(task: Tried, k: int) -> float:
    return math.comb(task.successes, k) / math.comb(task.trials, k)


def _error_of_suite(tasks: Sequence[Tried], k: int, least: int) -> float | None:
    if least < 2 * k:
        return None
    variance = math.fsum(_part(task, k) ** 2 - _part(task, 2 * k) for task in tasks)
    return math.sqrt(max(variance, 0.0)) / len(tasks)
