"""What a tool call over MCP costs above a bare answer on the same server, and beside plain HTTP.

The tool is a read that does nothing, so that what is measured is ours: message, headers, schema,
journal. Client, door and journal share one process, as does the official SDK's server with its.
"""

import contextlib
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Final

import uvloop

from bench.harness import Comparison, Contender
from bench.held import fenced, laid
from bench.peers import mcp_sdk
from bench.work import Batch, Work
from seatrial.cell.door.api.actions import action_routes
from seatrial.cell.door.mcp.api import mcp_routes
from seatrial.cell.door.mcp.service import Tools
from seatrial.cell.door.service.slots import Slots
from seatrial.cell.door.store.tables import HISTORY as DOOR
from seatrial.cell.hosts.domain import SlotIdentity
from seatrial.cell.journal.service.books import Books
from seatrial.cell.journal.service.metering import Journal
from seatrial.cell.journal.service.writing import Surroundings as Recording
from seatrial.cell.journal.store.tables import HISTORY as JOURNAL
from seatrial.cell.tools.domain.values import Performing, Told
from seatrial.cell.tools.service.actions import Actions, Surroundings
from seatrial.cell.tools.service.connectors import Bound, Connectors
from seatrial.cell.tools.service.waits import Waits
from seatrial.contract.releases.actions import Effect, HttpCall, Tool
from seatrial.contract.releases.components import Code, component
from seatrial.contract.releases.release import Release, assemble
from seatrial.kit.clock import SystemClock
from seatrial.kit.crypto.digests import Digest
from seatrial.kit.crypto.tokens import Token
from seatrial.kit.database.database import Database
from seatrial.kit.http.answers import JSON, answer
from seatrial.kit.http.asgi import App, Receive, Scope, Send
from seatrial.kit.http.boundary import ErrorBoundary
from seatrial.kit.http.listening import listen
from seatrial.kit.http.requests import read_body
from seatrial.kit.http.routes import Routes
from seatrial.kit.http.server import Server
from seatrial.kit.ids import Ids

_KEY: Final = Token.mint("staging", "slot", lambda bound: bound // 3).reveal()  # the same each time
_CALLS: Final = {1: 1_000, 32: 6_400}
_SCHEMA: Final = {
    "type": "object",
    "properties": {"n": {"type": "integer"}},
    "required": ["n"],
    "additionalProperties": False,
}
_RELEASE: Final = assemble(
    "support",
    (
        component("code", Code(entry="agent.py:run", bundle=Digest.of(b""), python="3.11")),
        component(
            "find",
            Tool(
                effect=Effect.READ,
                input_schema=_SCHEMA,
                perform=HttpCall(method="GET", path="/find"),
                connector="desk",
            ),
        ),
    ),
)


class _Nothing:
    """A connector that finds what it was asked for."""

    kind: Final = "http"

    async def perform(self, call: Performing) -> Told:
        """See `Connector`."""
        return Told(ok=True, value={"found": call.arguments["n"]})

    async def lookup(self, call: Performing) -> Told | None:
        """See `Connector`."""
        raise NotImplementedError(call.action)

    async def close(self) -> None:
        """See `Connector`."""


class _NoFunctions:
    def session(self, call: Performing) -> Any:  # noqa: ANN401
        raise NotImplementedError(call.action)


def bare_one() -> Iterator[Work]:
    yield from _work("/bare", mcp_sdk.called, callers=1)


def bare_many() -> Iterator[Work]:
    yield from _work("/bare", mcp_sdk.called, callers=32)


def listed_one() -> Iterator[Work]:
    yield from _work("/mcp", mcp_sdk.listed, callers=1)


def listed_many() -> Iterator[Work]:
    yield from _work("/mcp", mcp_sdk.listed, callers=32)


def http_one() -> Iterator[Work]:
    yield from _work("/v1/actions/find", _plain, callers=1)


def http_many() -> Iterator[Work]:
    yield from _work("/v1/actions/find", _plain, callers=32)


def called_one() -> Iterator[Work]:
    yield from _work("/mcp", mcp_sdk.called, callers=1)


def called_many() -> Iterator[Work]:
    yield from _work("/mcp", mcp_sdk.called, callers=32)


def _plain(number: int) -> tuple[bytes, bytes]:
    return b"", b'{"n":%d}' % number


def _work(path: str, ask: mcp_sdk.Ask, *, callers: int) -> Iterator[Work]:
    with tempfile.TemporaryDirectory(prefix="sea-bench-") as folder:

        def batch() -> Batch:
            place = Path(folder) / f"{time.monotonic_ns()}.db"
            empty = laid(place, [DOOR, JOURNAL], "run_1")
            with Database.open(f"sqlite:///{place}") as database:
                done = uvloop.run(_batch(database, path, ask, callers))
            return replace(done, kept_bytes=place.stat().st_size - empty)

        yield batch


async def _batch(database: Database, path: str, ask: mcp_sdk.Ask, callers: int) -> Batch:
    async with _door(database) as port:
        opened = partial(mcp_sdk.client, port, path, ask, _KEY)
        latencies_us = await mcp_sdk.timed(opened, callers, _CALLS[callers])
    return Batch(_CALLS[callers], latencies_us=latencies_us)


@contextlib.asynccontextmanager
async def _door(database: Database) -> AsyncIterator[int]:
    clock = SystemClock()
    books = Books(Recording(database=database, fence=fenced, clock=clock))
    slot = SlotIdentity(
        agent="support",
        environment="staging",
        release=_RELEASE.name,
        slot="slot_1",
        run="run_1",
        attempt=1,
    )

    async def releases(_digest: Digest) -> Release:
        return _RELEASE

    connectors = Connectors("staging", {"desk": Bound(kind="http", open=_Nothing)}, _NoFunctions())
    actions = Actions(
        Surroundings(
            database=database,
            books=books,
            journal=Journal(database),
            releases=releases,
            connectors=connectors,
            clock=clock,
        )
    )
    slots = Slots(database, hosted=lambda _token: slot, environment="staging", clock=clock)
    bare: list[tuple[str, str, App]] = [("POST", "/bare", _bare)]
    routes = Routes(
        [
            *bare,
            *action_routes(slots, actions, Waits(books, clock)),
            *mcp_routes(slots, Tools(actions)),
        ]
    )
    server = Server(ErrorBoundary(routes, Ids(clock)), listen("127.0.0.1", 0))
    await server.start()
    try:
        yield int(server.address.rpartition(":")[2])
    finally:
        await server.stop(0.0)
        await books.leave()


async def _bare(scope: Scope, receive: Receive, send: Send) -> None:
    """What is sent to nobody in particular."""
    await read_body(scope, receive, limit=1 << 20)
    await answer(send, _ANSWER, content_type=JSON)


_ANSWER: Final = b'{"id":1,"jsonrpc":"2.0","result":{"content":[],"isError":false}}'


def _comparison(name: str, what: str) -> Comparison:
    return Comparison(
        name=f"mcp-{name}",
        question=f"What does a tool call over MCP cost, {what}? (2026-07-28, SQLite, a read that "
        f"does nothing. The last two record each call; the SDK's server records nothing.)",
        operation="call",
        contenders=(
            Contender(name="a bare answer", target=f"bench.mcp:bare_{name}"),
            Contender(name="tools/list", target=f"bench.mcp:listed_{name}"),
            Contender(
                name="tools/call of the official SDK's server",
                target=f"bench.peers.mcp_sdk:called_{name}",
                peer="model-clients",
            ),
            Contender(name="an action over plain HTTP", target=f"bench.mcp:http_{name}"),
            Contender(name="tools/call", target=f"bench.mcp:called_{name}"),
        ),
    )


COMPARISONS = (
    _comparison("one", "one after the other"),
    _comparison("many", "with 32 callers"),
)
