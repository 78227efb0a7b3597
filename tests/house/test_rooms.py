"""The rooms that the design names, and the ground that rules stand on."""

import ast
import tomllib
from pathlib import Path
from typing import Final

import grimp
import pytest

ROOT: Final = Path(__file__).parents[2]
ROOMS: Final = {
    "kit": ("crypto", "database", "http", "terminal"),
    "contract": (),
    "stats": (),
    "data": (),
    "cell": (
        *("door", "runs", "hosts", "journal", "llms"),
        *("tools", "memory", "vault", "assess", "telemetry"),
    ),
    "control": (
        *("catalog", "environments", "promotions", "rollouts", "evaluation"),
        *("flags", "identity", "audit", "watch", "readiness"),
    ),
    "stop": (),
    "console": (),
    "cli": (),
    "sdk": (),
    "main": (),
}
PATHS: Final = [*ROOMS, *(f"{top}/{inner}" for top, inside in ROOMS.items() for inner in inside)]
# What these may touch at hand is why they exist; rules take their values and types alone.
EXCEPTED: Final = {
    "seatrial.kit.clock": {"asyncio", "selectors"},
    "seatrial.kit.errors": {"logging"},
    "seatrial.kit.ids": {"threading"},
}


@pytest.mark.parametrize("room", PATHS)
def test_a_room_of_the_design_says_what_it_is(room: str) -> None:
    text = (ROOT / "src/seatrial" / room / "__init__.py").read_text(encoding="utf-8")
    assert ast.get_docstring(ast.parse(text))


def test_what_rules_reach_in_kit_touches_nothing_outside() -> None:
    """`pure` forbids kit's doors by name; a door that is built later must not slip through."""
    graph = grimp.build_graph("seatrial", include_external_packages=True, cache_dir=None)
    rules = {
        module
        for module in graph.modules
        if module.startswith(("seatrial.contract", "seatrial.stats")) or ".domain" in module
    }
    reached = {kit for rule in rules for kit in graph.find_upstream_modules(rule)}
    touched = {
        module: graph.find_modules_directly_imported_by(module) & _outside()
        for module in reached
        if module.startswith("seatrial.kit")
    }
    slips = {name: found - EXCEPTED.get(name, set()) for name, found in touched.items()}
    assert {name: found for name, found in slips.items() if found} == {}


def _outside() -> set[str]:
    """Whatever the contracts on purity keep from rules."""
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    contracts = tomllib.loads(text)["tool"]["importlinter"]["contracts"]
    return {
        module
        for contract in contracts
        if contract["id"].startswith("pure")
        for module in contract["forbidden_modules"]
    }
