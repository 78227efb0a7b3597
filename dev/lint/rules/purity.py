"""SEA013: rules only compute."""

import ast
from collections.abc import Iterator
from typing import Final

from dev.lint.places import is_pure
from dev.lint.rule import Rule, Sighting, at
from dev.lint.source import Source

_REACHES_OUT: Final = frozenset({"breakpoint", "input", "open", "print"})
_WAITS: Final = (ast.AsyncFunctionDef, ast.AsyncFor, ast.AsyncWith)


def _check(source: Source) -> Iterator[Sighting]:
    if not is_pure(source.place):
        return
    for node in source.nodes:
        if isinstance(node, _WAITS):
            yield at(node, "a rule waits for something")
        elif isinstance(node, ast.Global):
            yield at(node, "a rule remembers in a global")
    for call in source.calls():
        if isinstance(call.func, ast.Name) and call.func.id in _REACHES_OUT:
            yield at(call, f"a rule calls `{call.func.id}`")


PURITY: Final = Rule(
    code="SEA013",
    promise="In `contract`, `stats` and every domain nothing waits, opens, prints or keeps state.",
    why="control and every cell must come to the same answer from the same values, "
    "and tests must be able to try all of them",
    remedy="take the content as an argument and return what the service is to do",
    check=_check,
)
