"""What people are asked, what they say, and what runs make of it."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from seatrial.cell.runs.domain.values import Choice
from seatrial.cell.tools.domain.refusals import ReviewSettled, ReviewUnfit, WaitNeedsHost
from seatrial.cell.tools.service.actions import LOCAL
from seatrial.cell.tools.service.reviews import Word
from seatrial.contract.runs.states import RunState, WaitReason
from seatrial.kit.database.database import Database
from seatrial.kit.errors import Invalid
from seatrial.kit.transparency.service import every_entry
from tests.cell.door.cells import in_a_loop
from tests.cell.tools.stage import Calling, Cell, cell
from tests.cell.tools.world import ledger

ADA, BOB = Word(by="tok_ada", reason="within policy"), Word(by="tok_bob", reason="too much")


async def _adjusting(calling: Calling) -> Any:
    return [await calling.call("adjust", what=what) for what in calling.input]


async def _asked(here: Cell) -> list[tuple[str, int, str, bool]]:
    found = await here.reviews.listed(tenant=None, limit=50)
    return [(it.run.id, it.question.seq, it.action, it.question.unknown) for it in found]


@in_a_loop
async def test_an_approved_action_is_performed_once_and_nobody_is_asked_again(
    database: Database, shop: Database
) -> None:
    async with cell(database, shop, _adjusting) as here:
        run = await here.parked(await here.started(["a"]))
        assert run.waits is not None
        assert run.waits.reason is WaitReason.REVIEW
        [(waiting, seq, action, unknown)] = await _asked(here)
        assert (waiting, action, unknown) == (run.id, "adjust", False)
        assert ledger(shop) == []
        assert here.runs.active == 0
        await here.reviews.decide(run.id, seq, ADA, approved=True)
        run = await here.ended(run)
        assert run.output == [{"changed": 1}]
        assert ledger(shop) == ["a"]
        assert len(here.segments) == 2
        assert await _asked(here) == []


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@in_a_loop
async def test_a_run_on_its_authors_machine_is_told_that_it_cannot_wait(
    database: Database, shop: Database
) -> None:
    async def waiting(calling: Calling) -> Any:
        there = replace(calling, slot=replace(calling.slot, slot=LOCAL))
        for asking, what in (
            (there.wait(seconds=9), "a timer"),
            (there.wait(event="paid"), "the event:paid"),
            (there.call("adjust", what="a"), "the review of 'adjust'"),
        ):
            with pytest.raises(WaitNeedsHost, match=what):
                await asking
        return "told"

    async with cell(database, shop, waiting) as here:
        run = await here.ended(await here.started(None))
        assert run.output == "told"
        assert ledger(shop) == []


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@in_a_loop
async def test_a_rejected_action_is_told_with_its_reason_and_not_performed(
    database: Database, shop: Database
) -> None:
    async def telling(calling: Calling) -> Any:
        called = await calling.cell.actions.call(calling.slot, "adjust", {"what": "a"})
        called.delivered()
        return called.told.document()

    async with cell(database, shop, telling) as here:
        run = await here.parked(await here.started())
        [(_, seq, _, _)] = await _asked(here)
        await here.reviews.decide(run.id, seq, BOB, approved=False)
        run = await here.ended(run)
        assert run.output["code"] == "action_rejected"
        assert "too much" in run.output["error"]
        assert ledger(shop) == []


@in_a_loop
async def test_each_proposal_is_asked_about_by_itself(database: Database, shop: Database) -> None:
    async with cell(database, shop, _adjusting) as here:
        run = await here.started(["a", "a", "b"])
        for approved in (True, False, True):
            await here.parked(run)
            [(_, seq, _, _)] = await _asked(here)
            await here.reviews.decide(run.id, seq, ADA, approved=approved)
            run = await here.stands(run, RunState.QUEUED, RunState.RUNNING, *_AFTER)
            await _settled(here, run.id, seq)
        run = await here.ended(run)
        assert run.output == [{"changed": 1}, "action_rejected", {"changed": 1}]
        assert ledger(shop) == ["a", "b"]


_AFTER = (RunState.WAITING, RunState.SUCCEEDED)


async def _settled(here: Cell, run: str, seq: int) -> None:
    """Return when the run asks something else, or has ended."""
    async with asyncio.timeout(60):
        while True:
            found = await here.runs.get(run)
            if found.over or (found.waits is not None and found.waits.seq != seq):
                return
            await asyncio.sleep(0.01)


@in_a_loop
async def test_proposals_side_by_side_are_asked_about_in_any_order(
    database: Database, shop: Database
) -> None:
    async def wide(calling: Calling) -> Any:
        return await asyncio.gather(*(calling.call("adjust", what=what) for what in "abc"))

    async with cell(database, shop, wide) as here:
        run = await here.started()
        answered = 0
        async with asyncio.timeout(60):
            while not (await here.runs.get(run.id)).over:
                for _, seq, _, _ in reversed(await _asked(here)):
                    await here.reviews.decide(run.id, seq, ADA, approved=True)
                    answered += 1
                await asyncio.sleep(0.01)
        assert answered == 3
        assert (await here.runs.get(run.id)).output == [{"changed": 1}] * 3
        assert ledger(shop) == ["a", "b", "c"]


@in_a_loop
async def test_of_two_people_at_once_the_first_stays_and_the_second_is_told(
    database: Database, shop: Database
) -> None:
    async with cell(database, shop, _adjusting) as here:
        run = await here.parked(await here.started(["a"]))
        [(_, seq, _, _)] = await _asked(here)
        answers = (
            here.reviews.decide(run.id, seq, word, approved=word is ADA) for word in (ADA, BOB) * 4
        )
        came = await asyncio.gather(*answers, return_exceptions=True)
        told = [it for it in came if isinstance(it, BaseException)]
        assert [type(it) for it in told] == [ReviewSettled] * 7
        run = await here.ended(run)
        [entry] = [it for it in await _log(database) if it[0].startswith("review.")]
        performed = entry[0] == "review.approved"
        assert ledger(shop) == ["a"] * performed


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@in_a_loop
async def test_what_a_person_says_is_on_the_log_without_its_words(
    database: Database, shop: Database
) -> None:
    async with cell(database, shop, _adjusting) as here:
        run = await here.parked(await here.started(["a"]))
        [(_, seq, _, _)] = await _asked(here)
        await here.reviews.decide(run.id, seq, ADA, approved=True)
        await here.ended(run)
        [entry] = [it for it in await _log(database) if it[0].startswith("review.")]
        assert entry[:3] == ("review.approved", f"{run.id}/{seq}", "tok_ada")
        assert "within policy" not in repr(entry)


async def _log(database: Database) -> list[tuple[str, str, str, Any]]:
    entries = await database.read(lambda connection: list(every_entry(connection)))
    return [(it.kind, it.subject, it.actor, it.body) for it in entries]


@in_a_loop
async def test_an_unknown_write_that_happened_is_answered_as_the_person_says(
    database: Database, shop: Database
) -> None:
    async def mailing(calling: Calling) -> Any:
        return await calling.call("mail", what="hello")

    async with cell(database, shop, mailing) as here:
        here.desk.moods = ["cut"]
        run = await here.parked(await here.started())
        [(_, seq, action, unknown)] = await _asked(here)
        assert (action, unknown) == ("mail", True)
        with pytest.raises(ReviewUnfit):
            await here.reviews.decide(run.id, seq, ADA, approved=True)
        await here.reviews.happened(run.id, seq, ADA, {"did": "yes"})
        assert (await here.ended(run)).output == {"did": "yes"}
        assert len(here.desk.deeds) == 1


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@in_a_loop
async def test_an_unknown_write_that_did_not_happen_is_performed_under_its_key(
    database: Database, shop: Database
) -> None:
    async def mailing(calling: Calling) -> Any:
        return await calling.call("mail", what="hello")

    async with cell(database, shop, mailing) as here:
        here.desk.moods = ["500"]
        run = await here.parked(await here.started())
        [(_, seq, _, _)] = await _asked(here)
        await here.reviews.not_happened(run.id, seq, ADA)
        assert (await here.ended(run)).output == {"did": "/mail/hello"}
        keys = [it.headers["idempotency-key"] for it in here.desk.seen]
        assert len(keys) == 2
        assert len(set(keys)) == 1


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@in_a_loop
async def test_a_proposal_has_no_outcome(database: Database, shop: Database) -> None:
    async with cell(database, shop, _adjusting) as here:
        run = await here.parked(await here.started(["a"]))
        [(_, seq, _, _)] = await _asked(here)
        with pytest.raises(ReviewUnfit):
            await here.reviews.happened(run.id, seq, ADA, None)
        with pytest.raises(ReviewUnfit):
            await here.reviews.not_happened(run.id, seq, ADA)
        with pytest.raises(ReviewSettled):
            await here.reviews.decide(run.id, seq + 40, ADA, approved=True)


@in_a_loop
async def test_a_run_that_has_ended_asks_nothing(database: Database, shop: Database) -> None:
    async with cell(database, shop, _adjusting) as here:
        run = await here.parked(await here.started(["a"]))
        [(_, seq, _, _)] = await _asked(here)
        await here.runs.abandon(run.id, Choice(by="tok_ada", why="no"))
        assert await _asked(here) == []
        with pytest.raises(ReviewSettled):
            await here.reviews.decide(run.id, seq, ADA, approved=True)


@in_a_loop
async def test_a_review_outlives_the_process_that_asked(database: Database, shop: Database) -> None:
    async with cell(database, shop, _adjusting) as here:
        run = await here.parked(await here.started(["a"]))
    async with cell(database, shop, _adjusting, sole=True) as here:
        [(_, seq, _, _)] = await _asked(here)
        await here.reviews.decide(run.id, seq, ADA, approved=True)
        assert (await here.ended(run)).output == [{"changed": 1}]


@pytest.mark.parametrize("seconds", [0, 0.05])
@in_a_loop
async def test_a_timer_is_waited_for_without_a_slot(
    database: Database, shop: Database, seconds: float
) -> None:
    async def waiting(calling: Calling) -> Any:
        before = await calling.call("pay", what="before")
        told = await calling.wait(seconds=seconds)
        return [before, sorted(told), await calling.call("pay", what="after")]

    async with cell(database, shop, waiting) as here:
        assert await here.output() == [{"changed": 1}, ["at"], {"changed": 1}]
        assert ledger(shop) == ["after", "before"]


@in_a_loop
async def test_an_event_brings_its_value_even_if_it_comes_first(
    database: Database, shop: Database
) -> None:
    async def waiting(calling: Calling) -> Any:
        return [await calling.wait(event="paid"), await calling.wait(event="sent")]

    async with cell(database, shop, waiting) as here:
        run = await here.parked(await here.started())
        await here.runs.tell_event(run.id, "sent", {"by": "post"})
        assert (await here.runs.get(run.id)).state is RunState.WAITING
        await here.runs.tell_event(run.id, "paid", 5)
        assert (await here.ended(run)).output == [5, {"by": "post"}]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@in_a_loop
async def test_a_wait_for_nothing_is_refused(database: Database, shop: Database) -> None:
    wanted: list[dict[str, Any]] = [
        {},
        {"seconds": 1, "event": "paid"},
        {"seconds": -1},
        {"seconds": 1e12},
        {"seconds": True},
        {"until": "tomorrow"},
        {"until": "2030-01-01T00:00:00"},
        {"event": 7},
        {"event": ""},
        {"other": 1},
    ]

    async def waiting(calling: Calling) -> Any:
        for each in wanted:
            with pytest.raises(Invalid):
                await calling.wait(**each)

    async with cell(database, shop, waiting) as here:
        assert await here.output() is None
