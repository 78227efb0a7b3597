"""SEA006: a name says what is inside."""

import ast
import re
from collections.abc import Iterator
from typing import Final

from dev.lint.places import address
from dev.lint.rule import Rule, Sighting, at, at_top
from dev.lint.source import Source

_NEVER: Final = frozenset({"helper", "helpers", "manager", "managers", "misc", "util", "utils"})
_NEVER_ALONE: Final = frozenset({"base", "common", "model", "models", "shared", "stuff", "types"})
_CLASS: Final = re.compile(r"(Helper|Manager|Util|Utils|Utility)s?\Z")


def _check(source: Source) -> Iterator[Sighting]:
    parts = address(source.place)
    if parts and (parts[-1] in _NEVER_ALONE or not _NEVER.isdisjoint(parts[-1].split("_"))):
        yield at_top(f"the name {parts[-1]!r} fits anything")
    for node in source.nodes:
        if isinstance(node, ast.ClassDef) and _CLASS.search(node.name):
            yield at(node, f"the name {node.name!r} fits anything")


NAMES: Final = Rule(
    code="SEA006",
    promise="No file, folder or class is a drawer: no utils, helpers, manager, base, common, "
    "misc, shared, types; and no model, which means three things here.",
    why="a name that fits anything gathers everything",
    remedy="name it after what it knows or does",
    check=_check,
)
