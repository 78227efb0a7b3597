"""SEA012: every import is in sight of the import contracts."""

import ast
import re
from collections.abc import Iterator
from typing import Final

from dev.lint.places import address, room, within
from dev.lint.rule import Rule, Sighting, at
from dev.lint.source import ROOT, Source

_BY_NAME: Final = frozenset(
    {
        "importlib.__import__",
        "importlib.import_module",
        "importlib.util.spec_from_file_location",
        "pkgutil.resolve_name",
        "runpy.run_module",
        "runpy.run_path",
    }
)
_TARGET: Final = re.compile(rf"{ROOT}(\.[a-z_][a-z0-9_]*)+:[A-Za-z_]\w*\Z")


def _check(source: Source) -> Iterator[Sighting]:
    if within(source.place, "main"):
        return
    here = room(address(source.place))
    for node, target in source.strings():
        if _TARGET.match(target):
            there = room(tuple(target.partition(":")[0].split(".")[1:]))
            if there != here:
                yield at(node, f"the text {target!r} reaches into another room")
    if within(source.place, "kit/terminal", "cell/hosts"):
        return
    for expression, name in source.references():
        if name in _BY_NAME:
            yield at(expression, f"`{name}` imports by name")
    for call in source.calls():
        if isinstance(call.func, ast.Name) and call.func.id == "__import__":
            yield at(call, "`__import__` imports by name")


HIDDEN_IMPORTS: Final = Rule(
    code="SEA012",
    promise="Imports by name happen only for lazy commands (`kit/terminal`, `main`) and for an "
    "agent's own code (`cell/hosts`); a table of names stays within its room.",
    why="the import contracts read import statements, and see nothing else",
    remedy="write an import statement, or let `main` hand the object in",
    check=_check,
)
