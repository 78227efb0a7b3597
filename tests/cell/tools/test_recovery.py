"""What is lost between an effect and its record, when what it acted on cannot be asked at once."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from seatrial.cell.journal.service.writing import Pen
from seatrial.cell.tools.domain.refusals import ActionUnreachable
from seatrial.cell.tools.domain.values import Performing, Told
from seatrial.cell.tools.service.by_sql import SqlConnector
from seatrial.cell.tools.service.ports import Connector
from seatrial.cell.tools.service.reviews import Word
from seatrial.contract.runs.states import RunState, WaitReason
from seatrial.kit.database.database import Database
from seatrial.kit.database.errors import CommitUnknown, DatabaseUnreachable
from tests.cell.door.cells import in_a_loop
from tests.cell.tools.stage import Calling, Cell, cell
from tests.cell.tools.world import Desk, Functions, ledger

ADA = Word(by="tok_ada")


@dataclass
class Bent:
    """A connector that does what `bend` says in the place of performing."""

    inner: Connector
    bend: Callable[["Bent", Performing], Any]
    kind: str = "bent"
    performed: asyncio.Event = field(default_factory=asyncio.Event)

    async def perform(self, call: Performing) -> Told:
        """See `Connector`."""
        told: Told = await self.bend(self, call)
        return told

    async def lookup(self, call: Performing) -> Told | None:
        """See `Connector`."""
        return await self.inner.lookup(call)

    async def close(self) -> None:
        """See `Connector`."""


async def _lost(bent: Bent, call: Performing) -> Told:
    """It is performed, and nobody learns it."""
    await bent.inner.perform(call)
    bent.performed.set()
    await asyncio.Event().wait()
    raise AssertionError


async def _away(_: Bent, call: Performing) -> Told:
    raise ActionUnreachable(action=call.action, reason="the line is dead")


async def _defect(_: Bent, call: Performing) -> Told:
    raise TypeError(call.action)


def _calling(name: str) -> Any:
    async def agent(calling: Calling) -> Any:
        return await calling.call(name, what="x")

    return agent


async def _cut_off(database: Database, shop: Database, name: str, desk: Desk) -> str:
    """A run whose process ended between an effect and its record."""
    made: list[Bent] = []

    def wrap(_: str, connector: Connector) -> Connector:
        made.append(Bent(connector, _lost))
        return made[-1]

    async with cell(database, shop, _calling(name), desk=desk, wrap=wrap) as here:
        run = await here.started()
        async with asyncio.timeout(60):
            while not made:  # noqa: ASYNC110 - it is opened in another task
                await asyncio.sleep(0.01)
            await made[0].performed.wait()
    return run.id


async def _unknown(here: Cell, run: str) -> int:
    """The number of the call of which a person is asked."""
    found = await here.parked(await here.runs.get(run))
    assert found.waits is not None
    assert found.waits.reason is WaitReason.UNKNOWN
    [asked] = await here.reviews.listed(tenant=None, limit=5)
    return asked.question.seq


def _done(shop: Database, desk: Desk) -> int:
    return len(ledger(shop)) + len(ledger(shop, "notes")) + len(desk.deeds)


@pytest.mark.parametrize("name", ["pay", "note", "put"])
@in_a_loop
async def test_what_cannot_be_asked_now_is_never_taken_for_undone(
    database: Database, shop: Database, name: str
) -> None:
    desk = Desk()
    run = await _cut_off(database, shop, name, desk)
    assert _done(shop, desk) == 1
    away = {"desk": desk, "wrap": lambda _, connector: Bent(connector, _away)}
    async with cell(database, shop, _calling(name), sole=True, **away) as here:  # type: ignore[arg-type]
        seq = await _unknown(here, run)
        await here.reviews.happened(run, seq, ADA, "as told")
        assert (await here.ended(await here.runs.get(run))).output == "as told"
    assert _done(shop, desk) == 1


@pytest.mark.parametrize("name", ["pay", "note", "put", "ticket"])
@in_a_loop
async def test_what_can_be_asked_is_answered_without_a_person(
    database: Database, shop: Database, name: str
) -> None:
    desk = Desk()
    run = await _cut_off(database, shop, name, desk)
    async with cell(database, shop, _calling(name), sole=True, desk=desk) as here:
        found = await here.ended(await here.runs.get(run))
        assert found.output in ({"changed": 1}, [], {"did": "/things/x"}, {"did": "/tickets/x"})
    assert _done(shop, desk) == 1


@in_a_loop
async def test_where_even_the_question_fails_a_person_is_asked(
    database: Database, shop: Database
) -> None:
    desk = Desk()
    run = await _cut_off(database, shop, "ticket", desk)
    desk.moods = ["500"]
    async with cell(database, shop, _calling("ticket"), sole=True, desk=desk) as here:
        await here.reviews.not_happened(run, await _unknown(here, run), ADA)
        assert (await here.ended(await here.runs.get(run))).output == {"did": "/tickets/x"}


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@in_a_loop
async def test_a_repetition_that_is_refused_does_not_undo_the_first(
    database: Database, shop: Database
) -> None:
    async with cell(database, shop, _calling("put")) as here:
        here.desk.moods = ["cut", "429", "429"]
        run = await here.started()
        await _unknown(here, run.id)
        assert len(here.desk.deeds) == 1


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@in_a_loop
async def test_a_defect_of_a_connector_is_no_proof_that_nothing_happened(
    database: Database, shop: Database
) -> None:
    def wrap(_: str, connector: Connector) -> Connector:
        return Bent(connector, _defect)

    async with cell(database, shop, _calling("fetch"), wrap=wrap) as here:
        assert await here.output() == "action_unreachable"
    async with cell(database, shop, _calling("pay"), wrap=wrap) as here:
        run = await here.started()
        await _unknown(here, run.id)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@in_a_loop
async def test_a_connector_that_cannot_be_opened_is_opened_by_the_next_call(
    database: Database, shop: Database
) -> None:
    refused: list[DatabaseUnreachable] = []

    async def opening() -> Database:
        if not refused:
            refused.append(DatabaseUnreachable(database=str(shop), reason="nobody answers"))
            raise refused[0]
        return shop

    def wrap(name: str, _: Connector) -> Connector:
        return SqlConnector(name, opening, Functions())

    async def insisting(calling: Calling) -> Any:
        return [await calling.call("pay", what="x") for _ in range(2)]

    async with cell(database, shop, insisting, wrap=wrap) as here:
        assert await here.output() == ["action_unreachable", {"changed": 1}]
        assert ledger(shop) == ["x"]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@in_a_loop
async def test_a_call_that_could_not_be_recorded_is_no_failure_of_its_agent(
    database: Database, shop: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept, struck = Pen._written, list[str]()

    async def failing(pen: Pen, use_case: Any, *, durable: bool, everything: bool = False) -> None:
        await kept(pen, use_case, durable=durable, everything=everything)
        if durable and not struck:
            error = CommitUnknown(database="the cell's")
            struck.append(error.code)
            pen._failed(error)
            raise error

    monkeypatch.setattr(Pen, "_written", failing)
    async with cell(database, shop, _calling("pay")) as here:
        run = await here.ended(await here.started())
        assert (run.state, run.attempt) == (RunState.SUCCEEDED, 2), run.failure
        assert struck
        assert ledger(shop) == ["x"]
