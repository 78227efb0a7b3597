"""Workers that are killed, stopped or cut off at every durable step, as real processes."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest
from sqlalchemy import text

from seatrial.cell.runs.domain.values import Bounds, EventKind, Filter, Run
from seatrial.cell.runs.service.runs import Runs
from seatrial.contract.runs.states import RunState
from seatrial.kit.database.connection import Connection
from seatrial.kit.database.database import Database
from tests.cell.runs.child import slow
from tests.cell.runs.stage import Scripted, Stage, asked, made, release, until
from tests.kit.leases.looped import in_a_loop
from tests.servers import postgres

ROOT: Final = Path(__file__).resolve().parents[3]
POINTS: Final = ("runs.accept.after", "runs.claim.after", "runs.finish.before", "runs.finish.after")


class Child:
    """A worker in a process of its own."""

    def __init__(self, url: str, failpoints: str = "") -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.cell.runs.child", url, failpoints],
            cwd=ROOT,
            env=dict(os.environ),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def told(self, order: str) -> str:
        """What it says to `order`; nothing if it is dead."""
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(f"{order}\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()

    def end(self, number: int = signal.SIGKILL) -> None:
        self.process.send_signal(number)
        if number == signal.SIGKILL:
            self.process.wait()

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe
            with contextlib.suppress(BrokenPipeError):
                pipe.close()


Start = Callable[..., Child]


@pytest.fixture
def start() -> Iterator[Start]:
    children: list[Child] = []

    def started(url: str, failpoints: str = "") -> Child:
        children.append(Child(url, failpoints))
        return children[-1]

    yield started
    for child in children:
        child.close()


async def whole(runs: Runs, run_id: str) -> Run:
    """The run, when it has ended, whoever ends it."""
    follower = runs._feeds.open(run_id, end_only=True)
    return await runs.ended(await runs.get(run_id), follower, 30)


@in_a_loop
async def test_a_run_whose_worker_is_killed_goes_on_and_ends_once(
    database_url: str, start: Start
) -> None:
    with Database.open(database_url) as database:
        made(database)
        sole = database_url.startswith("sqlite")
    child = start(database_url)
    assert child.told("work") == "working"
    run_id = child.told("accept k 3600")
    assert child.told("active") == "1"
    child.end()
    with Database.open(database_url) as database:
        heir = Stage(database, sole=sole)
        async with heir.working() as runs:
            run = await whole(runs, run_id)
            assert (run.state, run.attempt, run.tries) == (RunState.SUCCEEDED, 2, 2)
            kept = [part["code"] for each in await runs.restarts(run_id) for part in each.parts]
            assert kept == ["lease_expired"]
            counts = await database.read(
                lambda connection: runs.counts(connection, release("support@1"))
            )
            assert (counts.succeeded, counts.failed) == (1, 0)


def _wipe(connection: Connection) -> None:
    wiped = "UPDATE run SET worker = NULL, lease = NULL, rank = created, ready = created"
    connection.execute(text(wiped))


@in_a_loop
async def test_without_all_that_serves_dispatch_alone_no_accepted_run_is_lost(
    database_url: str, start: Start
) -> None:
    """Who holds a run, until when, and its place in the queue are gone after the restart."""
    with Database.open(database_url) as database:
        made(database)
        source = Stage(database)
        source.runs._worker._draining = True
        accepted = [(await source.runs.accept(asked(0.01, key="queued"))).run.id]
    child = start(database_url)
    assert child.told("work") == "working"
    accepted += [child.told(f"accept own{n} 3600") for n in range(3)]
    await until(lambda: int(child.told("active")) >= 2)
    child.end()
    with Database.open(database_url) as database:
        await database.write(_wipe)
        # Not even that it is alone tells it what to take.
        heir = Stage(database, sole=False, bounds=Bounds(lease=1.0, poll=0.05))
        async with heir.working() as runs:
            ended = [await whole(runs, each) for each in accepted]
    assert {run.state for run in ended} == {RunState.SUCCEEDED}


@pytest.mark.parametrize("point", POINTS)
@in_a_loop
async def test_killed_at_any_durable_step_no_run_is_lost_and_none_ends_twice(
    database_url: str, start: Start, point: str
) -> None:
    with Database.open(database_url) as database:
        made(database)
        source = Stage(database)
        source.runs._worker._draining = True
        queued = (await source.runs.accept(asked(0.01, key="queued"))).run.id
    child = start(database_url, f"{point}=kill")
    with contextlib.suppress(BrokenPipeError):  # it may be dead before it has said anything
        for order in ("work", "accept own 0.01", "active"):
            child.told(order)
    assert await asyncio.to_thread(child.process.wait, 30) == -signal.SIGKILL
    with Database.open(database_url) as database:
        heir = Stage(database, hosts=Scripted(script=slow), sole=database_url.startswith("sqlite"))
        async with heir.working() as runs:
            again = (await runs.accept(asked(0.01, key="own"))).run.id  # its caller tries again
            ended = [await whole(runs, each) for each in (queued, again)]
            assert {run.state for run in ended} == {RunState.SUCCEEDED}
            listed, _ = await runs.listed(Filter(), after=None, limit=10)
            assert {run.id for run in listed} == {queued, again}
            counts = await database.read(
                lambda connection: runs.counts(connection, release("support@1"))
            )
            assert counts.succeeded == 2


@in_a_loop
async def test_a_worker_stopped_past_its_lease_writes_nothing_when_it_wakes(
    postgres_url: str, start: Start
) -> None:
    with Database.open(postgres_url) as database:
        made(database)
        zombie = start(postgres_url)
        assert zombie.told("work") == "working"
        run_id = zombie.told("accept k 0.5")
        zombie.end(signal.SIGSTOP)
        heir = Stage(database, hosts=Scripted(script=slow))
        async with heir.working() as runs:
            run = await whole(runs, run_id)
            assert (run.state, run.attempt, run.output) == (RunState.SUCCEEDED, 2, 2)
            kept = await runs._looked_up(run_id, 0)
            zombie.end(signal.SIGCONT)
            while zombie.told("active") != "0":  # noqa: ASYNC110 - it is another process
                await asyncio.sleep(0.01)
            assert await runs.get(run_id) == run
            assert await runs._looked_up(run_id, 0) == kept
            assert [event.kind for event in kept.events].count(EventKind.ENDED) == 1
            counts = await database.read(
                lambda connection: runs.counts(connection, release("support@1"))
            )
            assert counts.succeeded == 1


@in_a_loop
async def test_a_process_that_is_told_to_end_hands_its_runs_on_at_once(
    postgres_url: str, start: Start
) -> None:
    with Database.open(postgres_url) as database:
        made(database)
        leaving = start(postgres_url)
        assert leaving.told("work") == "working"
        run_id = leaving.told("accept k 1")
        assert leaving.told("drain") == "drained"
        heir = Stage(database)
        async with heir.working() as runs:
            run = await whole(runs, run_id)
        assert (run.attempt, run.tries) == (2, 1)


@in_a_loop
async def test_three_processes_and_a_kill_begin_no_attempt_twice(
    postgres_url: str, start: Start
) -> None:
    with Database.open(postgres_url) as database:
        made(database)
        source = Stage(database)
        source.runs._worker._draining = True
        ids = {(await source.runs.accept(asked(0.05))).run.id for _ in range(60)}
        children = [start(postgres_url) for _ in range(2)]
        for child in children:
            assert child.told("work") == "working"
        await asyncio.sleep(0.1)
        children[0].end()
        heir = Stage(database, hosts=Scripted(script=slow))
        async with heir.working() as runs:
            ended = [await whole(runs, each) for each in ids]
            assert {run.state for run in ended} == {RunState.SUCCEEDED}
            assert all(run.output == run.attempt for run in ended)
            counts = await database.read(
                lambda connection: runs.counts(connection, release("support@1"))
            )
            assert counts.succeeded == 60
            await until(lambda: runs.active == 0)


@in_a_loop
async def test_runs_outlive_a_crash_of_the_database_server() -> None:
    with (
        postgres.private("runs") as server,
        server.database() as name,
        Database.open(server.url(name)) as database,
    ):
        stage = Stage(made(database), hosts=Scripted(script=slow))
        async with stage.working() as runs:
            ids = [(await runs.accept(asked(0.4))).run.id for _ in range(5)]
            await until(lambda: len(stage.hosts.requests) == 5)
            server.kill()
            await asyncio.sleep(0.6)  # they end while nothing can be written
            await asyncio.to_thread(server.resume)
            ended = [await whole(runs, each) for each in ids]
            assert {run.state for run in ended} == {RunState.SUCCEEDED}
            counts = await database.read(
                lambda connection: runs.counts(connection, release("support@1"))
            )
            assert counts.succeeded == 5
