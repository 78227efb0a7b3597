"""Runs in real agent processes: what becomes of one that raises, exits, hangs or streams."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from seatrial.cell.hosts.service.hosts import Hosts as Processes
from seatrial.cell.hosts.service.plans import HostPlan
from seatrial.cell.hosts.service.slots import Slot
from seatrial.cell.runs.domain.values import EventKind
from seatrial.contract.runs.states import RunState
from seatrial.kit.crypto.digests import Digest
from seatrial.kit.database.database import Database
from tests.cell.hosts.hosting import Room
from tests.cell.runs.stage import FAST, Scripted, Stage, asked, done, made, until
from tests.kit.leases.looped import in_a_loop

SOURCE = """
import os, sys, time

def run(input, context):
    if input == "raise":
        raise ValueError("it cannot be done")
    if input == "exit":
        os._exit(3)
    if input == "hang":
        time.sleep(3600)
    if input == "large":
        return "x" * 10_000
    if input == "garbage":
        print("{garbage", flush=True)
    return {"input": input, "turns": [turn["output"]["input"] for turn in context.history]}
"""
STREAM = """
def run(input):
    for n in range(input):
        yield f"{n} "
"""


class Hosted(Scripted):
    """Agents in processes, as runs ask for them."""

    def __init__(self, processes: Processes, plan: HostPlan) -> None:
        super().__init__()
        self.processes = processes
        self.plan = plan

    @contextlib.asynccontextmanager
    async def slot(self, release: Digest) -> AsyncIterator[Slot]:  # type: ignore[override]
        del release
        async with self.processes.slot(self.plan) as slot:
            yield slot


@pytest.fixture
def database(sqlite_url: str) -> Iterator[Database]:
    with Database.open(sqlite_url) as opened:
        yield made(opened)


@contextlib.asynccontextmanager
async def hosted(database: Database, folder: Path, source: str) -> AsyncIterator[Stage]:
    room = Room(folder, door=None)
    async with room.hosts(slots_per_release=2) as processes:
        hosts = Hosted(processes, room.plan(source))
        stage = Stage(database, hosts=hosts, bounds=replace(FAST, lease=15, output=5_000))
        async with stage.working():
            yield stage


@in_a_loop
async def test_what_an_agent_does_becomes_of_its_run(database: Database, tmp_path: Path) -> None:
    async with hosted(database, tmp_path, SOURCE) as stage:
        runs = stage.runs
        for value, state, code, attempt, dead in [
            ("raise", RunState.FAILED, "agent_raised", 1, False),
            ("exit", RunState.FAILED, "host_exited", 3, True),
            ("large", RunState.FAILED, "output_too_large", 1, False),
            ("garbage", RunState.SUCCEEDED, None, 1, False),
            ("fine", RunState.SUCCEEDED, None, 1, False),
        ]:
            run = await done(runs, asked(value))
            found = run.failure.code if run.failure else None
            assert (run.state, found, run.attempt, run.dead) == (state, code, attempt, dead), value


@in_a_loop
async def test_a_run_that_hangs_is_killed_by_its_time_or_by_its_caller(
    database: Database, tmp_path: Path
) -> None:
    async with hosted(database, tmp_path, SOURCE) as stage:
        runs = stage.runs
        run = await done(runs, asked("hang", timeout_seconds=0.2))
        assert run.failure is not None
        assert (run.failure.code, run.dead, run.attempt) == ("run_timed_out", True, 3)
        hanging = (await runs.accept(asked("hang"))).run
        processes = stage.hosts.processes  # type: ignore[attr-defined]
        await until(lambda: any(figures.busy for figures in processes.status()))
        await runs.cancel(hanging.id)
        await until(lambda: not any(figures.busy for figures in processes.status()))
        assert (await done(runs, asked("fine"))).state is RunState.SUCCEEDED


@in_a_loop
async def test_an_agent_is_told_its_session_and_streams(database: Database, tmp_path: Path) -> None:
    async with hosted(database, tmp_path, SOURCE) as stage:
        await done(stage.runs, asked("one", session="s"))
        run = await done(stage.runs, asked("two", session="s"))
        assert run.output == {"input": "two", "turns": ["one"]}
    async with hosted(database, tmp_path / "other", STREAM) as stage:
        accepted, follower = await stage.runs.start(asked(3))
        told = [event async for event in stage.runs.events(accepted.run, follower=follower)]
        chunks = [event.data for event in told if event.kind is EventKind.CHUNK]
        assert chunks == ["0 ", "1 ", "2 "]
        assert told[-1].run is not None
        assert told[-1].run.output == "0 1 2 "


@in_a_loop
async def test_many_runs_share_few_processes(database: Database, tmp_path: Path) -> None:
    async with hosted(database, tmp_path, SOURCE) as stage:
        runs = stage.runs
        ended = await asyncio.gather(*(done(runs, asked(n)) for n in range(40)))
        assert [run.output["input"] for run in ended] == list(range(40))
