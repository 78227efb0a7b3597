"""Places in a record: what stands where, and how to change it without touching the original."""

import copy
import re
from collections.abc import Callable, Iterator
from typing import Any, Final

from seatrial.data.rules.tree import Value
from seatrial.data.ugly.domain import Path

_ID: Final = re.compile(r"(?:.*_)?(?:id|ids|number|ref|key|code)\Z|.*Id\Z", re.IGNORECASE)
_DATE: Final = re.compile(r"\d{4}-\d\d-\d\d")
_PHONE: Final = re.compile(r"\+?[\d ().-]{7,20}\Z")

Fits = Callable[[Path, Value], bool]


def places(value: Value, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Every scalar of a record, with its path."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from places(inner, (*path, name))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from places(inner, (*path, index))
    else:
        yield path, value


def name_of(path: Path) -> str:
    """The member's name that a path ends in."""
    return next((part for part in reversed(path) if isinstance(part, str)), "")


def put(record: dict[str, Any], path: Path, value: Value) -> dict[str, Any]:
    """A copy of `record` with `value` at `path`, which may be new."""
    changed = copy.deepcopy(record)
    holder: Any = changed
    for part in path[:-1]:
        holder = holder[part]
    holder[path[-1]] = value
    return changed


def without(record: dict[str, Any], path: Path) -> dict[str, Any]:
    """A copy of `record` with nothing at `path`."""
    changed = copy.deepcopy(record)
    holder: Any = changed
    for part in path[:-1]:
        holder = holder[part]
    del holder[path[-1]]
    return changed


def is_id(path: Path, value: Value) -> bool:
    """Whether it names something."""
    return bool(_ID.match(name_of(path))) and isinstance(value, str | int) and value != ""


def is_text(_path: Path, value: Value) -> bool:
    """Whether it is text that says something."""
    return isinstance(value, str) and bool(value.strip())


def is_plain_text(path: Path, value: Value) -> bool:
    """Whether it is text, and no identifier, date or number."""
    return is_text(path, value) and not is_id(path, value) and any(c.isalpha() for c in value)


def is_date(_path: Path, value: Value) -> bool:
    """Whether it is a date in ISO's form."""
    return isinstance(value, str) and bool(_DATE.match(value))


def is_phone(path: Path, value: Value) -> bool:
    """Whether it is a telephone number."""
    by_name = "phone" in name_of(path).lower() or "mobile" in name_of(path).lower()
    return isinstance(value, str) and bool(_PHONE.match(value)) and (by_name or value[:1] in "+(")


def is_number(_path: Path, value: Value) -> bool:
    """Whether it is a number, not true or false."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def is_status(path: Path, value: Value) -> bool:
    """Whether it tells a state."""
    return isinstance(value, str) and str(path[-1]).lower() in {"status", "state", "stage"}


def anything(_path: Path, value: Value) -> bool:
    """Whether anything is there."""
    return value is not None and value != ""
