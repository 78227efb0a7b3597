"""Metrics in the text format of Prometheus, version 0.0.4."""

import enum
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

CONTENT_TYPE: Final = b"text/plain; version=0.0.4; charset=utf-8"
_ESCAPES: Final = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})
_HELP_ESCAPES: Final = str.maketrans({"\\": r"\\", "\n": r"\n"})


class MetricKind(enum.StrEnum):
    """What a number means over time."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One number.

    Attributes:
        value: of it.
        labels: what it is of.
        suffix: of the name, such as `_bucket`.
    """

    value: float
    labels: Mapping[str, str] = field(default_factory=dict)
    suffix: str = ""


@dataclass(frozen=True, kw_only=True)
class Family:
    """All numbers of one name.

    Attributes:
        name: with its unit, such as `seatrial_model_cost_usd_total`.
        kind: see there.
        about: one sentence.
        samples: see there.
    """

    name: str
    kind: MetricKind
    about: str
    samples: tuple[Sample, ...]


def rendered(families: Iterable[Family]) -> bytes:
    """The page that a collector reads."""
    lines: list[str] = []
    for family in families:
        lines.append(f"# HELP {family.name} {family.about.translate(_HELP_ESCAPES)}")
        lines.append(f"# TYPE {family.name} {family.kind}")
        lines += (
            f"{family.name}{each.suffix}{_labels(each)} {_number(each.value)}"
            for each in family.samples
        )
    return "".join(f"{line}\n" for line in lines).encode()


def counter(name: str, about: str, values: Mapping[tuple[str, ...], float], *labels: str) -> Family:
    """A family of counters, one for each key of `values`, whose parts are its labels' values."""
    return _family(name, MetricKind.COUNTER, about, values, labels)


def gauge(name: str, about: str, values: Mapping[tuple[str, ...], float], *labels: str) -> Family:
    """A family of gauges; see `counter`."""
    return _family(name, MetricKind.GAUGE, about, values, labels)


class Histogram:
    """Counts how long something takes, in fixed buckets; no lock: it belongs to one loop."""

    def __init__(self, bounds: tuple[float, ...]) -> None:
        """Over buckets up to each of `bounds`, in seconds, rising."""
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self._sum = 0.0

    def observe(self, seconds: float) -> None:
        """Count one."""
        place = next((n for n, bound in enumerate(self._bounds) if seconds <= bound), -1)
        self._counts[place] += 1
        self._sum += seconds

    def samples(self, labels: Mapping[str, str] | None = None) -> tuple[Sample, ...]:
        """What a family of kind histogram holds."""
        own, total, made = dict(labels or {}), 0, []
        for bound, count in zip((*self._bounds, math.inf), self._counts, strict=True):
            total += count
            le = {**own, "le": _number(bound)}
            made.append(Sample(value=total, labels=le, suffix="_bucket"))
        made.append(Sample(value=self._sum, labels=own, suffix="_sum"))
        made.append(Sample(value=total, labels=own, suffix="_count"))
        return tuple(made)


def _labels(sample: Sample) -> str:
    if not sample.labels:
        return ""
    pairs = (f'{name}="{value.translate(_ESCAPES)}"' for name, value in sample.labels.items())
    return f"{{{','.join(pairs)}}}"


def _number(value: float) -> str:
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return str(int(value)) if value == int(value) and abs(value) < 1 << 53 else repr(float(value))


def _family(
    name: str,
    kind: MetricKind,
    about: str,
    values: Mapping[tuple[str, ...], float],
    labels: Iterable[str],
) -> Family:
    named = tuple(labels)
    return Family(
        name=name,
        kind=kind,
        about=about,
        samples=tuple(
            Sample(value=value, labels=dict(zip(named, key, strict=True)))
            for key, value in sorted(values.items())
        ),
    )
