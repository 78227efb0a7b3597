"""The house measures its own style; the hard limits are the tail that makes code ugly."""

import ast
import functools
import statistics
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
LONGEST_FILE: Final = 600
LONGEST_FUNCTION: Final = 60
Function = ast.FunctionDef | ast.AsyncFunctionDef


@functools.cache
def files() -> Mapping[str, str]:
    return {
        str(path.relative_to(ROOT)): path.read_text(encoding="utf-8")
        for folder in ("src", "dev")
        for path in sorted((ROOT / folder).rglob("*.py"))
    }


@functools.cache
def trees() -> Mapping[str, ast.Module]:
    """Parsed by the worker that runs these tests, not by each that collects them: 1 s to 2.6 s."""
    return {name: ast.parse(text) for name, text in files().items()}


def functions() -> Iterator[tuple[str, Function]]:
    for name, tree in trees().items():
        for node in ast.walk(tree):
            if isinstance(node, Function):
                yield f"{name}:{node.lineno} {node.name}", node


def lines(node: Function) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1


def slots(node: Function) -> Iterator[tuple[str, bool]]:
    """Each place of a signature that can bear an annotation, and whether it does."""
    given = node.args
    rest = [each for each in (given.vararg, given.kwarg) if each is not None]
    for each in [*given.posonlyargs, *given.args, *given.kwonlyargs, *rest]:
        if each.arg not in ("self", "cls"):
            yield each.arg, each.annotation is not None
    yield "return", node.returns is not None


def test_no_file_is_longer_than_the_limit() -> None:
    long = {name: text.count("\n") for name, text in files().items()}
    assert {name: count for name, count in long.items() if count > LONGEST_FILE} == {}


def test_no_function_is_longer_than_the_limit() -> None:
    long = [name for name, node in functions() if lines(node) > LONGEST_FUNCTION]
    # A migration lists tables; cut in two it would tell no more.
    assert [name for name in long if "/migrations/versions/" not in name] == []


def test_files_and_functions_keep_their_aims() -> None:
    sizes = sorted(text.count("\n") for text in files().values())
    bodies = sorted(lines(node) for _, node in functions())
    assert statistics.median(sizes) <= 150
    assert sizes[len(sizes) * 95 // 100] <= 400
    assert bodies[len(bodies) * 95 // 100] <= 40


def test_every_signature_is_annotated() -> None:
    bare = [
        f"{name}({slot})"
        for name, node in functions()
        for slot, annotated in slots(node)
        if not annotated
    ]
    assert bare == []


def test_nothing_is_imported_inside_a_function() -> None:
    hidden = [
        name
        for name, node in functions()
        if any(isinstance(inner, ast.Import | ast.ImportFrom) for inner in ast.walk(node))
    ]
    assert hidden == []


def test_a_module_that_speaks_begins_with_a_sentence() -> None:
    first = {
        name: (ast.get_docstring(tree) or ".").split("\n")[0] for name, tree in trees().items()
    }
    assert {name: line for name, line in first.items() if line[-1] not in ".?"} == {}
