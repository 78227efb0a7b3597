"""What a whole system costs on one machine: to start, to keep, to switch."""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from bench.child import peak_mib
from bench.harness import Comparison, Contender
from bench.work import Batch, Work

_SEATRIAL = str(Path(sys.executable).with_name("seatrial"))
_SWITCHES = 6
_IDLE = 2.0  # seconds that a process is left alone before it is looked at


def bare_python() -> Iterator[Work]:
    yield lambda: _timed([sys.executable, "-c", "pass"], Path.cwd())


def first_start() -> Iterator[Work]:
    with _folder() as folder:

        def work() -> Batch:
            started = _timed([_SEATRIAL, "up", "--detach", "--port", "0"], folder)
            _run("down", folder=folder)
            shutil.rmtree(folder / ".seatrial")
            return started

        yield work


def later_start() -> Iterator[Work]:
    with _folder() as folder:
        _run("up", "--detach", "--port", "0", folder=folder)
        _run("down", folder=folder)

        def work() -> Batch:
            started = _timed([_SEATRIAL, "up", "--detach"], folder)
            _run("down", folder=folder)
            return started

        yield work


def idle_python() -> Iterator[Work]:
    idle = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    yield lambda: _looked_at(idle.pid)
    idle.communicate(b"\n")


def idle_control() -> Iterator[Work]:
    yield from _idle("control")


def idle_cell() -> Iterator[Work]:
    yield from _idle("production")


def status() -> Iterator[Work]:
    with _deployed() as folder:
        yield lambda: _many(folder, ["status"])


def switch() -> Iterator[Work]:
    """Rollback after rollback: each is a whole switch between two releases that were live."""
    with _deployed() as folder:
        yield lambda: _many(folder, ["rollback", "--yes"])


def _idle(process: str) -> Iterator[Work]:
    with _folder() as folder:
        _run("up", "--detach", "--port", "0", folder=folder)
        found = _process_of(folder / ".seatrial" / process)
        yield lambda: _looked_at(found)
        _run("down", folder=folder)


def _looked_at(process: int) -> Batch:
    time.sleep(_IDLE)
    return Batch(1, other_peak_mib=peak_mib(process))


def _many(folder: Path, command: list[str]) -> Batch:
    taken = [_timed([_SEATRIAL, *command], folder) for _ in range(_SWITCHES)]
    return Batch(
        _SWITCHES,
        latencies_us=[each.latencies_us[0] for each in taken],
        other_cpu_s=sum(each.other_cpu_s for each in taken),
    )


def _timed(command: list[str], folder: Path) -> Batch:
    before, began = os.times(), time.perf_counter()
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    wall, after = time.perf_counter() - began, os.times()
    cpu = after.children_user - before.children_user
    cpu += after.children_system - before.children_system
    return Batch(1, latencies_us=[wall * 1e6], other_cpu_s=cpu)


@contextlib.contextmanager
def _folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="bench-"))
    try:
        yield folder
    finally:
        if (folder / ".seatrial" / "up.lock").exists():
            subprocess.run([_SEATRIAL, "down"], cwd=folder, capture_output=True, check=False)
        shutil.rmtree(folder)


@contextlib.contextmanager
def _deployed() -> Iterator[Path]:
    """A system with two releases of one agent that were live in production."""
    with _folder() as folder:
        _run("init", ".", "--no-input", folder=folder)
        _run("up", "--detach", "--port", "0", folder=folder)
        agent = json.loads(_run("deploy", "--json", folder=folder))["release"].partition("@")[0]
        for number in range(2):
            (folder / "agent.py").write_text(f"def run(input):\n    return {number}\n")
            _run("deploy", folder=folder)
            _run("invoke", agent, "hello", "--env", "staging", folder=folder)
            _promote(folder)
        yield folder


def _promote(folder: Path) -> None:
    error = ""
    for _ in range(50):  # staging counts a moment after the run has ended
        done = subprocess.run(
            [_SEATRIAL, "promote", "--yes"], cwd=folder, capture_output=True, check=False
        )
        if done.returncode == 0:
            return
        error = done.stderr.decode()
        time.sleep(0.2)
    raise RuntimeError(error)


def _run(*arguments: str, folder: Path) -> str:
    done = subprocess.run(
        [_SEATRIAL, *arguments], cwd=folder, capture_output=True, check=False, text=True
    )
    if done.returncode:
        raise RuntimeError(f"{arguments}: {done.stderr}")
    return done.stdout


def _process_of(folder: Path) -> int:
    wanted = str(folder / "settings.toml").encode()
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if wanted in (entry / "cmdline").read_bytes().split(b"\0"):
                return int(entry.name)
    raise RuntimeError(f"no process runs on {folder}")


COMPARISONS = (
    Comparison(
        name="system-start",
        question="How long does `seatrial up` take until control and two cells serve?",
        operation="start",
        contenders=(
            Contender(name="python -c pass", target="bench.system:bare_python"),
            Contender(name="the first start", target="bench.system:first_start"),
            Contender(name="a later start", target="bench.system:later_start"),
        ),
    ),
    Comparison(
        name="system-memory",
        question="How much memory does a process take that nobody asks for anything?",
        operation="look",
        contenders=(
            Contender(name="a Python that waits", target="bench.system:idle_python"),
            Contender(name="control", target="bench.system:idle_control"),
            Contender(name="a cell", target="bench.system:idle_cell"),
        ),
    ),
    Comparison(
        name="system-switch",
        question="What does a whole switch cost above a look at the status, both by command?",
        operation="command",
        contenders=(
            Contender(name="seatrial status", target="bench.system:status"),
            Contender(name="seatrial rollback", target="bench.system:switch"),
        ),
    ),
)
