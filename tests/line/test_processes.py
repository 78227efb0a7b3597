"""Two processes of control and of each cell on PostgreSQL: one leads, none does a thing twice."""

import asyncio
import shutil
from typing import Any

import pytest
from sqlalchemy import text

from seatrial.contract.runs.states import ENDED
from seatrial.kit.database.database import Database
from seatrial.kit.errors import SeatrialError
from tests.line.system import Shape, System, system

pytestmark = pytest.mark.timeout(600)

SHAPE = Shape(
    database="postgresql",
    processes=2,
    controls=2,
    cell={"runs": {"lease_seconds": 3}, "hosts": {"slots": 4, "slots_per_release": 4}},
)
_WHOLE = "attempt || ' ' || worker || ' ' || ended::text || ' ' || output"
AGENT = """
    import time

    def run(input, context):
        seconds = input["seconds"] if isinstance(input, dict) else 0
        time.sleep(seconds)
        return {"release": context.release, "version": "{version}", "attempt": context.attempt}
    """


async def leaders(line: System, cell: str) -> list[int]:
    """Processes of `cell` that say that they lead."""
    found = []
    for number, process in enumerate(line.cells[cell]):
        if process.alive:
            status = await line.cell(cell, number).status()
            if status["switch"]["leads"]:
                found.append(number)
    return found


def test_a_process_that_slept_past_its_lease_writes_nothing() -> None:
    async def main() -> None:
        async with system(SHAPE) as line:
            await line.deploy(AGENT)
            await line.soaked()
            await line.promote()
            await _a_leader_sleeps(line)
            await _a_worker_sleeps(line)
            await _a_process_comes_empty(line)

    asyncio.run(main())


async def _a_leader_sleeps(line: System) -> None:
    """The switch goes on under the other; the one that wakes follows."""
    (leader,) = await leaders(line, "production")
    asleep = line.cells["production"][leader]
    asleep.stop()
    await line.deploy(AGENT)
    await line.soaked()
    row = await line.promote()
    other = 1 - leader
    assert (await line.run("production", process=other)).value["generation"] == row.generation
    asleep.wake()

    async def follows() -> bool:
        status = await line.cell("production", leader).status()
        return status["generation"] == row.generation and not status["switch"]["leads"]

    await line.until(follows, "the one that slept to follow")
    assert await leaders(line, "production") == [other]
    answer = await line.run("production", process=leader)
    assert answer.value["generation"] == row.generation
    back = await line.rollback()
    assert await line.until_level() == back.generation


async def _a_worker_sleeps(line: System) -> None:
    """Its runs are taken over; when it wakes, their ends are not written again."""
    begun = [
        (await line.run("production", data={"seconds": 1.5}, process=0, mode="async")).value["id"]
        for _ in range(3)
    ]
    first, _ = line.cells["production"]
    await line.until(lambda: _held(line, begun), "the runs to begin")
    workers = await _rows(line, begun, "worker")
    first.stop()
    ended = {run: await _ended(line, run, process=1) for run in begun}
    assert {each["state"] for each in ended.values()} == {"succeeded"}, ended
    before = await _rows(line, begun, _WHOLE)
    taken = [
        run
        for run, worker in (await _rows(line, begun, "worker")).items()
        if worker != workers[run]
    ]
    assert taken, "the one that slept held none of them"
    assert all(ended[run]["attempt"] == 2 for run in taken), ended
    first.wake()
    await line.until_ready(first)
    await asyncio.sleep(2)  # as long as what it had in hand would have taken, and more
    assert await _rows(line, begun, _WHOLE) == before
    assert (await line.run("production", process=0)).value["state"] == "succeeded"


async def _a_process_comes_empty(line: System) -> None:
    """It has lost its folder of releases, and control is gone: the other takes its runs."""
    first, second = line.cells["production"]
    assert second.end() == 0
    for name in ("blobs", "hosts", "wheels"):
        shutil.rmtree(second.folder / name, ignore_errors=True)
    for control in line.controls:
        control.kill()
    second.start()
    await line.until_ready(second)
    # Whichever the empty one claims is put back and waits 1, 2, 4 … s; of twelve one waited 13 s.
    runs = await asyncio.gather(
        *(line.run("production", data={"seconds": 0.2}, process=n % 2) for n in range(6))
    )
    assert {each.value["state"] for each in runs} == {"succeeded"}
    first.kill()
    left = (await line.run("production", process=1, mode="async")).value["id"]
    for control in line.controls:
        control.start()
    assert (await _ended(line, left, process=1))["state"] == "succeeded"


async def _held(line: System, runs: list[str]) -> bool:
    return all((await _rows(line, runs, "worker")).values())


async def _rows(line: System, runs: list[str], what: str) -> dict[str, Any]:
    return await asyncio.to_thread(_selected, line, f"SELECT id, {what} FROM run", runs)  # noqa: S608


def _selected(line: System, statement: str, runs: list[str]) -> dict[str, Any]:
    with Database.open(line.databases["production"]) as database:
        rows = database.read_now(lambda connection: connection.execute(text(statement)).all())
    return {row[0]: row[1] for row in rows if row[0] in runs}


async def _ended(line: System, run: str, process: int) -> dict[str, Any]:
    async def over() -> dict[str, Any] | None:
        try:
            found = await line.cell("production", process).run(run)
        except SeatrialError:
            return None
        return found if found["state"] in set(ENDED) else None

    found: dict[str, Any] = await line.until(over, f"{run} to end")
    return found
