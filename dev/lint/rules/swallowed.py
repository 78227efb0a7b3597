"""SEA011: no failure is swallowed."""

import ast
from collections.abc import Iterator
from typing import Final

from dev.lint.rule import Rule, Sighting, at
from dev.lint.source import Source

_BROAD: Final = frozenset(
    {"BaseException", "BaseExceptionGroup", "Exception", "ExceptionGroup", "SeatrialError"}
)
_SILENT: Final = (ast.Pass, ast.Continue, ast.Break)


def _check(source: Source) -> Iterator[Sighting]:
    for node in source.nodes:
        if isinstance(node, ast.ExceptHandler):
            if _broad(node.type) and all(_silent(each) for each in node.body):
                yield at(node, "a handler takes every error and tells nobody")
        elif isinstance(node, ast.Call):
            if source.dotted(node.func) == "contextlib.suppress" and any(map(_broad, node.args)):
                yield at(node, "`suppress` takes every error and tells nobody")
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield from _gathers(source, node)


def _gathers(
    source: Source, function: ast.FunctionDef | ast.AsyncFunctionDef
) -> Iterator[Sighting]:
    inner = list(ast.walk(function))
    if any(isinstance(node, ast.Attribute) and node.attr == "cancel" for node in inner):
        return  # the usual way to see cancelled tasks end
    for node in inner:
        if isinstance(node, ast.Expr) and _gathered(source, node.value):
            yield at(node, "`gather` returns its errors, and nobody looks at them")


def _broad(kind: ast.expr | None) -> bool:
    if isinstance(kind, ast.Tuple):
        return any(map(_broad, kind.elts))
    return kind is None or getattr(kind, "attr", getattr(kind, "id", None)) in _BROAD


def _silent(statement: ast.stmt) -> bool:
    if isinstance(statement, ast.Return):
        return statement.value is None or isinstance(statement.value, ast.Constant)
    if isinstance(statement, ast.Expr):
        return isinstance(statement.value, ast.Constant)
    return isinstance(statement, _SILENT)


def _gathered(source: Source, value: ast.expr) -> bool:
    call = value.value if isinstance(value, ast.Await) else value
    if not isinstance(call, ast.Call) or source.dotted(call.func) != "asyncio.gather":
        return False
    return any(keyword.arg == "return_exceptions" for keyword in call.keywords)


SWALLOWED: Final = Rule(
    code="SEA011",
    promise="No handler takes every error and drops it.",
    why="the next defect there will have no symptom but a wrong state",
    remedy="name the errors that are expected, or log what was caught",
    check=_check,
)
