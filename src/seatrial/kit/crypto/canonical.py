"""Canonical JSON (RFC 8785, JCS): one value, one sequence of bytes, on every machine.

orjson writes almost every value as JCS asks. It differs in numbers (`1.0`, `-0.0`, `1e16`, null for
NaN), in the order of member names beyond the Basic Multilingual Plane (JCS sorts by UTF-16), and in
what it takes for JSON (enums, UUIDs). A walk over the value finds each of these; where it finds
one, the value is spelled anew for orjson to copy. The walk costs more than the writing; both
together take a third (2 kB of chat) to a fifteenth (1 MB) of what `json.dumps(sort_keys=True)`
takes, see `make bench`.
"""

import json
import math
from decimal import Decimal
from typing import Any, Final

import orjson

from seatrial.kit.crypto.values import (
    DEEPEST,
    LARGEST_INTEGER,
    Json,
    JsonTooDeep,
    JsonTooLarge,
    JsonUnfit,
    refuse_unfit,
)
from seatrial.kit.errors import Invalid

LARGEST_CANONICAL: Final = 16 << 20  # bytes that `parse_canonical` reads unless told otherwise

_AS_GIVEN: Final = orjson.OPT_STRICT_INTEGER
_SORTED: Final = orjson.OPT_STRICT_INTEGER | orjson.OPT_SORT_KEYS
_SAME_IN_BOTH: Final = frozenset((str, int, bool, type(None)))
_SMALLEST_ALIKE: Final = 1e-5
_LARGEST_ALIKE: Final = 1e15
_WIDEST: Final = 1 << 20  # values of one level
_ASTRAL: Final = tuple(bytes([lead]) for lead in range(0xF0, 0xF5))  # first of four bytes in UTF-8


class JsonNotCanonical(Invalid):
    """The JSON text is not in canonical form (RFC 8785): {reason}."""

    code = "json_not_canonical"
    cause = "It was written by hand, reformatted, or altered: what is signed has one spelling only."
    remedy = "Pass on the bytes exactly as they were made; do not parse and write them again."


def canonical(value: object) -> bytes:
    """The canonical form of a JSON value; equal values, and they alone, have equal bytes.

    Tuples are written as lists, `1.0` as `1`, `-0.0` as `0`.

    Raises:
        JsonUnfit: a type, number or text that JSON does not have, with its path.
        JsonTooDeep: more than 128 values on the way from the root to a leaf.
    """
    try:
        return _written(value)
    except (orjson.JSONEncodeError, _Unspellable) as error:
        refuse_unfit(value)
        raise JsonUnfit(path="$", reason=str(error)) from error


def parse_canonical(data: bytes, largest: int = LARGEST_CANONICAL) -> Json:
    """The value of `data`, if `data` is exactly the canonical form of that value.

    So no member stands twice, no white space hides anything, and writing the value gives `data`
    again. An integer beyond 53 bits, which JCS has as a double, comes back as a float.

    Raises:
        JsonNotCanonical: anything else, JSON or not.
        JsonTooLarge: more than `largest` bytes.
        JsonTooDeep: more than 128 values on the way from the root to a leaf.
    """
    if len(data) > largest:
        raise JsonTooLarge(size=len(data), limit=largest)
    try:
        value: Json = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise JsonNotCanonical(reason=str(error)) from None
    try:
        text = canonical(value)
    except JsonUnfit:
        value = _with_doubles(data)
        text = canonical(value)
    if text != data:
        raise JsonNotCanonical(reason="its value is spelled in another way")
    return value


class _Unspellable(Exception):
    """The value holds what JSON does not have; `refuse_unfit` finds where."""


def _written(value: object) -> bytes:
    # First the walk: orjson 3.13.0 does not count tuples, and corrupts its heap from 3000 on.
    fit = value if _writes_alike(value) else _mended(value)
    text = orjson.dumps(fit, option=_SORTED)
    if _has_astral(text) and _sorts_otherwise(fit):
        return orjson.dumps(_reordered(fit), option=_AS_GIVEN)
    return text


def _writes_alike(value: object) -> bool:
    """Whether orjson and JCS write all of `value` alike; False where that takes another look.

    One pass, level by level: no recursion, and the depth is known. A list that holds itself twice
    doubles with each level, so a very wide level is left to `_mended`, which goes depth first.
    """
    level: list[Any] = [value]
    for _ in range(DEEPEST):
        inner: list[Any] = []
        for node in level:
            kind = type(node)
            if kind is str:
                continue
            if kind is dict:
                inner += node.values()
            elif kind is list or kind is tuple:
                inner += node
            elif kind is float:
                if not _SMALLEST_ALIKE <= abs(node) < _LARGEST_ALIKE or node.is_integer():
                    return False
            elif kind not in _SAME_IN_BOTH:
                return False
        if not 0 < len(inner) <= _WIDEST:
            return not inner
        level = inner
    return False


def _mended(value: object) -> object:
    """`value` with each float as orjson must be given it; what holds none stays the same object."""
    (mended,) = _mended_children([value], DEEPEST)
    return mended


def _mended_children(node: Any, left: int) -> Any:  # noqa: ANN401 - a dict, list or tuple
    if node and not left:
        raise _Unspellable("too deep")
    copy: Any = None
    for name, child in node.items() if type(node) is dict else enumerate(node):
        kind = type(child)
        if kind in _SAME_IN_BOTH:
            continue
        if kind is dict or kind is list or kind is tuple:
            mended = _mended_children(child, left - 1)
        else:
            mended = _number(child)
        if mended is not child:
            copy = copy or (node.copy() if type(node) is dict else list(node))
            copy[name] = mended
    return copy or node


def _number(number: object) -> int | orjson.Fragment:
    if type(number) is not float or not math.isfinite(number):
        raise _Unspellable("no number of JSON")
    if number.is_integer() and abs(number) <= LARGEST_INTEGER:
        return int(number)
    return orjson.Fragment(_ecmascript(number))


def _ecmascript(number: float) -> str:
    """A number other than 0 as ECMAScript's Number::toString writes it (ECMA-262, 6.1.6.1.20).

    Python takes the same digits, the shortest that read back as the same double; it differs in
    where it begins to write an exponent, and in how.
    """
    if 1e-6 <= abs(number) < 1e21:
        return f"{Decimal(repr(number)):f}".removesuffix(".0")
    return repr(number).replace("e-0", "e-")


def _has_astral(text: bytes) -> bool:
    return not text.isascii() and any(lead in text for lead in _ASTRAL)


def _sorts_otherwise(value: object) -> bool:
    """Whether a member name holds a character beyond U+FFFF, which UTF-16 sorts before U+E000."""
    todo: list[Any] = [value]
    for node in todo:  # it grows while it is walked; it was seen to end
        kind = type(node)
        if kind is dict:
            if any(not name.isascii() and max(name) > "\uffff" for name in node):
                return True
            todo += node.values()
        elif kind is list or kind is tuple:
            todo += node
    return False


def _reordered(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    """`value`, known to be no deeper than allowed, with members in the order of UTF-16."""
    if type(value) is dict:
        return {name: _reordered(value[name]) for name in sorted(value, key=_utf_16)}
    if type(value) is list or type(value) is tuple:
        return [_reordered(child) for child in value]
    return value


def _utf_16(name: str) -> bytes:
    return name.encode("utf-16-be")


def _with_doubles(data: bytes) -> Json:
    """`data`, known to be JSON, with each integer beyond 53 bits as the double that JCS means."""
    try:
        value: Json = json.loads(data, parse_int=_integer_or_double)
    except RecursionError:
        raise JsonTooDeep(limit=DEEPEST) from None
    return value


def _integer_or_double(digits: str) -> int | float:
    number = float(digits)
    return int(number) if abs(number) <= LARGEST_INTEGER else number
