"""Which plan a saved state belongs to."""

import hashlib
import math
from collections.abc import Mapping
from typing import Any

from seatrial.stats.errors import StateRefused


def digest(*numbers: float) -> str:
    """A short name for the numbers that make a plan.

    >>> digest(0, 1, 0.5) == digest(0.0, 1.0, 0.5)
    True
    """
    return hashlib.sha256(repr([*map(float, numbers)]).encode()).hexdigest()[:16]


def own(plan: str, expected: str) -> None:
    """Refuse a state of another plan.

    >>> own("a plan", "a plan")

    Raises:
        StateRefused: the names differ.
    """
    if plan != expected:
        raise StateRefused(problem=f"it belongs to {plan!r}, this plan is {expected!r}")


def saved(document: Mapping[str, Any], fields: Mapping[str, type]) -> dict[str, Any]:
    """The fields of a saved state, each of its type, all numbers finite.

    A field of type `tuple` is read from a list of numbers.

    >>> saved({"count": 2, "logs": [0, 0.5]}, {"count": int, "logs": tuple})
    {'count': 2, 'logs': (0.0, 0.5)}

    Raises:
        StateRefused: a field is missing, unknown, of another type or not finite.
    """
    if document.keys() != fields.keys():
        raise StateRefused(problem=f"its fields are {sorted(document)}, not {sorted(fields)}")
    return {name: _read(name, document[name], kind) for name, kind in fields.items()}


def _read(name: str, value: Any, kind: type) -> object:  # noqa: ANN401 - whatever a file may hold
    if kind is tuple and type(value) is list:
        return tuple(_read(name, item, float) for item in value)
    if kind is float and type(value) is int:
        return float(value)
    if type(value) is not kind or (isinstance(value, float) and not math.isfinite(value)):
        raise StateRefused(problem=f"{name} is {value!r}")
    return value
