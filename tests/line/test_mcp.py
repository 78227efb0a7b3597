"""kill -9 of a cell between a tool call over MCP and its answer: the effect is there once."""

import contextlib
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.line.processes import Process, guests
from tests.line.system import Shape, System
from tests.line.test_runs import ended, walked

pytestmark = pytest.mark.timeout(600)

AGENT = """
    import json, os, urllib.request

    VERSION = "io.modelcontextprotocol/protocolVersion"
    ABLE = "io.modelcontextprotocol/clientCapabilities"

    def run(input, context):
        era, what = input["era"], input["what"]
        if era != "2026-07-28":
            offered = {"protocolVersion": era, "capabilities": {}, "clientInfo": {"name": "a"}}
            assert ask(None, "initialize", offered)["protocolVersion"] == era
        tools = [tool["name"] for tool in ask(era, "tools/list", {})["tools"]]
        told = [ask(era, "tools/call", {"name": "pay", "arguments": {"what": what}})]
        return {"tools": tools, "told": [each["structuredContent"] for each in told]}

    def ask(era, method, params):
        headers = {
            "authorization": "Bearer " + os.environ["SEATRIAL_TOKEN"],
            "content-type": "application/json",
            "accept": "application/json, text/event-stream",
        }
        if era:
            headers["mcp-protocol-version"] = era
        if era == "2026-07-28":
            params = {**params, "_meta": {VERSION: era, ABLE: {}}}
            headers["mcp-method"] = method
            if "name" in params:
                headers["mcp-name"] = params["name"]
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        url = os.environ["SEATRIAL_MCP_URL"]
        asked = urllib.request.Request(url, json.dumps(body).encode(), headers)
        with urllib.request.urlopen(asked) as answer:
            return json.loads(answer.read())["result"]
    """
ACTION = """
[actions.pay]
effect = "transactional"
input = { type = "object", required = ["what"], properties = { what = { type = "string" } } }
connector = "shop"
sql = "INSERT INTO ledger (what) VALUES (:what)"
timeout_seconds = 30
"""


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """While it lasts, nobody else writes into that database."""
    with contextlib.closing(sqlite3.connect(path, timeout=30, isolation_level=None)) as held:
        held.execute("BEGIN IMMEDIATE")
        yield
        held.execute("ROLLBACK")


def told(path: Path, asked: str, *values: Any) -> list[Any]:
    """The first column of what a database says."""
    with contextlib.closing(sqlite3.connect(path, timeout=30)) as database:
        return [row[0] for row in database.execute(asked, values)]


def test_a_tool_call_whose_cell_is_killed_happens_once_and_is_answered_by_the_next_life() -> None:
    with tempfile.TemporaryDirectory(prefix="line-shop-") as folder:
        shop = Path(folder) / "shop.db"
        with contextlib.closing(sqlite3.connect(shop)) as made:
            made.execute("PRAGMA journal_mode = WAL")
            made.execute("CREATE TABLE ledger (what TEXT NOT NULL)")

        async def walk(line: System) -> None:
            await line.deploy(AGENT, limits=ACTION)
            await _killed(line, shop, "2025-11-25", performed=False)
            await _killed(line, shop, "2026-07-28", performed=True)

        walked(walk, Shape(cell={"connectors.shop": {"kind": "sql", "url": f"sqlite:///{shop}"}}))


async def _killed(line: System, shop: Path, era: str, *, performed: bool) -> None:
    """One run whose cell dies with the action's intent written, before or after its effect."""
    (cell,) = line.cells["staging"]
    journal = cell.folder / "state.db"

    def begun() -> list[Any]:
        return told(
            journal, "SELECT run FROM recorded_call WHERE name = 'pay' AND state = 'intent'"
        )

    with contextlib.ExitStack() as holding:
        with locked(shop):
            answer = await line.run("staging", data={"era": era, "what": era}, mode="async")
            run = answer.value["id"]
            await line.until(_later(lambda: run in begun()), "the intent to be written")
            if performed:
                holding.enter_context(locked(journal))
            else:
                _kill(cell)
        if performed:
            paid = "SELECT what FROM ledger WHERE what = ?"
            await line.until(_later(lambda: told(shop, paid, era)), "the effect")
            _kill(cell)
    assert run in begun()
    cell.start()
    await line.until_ready(cell)
    found = await ended(line, "staging", run)
    assert (found["state"], found["attempt"]) == ("succeeded", 2), found
    assert found["output"] == {"tools": ["pay"], "told": [{"changed": 1}]}
    assert told(shop, "SELECT what FROM ledger WHERE what = ?", era) == [era]


def _kill(cell: Process) -> None:
    assert guests(cell)
    cell.kill()


def _later(true: Any) -> Any:
    async def look() -> Any:
        return true()

    return look
