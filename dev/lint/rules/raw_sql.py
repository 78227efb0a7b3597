"""SEA007: SQL stands in stores."""

import ast
import re
from collections.abc import Iterator
from typing import Final

from dev.lint.places import address, role, within
from dev.lint.rule import Rule, Sighting, at
from dev.lint.source import Source

_STATEMENT: Final = re.compile(
    r"\s*(SELECT\s.*\sFROM\s|INSERT\s+INTO\s|UPDATE\s.*\sSET\s|DELETE\s+FROM\s|MERGE\s+INTO\s"
    r"|WITH\s+\w+.*\sAS\s|(CREATE|ALTER|DROP)\s+(TABLE|INDEX|UNIQUE|VIEW|SCHEMA|ROLE|TRIGGER)\s"
    r"|PRAGMA\s+\w|BEGIN\s+(IMMEDIATE|EXCLUSIVE)|SAVEPOINT\s|TRUNCATE\s|VACUUM\b)",
    re.DOTALL,
)
_VERB: Final = re.compile(
    r"\s*(select|insert|update|delete|with|create|alter|drop|pragma|begin|commit|rollback"
    r"|savepoint|lock|listen|notify|set|truncate|vacuum)\b",
    re.IGNORECASE,
)
_RUNS: Final = frozenset({"execute", "executemany", "scalar", "scalars", "stream", "text"})
_RUNS_RAW: Final = frozenset({"exec_driver_sql", "executescript"})


def _check(source: Source) -> Iterator[Sighting]:
    if role(source.place) == "store" or within(source.place, "kit/database"):
        return
    if "migrations" in address(source.place):
        return
    seen: set[int] = set()
    for call in source.calls():
        if id(call) in seen:
            continue
        name = call.func.attr if isinstance(call.func, ast.Attribute) else _name(call.func)
        text = _text(call.args[0]) if call.args else ""
        if name in _RUNS_RAW or (name in _RUNS and _VERB.match(text)):
            seen |= {id(node) for node in ast.walk(call)}
            yield at(call, f"`{name}` runs SQL text here")
    for node, text in source.strings():
        if id(node) not in seen and _STATEMENT.match(text):
            yield at(node, f"the text {text.strip()[:30]!r} is SQL")


def _name(node: ast.expr) -> str:
    return node.id if isinstance(node, ast.Name) else ""


def _text(node: ast.expr) -> str:
    """What the expression's text begins with, as far as it is written out."""
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr) and node.values:
        return _text(node.values[0])
    if isinstance(node, ast.BinOp):
        return _text(node.left)
    if isinstance(node, ast.Call) and node.args:
        return _text(node.args[0])
    return ""


RAW_SQL: Final = Rule(
    code="SEA007",
    promise="SQL text stands only in stores, migrations and `kit/database`.",
    why="a query elsewhere escapes the suite that runs every store on both databases",
    remedy="give the store a function for it",
    check=_check,
)
