"""Every function of the room shows a worked example, and every example is true."""

import ast
import doctest
import importlib
import inspect
import pkgutil
import re
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import pytest

import seatrial.stats

ROOT: Final = Path(__file__).parents[2]
MODULES: Final = [
    importlib.import_module(f"seatrial.stats.{module.name}")
    for module in pkgutil.iter_modules(seatrial.stats.__path__)
]
PAGE: Final = ROOT / "docs" / "explanation" / "statistics.md"
FOUND: Final = ROOT / "docs" / "reference" / "simulations.md"
QUOTED: Final = re.compile(r"\d[\d,]* / \d[\d,]*|\d+\.\d+ %|\b\d{2,3}(?:,\d{3})+\b")
ELSEWHERE: Final = {"88.8 %", "9.75 %"}  # closed forms, tested where they stand


def _functions() -> list[Callable[..., Any]]:
    return [
        member
        for module in MODULES
        for name, member in vars(module).items()
        if inspect.isfunction(member) and not name.startswith("_")
        if member.__module__ == module.__name__
    ]


@pytest.mark.parametrize("module", MODULES, ids=lambda module: str(module.__name__))
def test_the_examples_of_a_module_are_true(module: ModuleType) -> None:
    ran = doctest.testmod(module)
    assert ran.failed == 0


@pytest.mark.parametrize("function", _functions(), ids=lambda f: f"{f.__module__}.{f.__name__}")
def test_every_function_shows_a_worked_example(function: Callable[..., Any]) -> None:
    assert ">>> " in (function.__doc__ or "")


def test_the_examples_of_the_page_are_true() -> None:
    blocks = re.findall(r"^```pycon\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    assert blocks
    parsed = doctest.DocTestParser().get_doctest("\n".join(blocks), {}, PAGE.name, None, 0)
    assert doctest.DocTestRunner().run(parsed).failed == 0


def test_the_figures_of_the_page_are_those_that_were_found() -> None:
    """A delay, a rate with decimals or a number above ten thousand must stand on the other page."""
    found = FOUND.read_text()
    assert [
        f for f in QUOTED.findall(PAGE.read_text()) if f not in ELSEWHERE and f not in found
    ] == []


def test_the_room_stands_on_numbers_alone() -> None:
    """numpy, scipy's plain functions, kit's errors, and parts of Python that touch nothing."""
    allowed = {"numpy", "numpy.typing", "scipy.special", "seatrial.kit.errors"}
    quiet = {"bisect", "collections", "collections.abc", "dataclasses", "enum", "functools"}
    quiet |= {"hashlib", "itertools", "math", "typing"}
    for module in MODULES:
        for node in ast.walk(ast.parse(inspect.getsource(module))):
            assert not isinstance(node, ast.Import) or {a.name for a in node.names} <= (
                allowed | quiet | {"numpy"}
            )
            if isinstance(node, ast.ImportFrom):
                assert node.module in allowed | quiet or str(node.module).startswith(
                    "seatrial.stats."
                )


def test_the_room_draws_no_chance_of_its_own() -> None:
    """`np.random` may be named only as the type of the generator that a caller hands in."""
    for module in MODULES:
        named = re.findall(r"random\.\w+", inspect.getsource(module))
        assert set(named) <= {"random.Generator", "random.default_rng"}
        examples = re.findall(r"default_rng\(", inspect.getsource(module))
        assert len(examples) == len(
            re.findall(r"rng=np\.random\.default_rng\(1\)", inspect.getsource(module))
        )
