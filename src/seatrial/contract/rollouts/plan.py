"""A rollout plan as data: stages, metrics, margins and error rates, checked as a whole.

Shares are fractions (0.02 is two points), weights are percent of users, money is in one unit of
the author's choice, time is a duration such as `48h`.
"""

import enum
import itertools
import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Any, Final, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from seatrial.kit.documents import findings
from seatrial.kit.errors import Invalid

_DURATION: Final = re.compile(r"(\d{1,6}(?:\.\d{1,3})?)(s|m|h|d|w)\Z")
_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}


class PlanInvalid(Invalid):
    """The rollout plan is wrong: {findings}."""

    code = "rollout_plan_invalid"
    cause = "A field is unknown, missing, or contradicts another; a plan is taken whole or not."
    remedy = "Mend the named places, then run `seatrial rollout rehearse` on the file."


def _duration(value: object) -> object:
    if isinstance(value, str):
        match = _DURATION.match(value)
        if match is None:
            raise ValueError("a duration is a number and one of s, m, h, d, w, such as 48h")
        return timedelta(seconds=float(match[1]) * _SECONDS[match[2]])
    if isinstance(value, timedelta):
        return value
    raise ValueError("a duration is text such as 48h")


Duration = Annotated[timedelta, BeforeValidator(_duration)]
Share = Annotated[float, Field(gt=0, lt=1, allow_inf_nan=False)]
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=False)


class _Metric(_Part):
    """What every metric has.

    Attributes:
        name: how stages, answers and charts call it.
        guardrail: it must be shown to be no worse, whatever the others say.
    """

    name: Name
    guardrail: bool = False


class _RateLike(_Metric):
    """A share of runs; all figures are shares too.

    Attributes:
        fall: the smallest worsening that the plan promises to catch within its soak.
        margin: how much worse the candidate may be and still count as no worse.
        tolerated: the rollout aborts when the candidate is shown to be worse by more than this.
    """

    fall: Share
    margin: Share
    tolerated: Annotated[float, Field(ge=0, lt=1, allow_inf_nan=False)] = 0.0

    @property
    def usual(self) -> float:
        """The share of good runs of the release in production."""
        raise NotImplementedError

    @model_validator(mode="after")
    def _can_be_told_apart(self) -> Self:
        if self.fall <= self.tolerated:
            raise ValueError(f"fall {self.fall} must be larger than tolerated {self.tolerated}")
        for name in ("fall", "margin"):
            if getattr(self, name) >= self.usual:
                raise ValueError(f"{name} must be smaller than the usual rate, {self.usual:g}")
        return self


class RateMetric(_RateLike):
    """A yes or no of each run, or a score between 0 and 1: success, a thumb, a violation.

    Attributes:
        better: whether a higher or a lower value is better.
        baseline: the mean that the release in production has.
    """

    kind: Literal["rate"]
    better: Literal["higher", "lower"] = "higher"
    baseline: Share

    @property
    def usual(self) -> float:
        """The share of good runs of the release in production."""
        return self.baseline if self.better == "higher" else 1 - self.baseline


class LatencyMetric(_RateLike):
    """The share of runs within a budget.

    Attributes:
        budget: what the release in production keeps in the share `quantile` of its runs.
        quantile: 0.95 for a p95.
    """

    kind: Literal["latency"]
    budget: Duration
    quantile: Share

    @property
    def usual(self) -> float:
        """The share of runs within the budget."""
        return self.quantile


class CostMetric(_Metric):
    """Cost per resolved run against a forecast.

    Attributes:
        forecast: money for each resolved run.
        allowance: part of the forecast that may be exceeded, 0.1 for 10 %.
        cap: money at which one run's cost is cut.
        resolved: the share of runs that the release in production resolves.
        overrun: the smallest loss for each run, in money, that the plan promises to catch.
    """

    kind: Literal["cost"]
    forecast: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    allowance: Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)] = 0.1
    cap: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    resolved: Share
    overrun: Annotated[float, Field(gt=0, allow_inf_nan=False)]

    @model_validator(mode="after")
    def _cap_beyond_all_else(self) -> Self:
        if self.cap <= (1 + self.allowance) * self.forecast:
            raise ValueError("cap must be larger than the forecast with its allowance")
        if self.overrun >= self.cap:
            raise ValueError("overrun must be smaller than cap")
        return self


Metric = Annotated[RateMetric | LatencyMetric | CostMetric, Field(discriminator="kind")]


class StageKind(enum.StrEnum):
    """How a stage treats traffic."""

    SHADOW = "shadow"
    CANARY = "canary"
    RAMP = "ramp"


class Stage(_Part):
    """One step of the way.

    Attributes:
        kind: shadow answers nobody; canary and ramp answer `weight` percent of users.
        weight: percent of users, by stable hash.
        soak: the least time to stay.
        users: the least number of users of the candidate to judge by.
        longest: after this, if still undecided, it pauses for a person; None waits on.
        margins: tighter margins from this stage on, by metric.
    """

    kind: StageKind
    weight: Annotated[float, Field(ge=0, le=100, allow_inf_nan=False)] = 0.0
    soak: Annotated[Duration, Field(ge=timedelta(0), le=timedelta(days=365))]
    users: Annotated[int, Field(ge=0, le=10**9)] = 0
    longest: Annotated[Duration, Field(le=timedelta(days=3650))] | None = None
    margins: Mapping[Name, Share] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _weight_fits_kind(self) -> Self:
        if (self.kind is StageKind.SHADOW) != (self.weight == 0):
            raise ValueError("a shadow has no weight, and every other stage has one")
        if self.longest is not None and self.longest < self.soak:
            raise ValueError("longest must not be shorter than soak")
        return self

    @property
    def compares(self) -> bool:
        """Whether both releases answer users, so that they can be compared."""
        return 0 < self.weight < 100


class Traffic(_Part):
    """The traffic that the plan expects, for its power and for a rehearsal.

    Attributes:
        users_per_day: distinct users who come each day.
        runs_per_user: mean runs of one user while a block is counted.
        correlation: how alike one user's runs are, 0 to 1.
        outcome_delay: mean time from a run to its outcome.
    """

    users_per_day: Annotated[float, Field(gt=0, le=1e9, allow_inf_nan=False)]
    runs_per_user: Annotated[float, Field(ge=1, le=1000, allow_inf_nan=False)] = 1.0
    correlation: Annotated[float, Field(ge=0, lt=1, allow_inf_nan=False)] = 0.3
    outcome_delay: Annotated[Duration, Field(ge=timedelta(0))] = timedelta(0)


class Plan(_Part):
    """A whole rollout.

    Attributes:
        name: what it is called.
        alpha: highest chance that a candidate no worse than tolerated is ever aborted.
        beta: highest chance that a candidate beyond its margins ever passes a stage.
        power: chance with which a worsening of `detect` is to be caught within the soak.
        required: how many metrics must be shown non-inferior before the next stage.
        stages: in order, with growing weights, the last at 100.
        metrics: what is watched; all of them can abort.
        traffic: what is expected to come.
    """

    name: Name
    alpha: Annotated[float, Field(gt=0, le=0.2)] = 0.05
    beta: Annotated[float, Field(gt=0, le=0.2)] = 0.05
    power: Annotated[float, Field(ge=0.5, lt=1)] = 0.8
    required: Annotated[int, Field(ge=1)]
    stages: Annotated[tuple[Stage, ...], Field(min_length=1, max_length=50)]
    metrics: Annotated[tuple[Metric, ...], Field(min_length=1, max_length=50)]
    traffic: Traffic

    @model_validator(mode="after")
    def _whole(self) -> Self:
        names = [metric.name for metric in self.metrics]
        if len(set(names)) != len(names):
            raise ValueError("two metrics share a name")
        if self.required > len(names):
            raise ValueError(f"required {self.required} is more than the {len(names)} metrics")
        _check_weights([stage.weight for stage in self.stages])
        margins = {m.name: m.margin for m in self.metrics if not isinstance(m, CostMetric)}
        for number, stage in enumerate(self.stages):
            for name, margin in stage.margins.items():
                if name not in margins:
                    raise ValueError(f"stages.{number}.margins: no margin of {name!r} to tighten")
                if margin > margins[name]:
                    raise ValueError(f"stages.{number}.margins.{name}: a margin may only tighten")
                margins[name] = margin
        return self

    def margin(self, metric: RateMetric | LatencyMetric, stage: int) -> float:
        """The margin of `metric` in force at `stage`, counted from 0."""
        found = metric.margin
        for passed in self.stages[: stage + 1]:
            found = passed.margins.get(metric.name, found)
        return found


def parse(document: Mapping[str, Any]) -> Plan:
    """The plan that `document`, read from TOML or JSON, describes.

    Raises:
        PlanInvalid: with every finding and its place.
    """
    try:
        return Plan.model_validate(document)
    except ValidationError as error:
        raise PlanInvalid(findings=findings(Plan, error)) from None


def _check_weights(weights: list[float]) -> None:
    for before, after in itertools.pairwise(weights):
        if after < before or (after == before and after > 0):
            raise ValueError(f"weights must grow, but {after:g} follows {before:g}")
    if weights[-1] != 100:
        raise ValueError(f"the last stage has weight {weights[-1]:g}; a rollout ends at 100")
