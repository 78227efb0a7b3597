"""Semantic versions (semver.org, 2.0.0) as `sem_ver` reads them: `v1.2` is 1.2.0."""

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, Final

Version = tuple[int, int, int, tuple[Any, ...]]
"""Major, minor, patch, and a rank that sorts as precedence does; the build part has no rank."""

_LONGEST: Final = 256  # characters; no real version comes near, and the cache below keeps the text
_IDENTIFIER: Final = r"(?:0|[1-9][0-9]*|[0-9]*[a-zA-Z-][0-9a-zA-Z-]*)"
_VERSION: Final = re.compile(
    r"(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)"
    rf"(?:-({_IDENTIFIER}(?:\.{_IDENTIFIER})*))?"
    r"(?:\+[0-9a-zA-Z-]+(?:\.[0-9a-zA-Z-]+)*)?\Z"
)
_NUMBERS: Final = re.compile(r"[^-+]*")
_RELEASED: Final = (1,)  # a release ranks above all its pre-releases


def version(value: object) -> Version | None:
    """`value` as a version, or None if it is not one."""
    written = value if isinstance(value, str) else str(value)
    return None if len(written) > _LONGEST else _version(written)


@lru_cache(maxsize=512)
def _version(written: str) -> Version | None:
    written = written[1:] if written[:1] in ("v", "V") else written
    numbers = _NUMBERS.match(written)
    end = numbers.end() if numbers else 0
    padded = written[:end] + ".0" * (2 - written.count(".", 0, end)) + written[end:]
    match = _VERSION.match(padded)
    if match is None:
        return None
    return int(match[1]), int(match[2]), int(match[3]), _rank(match[4])


def _rank(pre_release: str | None) -> tuple[Any, ...]:
    if pre_release is None:
        return _RELEASED
    # Numbers rank below words, and by size; words by their letters.
    return (
        0,
        *((0, int(part)) if part.isdigit() else (1, part) for part in pre_release.split(".")),
    )


COMPARISONS: Final[Mapping[str, Callable[[Version, Version], bool]]] = {
    "=": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
    "^": lambda a, b: a[0] == b[0],
    "~": lambda a, b: a[:2] == b[:2],
}
