"""SEA010: a neighbour sees a room's domain and service."""

from collections.abc import Iterator
from typing import Final

from dev.lint.places import address, room, within
from dev.lint.rule import Rule, Sighting, at
from dev.lint.source import ROOT, Source

_PUBLIC: Final = frozenset({"domain", "service"})


def _check(source: Source) -> Iterator[Sighting]:
    if within(source.place, "main"):
        return
    here = room(address(source.place))
    for node, name in source.imports():
        parts = tuple(name.split("."))
        there = room(parts[1:])
        if parts[0] != ROOT or len(there) < 2 or here == there:
            continue
        if _PUBLIC.isdisjoint(parts[3:4]):
            yield at(node, f"`{name}` is a private part of {'/'.join(there)}")


NEIGHBOURS: Final = Rule(
    code="SEA010",
    promise="From another room of `cell` or `control` only its `domain` and `service` are "
    "imported; `main` may see all, to wire it.",
    why="what a neighbour imports can no longer be changed by the room alone",
    remedy="ask the room's service, or move the value into its domain",
    check=_check,
)
