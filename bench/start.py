"""How long the command takes to say what it can do."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from bench.harness import Comparison, Contender
from bench.work import Batch, Work

_TIMES = 10


def bare_python() -> Iterator[Work]:
    yield lambda: _start([sys.executable, "-c", "pass"])


def bare_click() -> Iterator[Work]:
    yield lambda: _start([sys.executable, "-c", "import click"])


def seatrial_help() -> Iterator[Work]:
    yield lambda: _start([str(Path(sys.executable).with_name("seatrial")), "--help"])


def _start(command: list[str]) -> Batch:
    before = os.times()
    for _ in range(_TIMES):
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    after = os.times()
    cpu = (
        after.children_user - before.children_user + after.children_system - before.children_system
    )
    return Batch(_TIMES, other_cpu_s=cpu)


COMPARISONS = (
    Comparison(
        name="start",
        question="What does `seatrial --help` cost above a Python that does nothing?",
        operation="start",
        contenders=(
            Contender(name="python -c pass", target="bench.start:bare_python"),
            Contender(name="import click", target="bench.start:bare_click"),
            Contender(name="seatrial --help", target="bench.start:seatrial_help"),
        ),
    ),
)
