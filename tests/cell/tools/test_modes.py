"""Runs in which nothing may go out: replays and shadows."""

from typing import Any

import pytest

from seatrial.cell.journal.domain.rows import Mode
from seatrial.cell.runs.domain.refusals import RunStateConflict
from seatrial.cell.tools.service.reviews import Word
from seatrial.contract.runs.states import RunState
from seatrial.kit.database.database import Database
from tests.cell.door.cells import in_a_loop
from tests.cell.tools.stage import Calling, cell
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


@in_a_loop
async def test_a_shadow_writes_nowhere_and_is_answered_by_what_it_follows(
    database: Database, shop: Database
) -> None:
    calls = [("pay", {"what": "a"}), ("mail", {"what": "b"})]
    names = ("pay", "mail", "put", "note", "ticket", "charge", "adjust")
    more: list[tuple[str, dict[str, Any]]] = []

    async def each(calling: Calling) -> Any:
        return [await calling.call(name, **given) for name, given in [*calling.input, *more]]

    async with cell(database, shop, each) as here:
        run = await here.ended(await here.started(calls))
        more += [(name, {"what": "other"}) for name in names]
        again = await here.ended(await here.runs.shadow(run.id, caller="tok_a"))
        assert (again.state, again.mode) == (RunState.SUCCEEDED, Mode.SHADOW)
        assert (again.follows, dict(again.tags)) == (run.id, {"shadow": run.id})
        assert again.output[:2] == run.output == [{"changed": 1}, {"did": "/mail/b"}]
        assert all("stand_in" in answer for answer in again.output[2:])
        assert ledger(shop) == ["a"]
        assert [path for _, path in here.desk.deeds] == ["/mail/b"]
        assert await here.reviews.listed(tenant=None, limit=5) == []


@in_a_loop
async def test_a_shadow_makes_reads_by_itself_and_asks_nobody(
    database: Database, shop: Database
) -> None:
    shadowing = False

    async def each(calling: Calling) -> Any:
        if not shadowing:
            return []
        return [await calling.call("look", order="W1"), await calling.wait(event="paid")]

    async with cell(database, shop, each) as here:
        run = await here.ended(await here.started([]))
        shadowing = True
        again = await here.ended(await here.runs.shadow(run.id, caller="tok_a"))
        assert again.output[0] == [{"name": "W1", "cents": 500}]
        assert "stand_in" in again.output[1]
        assert ledger(shop) == []


@in_a_loop
async def test_a_shadow_is_shadowed_as_what_it_follows_and_not_replayed(
    database: Database, shop: Database
) -> None:
    async with cell(database, shop, _each) as here:
        run = await here.ended(await here.started([("pay", {"what": "a"})]))
        shadow = await here.ended(await here.runs.shadow(run.id, caller="tok_a"))
        again = await here.ended(await here.runs.shadow(shadow.id, caller="tok_a"))
        assert (again.follows, again.output) == (run.id, run.output)
        with pytest.raises(RunStateConflict, match="a shadow"):
            await here.runs.replay(shadow.id, caller="tok_a")
        assert ledger(shop) == ["a"]
