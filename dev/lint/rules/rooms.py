"""SEA005: every room says what it is, and its `__init__.py` says nothing else."""

import ast
from collections.abc import Iterator
from typing import Final

from dev.lint.rule import Rule, Sighting, at, at_top
from dev.lint.source import Source

_LONGEST: Final = 100
_FEWEST_WORDS: Final = 3


def _check(source: Source) -> Iterator[Sighting]:
    if source.place.name != "__init__.py":
        return
    text = ast.get_docstring(source.tree)
    if text is None:
        yield at_top("the room has no docstring, or no `__init__.py`")
    else:
        yield from _first_line(text)
    for statement in source.tree.body[0 if text is None else 1 :]:
        yield at(statement, "`__init__.py` holds more than its docstring")


def _first_line(text: str) -> Iterator[Sighting]:
    line = text.splitlines()[0]
    if len(line) > _LONGEST:
        yield at_top(f"the first line has {len(line)} characters")
    if len(line.split()) < _FEWEST_WORDS or not line.endswith("."):
        yield at_top(f"the first line {line!r} is no sentence that says what the room is")


ROOMS: Final = Rule(
    code="SEA005",
    promise="Every folder has an `__init__.py` that holds one docstring and nothing else; its "
    "first line, of 100 characters at most, says what the room is.",
    why="the map is drawn from these lines, and code in them is run by whoever imports "
    "anything of the room",
    remedy="write one sentence there, and import names from the file that defines them",
    check=_check,
)
