"""What counts as a JSON value here, and the words for what does not.

A value is None, a bool, a str, an int of at most 53 bits, a finite float, a list or tuple of
values, or a dict from str to values: the I-JSON subset (RFC 7493), which every language reads back
alike. Subclasses are refused, enums included: what they would be written as is a guess.
"""

import json
import math
import re
from collections.abc import Iterable
from typing import Final, TypeAlias, Union

from seatrial.kit.errors import Invalid, TooLarge

Json: TypeAlias = Union[bool, int, float, str, list["Json"], dict[str, "Json"], None]  # noqa: UP007 - a `|` cannot refer to itself
_Place: TypeAlias = "tuple[_Place, str | int] | None"

DEEPEST: Final = 128  # values on the way from the root to a leaf; orjson itself stops at 254
LARGEST_INTEGER: Final = 2**53 - 1

_WORD: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*\Z")


class JsonUnfit(Invalid):
    """The value at {path} is no JSON value: {reason}."""

    code = "json_unfit"
    cause = "JSON holds text, numbers of at most 53 bits, true, false, null, lists and objects."
    remedy = "Write the named value as one of these, a large number as text."


class JsonTooDeep(Invalid):
    """The value is nested deeper than {limit} levels."""

    code = "json_too_deep"
    cause = "A list or object that holds itself, or input made to exhaust its reader."
    remedy = "Flatten the value."


class JsonTooLarge(TooLarge):
    """The JSON text has {size} bytes, more than the {limit} accepted here."""

    code = "json_too_large"
    cause = "It is far larger than its kind ever needs to be."
    remedy = "Check that it is the right document, or split it."


class Repeated(dict[str, Json]):
    """What a reader makes of an object in which the member `name` stands twice."""

    def __init__(self, members: Iterable[tuple[str, Json]], name: str) -> None:
        super().__init__(members)
        self.name = name


def refuse_unfit(value: object, deepest: int = DEEPEST) -> None:
    """Return if `value` is a JSON value, else tell the first thing in it that is not.

    Args:
        value: anything.
        deepest: how many values may stand on the way from the root to a leaf; never more than 128.

    Raises:
        JsonUnfit: a type, number or text that JSON does not have, with its path.
        JsonTooDeep: nested deeper than `deepest`, perhaps without end.
    """
    _refuse_unfit(value, None, 0, min(deepest, DEEPEST))


def _refuse_unfit(value: object, place: _Place, depth: int, deepest: int) -> None:
    if depth == deepest:
        raise JsonTooDeep(limit=deepest)
    if type(value) is dict:
        for name in value:
            _refuse_name(name, place)
    children = _children(value)
    reason = _fault(value) if children is None else None
    if reason:
        raise JsonUnfit(path=_path(place), reason=reason)
    for name, child in children or ():
        _refuse_unfit(child, (place, name), depth + 1, deepest)


def _refuse_name(name: object, place: _Place) -> None:
    reason = _fault(name) if type(name) is str else f"it is of type {type(name).__name__}"
    if reason:
        raise JsonUnfit(path=_path(place), reason=f"the member name {name!a}: {reason}")


def _children(value: object) -> Iterable[tuple[str | int, object]] | None:
    if type(value) is dict:
        return value.items()
    if type(value) is list or type(value) is tuple:
        return enumerate(value)
    return None


def _fault(value: object) -> str | None:
    """Why `value`, which is no container, is no JSON value; None if it is one."""
    if value is None or type(value) is bool:
        return None
    if type(value) is str:
        return None if _encodes(value) else "its text holds half of a surrogate pair"
    if type(value) is int:
        return None if abs(value) <= LARGEST_INTEGER else "it is an integer of more than 53 bits"
    if type(value) is float:
        return None if math.isfinite(value) else "it is not a finite number"
    if isinstance(value, Repeated):
        return f"its member {value.name!a} stands twice"
    return f"it is of type {type(value).__name__}"


def _encodes(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _path(place: _Place) -> str:
    """A place as `$.messages[3].content`; a name that is no plain word as `$["two words"]`."""
    parts: list[str] = []
    while place is not None:
        place, name = place
        if isinstance(name, int):
            parts.append(f"[{name}]")
        else:
            parts.append(f".{name}" if _WORD.match(name) else f"[{json.dumps(name)}]")
    return "$" + "".join(reversed(parts))
