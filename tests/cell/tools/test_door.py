"""Actions and waits over HTTP, as an agent's process reaches them; and what nobody should send."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest

from seatrial.cell.door.api.actions import action_routes
from seatrial.cell.door.mcp.api import mcp_routes
from seatrial.cell.door.mcp.service import Tools
from seatrial.cell.door.service.slots import Slots
from seatrial.cell.door.store.tables import HISTORY as DOOR
from seatrial.cell.hosts.domain import SlotIdentity
from seatrial.contract.runs.states import RunState
from seatrial.kit.crypto.tokens import Token
from seatrial.kit.database.database import Database
from seatrial.kit.database.migrations import migrate_now
from seatrial.kit.http.boundary import ErrorBoundary
from seatrial.kit.http.routes import Routes
from seatrial.sdk.actions import AsyncActions, CallUnsuccessful
from seatrial.sdk.door import Door, DoorRefused
from tests.cell.door.cells import in_a_loop
from tests.cell.llms.provider import serving
from tests.cell.tools.stage import CLOCK, IDS, Calling, Cell, cell
from tests.cell.tools.world import ledger

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
DEEP = 100_000


@dataclass
class Inside:
    """An agent's process: its address, its token, and the slot that the token stands for."""

    calling: Calling
    url: str
    token: str

    @property
    def actions(self) -> AsyncActions:
        return AsyncActions(Door(url=self.url, token=self.token))

    async def send(
        self, path: str, raw: bytes, *, method: str = "POST", headers: tuple[str, ...] = ()
    ) -> tuple[int, Any]:
        """Status and JSON of an answer to bytes."""
        reader, writer = await self.begun(path, raw, method=method, headers=headers)
        with contextlib.closing(writer):  # also where the segment ends first
            answer = await reader.read()
        head, _, body = answer.partition(b"\r\n\r\n")
        return int(head.split()[1]), json.loads(body)

    async def begun(
        self, path: str, raw: bytes, *, method: str = "POST", headers: tuple[str, ...] = ()
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A request that was sent."""
        _, _, address = self.url.partition("//")
        host, _, port = address.partition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        lines = (
            f"{method} {path} HTTP/1.1",
            f"host: {address}",
            f"content-length: {len(raw)}",
            "connection: close",
            *(headers or (f"authorization: Bearer {self.token}", "content-type: application/json")),
        )
        with contextlib.suppress(ConnectionError):  # who sends too much is cut off
            writer.write("\r\n".join((*lines, "", "")).encode() + raw)
            await writer.drain()
        return reader, writer


Process = Callable[[Inside], Awaitable[Any]]


@contextlib.asynccontextmanager
async def door(database: Database, shop: Database, process: Process) -> AsyncIterator[Cell]:
    """A cell whose agent reaches it over HTTP alone."""
    migrate_now(database, [DOOR])
    token, slot = Token.mint("staging", "slot"), list[SlotIdentity]()
    address: list[str] = []

    async def agent(calling: Calling) -> Any:
        slot[:] = [calling.slot]
        return await process(Inside(calling, address[0], token.reveal()))

    def whose(given: Token) -> SlotIdentity | None:
        return slot[0] if given.reveal() == token.reveal() and slot else None

    slots = Slots(database, hosted=whose, environment="staging", clock=CLOCK)
    async with cell(database, shop, agent) as here:
        plain = action_routes(slots, here.actions, here.waits)
        routes = Routes([*plain, *mcp_routes(slots, Tools(here.actions))])
        async with serving(ErrorBoundary(routes, IDS)) as url:
            address.append(url)
            yield here


@in_a_loop
async def test_an_agent_lists_calls_and_waits_with_the_sdk(
    database: Database, shop: Database
) -> None:
    async def process(inside: Inside) -> Any:
        actions = inside.actions
        names = [it.name for it in await actions.listed() if it.effect == "transactional"]
        paid = await actions.call("pay", what="paid")
        with pytest.raises(CallUnsuccessful) as refused:
            await actions.call("pay", wrong=1)
        return [names, paid, refused.value.told, await actions.wait(event="done")]

    async with door(database, shop, process) as here:
        run = await here.parked(await here.started())
        await here.runs.tell_event(run.id, "done", {"by": "post"})
        assert (await here.ended(run)).output == [
            ["adjust", "charge", "lost", "pay"],
            {"changed": 1},
            "action_arguments_refused",
            {"by": "post"},
        ]
        assert ledger(shop) == ["paid"]


_BAD = [
    (b"", 400, "json_malformed"),
    (b"no json", 400, "json_malformed"),
    (b"[]", 400, "action_arguments_malformed"),
    (b'"x"', 400, "action_arguments_malformed"),
    (b'{"what": NaN}', 400, "json_malformed"),
    (b'{"what": "\xff"}', 400, "json_malformed"),
    (b'{"what": "a", "what": "b"}', 400, "json_unfit"),
    (b'{"what": ' + b"[" * 100 + b"]" * 100 + b"}", 400, "json_too_deep"),
    (b'{"what": ' + b"[" * DEEP + b"]" * DEEP + b"}", 400, "json_malformed"),
    (b'{"what": "' + b"x" * (50 << 20) + b'"}', 413, "body_too_large"),
]


@pytest.mark.parametrize("path", ["/v1/actions/pay", "/v1/waits"])
@in_a_loop
async def test_what_is_no_object_is_refused_and_reaches_nothing(
    database: Database, shop: Database, path: str
) -> None:
    async def process(inside: Inside) -> Any:
        told = [await inside.send(path, raw) for raw, _, _ in _BAD]
        return [[status, problem["code"]] for status, problem in told]

    async with door(database, shop, process) as here:
        assert await here.output() == [[status, code] for _, status, code in _BAD]
        assert ledger(shop) == []


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        (("content-type: application/json",), 401),
        (("authorization: Bearer sea_staging_slot_x", "content-type: application/json"), 401),
        (("authorization: Bearer %", "content-type: text/plain"), 415),
        (("authorization: Bearer %", "content-type: application/json", "content-encoding: gzip"),
         415),
    ],
    ids=["no token", "another token", "no json", "packed"],
)  # fmt: skip
@in_a_loop
async def test_who_is_nobody_or_speaks_otherwise_is_refused(
    database: Database, shop: Database, headers: tuple[str, ...], status: int
) -> None:
    async def process(inside: Inside) -> Any:
        given = tuple(each.replace("%", inside.token) for each in headers)
        return await inside.send("/v1/actions/pay", b'{"what": "x"}', headers=given)

    async with door(database, shop, process) as here:
        assert (await here.output())[0] == status
        assert ledger(shop) == []


@in_a_loop
async def test_a_call_without_a_run_and_one_of_an_earlier_attempt_reach_nothing(
    database: Database, shop: Database
) -> None:
    async def process(inside: Inside) -> Any:
        slot, found = inside.calling.slot, []
        for other in (
            replace(slot, run=None, attempt=None),
            replace(slot, attempt=(slot.attempt or 0) - 1),
        ):
            try:
                await inside.calling.cell.actions.call(other, "pay", {"what": "x"})
            except Exception as error:  # noqa: BLE001 - its code is what is looked at
                found.append(getattr(error, "code", repr(error)))
        return found

    async with door(database, shop, process) as here:
        assert await here.output() == ["call_without_run", "attempt_stale"]
        assert ledger(shop) == []


@in_a_loop
async def test_another_run_that_makes_the_same_call_has_an_effect_of_its_own(
    database: Database, shop: Database
) -> None:
    async def process(inside: Inside) -> Any:
        return await inside.send("/v1/actions/mail", b'{"what": "x"}')

    async with door(database, shop, process) as here:
        for _ in range(2):
            await here.output()
        assert len({key for key, _ in here.desk.deeds}) == 2


@pytest.mark.parametrize("retry", [False, True])
@in_a_loop
async def test_a_client_that_vanishes_and_calls_again_has_one_effect(
    database: Database, shop: Database, retry: bool
) -> None:
    async def process(inside: Inside) -> Any:
        desk = inside.calling.cell.desk
        _, writer = await inside.begun("/v1/actions/mail", b'{"what": "x"}')
        await desk.reached.wait()
        writer.transport.abort()
        desk.let.set()
        more = ("seatrial-retry: 1",) if retry else ()
        headers = (f"authorization: Bearer {inside.token}", "content-type: application/json", *more)
        return await inside.send("/v1/actions/mail", b'{"what": "x"}', headers=headers)

    async with door(database, shop, process) as here:
        here.desk.moods = ["hang"]
        assert await here.output() == [200, {"ok": True, "value": {"did": "/mail/x"}}]
        assert len(here.desk.deeds) == 1


@in_a_loop
async def test_numbers_and_text_of_any_kind_arrive_as_they_are(
    database: Database, shop: Database
) -> None:
    given = {"what": "x", "price": 1.5, "n": -7, "text": "Grüße \u2028 \U0001f6a2", "none": None}

    async def process(inside: Inside) -> Any:
        return await inside.actions.call("mail", given)

    async with door(database, shop, process) as here:
        await here.output()
        [seen] = here.desk.seen
        assert seen.body == {name: value for name, value in given.items() if name != "what"}


@in_a_loop
async def test_an_unbound_connector_is_refused_by_name(database: Database, shop: Database) -> None:
    async def process(inside: Inside) -> Any:
        try:
            await inside.actions.call("lost", what="x")
        except DoorRefused as error:
            return [error.told, error.message]
        return None

    async with door(database, shop, process) as here:
        code, message = await here.output()
        assert code == "connector_unbound"
        assert "[connectors.nowhere]" in message


@in_a_loop
async def test_hundreds_of_bad_calls_leave_nothing_behind(
    database: Database, shop: Database
) -> None:
    bodies = [b"no json", b"[]", b'{"what": 7}', b'{"what": "a", "what": "b"}']

    async def process(inside: Inside) -> Any:
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", int(inside.url.rpartition(":")[2])
        )
        for number in range(400):
            raw = bodies[number % len(bodies)]
            head = (
                f"POST /v1/actions/pay HTTP/1.1\r\nhost: x\r\ncontent-length: {len(raw)}\r\n"
                f"authorization: Bearer {inside.token}\r\ncontent-type: application/json\r\n\r\n"
            )
            writer.write(head.encode() + raw)
            answer = await reader.readuntil(b"\r\n\r\n")
            length = int(answer.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
            await reader.readexactly(length)
        writer.close()
        return len(inside.calling.cell.actions._under_way)

    async with door(database, shop, process) as here:
        run = await here.ended(await here.started())
        assert (run.state, run.output) == (RunState.SUCCEEDED, 0)
        assert ledger(shop) == []
