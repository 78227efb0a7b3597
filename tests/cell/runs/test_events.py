"""What listeners are told: as it happens, again after a break, and from other processes."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from seatrial.cell.hosts.domain import Chunk, HostEvent, Result, RunRequest
from seatrial.cell.runs.domain.values import EventKind, RunEvent
from seatrial.cell.runs.service import runs as service
from seatrial.cell.runs.service.runs import Runs
from seatrial.kit.database.database import Database
from tests.cell.runs.stage import FAST, Scripted, Stage, asked, hang, made, until
from tests.kit.leases.looped import in_a_loop


@pytest.fixture
def stage(database: Database) -> Stage:
    return Stage(made(database))


async def counting(request: RunRequest) -> AsyncIterator[HostEvent]:
    """Tells as many chunks as its input says."""
    for n in range(request.input):
        yield Chunk(data=n)
        if n % 100 == 99:
            await asyncio.sleep(0)
    yield Result(output="done")


async def heard(runs: Runs, run_id: str, after: int = 0) -> list[RunEvent]:
    return [event async for event in runs.events(await runs.get(run_id), after=after)]


@in_a_loop
async def test_a_listener_hears_each_chunk_once_though_he_reads_slowly(stage: Stage) -> None:
    stage.hosts.script = counting
    stage = Stage(stage.database, hosts=stage.hosts, bounds=replace(FAST, chunks=0.0))
    async with stage.working() as runs:
        accepted, follower = await runs.start(asked(3_000))
        await until(lambda: runs.active == 0)  # by now more has happened than waits for him
        told = [
            event.data
            async for event in runs.events(accepted.run, follower=follower)
            if event.kind is EventKind.CHUNK
        ]
        assert told == list(range(3_000))
        assert runs._feeds.size == 0


@in_a_loop
async def test_a_long_story_is_read_in_parts(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "_STRETCHES", 2)

    async def paced(request: RunRequest) -> AsyncIterator[HostEvent]:
        for n in range(request.input):
            yield Chunk(data=n)
            await asyncio.sleep(0.02)
        yield Result(output="done")

    stage.hosts.script = paced
    async with stage.working() as runs:
        accepted, follower = await runs.start(asked(8), end_only=True)
        await runs.ended(accepted.run, follower, 20)
        told = await heard(runs, accepted.run.id)
        assert [event.data for event in told if event.kind is EventKind.CHUNK] == list(range(8))
        assert told[-1].kind is EventKind.ENDED
        for place, event in enumerate(told):
            rest = await heard(runs, accepted.run.id, event.seq)
            assert [each.seq for each in rest] == [each.seq for each in told[place + 1 :]]


@in_a_loop
async def test_nothing_is_told_that_is_not_kept(stage: Stage) -> None:
    stage.hosts.script = counting
    async with stage.working() as runs:
        accepted, follower = await runs.start(asked(500))
        async for event in runs.events(accepted.run, follower=follower):
            if event.kind is EventKind.CHUNK:
                kept = await runs._looked_up(accepted.run.id, event.seq - 1)
                assert kept.events[0].data == event.data


@in_a_loop
async def test_a_listener_who_comes_in_the_middle_hears_the_beginning_too(stage: Stage) -> None:
    stage.hosts.script = hang
    async with stage.working() as runs:
        run = (await runs.accept(asked())).run
        follower = runs._feeds.open(run.id)
        first = await follower.next()
        assert first is not None
        kinds = []
        async for event in runs.events(run):
            kinds.append(event.kind)
            if event.kind is EventKind.CHUNK:
                await runs.cancel(run.id)
        assert kinds == [
            EventKind.ACCEPTED,
            EventKind.STARTED,
            EventKind.CHUNK,
            EventKind.ENDED,
        ]


@in_a_loop
async def test_a_listener_elsewhere_hears_of_claims_chunks_and_the_end(
    database: Database,
) -> None:
    made(database)
    source = Stage(database)
    source.runs._worker._draining = True  # it looks, and takes nothing
    work = asyncio.create_task(source.runs.work())
    accepted, follower = await source.runs.start(asked(3))
    worker = Stage(database, hosts=Scripted(script=counting))
    async with worker.working():
        told = source.runs.events(accepted.run, follower=follower)
        kinds = [event.kind async for event in told]
    work.cancel()
    assert kinds == [
        EventKind.ACCEPTED,
        EventKind.STARTED,
        *[EventKind.CHUNK] * 3,
        EventKind.ENDED,
    ]


@in_a_loop
async def test_who_listens_no_longer_is_forgotten(stage: Stage) -> None:
    stage.hosts.script = hang
    async with stage.working() as runs:
        accepted, follower = await runs.start(asked())
        events = runs.events(accepted.run, follower=follower)
        await anext(events)
        await events.aclose()
        assert runs._feeds.size == 0
        accepted, follower = await runs.start(asked(), end_only=True)
        await runs.ended(accepted.run, follower, 0.01)
        assert runs._feeds.size == 0
