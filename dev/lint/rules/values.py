"""SEA014: values do not change."""

import ast
from collections.abc import Iterator
from typing import Final

from dev.lint.places import is_pure
from dev.lint.rule import Rule, Sighting, at
from dev.lint.source import Source

_NEEDED: Final = ("frozen", "kw_only")


def _check(source: Source) -> Iterator[Sighting]:
    if not is_pure(source.place):
        return
    for node in source.nodes:
        if isinstance(node, ast.ClassDef):
            for decorator in node.decorator_list:
                missing = _missing(source, decorator)
                if missing:
                    yield at(node, f"the dataclass {node.name!r} is not {' and '.join(missing)}")


def _missing(source: Source, decorator: ast.expr) -> list[str]:
    call = decorator if isinstance(decorator, ast.Call) else None
    if source.dotted(call.func if call else decorator) != "dataclasses.dataclass":
        return []
    given = {
        keyword.arg
        for keyword in (call.keywords if call else ())
        if isinstance(keyword.value, ast.Constant) and keyword.value.value is True
    }
    return [name for name in _NEEDED if name not in given]


VALUES: Final = Rule(
    code="SEA014",
    promise="Dataclasses of `contract`, `stats` and every domain are frozen and keyword-only.",
    why="a value that changes after its digest was taken is another value under the same name, "
    "and fields given by position change their meaning when one is added",
    remedy="write `@dataclass(frozen=True, kw_only=True)` and use `dataclasses.replace`",
    check=_check,
)
