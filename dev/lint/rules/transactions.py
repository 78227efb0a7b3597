"""SEA001: a transaction belongs to the edge."""

import ast
from collections.abc import Iterator
from typing import Final

from dev.lint.places import within
from dev.lint.rule import Rule, Sighting, at
from dev.lint.source import Source

_VERBS: Final = frozenset(
    {"begin", "begin_nested", "begin_twophase", "commit", "rollback", "savepoint"}
)
_CONNECTIONS: Final = frozenset({"conn", "connection", "cursor", "db", "database", "engine"})


def _check(source: Source) -> Iterator[Sighting]:
    if within(source.place, "kit/database"):
        return
    bare = {id(call.func) for call in source.calls() if not call.args and not call.keywords}
    for node in source.nodes:
        if not isinstance(node, ast.Attribute) or node.attr not in _VERBS:
            continue
        # The domain has verbs of these names too; they take what is committed or rolled back.
        if id(node) in bare or _last_name(node.value) in _CONNECTIONS:
            yield at(node, f"`{ast.unparse(node)}` holds a transaction in its own hand")


def _last_name(node: ast.expr) -> str:
    name = node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")
    return str(name).lstrip("_")


TRANSACTIONS: Final = Rule(
    code="SEA001",
    promise="Only `kit/database` begins, commits and rolls back.",
    why="a use case that commits by itself cannot be part of a larger one, "
    "and leaves half of it behind when the rest fails",
    remedy="take the connection as a parameter and let the edge run the use case",
    check=_check,
)
