"""SEA016: a constant says that it is one."""

import ast
import re
from collections.abc import Iterator
from typing import Final

from dev.lint.rule import Rule, Sighting, at
from dev.lint.source import Source

_CONSTANT: Final = re.compile(r"_?[A-Z][A-Z0-9_]+\Z")


def _check(source: Source) -> Iterator[Sighting]:
    for statement in source.tree.body:
        if isinstance(statement, ast.Assign):
            for target in statement.targets:
                if isinstance(target, ast.Name) and _CONSTANT.match(target.id):
                    yield at(statement, f"the constant {target.id!r} is not `Final`")


CONSTANTS: Final = Rule(
    code="SEA016",
    promise="A module's constants are annotated `Final`.",
    why="mypy then refuses whoever binds the name again",
    remedy="write `NAME: Final = …`",
    check=_check,
)
