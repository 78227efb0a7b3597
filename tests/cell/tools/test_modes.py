"""Runs in which nothing may go out: replays and shadows."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from seatrial.cell.journal.domain.rows import Mode
from seatrial.cell.journal.service.books import Books, RunFacts
from seatrial.cell.journal.service.writing import Surroundings as Recording
from seatrial.cell.tools.service.actions import Actions
from seatrial.cell.tools.service.reviews import Word
from seatrial.cell.tools.service.waits import Waits
from seatrial.contract.runs.states import RunState
from seatrial.kit.database.database import Database
from tests.cell.door.cells import in_a_loop
from tests.cell.tools.stage import CLOCK, QUICK, Calling, Cell, cell, slot_of
from tests.cell.tools.world import ledger

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


async def _each(calling: Calling) -> Any:
    return [await calling.call(name, **arguments) for name, arguments in calling.input]


@in_a_loop
async def test_a_replay_is_answered_from_the_record_and_performs_nothing(
    database: Database, shop: Database
) -> None:
    calls = [("look", {"order": "W1"}), ("pay", {"what": "a"}), ("adjust", {"what": "b"})]
    async with cell(database, shop, _each) as here:
        run = await here.parked(await here.started(calls))
        [asked] = await here.reviews.listed(tenant=None, limit=5)
        await here.reviews.decide(run.id, asked.question.seq, Word(by="tok_a"), approved=True)
        run = await here.ended(run)
        again = await here.ended(await here.runs.replay(run.id, caller="tok_a"))
        assert (again.state, again.output) == (RunState.SUCCEEDED, run.output)
        assert ledger(shop) == ["a", "b"]
        assert await here.reviews.listed(tenant=None, limit=5) == []


@in_a_loop
async def test_a_replay_fails_where_a_call_is_not_recorded(
    database: Database, shop: Database
) -> None:
    said = ["a"]

    async def changing(calling: Calling) -> Any:
        return await calling.call(*calling.input, what=said[0])

    async with cell(database, shop, changing) as here:
        for name in ("pay", "mail", "note"):
            said[0] = "a"
            run = await here.ended(await here.started([name]))
            said[0] = "b"
            again = await here.ended(await here.runs.replay(run.id, caller="tok_a"))
            assert again.failure is not None
            assert again.failure.message.startswith("action_unrecorded")
        assert (ledger(shop), ledger(shop, "notes"), len(here.desk.deeds)) == (["a"], ["a"], 1)


@contextlib.asynccontextmanager
async def _shadow(here: Cell, run: str) -> AsyncIterator[Calling]:
    """An agent of a run that shadows another."""

    async def facts(_: str) -> RunFacts:
        return RunFacts(mode=Mode.SHADOW, follows=run)

    around = here.actions._around
    recording = Recording(database=here.database, fence=lambda *_: True, clock=CLOCK, bounds=QUICK)
    books = Books(recording, facts)
    shadow = replace(here, actions=Actions(replace(around, books=books)), waits=Waits(books, CLOCK))
    yield Calling(shadow, slot_of(here.release, "run_shadow", 1), None)
    await books.leave()


@in_a_loop
async def test_a_shadow_writes_nowhere_and_is_answered_by_what_it_follows(
    database: Database, shop: Database
) -> None:
    calls = [("pay", {"what": "a"}), ("mail", {"what": "b"})]
    async with cell(database, shop, _each) as here:
        run = await here.ended(await here.started(calls))
        async with _shadow(here, run.id) as calling:
            assert await calling.call("pay", what="a") == {"changed": 1}
            assert await calling.call("mail", what="b") == {"did": "/mail/b"}
            for name in ("pay", "mail", "put", "note", "ticket", "charge"):
                assert "stand_in" in await calling.call(name, what="other")
        assert ledger(shop) == ["a"]
        assert [path for _, path in here.desk.deeds] == ["/mail/b"]


@in_a_loop
async def test_a_shadow_makes_reads_by_itself_and_asks_nobody(
    database: Database, shop: Database
) -> None:
    async with cell(database, shop, _each) as here:
        run = await here.ended(await here.started([]))
        async with _shadow(here, run.id) as calling:
            found = await calling.call("look", order="W1")
            assert found == [{"name": "W1", "cents": 500}]
            assert "stand_in" in await calling.call("adjust", what="b")
            assert "stand_in" in await calling.wait(event="paid")
        assert await here.reviews.listed(tenant=None, limit=5) == []
        assert ledger(shop) == []
