"""The long loops of this room."""

import json
import random
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from dev.soak import Soak
from tests.cell.journal.promises import one_case

_ROOT: Final = Path(__file__).resolve().parents[3]


def apart(module: str, *arguments: str) -> Callable[[int], Mapping[str, Any]]:
    """A soak in a process of its own, which forks; its figures."""

    def run(loops: int) -> Mapping[str, Any]:
        command = [sys.executable, "-m", f"tests.cell.journal.{module}", *arguments, str(loops)]
        done = subprocess.run(command, check=False, cwd=_ROOT, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        figures: dict[str, Any] = json.loads(done.stdout)
        return figures

    return run


def _cases(loops: int) -> Mapping[str, Any]:
    deaths = sum(one_case(random.Random(seed)) for seed in range(loops))  # noqa: S311
    return {"deaths ordered": deaths, "promises broken": 0}


SOAKS: Final = (
    Soak(
        name="matching, generated agents",
        promise="an agent that is killed at any step ends as if nothing had happened",
        run=_cases,
        full=20_000,
        short=50,
    ),
    Soak(
        name="kill -9 under agents, SQLite",
        promise="no effect twice, none lost, each question put once, and the same output",
        run=apart("kill_passages", "sqlite"),
        full=1_000,
        short=2,
    ),
    Soak(
        name="kill -9 under agents, PostgreSQL",
        promise="no effect twice, none lost, each question put once, and the same output",
        run=apart("kill_passages", "postgresql"),
        full=1_000,
        short=2,
    ),
    Soak(
        name="lost power under agents, SQLite",
        promise="the same, where only what was synchronised is on the disk",
        run=apart("power", "sqlite"),
        full=1_000,
        short=10,
        needs="strace",
    ),
    Soak(
        name="lost power under agents, PostgreSQL",
        promise="the same, where only what was synchronised is on the disk",
        run=apart("power", "postgresql"),
        full=1_000,
        short=3,
        needs="strace",
    ),
)
