"""The switch over HTTP: who may ask what, entity tags, long polls and events."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest

from seatrial.contract.evidence.statements import Step, Verb
from seatrial.contract.switch.api import (
    OrderAnswer,
    OrderRequest,
    Permission,
    Plan,
    Status,
    TokenRequest,
)
from seatrial.contract.switch.desired import Desired
from seatrial.contract.switch.requests import Said
from seatrial.control.promotions import api
from seatrial.kit.clock import SystemClock
from seatrial.kit.database.database import Database
from seatrial.kit.http.by_aiohttp import aiohttp_client
from seatrial.kit.http.client import HttpClient, Request, Timeouts, first_header
from seatrial.kit.http.events import Event, EventParser
from seatrial.kit.http.lifetime import Lifetime
from seatrial.kit.ids import Ids
from seatrial.main.control_access import Access
from seatrial.main.control_app import control_app
from tests.contract.making import release
from tests.control.promotions.line import ADA, Line, wait
from tests.kit.http.peers import Answer, body_of, call, port_of, scope, serving

ONE = release(prompt="one")
PATIENT = 20.0  # seconds; a test that gets there has failed


class Served:
    """Control's API over a line."""

    def __init__(self, line: Line) -> None:
        self.line = line
        self.lifetime = Lifetime()
        access = Access(line.identity, line.environments)
        router = api.router(line.promotions, access.guard, access.cell, self.lifetime)
        self.app = control_app([router], Ids(SystemClock()), version="0")

    @classmethod
    async def start(cls, database: Database, folder: Path) -> "Served":
        """With staging's and production's cell."""
        return cls(await Line(database, folder, clock=SystemClock()).start())

    async def token(self, *permissions: Permission) -> str:
        """A token that may do `permissions`."""
        row = await self.line.identity.make(TokenRequest(name="test", permissions=permissions), ADA)
        assert row.token
        return row.token

    async def ask(
        self, method: str, path: str, token: str = "", body: object = None, etag: str = ""
    ) -> Answer:
        """The answer to one request."""
        headers = [(b"authorization", f"Bearer {token}".encode())] if token else []
        raw = b"" if body is None else json.dumps(body).encode()
        if raw:
            headers.append((b"content-type", b"application/json"))
        if etag:
            headers.append((b"if-none-match", etag.encode()))
        path, _, query = path.partition("?")
        return await call(self.app, scope(method, path, headers, query.encode()), body_of(raw))

    async def says(self, cell: str, envelope: str, what: str = "reports") -> Answer:
        """A cell's word."""
        body = Said(envelope=envelope).document()
        return await self.ask("POST", f"/v1/cells/{cell}/{what}", self.line.cells[cell].token, body)


def test_an_agent_is_promoted_and_rolled_back_over_http(database: Database, tmp_path: Path) -> None:
    async def main() -> None:
        served = await Served.start(database, tmp_path)
        line = served.line
        await line.deployed(ONE)
        token = await served.token(Permission.PROMOTE, Permission.ROLLBACK)
        here = "/v1/environments/production"
        answer = await served.ask("POST", f"{here}/plan", token, {"verb": "promote"})
        plan = Plan.read(answer.json)
        order = line.signed(plan).document()
        answer = await served.ask("POST", f"{here}/orders", token, order)
        assert answer.status == 202
        ordered = OrderAnswer.read(answer.json)
        assert ordered.met
        assert ordered.generation is not None
        cell = line.cells["production"]
        for step in (Step.PREPARED, Step.COMMITTED):
            answer = await served.says(cell.name, cell.says(ordered.generation, step))
            assert (answer.status, answer.body) == (204, b"")
        answer = await served.ask("GET", f"{here}/generations/1?wait=5", token)
        assert (answer.json["state"], answer.json["cells"][0]["current"]) == ("committed", 1)
        status = Status.read((await served.ask("GET", "/v1/status", token)).json)
        assert [each.environment for each in status.environments] == ["staging", "production"]
        answer = await served.ask("POST", f"{here}/rollback", token, {"reason": "bad"})
        assert (answer.status, answer.json["code"]) == (409, "nothing_to_change")
        answer = await served.ask("GET", f"{here}/generations", token)
        assert [each["generation"] for each in answer.json["generations"]] == [1]

    wait(main())


def test_an_order_whose_gates_are_unmet_is_kept_and_shows_its_rows(
    sqlite_url: str, tmp_path: Path
) -> None:
    async def main(database: Database) -> None:
        served = await Served.start(database, tmp_path)
        line = served.line
        name = await line.hand_in(ONE)
        await line.switched(await line.proposed("staging", Verb.DEPLOY, agents={"support": name}))
        plan = await line.plan("production", Verb.PROMOTE)  # nobody ran it in staging yet
        token = await served.token(Permission.PROMOTE)
        path = "/v1/environments/production/orders"
        answer = await served.ask("POST", path, token, line.signed(plan).document())
        assert answer.status == 202
        told = OrderAnswer.read(answer.json)
        assert (told.met, told.generation) == (False, None)
        assert [row.gate for row in told.gates if row.standing != "met"] == ["soak"]
        cell = line.cells["staging"]
        assert (await served.says("staging", cell.counts(ONE), "facts")).status == 204
        again = await line.plan("production", Verb.PROMOTE)
        assert again.met  # the order that was kept counts now

    with Database.open(sqlite_url) as database:
        wait(main(database))


_ENDPOINTS: tuple[tuple[str, str, object, Permission], ...] = (
    ("GET", "/v1/status", None, Permission.READ),
    ("POST", "/v1/environments/production/plan", {"verb": "promote"}, Permission.READ),
    ("GET", "/v1/environments/production/generations", None, Permission.READ),
    ("GET", "/v1/environments/production/generations/1", None, Permission.READ),
    ("POST", "/v1/environments/production/rollback", {}, Permission.ROLLBACK),
    (
        "POST",
        "/v1/environments/production/generations/1/exclude",
        {"cell": "production", "reason": "r"},
        Permission.PROMOTE,
    ),
)


def test_each_endpoint_asks_for_its_permission(sqlite_url: str, tmp_path: Path) -> None:
    async def main(database: Database) -> None:
        served = await Served.start(database, tmp_path)
        cell = served.line.cells["staging"].token
        for method, path, body, needed in _ENDPOINTS:
            assert (await served.ask(method, path, body=body)).status == 401
            assert (await served.ask(method, path, cell, body)).status == 401
            if needed is not Permission.READ:
                others = [each for each in Permission if each is not needed]
                refused = await served.ask(method, path, await served.token(*others), body)
                assert (refused.status, refused.json["code"]) == (403, "permission_missing")
            answer = await served.ask(method, path, await served.token(needed), body)
            assert answer.status not in {401, 403}

    with Database.open(sqlite_url) as database:
        wait(main(database))


@pytest.mark.parametrize(
    ("environment", "verb", "needed"),
    [
        ("staging", Verb.DEPLOY, Permission.DEPLOY),
        ("production", Verb.PROMOTE, Permission.PROMOTE),
        ("production", Verb.CONFIGURE, Permission.PROMOTE),
    ],
)
def test_an_order_asks_for_the_permission_of_its_verb(
    sqlite_url: str, tmp_path: Path, environment: str, verb: Verb, needed: Permission
) -> None:
    async def main(database: Database) -> None:
        served = await Served.start(database, tmp_path)
        line = served.line
        await line.deployed(ONE)
        await line.hand_in(release(prompt="two"))
        given: dict[Verb, dict[str, Any]] = {
            Verb.DEPLOY: {"agents": {"support": "support@2"}},
            Verb.PROMOTE: {},
            Verb.CONFIGURE: {"profile": "team"},
        }
        plan = await line.plan(environment, verb, **given[verb])
        body = line.signed(plan).document()
        path = f"/v1/environments/{environment}/orders"
        others = [each for each in Permission if each is not needed]
        refused = await served.ask("POST", path, await served.token(*others), body)
        assert (refused.status, refused.json["code"]) == (403, "permission_missing")
        answer = await served.ask("POST", path, await served.token(needed), body)
        assert answer.status == 202

    with Database.open(sqlite_url) as database:
        wait(main(database))


def test_a_cell_reads_and_says_its_own_alone(sqlite_url: str, tmp_path: Path) -> None:
    async def main(database: Database) -> None:
        served = await Served.start(database, tmp_path)
        staging, production = (served.line.cells[each] for each in ("staging", "production"))
        person = await served.token(*Permission)
        for method, what, body in (
            ("GET", "desired", None),
            ("GET", "events", None),
            ("POST", "reports", {"envelope": "{}"}),
            ("POST", "facts", {"envelope": "{}"}),
        ):
            path = f"/v1/cells/production/{what}"
            assert (await served.ask(method, path, body=body)).status == 401
            assert (await served.ask(method, path, person, body)).status == 401
            assert (await served.ask(method, path, staging.token, body)).status == 403
        answer = await served.ask("GET", "/v1/cells/production/desired", production.token)
        told = Desired.read(answer.json)
        assert (told.cell, told.environment) == ("production", "production")

    with Database.open(sqlite_url) as database:
        wait(main(database))


def test_what_is_known_is_not_sent_again_until_it_changes(sqlite_url: str, tmp_path: Path) -> None:
    async def main(database: Database) -> None:
        served = await Served.start(database, tmp_path)
        line = served.line
        path, token = "/v1/cells/production/desired", line.cells["production"].token
        first = await served.ask("GET", path, token)
        etag = first.headers[b"etag"].decode()
        assert etag.startswith('"')
        same = await served.ask("GET", path, token, etag=etag)
        assert (same.status, same.body, same.headers[b"etag"].decode()) == (304, b"", etag)
        await line.deployed(ONE)
        waiting = asyncio.create_task(served.ask("GET", f"{path}?wait=60", token, etag=etag))
        await asyncio.sleep(0)
        await line.proposed("production", Verb.PROMOTE)
        async with asyncio.timeout(PATIENT):
            changed = await waiting
        assert changed.status == 200
        assert changed.headers[b"etag"].decode() != etag
        assert Desired.read(changed.json).proposed is not None

    with Database.open(sqlite_url) as database:
        wait(main(database))


@asynccontextmanager
async def listening(
    client: HttpClient, url: str, token: str
) -> AsyncIterator[AsyncIterator[Event]]:
    """The events of a stream as they come."""
    request = Request(
        method="GET",
        url=url,
        headers=(("authorization", f"Bearer {token}"),),
        timeouts=Timeouts(first_byte=PATIENT, chunk=PATIENT, total=None),
    )
    async with client.send(request) as response:
        assert first_header(response.headers, "content-type") == "text/event-stream"
        parser = EventParser()

        async def events() -> AsyncIterator[Event]:
            async for part in response:
                for event in parser.feed(part):
                    yield event

        yield events()


def test_events_tell_the_tag_at_once_and_at_each_change(database: Database, tmp_path: Path) -> None:
    async def main() -> None:
        served = await Served.start(database, tmp_path)
        line = served.line
        await line.deployed(ONE)
        cell = line.cells["production"]

        async def tag() -> str:
            return (await line.promotions.desired("production", "production"))[0]

        async with serving(served.app) as server, aiohttp_client() as client:
            url = f"http://127.0.0.1:{port_of(server)}/v1/cells/production/events"
            async with asyncio.timeout(PATIENT), listening(client, url, cell.token) as events:
                first = await anext(events)
                assert (first.event, first.data) == ("changed", await tag())
                row = await line.proposed("production", Verb.PROMOTE)
                assert (await anext(events)).data == await tag()
                await line.report(cell, cell.says(row, Step.PREPARED))
                assert (await anext(events)).data == await tag()
                await line.sign(2)
                line.promotions.awaken()
                assert (await anext(events)).data == await tag()
                served.lifetime.drain()
                with pytest.raises(StopAsyncIteration):
                    await anext(events)

    wait(main())


def test_the_openapi_document_knows_every_route(sqlite_url: str, tmp_path: Path) -> None:
    async def main(database: Database) -> None:
        served = await Served.start(database, tmp_path)
        answer = await served.ask("GET", "/v1/openapi.json")
        document = orjson.loads(answer.body)
        assert len(document["paths"]) >= 11
        order = document["paths"]["/v1/environments/{environment}/orders"]["post"]
        assert "OrderAnswer" in json.dumps(order["responses"]["202"])
        assert OrderRequest.__name__ in json.dumps(order["requestBody"])

    with Database.open(sqlite_url) as database:
        wait(main(database))
