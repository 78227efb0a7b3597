"""Where a file stands in the house, and the part it plays there: told by its path alone."""

from pathlib import PurePosixPath
from typing import Final

EDGES: Final = frozenset({"api", "cli", "pages"})
ROLES: Final = EDGES | {"domain", "store", "service"}
_HALVES: Final = frozenset({"cell", "control"})  # their folders are rooms
_SLICED: Final = _HALVES | {"data", "stop"}
_PURE: Final = frozenset({"contract", "stats"})


def address(place: PurePosixPath) -> tuple[str, ...]:
    """The file as a path of names: `cell/runs/store.py` is `("cell", "runs", "store")`."""
    parts = place.with_suffix("").parts
    return parts[:-1] if parts[-1] == "__init__" else parts


def within(place: PurePosixPath, *names: str) -> bool:
    """Whether the file is, or stands under, one of `names`: `kit/clock`, `main`."""
    parts = address(place)
    return any(parts[: name.count("/") + 1] == tuple(name.split("/")) for name in names)


def role(place: PurePosixPath) -> str | None:
    """The role that the file's name, or a folder around it, tells; None where none does."""
    return next((part for part in address(place)[1:] if part in ROLES), None)


def room(parts: tuple[str, ...]) -> tuple[str, ...]:
    """The room of an address: `("cell", "runs")`, or `("kit",)`."""
    inner = len(parts) > 1 and parts[0] in _HALVES and parts[1] not in ROLES
    return parts[: 2 if inner else 1]


def is_pure(place: PurePosixPath) -> bool:
    """Whether the file holds rules and values alone: contract, stats, every domain."""
    parts = address(place)
    return bool(parts) and (parts[0] in _PURE or role(place) == "domain")


def is_sliced(place: PurePosixPath) -> bool:
    """Whether the file stands in a room that is cut by roles: data, cell, control, stop."""
    parts = address(place)
    return bool(parts) and parts[0] in _SLICED


def holds_rules(place: PurePosixPath) -> bool:
    """Whether the file may hold rules: a pure one, or one of a sliced room without a role."""
    return is_pure(place) or (is_sliced(place) and role(place) is None)
