"""What JsonLogic makes of a value: its truth, its number, its text, and how two compare.

A value is what JSON knows. Engines differ in corners (the text of `true`, the number of `""`); here
flagd's Python engine is followed to the letter, for a rule must not change its meaning on the way
from there to here.
"""

import operator
from collections.abc import Callable
from typing import Any, Final

Value = Any
"""None, bool, int, float, str, list or dict, nested as JSON is."""

LONGEST_TEXT: Final = 1 << 20  # characters that `cat` or a list's text may reach
LONGEST_LIST: Final = 100_000  # items that `merge` or `reduce` may pile up
LARGEST_BITS: Final = 4096  # of a whole number; floats end at 1024

_NAN: Final = float("nan")
# Python reads these words as numbers, JavaScript does not.
_NO_NUMBERS: Final = frozenset({"inf", "-inf", "+inf"})


class Outgrown(Exception):
    """A rule built a value larger than any use of flags needs; evaluation answers GENERAL."""


def truth(value: Value) -> bool:
    """Whether `value` counts as true: None, 0, NaN, "" and [] do not; an empty object does."""
    if isinstance(value, float):
        return value == value and value != 0.0  # noqa: PLR0124 - NaN differs from itself
    return isinstance(value, dict) or bool(value)


def number(value: Value) -> float:
    """`value` as a number, or NaN."""
    if isinstance(value, int | float):
        return value
    if isinstance(value, str):
        return _NAN if value.strip().lower() in _NO_NUMBERS else _read(value)
    if isinstance(value, list) and value:
        return number(value[0]) if len(value) == 1 else _NAN
    return _NAN if isinstance(value, dict) else 0


def _read(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return _NAN


def text(value: Value) -> str:
    """`value` as text.

    Raises:
        Outgrown: a list's text would be longer than `LONGEST_TEXT`.
    """
    if isinstance(value, str):
        return value
    if isinstance(value, float):
        return f"{value:.15g}"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, list):
        return joined([text(item) for item in value], ",")
    return "null" if value is None else "[object Object]"


def joined(parts: list[str], between: str = "") -> str:
    """The parts as one text.

    Raises:
        Outgrown: it would be longer than `LONGEST_TEXT`.
    """
    if sum(map(len, parts)) > LONGEST_TEXT:
        raise Outgrown(f"a text of more than {LONGEST_TEXT} characters")
    return between.join(parts)


def loosely_equal(a: Value, b: Value) -> bool:
    """`==`: equal after the usual changes of type; two lists or objects only if they are one."""
    if type(a) is type(b):
        return a is b if isinstance(a, list | dict) else bool(a == b)
    if isinstance(a, int | float) or isinstance(b, int | float):
        return number(a) == number(b)
    if isinstance(a, str) and isinstance(b, list | dict):
        return a == text(b)
    return isinstance(b, str) and isinstance(a, list | dict) and text(a) == b


def _ordering(compare: Callable[[Any, Any], bool]) -> Callable[[Value, Value], bool]:
    def ordered(a: Value, b: Value) -> bool:
        if isinstance(a, int | float) or isinstance(b, int | float):
            return compare(number(a), number(b))
        if isinstance(a, str) or isinstance(b, str):
            return compare(text(a), text(b))
        return compare(number(a), number(b))

    return ordered


less = _ordering(operator.lt)
less_or_equal = _ordering(operator.le)
greater = _ordering(operator.gt)
greater_or_equal = _ordering(operator.ge)


def within(value: int) -> int:
    """`value`, if it is no giant.

    Raises:
        Outgrown: it has more than `LARGEST_BITS`.
    """
    if value.bit_length() > LARGEST_BITS:
        raise Outgrown(f"a whole number of more than {LARGEST_BITS} bits")
    return value


def weighed(value: Value) -> Value:
    """`value`, if the lists in it hold no more than `LONGEST_LIST` items together.

    Raises:
        Outgrown: they hold more.
    """
    weight, pending = 0, [value]
    while pending:
        item = pending.pop()
        if isinstance(item, list):
            weight += len(item)
            if weight > LONGEST_LIST:
                raise Outgrown(f"lists of more than {LONGEST_LIST} items")
            pending.extend(item)
    return value
