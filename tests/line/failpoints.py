"""Every named failpoint of the source, so that a new one is killed at without being listed."""

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import seatrial

_SOURCE: Final = Path(seatrial.__file__).parent


def points() -> tuple[str, ...]:
    """The names in calls of `reach`, those that a parameter completes included, in order.

    In `reach(f"control.{verb}.after")` the parameter takes what the function is called with in
    the same file.
    """
    found = set[str]()
    for path in sorted(_SOURCE.rglob("*.py")):
        text = path.read_text()
        if "reach(" in text and path.name != "failpoints.py":
            found.update(_named(ast.parse(text)))
    return tuple(sorted(found))


def _named(tree: ast.Module) -> Iterator[str]:
    for function in ast.walk(tree):
        if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        for call in _calls(function, "reach"):
            argument = call.args[0]
            if isinstance(argument, ast.Constant):
                yield str(argument.value)
            elif isinstance(argument, ast.JoinedStr):
                yield from _completed(tree, function, argument)


def _completed(
    tree: ast.Module, function: ast.FunctionDef | ast.AsyncFunctionDef, name: ast.JoinedStr
) -> Iterator[str]:
    parameters = [each.arg for each in function.args.args if each.arg != "self"]
    for call in _calls(tree, function.name):
        given = {
            parameter: str(argument.value)
            for parameter, argument in zip(parameters, call.args, strict=False)
            if isinstance(argument, ast.Constant)
        }
        yield "".join(
            str(part.value) if isinstance(part, ast.Constant) else given[part.value.id]  # type: ignore[attr-defined]  # anything else is a defect
            for part in name.values
        )


def _part(part: ast.expr, given: Mapping[str, str]) -> str:
    if isinstance(part, ast.Constant):
        return str(part.value)
    if isinstance(part, ast.FormattedValue) and isinstance(part.value, ast.Name):
        return given[part.value.id]
    raise TypeError(f"what is {ast.unparse(part)} in the name of a failpoint?")


def _calls(tree: ast.AST, name: str) -> Iterator[ast.Call]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            called = node.func
            if name == getattr(called, "id", getattr(called, "attr", None)):
                yield node
