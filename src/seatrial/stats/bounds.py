"""Checks that outside numbers pass before they count."""

import math
from collections.abc import Iterable, Sized
from typing import TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from seatrial.stats.errors import ObservationRefused, ParameterRefused

_Sized = TypeVar("_Sized", bound=Sized)

Floats = NDArray[np.float64]


def between(name: str, value: float, low: float, high: float) -> float:
    """`value` if it lies strictly between `low` and `high`.

    >>> between("alpha", 0.05, 0, 1)
    0.05

    Raises:
        ParameterRefused: it does not, or is no number.
    """
    if not low < value < high:
        raise ParameterRefused(name=name, rule=f"strictly between {low} and {high}", value=value)
    return value


def within(name: str, value: float, low: float, high: float) -> float:
    """`value` if it lies from `low` to `high`, ends included.

    >>> within("margin", 0, 0, 1)
    0

    Raises:
        ParameterRefused: it does not, or is no number.
    """
    if not low <= value <= high:
        raise ParameterRefused(name=name, rule=f"from {low} to {high}", value=value)
    return value


def whole(name: str, value: int, least: int = 0) -> int:
    """`value` if it is a whole number, no smaller than `least`.

    >>> whole("trials", 40, least=1)
    40

    Raises:
        ParameterRefused: it is not.
    """
    if value != int(value) or value < least:
        raise ParameterRefused(name=name, rule=f"a whole number from {least} up", value=value)
    return int(value)


def some(name: str, values: _Sized, least: int = 1) -> _Sized:
    """`values` if there are at least `least` of them.

    >>> some("p_values", [0.04, 0.2])
    [0.04, 0.2]

    Raises:
        ParameterRefused: there are fewer.
    """
    if len(values) < least:
        raise ParameterRefused(name=name, rule=f"{least} values or more", value=len(values))
    return values


def shares(name: str, values: Iterable[float]) -> tuple[float, ...]:
    """`values` as a tuple if they are positive and sum to 1.

    >>> shares("weights", [0.9, 0.1])
    (0.9, 0.1)

    Raises:
        ParameterRefused: they do not.
    """
    kept = tuple(float(value) for value in values)
    if not (kept and all(value > 0 for value in kept) and math.isclose(math.fsum(kept), 1)):
        raise ParameterRefused(name=name, rule="positive and sum to 1", value=kept)
    return kept


def observation(value: float, low: float, high: float) -> float:
    """`value` if it is a number from `low` to `high`.

    >>> observation(1, 0, 1)
    1.0

    Raises:
        ObservationRefused: it is not; NaN never is.
    """
    if not low <= value <= high:
        raise ObservationRefused(value=value, low=low, high=high)
    return float(value)


def observations(values: ArrayLike, low: float = -math.inf, high: float = math.inf) -> Floats:
    """`values` as an array of floats, each a finite number from `low` to `high`.

    >>> observations([0, 1], 0, 1).tolist()
    [0.0, 1.0]

    Raises:
        ObservationRefused: one is not; the first such is named.
    """
    array = np.asarray(values, dtype=np.float64)
    bad = ~(np.isfinite(array) & (array >= low) & (array <= high))
    if bad.any():
        raise ObservationRefused(value=float(array[bad].flat[0]), low=low, high=high)
    return array
