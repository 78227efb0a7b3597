"""What `var` finds: a value by its name, or by a path of names and positions (`user.groups.0`)."""

import re
from typing import Final

from seatrial.contract.flags.values import Value, text

Path = tuple[tuple[str, int | None], ...]
"""The steps of a path: each name, and the position that it stands for in a list or text."""

OWN: Final = "$flagd"
_POSITION: Final = re.compile(r"(?:0|[1-9][0-9]{0,17})\Z")


def path_of(key: str) -> Path:
    """The path that `key` names."""
    return tuple((step, int(step) if _POSITION.match(step) else None) for step in key.split("."))


def at_path(data: Value, path: Path) -> Value:
    """What stands at `path` in `data`, or None."""
    for name, position in path:
        if isinstance(data, dict):
            data = data.get(name)
        elif isinstance(data, list | str):
            if name == "length":  # as in JavaScript, where the rules come from
                return len(data)
            if position is None or position >= len(data):
                return None
            data = data[position]
        else:
            return None
    return data


def at_key(data: Value, key: Value) -> Value:
    """What `key`, which a rule computed, names in `data`, or None.

    A number is a position in a list or text; nothing, or an empty text, is all of `data`.
    """
    if key is None or key == "":
        return data
    if isinstance(key, int | float):
        if not isinstance(data, list | str) or key != key or int(key) != key:  # noqa: PLR0124 - NaN
            return None
        return data[int(key)] if 0 <= key < len(data) else None
    return at_path(data, path_of(text(key)))
