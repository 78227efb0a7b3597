"""SEA004: settings are read once, in one place."""

from collections.abc import Iterator
from typing import Final

from dev.lint.places import within
from dev.lint.rule import Rule, Sighting, at
from dev.lint.source import Source

_READS: Final = frozenset(
    {"os.environ", "os.environb", "os.getenv", "os.getenvb", "os.putenv", "os.unsetenv"}
)


def _check(source: Source) -> Iterator[Sighting]:
    if within(source.place, "kit/settings", "main"):
        return
    for node, name in source.references():
        if any(name == read or name.startswith(f"{read}.") for read in _READS):
            yield at(node, f"`{name}` touches the process's environment")


ENVIRONMENT: Final = Rule(
    code="SEA004",
    promise="Only `kit/settings.py` and `main` touch environment variables.",
    why="a value read in a corner is in no settings table, and nobody checks it at the start",
    remedy="make it a settings field in `main` and hand the value in",
    check=_check,
)
