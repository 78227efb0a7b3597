"""Accepting runs: on which release, once, durable, and bounded."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from sqlalchemy import func, select, update

from seatrial.cell.runs.domain.refusals import (
    GenerationBehind,
    InputTooLarge,
    KeyReused,
    QueueFull,
    QueueShareFull,
    RunRefused,
    SessionOfOther,
)
from seatrial.cell.runs.domain.values import Filter, SessionFilter
from seatrial.cell.runs.service.runs import Runs
from seatrial.cell.runs.store.tables import RUN, SESSION
from seatrial.cell.switch.domain import AgentUnknown, ReleaseAbsent
from seatrial.contract.releases.components import Limits
from seatrial.contract.runs.states import Lane, RunState
from seatrial.kit.clock import VirtualClock
from seatrial.kit.database.connection import Connection
from seatrial.kit.database.database import Database
from tests.cell.runs.stage import FAST, Stage, Switch, asked, done, made, until
from tests.kit.leases.looped import in_a_loop


@pytest.fixture
def stage(database: Database) -> Stage:
    return Stage(made(database))


def number_of_runs(connection: Connection) -> int:
    return connection.execute(select(func.count()).select_from(RUN)).scalar_one()


@in_a_loop
async def test_a_run_is_accepted_on_the_active_release_and_carried_out(stage: Stage) -> None:
    async with stage.working() as runs:
        run = await done(runs, asked({"a": [1, None]}, tags={"team": "red"}))
        assert run.state is RunState.SUCCEEDED
        assert run.output == {"a": [1, None]}
        assert run.release_name == "support@1"
        assert (run.attempt, run.tries, run.generation) == (1, 1, 1)
        kept = await runs.get(run.id)
        assert replace(kept, worker=None) == replace(run, worker=None)
    assert stage.changes == 1


@in_a_loop
async def test_without_a_worker_it_waits_in_the_queue(stage: Stage) -> None:
    stage.runs._worker._draining = True
    accepted = await stage.runs.accept(asked())
    assert accepted.run.state is RunState.QUEUED
    assert (await stage.runs.get(accepted.run.id)).attempt == 0
    other = Stage(stage.database)
    async with other.working():
        follower = other.runs._feeds.open(accepted.run.id, end_only=True)
        run = await other.runs.ended(accepted.run, follower, 20)
    assert run.state is RunState.SUCCEEDED


@in_a_loop
async def test_an_agent_that_is_not_active_is_refused_and_nothing_is_kept(stage: Stage) -> None:
    with pytest.raises(AgentUnknown):
        await stage.runs.accept(asked(agent="nobody", key="k"))
    assert await stage.database.read(number_of_runs) == 0


@in_a_loop
async def test_a_caller_who_has_met_a_later_generation_is_sent_away(stage: Stage) -> None:
    with pytest.raises(GenerationBehind):
        await stage.runs.accept(asked(seen=2))
    assert (await stage.runs.accept(asked(seen=1))).run.generation == 1


@in_a_loop
async def test_the_same_request_sent_twenty_times_at_once_is_one_run(stage: Stage) -> None:
    async with stage.working() as runs:
        answers = await asyncio.gather(
            *(runs.accept(asked({"a": 1, "b": 2}, key="k")) for _ in range(20))
        )
        assert len({answer.run.id for answer in answers}) == 1
        assert sum(answer.fresh for answer in answers) == 1
        other_order = await runs.accept(asked({"b": 2, "a": 1}, key="k"))
        assert not other_order.fresh
    assert await stage.database.read(number_of_runs) == 1


@in_a_loop
async def test_a_repeated_request_gets_the_answer_of_the_first(stage: Stage) -> None:
    async with stage.working() as runs:
        first = await done(runs, asked(key="k"))
        stage.switch.active.clear()
        second = await done(runs, asked(key="k"))
        assert second == await runs.get(first.id)
        assert second.output == "hello"


@pytest.mark.parametrize(
    "other",
    [
        asked("other", key="k"),
        asked(key="k", session="s"),
        asked(key="k", priority=1),
        asked(key="k", lane=Lane.BATCH),
        asked(key="k", tags={"a": "b"}),
        asked(key="k", timeout_seconds=1),
    ],
)
@in_a_loop
async def test_a_key_does_not_serve_another_request(sqlite_url: str, other: object) -> None:
    with Database.open(sqlite_url) as database:
        stage = Stage(made(database))
        await stage.runs.accept(asked(key="k"))
        with pytest.raises(KeyReused):
            await stage.runs.accept(other)  # type: ignore[arg-type] # of the list above


@in_a_loop
async def test_a_key_belongs_to_one_caller_for_one_agent_of_one_tenant(stage: Stage) -> None:
    stage.switch.active["billing"] = "billing@1"
    requests = [
        asked(key="k"),
        asked(key="k", tenant="acme"),
        asked(key="k", agent="billing"),
        asked("other", key="k", caller="tok_2"),
        asked(),
        asked(),
    ]
    answers = [await stage.runs.accept(each) for each in requests]
    assert len({answer.run.id for answer in answers}) == 6
    again = await stage.runs.accept(asked("other", key="k", caller="tok_2"))
    assert (again.fresh, again.run.id) == (False, answers[3].run.id)


@in_a_loop
async def test_a_session_stays_on_its_release_while_others_move_on(stage: Stage) -> None:
    runs = stage.runs
    await runs.accept(asked(session="s"))
    stage.switch.active["support"], stage.switch.generation = "support@2", 2
    held = (await runs.accept(asked(session="s"))).run
    assert (held.release_name, held.generation) == ("support@1", 2)
    assert (await runs.accept(asked(session="t"))).run.release_name == "support@2"
    assert (await runs.accept(asked())).run.release_name == "support@2"
    found, _ = await runs.sessions(SessionFilter(name="s"), limit=10)
    assert [(each.turns, each.generation) for each in found] == [(2, 1)]


@in_a_loop
async def test_a_rollback_moves_a_sessions_next_run_at_once(stage: Stage) -> None:
    await stage.runs.accept(asked(session="s"))
    stage.switch.active["support"] = "support@2"
    stage.switch.generation = stage.switch.moved_at = 2
    assert (await stage.runs.accept(asked(session="s"))).run.release_name == "support@2"
    stage.switch.active["support"], stage.switch.generation = "support@3", 3
    assert (await stage.runs.accept(asked(session="s"))).run.release_name == "support@2"


@in_a_loop
async def test_a_session_whose_release_is_no_longer_kept_moves_instead_of_standing_still(
    stage: Stage,
) -> None:
    await stage.runs.accept(asked(session="s"))
    stage.switch.active["support"], stage.switch.generation = "support@2", 2
    stage.switch.gone.add("support@1")
    assert (await stage.runs.accept(asked(session="s"))).run.release_name == "support@2"
    found, _ = await stage.runs.sessions(SessionFilter(name="s"), limit=10)
    assert [(each.turns, each.release_name) for each in found] == [(2, "support@2")]
    stage.switch.gone.add("support@2")
    for session in ("s", None):
        with pytest.raises(ReleaseAbsent):
            await stage.runs.accept(asked(session=session))


@in_a_loop
async def test_an_idle_session_takes_the_present_release(sqlite_url: str) -> None:
    clock = VirtualClock(datetime(2026, 3, 1, tzinfo=UTC))
    with Database.open(sqlite_url, clock=clock) as database:
        stage = Stage(made(database), switch=Switch(idle=100), clock=clock)
        await stage.runs.accept(asked(session="s"))
        stage.switch.active["support"], stage.switch.generation = "support@2", 2
        for seconds, release in ((90, "support@1"), (90, "support@1"), (101, "support@2")):
            clock.advance(seconds)
            run = (await stage.runs.accept(asked(session="s"))).run
            assert run.release_name == release


@in_a_loop
async def test_twenty_first_turns_at_once_make_one_session(stage: Stage) -> None:
    async with stage.working() as runs:
        ended = await asyncio.gather(*(done(runs, asked(session="s")) for _ in range(20)))
        assert {run.release_name for run in ended} == {"support@1"}
        (session,), _ = await runs.sessions(SessionFilter(), limit=10)
        assert session.turns == 20


@in_a_loop
async def test_an_agent_is_told_the_turns_before(stage: Stage) -> None:
    bounds = replace(FAST, turns=2)
    stage = Stage(stage.database, bounds=bounds)
    async with stage.working() as runs:
        for turn in ("one", "two", "three", "four"):
            await done(runs, asked(turn, session="s"))
            await done(runs, asked("elsewhere", session="t"))
    told = [request.history for request in stage.hosts.requests if request.session == "s"]
    assert [[turn["input"] for turn in history] for history in told] == [
        [],
        ["one"],
        ["one", "two"],
        ["two", "three"],
    ]
    assert told[-1][0]["output"] == "two"


@in_a_loop
async def test_what_was_tried_locally_is_no_part_of_a_customers_talk(stage: Stage) -> None:
    async with stage.working() as runs:
        await done(runs, asked("one", session="s"))
        told: list[str] = []
        for turn in ("mine", "mine too"):
            wanted = asked(turn, session="s")
            local = await runs.accept_local(wanted, release=None, release_name="", generation=1)
            told = [each["input"] for each in await runs.history(local)]
            await runs.finish_local(local.id, turn)
        assert told == ["one", "mine"]
        await done(runs, asked("two", session="s"))
        (session,), _ = await runs.sessions(SessionFilter(), limit=10)
    assert [turn["input"] for turn in stage.hosts.requests[-1].history] == ["one"]
    assert session.turns == 2


@in_a_loop
async def test_a_session_is_joined_by_its_first_caller_alone_or_by_who_sees_payloads(
    stage: Stage,
) -> None:
    other = {"session": "s", "caller": "tok_2", "caller_name": "other"}
    async with stage.working() as runs:
        await done(runs, asked("secret", session="s"))
        with pytest.raises(SessionOfOther):
            await runs.accept(asked("tell", **other))
        with pytest.raises(SessionOfOther):
            await runs.accept_local(
                asked("tell", **other), release=None, release_name="", generation=1
            )
        assert await stage.database.read(number_of_runs) == 1
        await done(runs, asked("rotated", session="s", caller="tok_9"))
        assert [turn["input"] for turn in stage.hosts.requests[-1].history] == ["secret"]
        await done(runs, asked("support", payload=True, **other))
        await done(runs, asked("elsewhere", tenant="acme", **other))
        assert [len(request.history) for request in stage.hosts.requests] == [0, 1, 2, 0]
        (held,), _ = await runs.sessions(SessionFilter(name="s", tenant=""), limit=10)
        assert (held.owner, held.turns) == ("shop", 3)


@in_a_loop
async def test_a_session_without_an_owner_is_everybodys(stage: Stage) -> None:
    await stage.runs.accept(asked(session="s"))
    await stage.database.write(
        lambda connection: connection.execute(update(SESSION).values(owner=None)).rowcount
    )
    other = asked(session="s", caller="tok_2", caller_name="other")
    assert (await stage.runs.accept(other)).run.session == "s"


@in_a_loop
async def test_what_one_tried_locally_is_told_to_nobody_else(stage: Stage) -> None:
    async with stage.working() as runs:
        told = []
        for caller in ("tok_1", "tok_2"):
            wanted = asked("mine", session="s", caller=caller, caller_name=caller)
            local = await runs.accept_local(wanted, release=None, release_name="", generation=1)
            told.append(await runs.history(local))
            await runs.finish_local(local.id, "done")
    assert told == [(), ()]


@in_a_loop
async def test_the_history_that_an_agent_is_told_has_a_bound_in_bytes(stage: Stage) -> None:
    stage = Stage(stage.database, bounds=replace(FAST, history=50))
    async with stage.working() as runs:
        for turn in ("x" * 40, "short", "last"):
            await done(runs, asked(turn, session="s"))
    assert [turn["input"] for turn in stage.hosts.requests[-1].history] == ["short"]


@in_a_loop
async def test_limits_of_the_release_bound_the_run(stage: Stage) -> None:
    stage.switch.limits["support@1"] = Limits(timeout_seconds=5, attempts=4, steps=7)
    runs = stage.runs
    plain = (await runs.accept(asked())).run
    assert (plain.timeout_seconds, plain.attempts, plain.own_attempts, plain.steps) == (5, 4, 4, 7)
    assert (await runs.accept(asked(timeout_seconds=60))).run.timeout_seconds == 5
    assert (await runs.accept(asked(timeout_seconds=1))).run.timeout_seconds == 1
    stage.switch.limits.clear()
    free = (await runs.accept(asked())).run
    assert (free.timeout_seconds, free.attempts, free.own_attempts) == (600, 3, 1)
    assert (await runs.accept(asked(timeout_seconds=900))).run.timeout_seconds == 900


@in_a_loop
async def test_a_full_queue_refuses_and_says_when_to_come_again(stage: Stage) -> None:
    stage = Stage(stage.database, bounds=replace(FAST, queued=3))
    stage.runs._worker._draining = True
    for n in range(3):
        await stage.runs.accept(asked(caller=f"tok_{n}"))
    with pytest.raises(QueueFull) as refused:
        await stage.runs.accept(asked(caller="tok_4"))
    assert refused.value.retry_after > 0
    assert await stage.database.read(number_of_runs) == 3


@in_a_loop
async def test_no_caller_holds_more_than_half_of_the_queue(stage: Stage) -> None:
    bounds = replace(FAST, queued=6)
    stage, other = (Stage(stage.database, bounds=bounds) for _ in range(2))
    stage.runs._worker._draining = other.runs._worker._draining = True
    for _ in range(3):
        await stage.runs.accept(asked())
    with pytest.raises(QueueShareFull) as refused:
        await stage.runs.accept(asked())
    assert refused.value.retry_after > 0
    await stage.runs.accept(asked(caller="tok_2"))
    await other.runs._worker._poll()  # what another process has taken counts as well
    with pytest.raises(QueueShareFull):
        await other.runs.accept(asked())
    await other.runs.accept(asked(caller="tok_2"))
    assert await stage.database.read(number_of_runs) == 5


@in_a_loop
async def test_a_caller_whose_runs_are_done_may_queue_again(sqlite_url: str) -> None:
    with Database.open(sqlite_url) as database:
        bounds = replace(FAST, queued=4, concurrency=1, per_agent=1, poll=3600.0)
        stage = Stage(made(database), bounds=bounds)
        async with stage.working() as runs:
            for _ in range(3):
                answers = [await runs.accept(asked(n)) for n in range(3)]
                queued = [answer.run.state is RunState.QUEUED for answer in answers]
                assert queued == [False, True, True]
                # While it looks whether there is more to claim, its room is not free.
                await until(lambda: not runs.waiting and not runs.active and _rests(runs))


def _rests(runs: Runs) -> bool:
    worker = runs._worker
    return not worker._backlog and not worker._reserved


@pytest.mark.parametrize(
    ("request_", "error"),
    [
        (asked("x" * (1 << 20)), InputTooLarge),
        (asked(session=""), RunRefused),
        (asked(session="a/b"), RunRefused),
        (asked(key="ä"), RunRefused),
        (asked(tags={"": ""}), RunRefused),
        (asked(priority=10), RunRefused),
        (asked(timeout_seconds=0), RunRefused),
        (asked(timeout_seconds=float("nan")), RunRefused),
        (asked(timeout_seconds=1e9), RunRefused),
    ],
)
@in_a_loop
async def test_what_cannot_be_kept_is_refused(
    sqlite_url: str, request_: object, error: type[Exception]
) -> None:
    with Database.open(sqlite_url) as database:
        stage = Stage(made(database))
        with pytest.raises(error):
            await stage.runs.accept(request_)  # type: ignore[arg-type] # of the list above
        assert await database.read(number_of_runs) == 0


@in_a_loop
async def test_lists_are_filtered_and_paged_without_payloads(stage: Stage) -> None:
    stage.switch.active["billing"] = "billing@1"
    async with stage.working() as runs:
        for n in range(5):
            await done(runs, asked(n, tags={"n": str(n), "all": "yes"}, tenant="acme"))
        other = await done(runs, asked("b", agent="billing", session="s", caller="tok_2"))
        first, after = await runs.listed(Filter(agent="support"), after=None, limit=3)
        rest, end = await runs.listed(Filter(agent="support"), after=after, limit=3)
        assert end is None
        ids = [run.id for run in first + rest]
        assert ids == sorted(ids, reverse=True)
        assert len(ids) == 5
        assert {run.input for run in first} == {None}

        async def found(**wanted: object) -> int:
            listed, _ = await runs.listed(Filter(**wanted), after=None, limit=100)  # type: ignore[arg-type]
            return len(listed)

        assert await found() == 6
        assert await found(tag=("all", "yes")) == 5
        assert await found(tag=("n", "3")) == 1
        assert await found(tenant="acme") == 5
        assert await found(tenant="") == 1
        assert await found(session="s") == 1
        assert await found(caller="tok_2", state=RunState.SUCCEEDED) == 1
        assert await found(release=str(other.release)) == 1
        assert await found(dead=True) == await found(local=True) == 0
        assert await found(dead=False) == await found(local=False) == 6
