"""Agent processes die with their cell, however it dies, and so does all that they started."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from seatrial.cell.hosts import warden
from seatrial.cell.hosts.domain import Result
from tests.cell.hosts.hosting import PATIENCE, Room, eventually, last, on_loop, run

ROOT = Path(__file__).resolve().parents[3]
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are found by /proc")


def cell(folder: Path) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "tests.cell.hosts.child", str(folder)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={"PATH": os.defpath},
    )


def processes(child: "subprocess.Popen[str]") -> list[int]:
    """The guest, what it forked, and what it started, as the agent prints them."""
    assert child.stdout is not None
    return [int(child.stdout.readline()) for _ in range(3)]


def gone(ids: list[int]) -> bool:
    end = time.monotonic() + PATIENCE
    while any(map(warden.alive, ids)) and time.monotonic() < end:
        time.sleep(0.01)
    return not any(map(warden.alive, ids))


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_killed_cell_leaves_no_process(room: Room, number: signal.Signals) -> None:
    child = cell(room.folder)
    with child:
        ids = processes(child)
        assert all(map(warden.alive, ids))
        child.send_signal(number)
        child.wait(PATIENCE)
        assert gone(ids)


def test_a_stopped_warden_changes_nothing_for_the_next_start(room: Room) -> None:
    """Both are killed at once: what is left is ended when the cell starts again."""
    child = cell(room.folder)
    with child:
        guest, *others = processes(child)
        (guard,) = (each for each in _children(child.pid) if each != guest)
        os.kill(guard, signal.SIGKILL)
        child.kill()
        child.wait(PATIENCE)
        assert gone([guest]), "the kernel ends the guest with its cell"
        assert all(map(warden.alive, others))
        scratch = room.folder / "cell" / "scratch"
        assert list(scratch.glob(f"*.{child.pid}.*/*"))

        async def start_again() -> None:
            async with room.hosts():
                pass

        on_loop(start_again())
        assert gone(others)
        assert not list(scratch.glob(f"*.{child.pid}.*"))


def test_a_start_leaves_the_processes_of_a_living_cell_alone(room: Room) -> None:
    child = cell(room.folder)
    with child:
        ids = processes(child)

        async def start_beside() -> None:
            async with room.hosts() as hosts:
                plan = room.plan("def run(input): return 'beside'")
                assert last(await run(hosts, plan)) == Result(output="beside")

        on_loop(start_beside())
        assert all(map(warden.alive, ids))
        child.kill()
        assert gone(ids)


def test_an_idle_process_that_dies_is_replaced(room: Room) -> None:
    async def work() -> None:
        async with room.hosts() as hosts:
            plan = room.plan("def run(input): return 'again'")
            await hosts.prepare(plan)
            async with hosts.slot(plan) as slot:
                first = slot.process_id
            assert first is not None
            os.kill(first, signal.SIGKILL)
            pool = hosts._pools[plan.key]
            await eventually(lambda: [each.process_id != first for each in pool.idle] == [True])
            assert last(await run(hosts, plan)) == Result(output="again")

    on_loop(work())


def _children(process: int) -> list[int]:
    text = Path(f"/proc/{process}/task/{process}/children").read_text()
    return [int(each) for each in text.split()]
