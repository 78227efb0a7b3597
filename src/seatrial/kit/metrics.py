"""Figures in the text format that Prometheus reads (version 0.0.4)."""

import enum
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

MEDIA_TYPE: Final = b"text/plain; version=0.0.4; charset=utf-8"
_NAME: Final = re.compile(r"[a-z][a-z0-9_]*\Z")
_ESCAPES: Final = str.maketrans({"\\": "\\\\", "\n": "\\n", '"': '\\"'})


class Kind(enum.StrEnum):
    """What a figure is."""

    COUNTER = "counter"
    """It only rises, until the process starts anew."""

    GAUGE = "gauge"
    """It is as it is now."""


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One value.

    Attributes:
        value: of base units: seconds, bytes, or a count.
        labels: what tells it from others of its name; few values each.
    """

    value: float
    labels: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Metric:
    """All values of one name.

    Attributes:
        name: lower case with underscores; counters end in `_total`.
        meaning: a sentence.
        kind: see there.
        samples: none where nothing is known yet.
    """

    name: str
    meaning: str
    kind: Kind
    samples: tuple[Sample, ...]


def gauge(name: str, meaning: str, value: float, **labels: str) -> Metric:
    """A gauge with one value."""
    sample = Sample(value=value, labels=labels)
    return Metric(name=name, meaning=meaning, kind=Kind.GAUGE, samples=(sample,))


def counter(name: str, meaning: str, value: float, **labels: str) -> Metric:
    """A counter with one value."""
    sample = Sample(value=value, labels=labels)
    return Metric(name=name, meaning=meaning, kind=Kind.COUNTER, samples=(sample,))


def rendered(metrics: Iterable[Metric]) -> bytes:
    """The page that is scraped.

    Raises:
        ValueError: a name that Prometheus would not read.
    """
    lines: list[str] = []
    for metric in metrics:
        if not _NAME.match(metric.name):
            raise ValueError(f"{metric.name!r} is no name of a metric")
        lines.append(f"# HELP {metric.name} {metric.meaning.translate(_ESCAPES)}")
        lines.append(f"# TYPE {metric.name} {metric.kind}")
        lines.extend(_line(metric.name, sample) for sample in metric.samples)
    return "\n".join((*lines, "")).encode()


def _line(name: str, sample: Sample) -> str:
    labels = ",".join(
        f'{label}="{value.translate(_ESCAPES)}"' for label, value in sample.labels.items()
    )
    return (
        f"{name}{{{labels}}} {_number(sample.value)}"
        if labels
        else f"{name} {_number(sample.value)}"
    )


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(float(value))
