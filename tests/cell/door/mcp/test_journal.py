"""Tool calls over MCP as the journal takes them: waiting, repeated, refused, of stale attempts."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from seatrial.cell.tools.service.reviews import Word
from seatrial.contract.runs.states import WaitReason
from seatrial.kit.database.database import Database
from tests.cell.door.cells import in_a_loop
from tests.cell.tools.test_door import Inside, door
from tests.cell.tools.world import furnish, ledger

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
ERAS = ["2025-11-25", "2026-07-28"]


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Database]:
    with Database.open(f"sqlite:///{tmp_path / 'shop.db'}") as opened:
        furnish(opened)
        yield opened


def message(
    inside: Inside, era: str, tool: str, *, own: int = 1, **arguments: Any
) -> tuple[bytes, tuple[str, ...]]:
    """Body and headers of a call, which has the id that every client begins with."""
    params: dict[str, Any] = {"name": tool, "arguments": arguments}
    headers: tuple[str, ...] = (
        f"authorization: Bearer {inside.token}",
        "content-type: application/json",
        f"mcp-protocol-version: {era}",
    )
    if era == ERAS[1]:
        headers = (*headers, "mcp-method: tools/call", f"mcp-name: {tool}")
        params["_meta"] = {
            "io.modelcontextprotocol/protocolVersion": era,
            "io.modelcontextprotocol/clientCapabilities": {},
            "progressToken": own,
        }
    body = {"jsonrpc": "2.0", "id": own, "method": "tools/call", "params": params}
    return json.dumps(body).encode(), headers


async def called(inside: Inside, era: str, tool: str, *, own: int = 1, **arguments: Any) -> Any:
    """What a call comes to: a value, or the code of why there is none."""
    body, headers = message(inside, era, tool, own=own, **arguments)
    _, told = await inside.send("/mcp", body, headers=headers)
    assert told["id"] == own
    if "error" in told:
        return told["error"]["data"]["code"]
    found = told["result"]["structuredContent"]
    return found["code"] if told["result"]["isError"] else found


@pytest.mark.parametrize("era", ERAS)
@in_a_loop
async def test_a_call_that_needs_a_person_ends_the_segment_and_is_answered_in_the_next(
    database: Database, shop: Database, era: str
) -> None:
    async def process(inside: Inside) -> Any:
        return [await called(inside, era, "adjust", what=what) for what in ("yes", "no")]

    async with door(database, shop, process) as here:
        run = await here.started()
        for approved in (True, False):
            run = await here.parked(run)
            assert run.waits is not None
            assert run.waits.reason is WaitReason.REVIEW
            [asked] = await here.reviews.listed(tenant=None, limit=10)
            word = Word(by="tok_ada")
            await here.reviews.decide(run.id, asked.question.seq, word, approved=approved)
        assert (await here.ended(run)).output == [{"changed": 1}, "action_rejected"]
        assert ledger(shop) == ["yes"]
        assert len(here.segments) == 3


@pytest.mark.parametrize("era", ERAS)
@in_a_loop
async def test_the_id_of_a_message_makes_no_call_the_repetition_of_another(
    database: Database, shop: Database, era: str
) -> None:
    async def process(inside: Inside) -> Any:
        said = [await called(inside, era, "pay", own=0, what=what) for what in ("a", "b", "b")]
        return [*said, await called(inside, era, "pay", wrong=1)]

    async with door(database, shop, process) as here:
        assert await here.output() == [*[{"changed": 1}] * 3, "action_arguments_refused"]
        assert ledger(shop) == ["a", "b", "b"]


@pytest.mark.parametrize("era", ERAS)
@in_a_loop
async def test_a_client_that_vanishes_and_asks_under_another_id_has_one_effect(
    database: Database, shop: Database, era: str
) -> None:
    async def process(inside: Inside) -> Any:
        desk = inside.calling.cell.desk
        body, headers = message(inside, era, "mail", what="x")
        _, writer = await inside.begun("/mcp", body, headers=headers)
        await desk.reached.wait()
        writer.transport.abort()
        for _ in range(2):  # longer ways than that of the news that it has gone
            await inside.send("/mcp", b"{}", headers=headers)
        desk.let.set()
        return await called(inside, era, "mail", own=2, what="x")

    async with door(database, shop, process) as here:
        here.desk.moods = ["hang"]
        assert await here.output() == {"did": "/mail/x"}
        assert len(here.desk.deeds) == 1


@in_a_loop
async def test_what_stands_in_no_environment_and_what_the_agent_does_itself_is_refused_by_name(
    database: Database, shop: Database
) -> None:
    async def process(inside: Inside) -> Any:
        return [await called(inside, ERAS[1], name, what="x") for name in ("lost", "calc")]

    async with door(database, shop, process) as here:
        assert await here.output() == ["connector_unbound", "action_unperformed"]
