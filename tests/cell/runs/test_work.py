"""Carrying runs out: retries, cancelling, redriving, fairness, draining, judging, counting."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import pytest

from seatrial.cell.hosts.domain import Chunk, Error, HostEvent, HostUnstartable, Result, RunRequest
from seatrial.cell.runs.domain.refusals import RunStateConflict, RunUnknown
from seatrial.cell.runs.domain.values import Bounds, Failure, Feedback, Filter, Run
from seatrial.cell.runs.service.judging import Judge
from seatrial.cell.runs.service.waiting import fenced
from seatrial.cell.runs.store import moves
from seatrial.cell.switch.domain import Counts
from seatrial.contract.releases.components import Limits
from seatrial.contract.runs.states import Lane, Outcome, RunState
from seatrial.kit.clock import SystemClock, VirtualClock, run_virtually
from seatrial.kit.database.connection import Connection, Isolation
from seatrial.kit.database.database import Database
from seatrial.kit.ids import Ids
from tests.cell.runs.stage import (
    FAST,
    Script,
    Scripted,
    Stage,
    asked,
    done,
    dying,
    echo,
    hang,
    made,
    raising,
    release,
    until,
)
from tests.kit.leases.looped import in_a_loop


@pytest.fixture
def stage(database: Database) -> Stage:
    return Stage(made(database))


async def counts(stage: Stage, name: str = "support@1") -> Counts:
    return await stage.database.read(
        lambda connection: stage.runs.counts(connection, release(name))
    )


def judge(stage: Stage) -> Judge:
    clock = SystemClock()
    return Judge(database=stage.database, clock=clock, ids=Ids(clock), changed=stage._changed)


def failing(*codes: str) -> Script:
    """An agent whose host fails in the given ways, and then does well."""

    async def script(request: RunRequest) -> AsyncIterator[HostEvent]:
        if request.attempt <= len(codes):
            yield Error(code=codes[request.attempt - 1], message="gone")
        else:
            yield Result(output=request.attempt)

    return script


@in_a_loop
async def test_an_agents_own_failure_ends_the_run_and_is_no_dead_letter(stage: Stage) -> None:
    stage.hosts.script = raising
    async with stage.working() as runs:
        run = await done(runs, asked("x"))
    assert run.state is RunState.FAILED
    assert run.failure == Failure(code="agent_raised", message="no x")
    assert (run.attempt, run.dead) == (1, False)
    assert await counts(stage) == Counts(first=run.created, failed=1)


@in_a_loop
async def test_an_agents_own_failure_is_tried_again_where_its_limits_say_so(stage: Stage) -> None:
    stage.hosts.script = raising
    stage.switch.limits["support@1"] = Limits(attempts=2)
    async with stage.working() as runs:
        run = await done(runs, asked("x"))
    assert (run.state, run.attempt, run.dead) == (RunState.FAILED, 2, True)


@in_a_loop
async def test_a_host_that_dies_is_replaced_and_the_run_succeeds(stage: Stage) -> None:
    stage.hosts.script = failing("host_exited", "run_timed_out")
    async with stage.working() as runs:
        run = await done(runs, asked())
        assert (run.state, run.output, run.attempt) == (RunState.SUCCEEDED, 3, 3)
        assert run.failure is None
        told = [part["code"] for each in await runs.restarts(run.id) for part in each.parts]
    assert told == ["host_exited", "run_timed_out"]
    seeds = {request.seed for request in stage.hosts.requests}
    assert len(seeds) == 1
    assert (await counts(stage)).succeeded == 1


@in_a_loop
async def test_tries_that_are_used_up_make_a_dead_letter_with_its_reason(stage: Stage) -> None:
    stage.hosts.script = dying
    async with stage.working() as runs:
        run = await done(runs, asked())
        assert (run.state, run.dead, run.attempt) == (RunState.FAILED, True, 3)
        assert run.failure is not None
        assert run.failure.code == "host_exited"
        (found,), _ = await runs.listed(Filter(dead=True), after=None, limit=10)
        assert found.id == run.id


@in_a_loop
async def test_a_host_that_cannot_be_had_is_asked_for_again(stage: Stage) -> None:
    class Poor(Scripted):
        def slot(self, release: object) -> object:  # type: ignore[override]
            del release
            self.most += 1
            raise HostUnstartable(reason="no memory")

    stage = Stage(stage.database, hosts=Poor())
    async with stage.working() as runs:
        run = await done(runs, asked())
    assert (run.state, run.dead, run.attempt) == (RunState.FAILED, True, 3)
    assert stage.hosts.most == 3


@in_a_loop
async def test_a_defect_ends_one_run_and_not_the_worker(stage: Stage) -> None:
    async def broken(request: RunRequest) -> AsyncIterator[HostEvent]:
        if request.input == "bad":
            raise ZeroDivisionError
        yield Result(output="good")

    stage.hosts.script = broken
    async with stage.working() as runs:
        bad, good = await asyncio.gather(done(runs, asked("bad")), done(runs, asked("ok")))
    assert bad.failure is not None
    assert (bad.failure.code, bad.dead) == ("internal_fault", True)
    assert "ZeroDivision" not in bad.failure.message
    assert good.output == "good"


@in_a_loop
async def test_an_output_that_is_too_large_fails_the_run_at_once(stage: Stage) -> None:
    stage = Stage(stage.database, bounds=replace(FAST, output=100))
    async with stage.working() as runs:
        run = await done(runs, asked("x" * 200))
    assert run.failure is not None
    assert (run.failure.code, run.attempt, run.dead) == ("output_too_large", 1, False)


@in_a_loop
async def test_a_host_that_answers_nothing_counts_as_dead(stage: Stage) -> None:
    async def silent(request: RunRequest) -> AsyncIterator[HostEvent]:
        for _ in ():
            yield Chunk(data=request)

    stage.hosts.script = silent
    async with stage.working() as runs:
        run = await done(runs, asked())
    assert run.failure is not None
    assert (run.failure.code, run.dead) == ("host_exited", True)


def test_pauses_between_tries_are_kept_in_virtual_time(sqlite_url: str) -> None:
    clock = VirtualClock(datetime(2026, 3, 1, tzinfo=UTC))
    with Database.open(sqlite_url, clock=clock, blocking=True) as database:
        stage = Stage(made(database), clock=clock, chance=0.999, bounds=Bounds(attempts=4))
        began: list[float] = []

        async def noting(request: RunRequest) -> AsyncIterator[HostEvent]:
            began.append(clock.steady())
            yield Error(code="host_exited", message=str(request.attempt))

        stage.hosts.script = noting

        async def main() -> Run:
            async with stage.working() as runs:
                return await done(runs, asked(), seconds=1000)

        run = run_virtually(clock, main())
    assert (run.attempt, run.dead) == (4, True)
    pauses = [after - before for before, after in pairwise(began)]
    assert pauses == pytest.approx([1, 2, 4], abs=0.3)


@in_a_loop
async def test_a_queued_run_is_cancelled_at_once_and_never_begun(stage: Stage) -> None:
    stage.runs._worker._draining = True
    accepted = await stage.runs.accept(asked())
    run = await stage.runs.cancel(accepted.run.id)
    assert (run.state, run.attempt) == (RunState.CANCELLED, 0)
    other = Stage(stage.database)
    async with other.working() as runs:
        await done(runs, asked())
        assert await runs.get(run.id) == run
    assert (await counts(stage)).cancelled == 1
    with pytest.raises(RunStateConflict):
        await stage.runs.cancel(run.id)


@in_a_loop
async def test_cancelling_a_running_run_kills_its_process(stage: Stage) -> None:
    stage.hosts.script = hang
    async with stage.working() as runs:
        accepted, follower = await runs.start(asked(), end_only=True)
        await until(lambda: stage.hosts.requests)
        await runs.cancel(accepted.run.id)
        run = await runs.ended(accepted.run, follower, 20)
        assert run.state is RunState.CANCELLED
        await until(lambda: stage.hosts.killed == [run.id])
        await until(lambda: runs.active == 0)
        assert (await runs.get(run.id)).state is RunState.CANCELLED


@in_a_loop
async def test_a_run_cancelled_by_another_process_is_cut_off_within_a_poll(
    database: Database,
) -> None:
    here, there = Stage(made(database), hosts=Scripted(script=hang)), Stage(database)
    async with here.working() as runs:
        accepted, follower = await runs.start(asked(), end_only=True)
        await until(lambda: here.hosts.requests)
        await there.runs.cancel(accepted.run.id)
        await until(lambda: here.hosts.killed == [accepted.run.id])
        run = await runs.ended(accepted.run, follower, 20)
    assert run.state is RunState.CANCELLED
    assert (await counts(here)).cancelled == 1


@in_a_loop
async def test_unknown_runs_are_told_so(stage: Stage) -> None:
    for ask in (stage.runs.get, stage.runs.cancel, stage.runs.redrive):
        with pytest.raises(RunUnknown):
            await ask("run_1")
    with pytest.raises(RunUnknown):
        await judge(stage).outcome("run_1", Outcome.RESOLVED, by="tok_1")
    with pytest.raises(RunUnknown):
        await judge(stage).feedback("run_1", Feedback(thumbs=True), by="tok_1")


@in_a_loop
async def test_a_redriven_run_has_all_its_tries_again_and_counts_once(stage: Stage) -> None:
    stage.hosts.script = dying
    async with stage.working() as runs:
        dead = await done(runs, asked(session="s"))
        await judge(stage).outcome(dead.id, Outcome.FAILED, by="tok_1")
        assert await counts(stage) == Counts(first=dead.created, failed=1, judged=1)
        stage.hosts.script = failing(*["host_exited"] * 5)
        again = await runs.redrive(dead.id)
        assert (again.state, again.tries, again.judgement) == (RunState.QUEUED, 0, None)
        follower = runs._feeds.open(dead.id, end_only=True)
        run = await runs.ended(again, follower, 20)
        assert (run.state, run.attempt, run.tries) == (RunState.SUCCEEDED, 6, 3)
        assert await counts(stage) == Counts(first=dead.created, succeeded=1)
        assert len(await judge(stage).said(run.id)) == 1
        with pytest.raises(RunStateConflict):
            await runs.redrive(run.id)


@in_a_loop
async def test_a_redriven_local_run_would_have_nowhere_to_run(stage: Stage) -> None:
    run = await stage.runs.accept_local(asked(), release=None, release_name="local", generation=1)
    await stage.runs.finish_local(run.id, failure=Failure(code="agent_raised", message="no"))
    with pytest.raises(RunStateConflict):
        await stage.runs.redrive(run.id)


@in_a_loop
async def test_people_go_before_batch_and_low_numbers_before_high(stage: Stage) -> None:
    stage.runs._worker._draining = True
    requests: dict[str, dict[str, Any]] = {
        "batch": {"lane": Lane.BATCH},
        "last": {"priority": 9},
        "plain": {},
        "first": {"priority": 0},
    }
    for name, more in requests.items():
        await stage.runs.accept(asked(name, **more))
    other = Stage(stage.database, bounds=replace(FAST, concurrency=1))
    async with other.working():
        await until(lambda: len(other.hosts.requests) == 4)
    assert [request.input for request in other.hosts.requests] == [
        "first",
        "plain",
        "last",
        "batch",
    ]


def test_batch_gets_its_turn_however_many_people_come(sqlite_url: str) -> None:
    clock = VirtualClock(datetime(2026, 3, 1, tzinfo=UTC))
    with Database.open(sqlite_url, clock=clock, blocking=True) as database:
        made(database)
        worker = Stage(database, clock=clock, bounds=Bounds(concurrency=1, per_agent=1))
        source = Stage(database, clock=clock)
        source.runs._worker._draining = True

        async def slow(request: RunRequest) -> AsyncIterator[HostEvent]:
            await clock.sleep(10)
            yield Result(output=request.input)

        worker.hosts.script = slow

        async def main() -> float:
            await source.runs.accept(asked("batch", lane=Lane.BATCH))
            async with worker.working():
                while all(request.input != "batch" for request in worker.hosts.requests):
                    await source.runs.accept(asked("person"))
                    await clock.sleep(5)  # twice as many as can be done
                return clock.steady()

        assert run_virtually(clock, main()) < 2 * 345


@in_a_loop
async def test_no_more_run_at_once_than_there_is_room_for(stage: Stage) -> None:
    four = asyncio.Barrier(4)  # nobody goes on before four run

    async def slow(request: RunRequest) -> AsyncIterator[HostEvent]:
        await four.wait()
        yield Result(output=request.input)

    bounds = replace(FAST, concurrency=4, per_agent=4)
    stage = Stage(stage.database, hosts=Scripted(script=slow), bounds=bounds)
    async with stage.working() as runs:
        ended = await asyncio.gather(*(done(runs, asked(n)) for n in range(40)))
    assert sorted(run.output for run in ended) == list(range(40))
    assert stage.hosts.most == 4


@in_a_loop
async def test_a_slow_agent_does_not_take_all_room(stage: Stage) -> None:
    bounds = replace(FAST, concurrency=4, per_agent=3)
    stage = Stage(stage.database, bounds=bounds)
    stage.switch.active["slow"] = "slow@1"

    async def by_agent(request: RunRequest) -> AsyncIterator[HostEvent]:
        async for event in (hang if request.input == "slow" else echo)(request):
            yield event

    stage.hosts.script = by_agent
    async with stage.working() as runs:
        for _ in range(10):
            await runs.accept(asked("slow", agent="slow"))
        for n in range(5):
            assert (await done(runs, asked(n))).state is RunState.SUCCEEDED
        assert runs.active == 3


@in_a_loop
async def test_many_queued_runs_of_one_agent_do_not_exceed_its_share(stage: Stage) -> None:
    stage.switch.active["slow"] = "slow@1"
    stage.runs._worker._draining = True
    for _ in range(10):
        await stage.runs.accept(asked("slow", agent="slow"))
    worker = Stage(
        stage.database,
        hosts=Scripted(script=hang),
        bounds=replace(FAST, concurrency=8, per_agent=3),
    )
    async with worker.working() as runs:
        await until(lambda: len(worker.hosts.requests) == 3)
        await asyncio.sleep(0.2)
        assert runs.active == 3


@in_a_loop
async def test_draining_lets_short_runs_end_and_puts_long_ones_back_uncounted(
    stage: Stage,
) -> None:
    async def short_or_long(request: RunRequest) -> AsyncIterator[HostEvent]:
        yield Chunk(data="begun")
        await asyncio.sleep(0.1 if request.input == "short" else 3600)
        yield Result(output=request.input)

    stage.hosts.script = short_or_long
    async with stage.working() as runs:
        short = (await runs.accept(asked("short"))).run
        long = (await runs.accept(asked("long"))).run
        await until(lambda: len(stage.hosts.requests) == 2)
        await runs.drain(1.0)
        assert (await runs.get(short.id)).state is RunState.SUCCEEDED
        left = await runs.get(long.id)
        assert (left.state, left.attempt, left.tries) == (RunState.QUEUED, 1, 0)
        assert stage.hosts.killed == [long.id]
    other = Stage(stage.database)
    async with other.working() as runs:
        follower = runs._feeds.open(long.id, end_only=True)
        run = await runs.ended(left, follower, 20)
    assert (run.state, run.attempt, run.tries) == (RunState.SUCCEEDED, 2, 1)


@in_a_loop
async def test_who_alone_owns_the_database_takes_up_what_was_left_at_once(
    database: Database,
) -> None:
    dead = Stage(made(database), hosts=Scripted(script=hang), bounds=replace(FAST, lease=600))
    async with dead.working() as runs:
        left = (await runs.accept(asked())).run
        local = await runs.accept_local(asked(), release=None, release_name="", generation=1)
        await until(lambda: dead.hosts.requests)
        heir = Stage(database, sole=True)
        async with heir.working() as inherited:
            follower = inherited._feeds.open(left.id, end_only=True)
            run = await inherited.ended(left, follower, 20)
            assert (run.state, run.attempt) == (RunState.SUCCEEDED, 2)
            assert (await inherited.get(local.id)).state is RunState.RUNNING


@in_a_loop
async def test_a_silent_workers_runs_go_on_elsewhere_and_it_can_write_no_more(
    database: Database,
) -> None:
    silent = Stage(made(database), hosts=Scripted(script=hang))
    left = (await silent.runs.accept(asked())).run  # its worker does not work: no sign of life
    await until(lambda: silent.hosts.requests)
    heir = Stage(database)
    async with heir.working() as runs:
        follower = runs._feeds.open(left.id, end_only=True)
        run = await runs.ended(left, follower, 20)
        assert (run.state, run.attempt, run.tries) == (RunState.SUCCEEDED, 2, 2)
        (attempt,) = silent.runs._worker._attempts.values()
        await attempt._keep(3, ("late",))
        await silent.runs._worker.drain(0)
        assert await runs.get(left.id) == run
    assert (await counts(heir)).succeeded == 1


@in_a_loop
async def test_a_worker_that_cannot_renew_counts_itself_out(stage: Stage) -> None:
    stage.hosts.script = hang
    async with stage.working() as runs:
        await runs.accept(asked())
        await until(lambda: stage.hosts.requests)
        worker = runs._worker
        (attempt,) = worker._attempts.values()
        attempt.since = worker._signed = stage.clock.steady() - 1.0
        await worker._count_out()
        await until(lambda: stage.hosts.killed)


@in_a_loop
async def test_only_the_attempt_in_hand_may_write(stage: Stage) -> None:
    stage.hosts.script = hang
    async with stage.working() as runs:
        run = (await runs.accept(asked())).run

        async def may(attempt: int) -> bool:
            return await stage.database.write(
                lambda connection: fenced(connection, run.id, attempt),
                isolation=Isolation.READ_COMMITTED,
            )

        assert await may(1)
        assert not await may(0)
        assert not await may(2)
        await runs.cancel(run.id)
        assert not await may(1)


@in_a_loop
async def test_unfinished_runs_tell_which_releases_are_still_needed(stage: Stage) -> None:
    stage.hosts.script = hang
    async with stage.working() as runs:
        await runs.accept(asked())
        stage.switch.active["support"] = "support@2"
        second = (await runs.accept(asked())).run
        await runs.cancel(second.id)
        found = await stage.database.read(runs.unfinished)
    assert found == {release("support@1"): 1}


@in_a_loop
async def test_an_outcome_may_come_late_and_the_last_one_counts(stage: Stage) -> None:
    async with stage.working() as runs:
        run = await done(runs, asked())
        await until(lambda: stage.changes == 1)  # told after the end is there to be read
        said = judge(stage)
        for outcome, good in ((Outcome.RESOLVED, 1), (Outcome.ESCALATED, 0), (Outcome.RESOLVED, 1)):
            judged = await said.outcome(run.id, outcome, note=f"so {outcome}", by="tok_2")
            assert judged.judgement is not None
            assert (judged.judgement.outcome, judged.judgement.by) == (outcome, "tok_2")
            assert await counts(stage) == Counts(
                first=run.created, succeeded=1, judged=1, good=good
            )
        await said.feedback(
            run.id, Feedback(thumbs=False, score=0.25, comment="no", correction=[1]), by="tok_3"
        )
        kept = await said.said(run.id)
        assert [each.judgement.note for each in kept if each.judgement] == [
            "so resolved",
            "so escalated",
            "so resolved",
        ]
        assert kept[-1].feedback == Feedback(thumbs=False, score=0.25, comment="no", correction=[1])
        assert stage.changes == 4


@in_a_loop
async def test_a_run_that_goes_on_cannot_be_judged(stage: Stage) -> None:
    stage.hosts.script = hang
    async with stage.working() as runs:
        run = (await runs.accept(asked())).run
        with pytest.raises(RunStateConflict):
            await judge(stage).outcome(run.id, Outcome.RESOLVED, by="tok_1")


@in_a_loop
async def test_test_and_local_runs_are_not_counted(stage: Stage) -> None:
    async with stage.working() as runs:
        run = await done(runs, asked(counted=False))
        await judge(stage).outcome(run.id, Outcome.RESOLVED, by="tok_1")
        local = await runs.accept_local(
            asked(), release=release("support@1"), release_name="support@1", generation=1
        )
        assert await runs.extend_local(local.id)
        ended = await runs.finish_local(local.id, {"done": True})
        assert (ended.state, ended.output, ended.local) == (
            RunState.SUCCEEDED,
            {"done": True},
            True,
        )
        assert not await runs.extend_local(local.id)
        with pytest.raises(RunStateConflict):
            await runs.finish_local(local.id, 2)
        with pytest.raises(RunStateConflict):
            await runs.finish_local(run.id, 2)
    assert await counts(stage) == Counts()


@in_a_loop
async def test_a_local_run_whose_machine_falls_silent_fails(stage: Stage) -> None:
    stage = Stage(stage.database, bounds=replace(FAST, local_lease=0.05))
    async with stage.working() as runs:
        local = await runs.accept_local(asked(), release=None, release_name="", generation=1)
        follower = runs._feeds.open(local.id, end_only=True)
        run = await runs.ended(local, follower, 20)
    assert run.failure is not None
    assert (run.state, run.failure.code, run.dead) == (RunState.FAILED, "local_run_left", False)
    assert stage.hosts.requests == []


@in_a_loop
async def test_two_workers_share_a_queue_and_begin_each_run_once(postgres_url: str) -> None:
    with Database.open(postgres_url) as first, Database.open(postgres_url) as second:
        made(first)
        source = Stage(first)
        source.runs._worker._draining = True
        ids = {(await source.runs.accept(asked(n))).run.id for n in range(60)}
        bounds = replace(FAST, concurrency=5, per_agent=5, lease=20)
        workers = [Stage(each, bounds=bounds) for each in (first, second)]
        async with workers[0].working(), workers[1].working():
            await until(lambda: sum(len(each.hosts.requests) for each in workers) >= 60)
            await until(lambda: all(each.runs.active == 0 for each in workers))
        began = [request.run for each in workers for request in each.hosts.requests]
        assert sorted(began) == sorted(ids)
        assert all(each.hosts.requests for each in workers)
        assert (await counts(source)).succeeded == 60


@in_a_loop
async def test_a_caller_who_goes_away_leaves_no_run_that_nobody_begins(stage: Stage) -> None:
    async with stage.working() as runs:
        for _ in range(20):
            asking = asyncio.create_task(runs.accept(asked()))
            await asyncio.sleep(0)
            asking.cancel()
        await until(lambda: len(stage.hosts.requests) == 20 and runs.active == 0)
        listed, _ = await runs.listed(Filter(), after=None, limit=100)
        assert {run.state for run in listed} == {RunState.SUCCEEDED}


def claimed(connection: Connection) -> list[Run]:
    return moves.claim(connection, "nobody", most=10, without=(), lease=1, at=datetime.now(UTC))


@in_a_loop
async def test_a_claim_takes_nothing_that_is_not_ready(stage: Stage) -> None:
    stage.hosts.script = dying
    stage.chance = 0.999
    async with stage.working() as runs:
        accepted = await runs.accept(asked())
        await until(lambda: stage.hosts.requests and runs.active == 0)
        taken = await stage.database.write(claimed, isolation=Isolation.READ_COMMITTED)
        assert taken == []
        assert (await runs.get(accepted.run.id)).state is RunState.QUEUED
