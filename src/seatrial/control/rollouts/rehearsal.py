"""A rollout plan played in virtual time, many times: what would it catch, when, at what cost?"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Final

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from scipy.special import logsumexp

from seatrial.contract.rollouts.plan import CostMetric, Plan
from seatrial.control.rollouts.domain import Decision, Move, Standing, decide, measure
from seatrial.control.rollouts.traffic import Floats, Scenario, draw, groups

POINTS: Final = (0.01, 0.04, 0.10, 0.30)
"""The falls that every rehearsal tries, on each rate."""

_PATIENCE: Final = 4  # soaks; a stage without `longest` is followed for so long
_MOST_GROUPS: Final = 20_000  # drawn for one stage; evidence that needs more is called undecided
_BATCH: Final = 4_000_000  # values of one metric drawn at once: about 100 MB with the tests' walks
_DAY: Final = timedelta(days=1)


@dataclass(frozen=True, kw_only=True)
class Trial:
    """How one rollout went.

    Attributes:
        move: ABORT, PAUSE or FINISH.
        days: from the start to that move.
        users: users whom the candidate answered.
        stage: at which stage, counted from 0.
        reasons: why.
    """

    move: Move
    days: float
    users: float
    stage: int
    reasons: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Result:
    """How all trials of one scenario went."""

    scenario: Scenario
    trials: tuple[Trial, ...]

    def share(self, move: Move) -> float:
        """The share of trials that ended with `move`."""
        return sum(trial.move is move for trial in self.trials) / len(self.trials)

    def days(self, move: Move, part: float = 0.5) -> float | None:
        """Days after which `part` of the trials that ended with `move` had; None where none did."""
        ended = [trial.days for trial in self.trials if trial.move is move]
        return float(np.quantile(ended, part)) if ended else None

    @property
    def users(self) -> float:
        """Median users whom the candidate answered before the end."""
        return float(np.median([trial.users for trial in self.trials]))


@dataclass(frozen=True, kw_only=True)
class Promise:
    """Whether a plan can keep what it promises of one metric.

    Attributes:
        metric: its name.
        caught: the share of trials in which the promised fall was caught within the first soak.
        soak: the soak of that stage.
        needed: the soak that would catch it with the plan's power; None where none would.
    """

    metric: str
    caught: float
    soak: timedelta
    needed: timedelta | None


def scenarios(plan: Plan) -> Iterator[Scenario]:
    """A candidate like production, then each metric worse by each of the usual amounts."""
    yield Scenario(name="no worse")
    for metric in plan.metrics:
        if isinstance(metric, CostMetric):
            for times in (1, 3):
                loss = times * metric.overrun
                name = f"{metric.name}: loses {loss:g} a run"
                yield Scenario(name=name, metric=metric.name, worsening=loss)
            continue
        for fall in sorted({*POINTS, metric.fall}):
            if fall < metric.usual:
                name = f"{metric.name} -{fall * 100:g} points"
                yield Scenario(name=name, metric=metric.name, worsening=fall)


def rehearse(plan: Plan, scenario: Scenario, *, trials: int, rng: Generator) -> Result:
    """Play the whole rollout `trials` times."""
    return Result(
        scenario=scenario,
        trials=tuple(
            trial for size in _batches(plan, trials) for trial in _played(plan, scenario, size, rng)
        ),
    )


def promises(plan: Plan, *, trials: int, rng: Generator) -> Iterator[Promise]:
    """For each metric, whether the fall that the plan promises to catch is caught in its soak."""
    first = next((n for n, stage in enumerate(plan.stages) if stage.compares), None)
    if first is None:
        return
    stage = plan.stages[first]
    for metric in plan.metrics:
        fall = metric.overrun if isinstance(metric, CostMetric) else metric.fall
        scenario = Scenario(name=metric.name, metric=metric.name, worsening=fall)
        start = sum((s.soak for s in plan.stages[:first]), timedelta())
        result = rehearse(plan, scenario, trials=trials, rng=rng)
        soaked = (start + stage.soak) / _DAY
        caught = [t.days for t in result.trials if t.move is Move.ABORT and t.stage == first]
        enough = sorted(caught)[: math.ceil(plan.power * trials)]
        reached = len(caught) >= plan.power * trials
        yield Promise(
            metric=metric.name,
            caught=sum(day <= soaked for day in caught) / trials,
            soak=stage.soak,
            needed=timedelta(days=enough[-1]) - start if reached else None,
        )


def costs(plan: Plan, scenario: Scenario) -> bool:
    """Whether what the scenario makes worse is money, and not a rate."""
    return any(isinstance(m, CostMetric) and m.name == scenario.metric for m in plan.metrics)


def harm_done(plan: Plan, result: Result) -> float | None:
    """Bad runs, or money, that a worse candidate cost at the median trial; None for a good one."""
    worse = next((m for m in plan.metrics if m.name == result.scenario.metric), None)
    if worse is None:
        return None
    loss = result.scenario.worsening
    if isinstance(
        worse, CostMetric
    ):  # a loss counts from the allowance, the harm from the forecast
        loss += worse.allowance * worse.forecast * worse.resolved
    return result.users * plan.traffic.runs_per_user * loss


@dataclass(frozen=True, kw_only=True)
class _Evidence:
    """Log e-values of one stage, by metric: trials down, groups across."""

    harm: Mapping[str, Floats]
    promise: Mapping[str, Floats]


def _batches(plan: Plan, trials: int) -> Iterator[int]:
    """Trials that are drawn together, so that memory stays bounded."""
    widest = max(
        (
            _looks(plan, n) * max(groups(plan, n).controls, groups(plan, n).canaries)
            for n, stage in enumerate(plan.stages)
            if stage.compares
        ),
        default=1,
    )
    together = max(1, min(trials, _BATCH // widest))
    for start in range(0, trials, together):
        yield min(together, trials - start)


def _played(plan: Plan, scenario: Scenario, trials: int, rng: Generator) -> list[Trial]:
    """Trials side by side, stage after stage; one that has ended is carried no further."""
    voyages = [_Voyage() for _ in range(trials)]
    for number, stage in enumerate(plan.stages):
        under_way = [voyage for voyage in voyages if voyage.decision is None]
        answered = plan.traffic.users_per_day * stage.weight / 100
        if not stage.compares:
            for voyage in under_way:
                voyage.sail(stage.soak / _DAY, answered)
            continue
        for voyage, leg in zip(
            under_way, _legs(plan, number, scenario, under_way, rng), strict=True
        ):
            voyage.sail(leg.days, answered)
            voyage.stage = number
            if leg.decision.move is Move.ADVANCE:
                voyage.harm = leg.harm
            else:
                voyage.decision = leg.decision
    return [voyage.ended(len(plan.stages) - 1) for voyage in voyages]


@dataclass(kw_only=True)
class _Voyage:
    """One trial under way."""

    days: float = 0.0
    users: float = 0.0
    stage: int = 0
    harm: Mapping[str, float] = field(default_factory=dict)
    decision: Decision | None = None

    def sail(self, days: float, users_per_day: float) -> None:
        self.days += days
        self.users += days * users_per_day

    def ended(self, last: int) -> Trial:
        if self.decision is None:
            reasons: tuple[str, ...] = ("all stages passed",)
            move, stage = Move.FINISH, last
        else:
            move, stage, reasons = self.decision.move, self.stage, self.decision.reasons
        return Trial(move=move, days=self.days, users=self.users, stage=stage, reasons=reasons)


@dataclass(frozen=True, kw_only=True)
class _Leg:
    """One trial's way through one stage: the decision, after how long, and the evidence of harm."""

    decision: Decision
    days: float
    harm: Mapping[str, float]


def _legs(
    plan: Plan, number: int, scenario: Scenario, voyages: Sequence[_Voyage], rng: Generator
) -> list[_Leg]:
    """The legs of all trials under way. Most are decided by the end of the soak, so only for the
    rest are users drawn beyond it.
    """
    legs: dict[int, _Leg] = {}
    values = {metric.name: np.empty((len(voyages), 0)) for metric in plan.metrics}
    waiting = np.arange(len(voyages))
    for looks in _reaches(plan, number):
        if not len(waiting):
            break
        matched = groups(plan, number)
        for metric in plan.metrics:
            size = (len(waiting), looks - values[metric.name].shape[-1])
            more = draw(plan, metric, matched, scenario, size, rng)
            values[metric.name] = np.concatenate([values[metric.name], more], axis=-1)
        evidence = _evidence(plan, number, values, [voyages[int(n)] for n in waiting])
        first = _first_moves(plan, number, evidence)
        settled = (first < looks) | (looks == _looks(plan, number))
        for row in np.flatnonzero(settled):
            legs[int(waiting[row])] = _leg(plan, number, evidence, int(row), int(first[row]))
        values = {name: drawn[~settled] for name, drawn in values.items()}
        waiting = waiting[~settled]
    return [legs[n] for n in range(len(voyages))]


def _reaches(plan: Plan, number: int) -> tuple[int, ...]:
    """How many groups are drawn at first, and in all."""
    most = _looks(plan, number)
    stage, pace = plan.stages[number], groups(plan, number).per_day
    soaked = math.ceil(stage.soak / _DAY * pace) + 1
    users = math.ceil(stage.users / groups(plan, number).canaries)
    soon = max(soaked, users, 1)
    return (soon, most) if soon < most else (most,)


def _evidence(
    plan: Plan, number: int, values: Mapping[str, Floats], voyages: Sequence[_Voyage]
) -> _Evidence:
    harm, promise = {}, {}
    for metric in plan.metrics:
        tests, drawn = measure(plan, metric, number), values[metric.name]
        before = np.asarray([voyage.harm.get(metric.name, 0.0) for voyage in voyages])
        harm[metric.name] = tests.harm.path(drawn) + before[:, np.newaxis]
        promise[metric.name] = tests.promise.path(drawn)
    return _Evidence(harm=harm, promise=promise)


def _looks(plan: Plan, number: int) -> int:
    """Groups drawn for a stage: those of all the time that it may take, within reason."""
    horizon = _horizon(plan, number) / _DAY - plan.traffic.outcome_delay / _DAY
    return max(1, min(_MOST_GROUPS, math.ceil(horizon * groups(plan, number).per_day)))


def _horizon(plan: Plan, number: int) -> timedelta:
    stage = plan.stages[number]
    return stage.longest or max(stage.soak * _PATIENCE, _DAY)


def _first_moves(plan: Plan, number: int, evidence: _Evidence) -> NDArray[np.int64]:
    """For each trial the first look at which `decide` does not wait; one past the last for none.

    The same rules as `decide`, over whole arrays; `decide` itself then judges the look found.
    """
    harm = np.stack(list(evidence.harm.values()))
    together = logsumexp(harm, axis=0) - math.log(len(harm))
    promise = np.stack([evidence.promise[metric.name] for metric in plan.metrics])
    smallest = len(promise) - plan.required + 1
    weakest = np.sort(promise, axis=0)[:smallest]
    shown = logsumexp(weakest, axis=0) - math.log(smallest) >= -math.log(plan.beta)
    for metric, walk in zip(plan.metrics, promise, strict=True):
        if metric.guardrail:
            shown &= walk >= -math.log(plan.beta)
    looks = np.arange(harm.shape[-1])
    elapsed, users = _clock(plan, number, looks)
    stage = plan.stages[number]
    ready = shown & (elapsed >= stage.soak / _DAY) & (users >= stage.users)
    moves = ready | (together >= -math.log(plan.alpha))
    first: NDArray[np.int64] = np.where(moves.any(axis=-1), moves.argmax(axis=-1), len(looks))
    return first


def _clock(plan: Plan, number: int, looks: NDArray[np.int64]) -> tuple[Floats, Floats]:
    """Days since the stage began at each look, and users of the candidate judged by then."""
    matched = groups(plan, number)
    days = (looks + 1) / matched.per_day + plan.traffic.outcome_delay / _DAY
    users = (looks + 1).astype(np.float64) * matched.canaries
    return days, users


def _leg(plan: Plan, number: int, evidence: _Evidence, trial: int, look: int) -> _Leg:
    """What `decide` says of one trial at one look; a look past the last means: never decided."""
    last = next(iter(evidence.harm.values())).shape[-1] - 1
    at = min(look, last)
    days, users = (float(value) for value in _clock(plan, number, np.asarray(at)))
    if look > last:
        days = max(days, _horizon(plan, number) / _DAY)
    standing = Standing(
        elapsed=timedelta(days=days),
        users=int(users),
        harm={name: _plain(walk[trial, at]) for name, walk in evidence.harm.items()},
        promise={name: _plain(walk[trial, at]) for name, walk in evidence.promise.items()},
    )
    decision = decide(plan, number, standing)
    if decision.move is Move.WAIT:  # nobody set `longest`: the rehearsal ends where patience does
        decision = replace(decision, move=Move.PAUSE)
    harm = {name: float(walk[trial, at]) for name, walk in evidence.harm.items()}
    return _Leg(decision=decision, days=days, harm=harm)


def _plain(log: float) -> float:
    return math.exp(min(float(log), 700.0))
