"""Runs that wait hold nothing; whatever they wait for is heard once, whenever it comes."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from seatrial.cell.journal.domain.rows import Mode
from seatrial.cell.runs.domain import rules
from seatrial.cell.runs.domain.refusals import (
    RunAbandoned,
    RunStartedAnew,
    RunStateConflict,
    WaitMalformed,
    WordsFull,
)
from seatrial.cell.runs.domain.values import Choice, EventKind, Filter, Run
from seatrial.cell.runs.service.runs import Runs
from seatrial.contract.runs.states import RunState, WaitReason
from seatrial.kit.clock import SystemClock
from seatrial.kit.database.database import Database
from tests.cell.runs.stage import asked, done, until
from tests.cell.runs.waiting_stage import Hand, WaitingStage
from tests.kit.leases.looped import in_a_loop

WHY = Choice(by="tok_1", why="it is well so")


async def parked(runs: Runs, run: Run, reason: WaitReason | None = None) -> Run:
    """The run, when it waits; for `reason`, if one is given."""
    async with asyncio.timeout(30):
        while True:
            found = await runs.get(run.id)
            if found.waits is not None and reason in {None, found.waits.reason}:
                return found
            await asyncio.sleep(0.01)


async def ended(runs: Runs, run: Run) -> Run:
    follower = runs._feeds.open(run.id, end_only=True)
    return await runs.ended(await runs.get(run.id), follower, 30)


def staying(first: str) -> Any:
    """An agent that writes and waits, and in its second attempt does `first` instead."""

    async def agent(hand: Hand) -> Any:
        if hand.request.attempt == 1:
            await hand.write("charge")
            await hand.wait(event="paid")
        return await hand.write(first) if first else "nothing"

    return agent


@in_a_loop
async def test_a_timer_goes_off_and_what_was_done_before_is_not_done_again(
    database: Database,
) -> None:
    async def agent(hand: Hand) -> Any:
        before = await hand.write("charge")
        await hand.wait(seconds=0.3)
        return [before, await hand.write("ship")]

    stage = WaitingStage(database, agent=agent)
    async with stage.working() as runs:
        run = await done(runs, asked(), 30)
    assert (run.state, run.output) == (RunState.SUCCEEDED, [{"performed": 1}, {"performed": 1}])
    assert stage.world == {"charge": 1, "ship": 1}
    assert (run.attempt, run.tries) == (2, 1)


@in_a_loop
async def test_while_it_waits_it_holds_no_process_and_its_listeners_are_told(
    database: Database,
) -> None:
    async def agent(hand: Hand) -> Any:
        return await hand.wait(event="paid")

    stage = WaitingStage(database, agent=agent)
    async with stage.working() as runs:
        accepted, follower = await runs.start(asked())
        run = await parked(runs, accepted.run)
        assert stage.hosts.running == 0
        assert runs.active == 0
        assert len(stage.books) == 0
        assert run.waits is not None
        assert (run.waits.reason, run.waits.detail) == (WaitReason.EVENT, "event:paid")
        listed, _ = await runs.listed(Filter(waits=WaitReason.EVENT), after=None, limit=9)
        assert [each.id for each in listed] == [run.id]
        assert not (await runs.listed(Filter(waits=WaitReason.TIMER), after=None, limit=9))[0]
        await runs.tell_event(run.id, "paid", {"amount": 3})
        kinds = [event.kind async for event in runs.events(accepted.run, follower=follower)]
        assert (await runs.get(run.id)).output == {"amount": 3}
    assert [kind for kind in kinds if kind is not EventKind.CHUNK] == [
        EventKind.ACCEPTED,
        EventKind.STARTED,
        EventKind.WAITING,
        EventKind.ENDED,
    ]


@in_a_loop
async def test_an_event_that_comes_before_it_is_asked_for_is_kept_in_order(
    database: Database,
) -> None:
    go = asyncio.Event()

    async def agent(hand: Hand) -> Any:
        await go.wait()
        return [await hand.wait(event="paid"), await hand.write("ship")]

    stage = WaitingStage(database, agent=agent)
    async with stage.working() as runs:
        accepted, _ = await runs.start(asked())
        await until(lambda: stage.hosts.requests)
        for number in range(rules.MOST_WORDS):
            await runs.tell_event(accepted.run.id, "paid", number)
        with pytest.raises(WordsFull):
            await runs.tell_event(accepted.run.id, "paid", "one more")
        go.set()
        run = await ended(runs, accepted.run)
    assert run.output == [0, {"performed": 1}]


@in_a_loop
async def test_another_process_wakes_it_and_its_timer_outlives_the_first(
    database: Database,
) -> None:
    async def agent(hand: Hand) -> Any:
        return await hand.wait(seconds=1)

    stage = WaitingStage(database, agent=agent)
    async with stage.working() as runs:
        accepted, _ = await runs.start(asked())
        waiting = await parked(runs, accepted.run)
    assert waiting.waits is not None
    assert waiting.waits.until == waiting.waits.since + timedelta(seconds=1)
    other = WaitingStage(database, agent=agent)
    async with other.working() as runs:
        run = await ended(runs, waiting)
    assert run.state is RunState.SUCCEEDED
    assert run.ended is not None
    assert run.ended >= waiting.waits.until


@in_a_loop
async def test_who_strays_is_stopped_before_its_next_write_and_goes_on_by_a_persons_word(
    database: Database,
) -> None:
    stage = WaitingStage(database, agent=staying(""))
    async with stage.working() as runs:
        accepted, _ = await runs.start(asked())
        await parked(runs, accepted.run)
        with pytest.raises(RunStateConflict):
            await runs.resume(accepted.run.id, WHY)  # it waits, but for an event
        await runs.tell_event(accepted.run.id, "paid", None)

        await parked(runs, accepted.run, WaitReason.DIVERGED)
        await runs.resume(accepted.run.id, WHY)
        run = await ended(runs, accepted.run)
    assert (run.state, run.output) == (RunState.SUCCEEDED, "nothing")
    assert stage.world == {"charge": 1}


@in_a_loop
async def test_a_run_that_waits_is_abandoned_or_started_anew_with_what_it_did_told(
    database: Database,
) -> None:
    stage = WaitingStage(database, agent=staying("ship"))
    async with stage.working() as runs:
        accepted, _ = await runs.start(asked())
        await parked(runs, accepted.run)
        gone = await runs.abandon(accepted.run.id, WHY)
        assert gone.state is RunState.CANCELLED
        assert gone.failure is not None
        assert gone.failure.code == RunAbandoned.code
        assert "1 writes had happened" in gone.failure.message
        with pytest.raises(RunStateConflict):
            await runs.restart(accepted.run.id, WHY)
        second, _ = await runs.start(asked())
        await parked(runs, second.run)
        anew = await runs.restart(second.run.id, WHY)
        before = await runs.get(second.run.id)
        assert before.failure is not None
        assert before.failure.code == RunStartedAnew.code
        assert anew.id in before.failure.message
        again = await parked(runs, anew)
        assert (again.input, again.attempt) == (second.run.input, 1)
        await runs.cancel(again.id)
    assert stage.world == {"charge": 3}


@in_a_loop
async def test_a_replay_is_answered_from_its_run_and_performs_nothing(database: Database) -> None:
    extra: list[str] = []

    async def agent(hand: Hand) -> Any:
        told = [await hand.write("charge"), await hand.wait(event="paid")]
        return [*told, *[await hand.write(name) for name in extra]]

    stage = WaitingStage(database, agent=agent)
    async with stage.working() as runs:
        accepted, _ = await runs.start(asked())
        with pytest.raises(RunStateConflict):
            await runs.replay(accepted.run.id, caller="tok_2")  # it has not ended
        await parked(runs, accepted.run)
        await runs.tell_event(accepted.run.id, "paid", 7)
        first = await ended(runs, accepted.run)
        again = await runs.replay(first.id, caller="tok_2")
        same = await ended(runs, again)
        assert (same.state, same.output) == (RunState.SUCCEEDED, first.output)
        assert (same.mode, same.follows, same.counted) == (Mode.STRICT, first.id, False)
        assert same.tags == {"replay": first.id}
        extra.append("ship")
        other = await ended(runs, await runs.replay(same.id, caller="tok_2"))
        assert other.follows == first.id
        assert other.state is RunState.FAILED
    assert stage.world == {"charge": 1}


@pytest.mark.parametrize(
    "asked_for",
    [
        {},
        {"seconds": -1},
        {"seconds": 1e12},
        {"seconds": True},
        {"seconds": "1"},
        {"seconds": 1, "until": "2026-01-01T00:00:00Z"},
        {"until": "soon"},
        {"until": "2026-01-01T00:00:00"},
        {"until": "9999-01-01T00:00:00Z"},
        {"event": "a b"},
        {"event": 7},
        {"event": ""},
    ],
)
@in_a_loop
async def test_what_cannot_be_waited_for_is_refused_by_name(
    database: Database, asked_for: dict[str, Any]
) -> None:
    async def agent(hand: Hand) -> Any:
        with pytest.raises(WaitMalformed):
            await hand.wait(**asked_for)
        return "refused"

    stage = WaitingStage(database, agent=agent)
    async with stage.working() as runs:
        run = await done(runs, asked(), 30)
    assert run.output == "refused"


def test_the_clock_of_a_wait_is_that_of_its_first_asking() -> None:
    since = SystemClock().now()
    assert rules.rings({"seconds": 5}, since) == since + timedelta(seconds=5)
    assert rules.rings({"until": since.isoformat()}, since) == since
