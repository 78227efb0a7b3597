"""`/v1/reviews`: who may see what is asked, and who may answer."""

import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest

from seatrial.cell.door.api.reviews import review_routes
from seatrial.contract.runs.states import RunState
from seatrial.kit.database.database import Database
from seatrial.kit.http.boundary import ErrorBoundary
from seatrial.kit.http.routes import Routes
from tests.cell.door.cells import in_a_loop
from tests.cell.door.rooms import Door
from tests.cell.runs.stage import Stage
from tests.cell.tools.stage import IDS, Calling, Cell, cell
from tests.cell.tools.world import ledger

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


async def _adjusting(calling: Calling) -> Any:
    return await calling.call("adjust", what="a")


async def _mailing(calling: Calling) -> Any:
    return await calling.call("mail", what="a")


@contextlib.asynccontextmanager
async def asking(
    database: Database, shop: Database, agent: Any, **more: Any
) -> AsyncIterator[tuple[Cell, Door, str, int]]:
    """A cell with one run that waits for a person, its front door, and what is asked."""
    async with cell(database, shop, agent) as here:
        here.desk.moods = ["500"]
        stage = Stage(database)
        stage.runs = here.runs
        door = Door(stage)
        door.app = ErrorBoundary(Routes(review_routes(door.desk, here.reviews)), IDS)
        run = await here.parked(await here.started(**more))
        [asked] = await here.reviews.listed(tenant=None, limit=5)
        yield here, door, run.id, asked.question.seq


@in_a_loop
async def test_payload_is_shown_to_those_who_may_see_it_and_that_is_noted(
    database: Database, shop: Database
) -> None:
    async with asking(database, shop, _adjusting) as (_, door, run, seq):
        [told] = (await door.ask("GET", "/v1/reviews", by="payload")).json["reviews"]
        assert told["arguments"] == {"what": "a"}
        assert (told["run"], told["seq"], told["action"]) == (run, seq, "adjust")
        assert (told["asks"], told["release_name"]) == ("approval", "support@1")
        assert door.read_by == [("payload", run)]
        [told] = (await door.ask("GET", "/v1/reviews", by="reader")).json["reviews"]
        assert told["arguments"] is None
        assert door.read_by == [("payload", run)]
        assert (await door.ask("GET", "/v1/reviews", by="app")).status == 403


@in_a_loop
async def test_only_those_who_operate_may_answer(database: Database, shop: Database) -> None:
    async with asking(database, shop, _adjusting) as (here, door, run, seq):
        place = f"/v1/reviews/{run}/{seq}"
        for verb in ("approve", "reject", "happened", "not-happened"):
            assert (await door.ask("POST", f"{place}/{verb}", {}, by="payload")).status == 403
        assert (await here.runs.get(run)).state is RunState.WAITING
        answer = await door.ask("POST", f"{place}/approve", {"reason": "fine"}, by="operator")
        assert (answer.status, answer.json["id"]) == (200, run)
        await here.ended(await here.runs.get(run))
        assert ledger(shop) == ["a"]
        again = await door.ask("POST", f"{place}/reject", {}, by="operator")
        assert (again.status, again.json["code"]) == (409, "review_settled")


@in_a_loop
async def test_a_tenant_sees_and_answers_what_its_own_runs_ask(
    database: Database, shop: Database
) -> None:
    async with asking(database, shop, _adjusting, tenant="acme") as (_, door, run, seq):
        assert (await door.ask("GET", "/v1/reviews", by="bolt")).json["reviews"] == []
        place = f"/v1/reviews/{run}/{seq}"
        assert (await door.ask("POST", f"{place}/approve", {}, by="bolt")).status == 404
        assert len((await door.ask("GET", "/v1/reviews", by="acme")).json["reviews"]) == 1
        assert (await door.ask("POST", f"{place}/reject", {}, by="acme")).status == 200


@in_a_loop
async def test_an_outcome_is_said_with_any_value(database: Database, shop: Database) -> None:
    async with asking(database, shop, _mailing) as (here, door, run, seq):
        [told] = (await door.ask("GET", "/v1/reviews", by="payload")).json["reviews"]
        assert (told["asks"], told["action"], told["arguments"]) == (
            "outcome",
            "mail",
            {"what": "a"},
        )
        place = f"/v1/reviews/{run}/{seq}"
        unfit = await door.ask("POST", f"{place}/approve", {}, by="operator")
        assert (unfit.status, unfit.json["code"]) == (409, "review_unfit")
        body = {"value": [1.5, {"a": None}], "reason": "seen"}
        assert (await door.ask("POST", f"{place}/happened", body, by="operator")).status == 200
        found = await here.ended(await here.runs.get(run))
        assert found.output == [1.5, {"a": None}]


@pytest.mark.parametrize(
    ("place", "body", "status"),
    [
        ("run_nobody/1", {}, 404),
        ("%/x", {}, 409),
        ("%/99999999999999999999", {}, 409),
        ("%/-1", {}, 409),
        ("%/1", {"reason": "x" * 5_000}, 400),
        ("%/1", {"arguments": {"what": "b"}}, 400),
        ("%/1", b"no json", 400),
        ("%/1", b"[]", 400),
    ],
)
@in_a_loop
async def test_an_answer_that_is_none_changes_nothing(
    database: Database, shop: Database, place: str, body: Any, status: int
) -> None:
    async with asking(database, shop, _adjusting) as (here, door, run, _):
        path = f"/v1/reviews/{place.replace('%', run)}/approve"
        assert (await door.ask("POST", path, body, by="operator")).status == status
        assert (await here.runs.get(run)).state is RunState.WAITING
