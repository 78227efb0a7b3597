"""What an action's whole way costs: HTTP, schema, intent on disk, effect, result on disk, answer.

The effect does nothing, so that all of it is ours. The floor is one bare commit of one small row
with the same durability; the action needs two. Client, door and journal share one process.
"""

import asyncio
import contextlib
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Final

import uvloop
from sqlalchemy import Column, Table, Text

from bench.harness import Comparison, Contender
from bench.held import fenced, laid
from bench.work import Batch, Work
from seatrial.cell.door.api.actions import action_routes
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
from seatrial.kit.database.connection import Connection, Isolation
from seatrial.kit.database.database import Database
from seatrial.kit.database.dialects import Int64, metadata
from seatrial.kit.http.boundary import ErrorBoundary
from seatrial.kit.http.listening import listen
from seatrial.kit.http.routes import Routes
from seatrial.kit.http.server import Server
from seatrial.kit.ids import Ids

_METADATA: Final = metadata()
_NOTE: Final = Table(
    "note", _METADATA, Column("id", Int64, primary_key=True), Column("text", Text, nullable=False)
)
_KEY: Final = Token.mint("staging", "slot", lambda bound: bound // 3).reveal()  # the same each time
_HEAD: Final = (
    b"POST /v1/actions/pay HTTP/1.1\r\nhost: cell\r\ncontent-type: application/json\r\n"
    b"authorization: Bearer %b\r\ncontent-length: %d\r\n\r\n%b"
)
_SCHEMA: Final = {
    "type": "object",
    "properties": {"order": {"type": "string"}, "n": {"type": "integer"}},
    "required": ["order", "n"],
    "additionalProperties": False,
}
_RELEASE: Final = assemble(
    "support",
    (
        component("code", Code(entry="agent.py:run", bundle=Digest.of(b""), python="3.11")),
        component(
            "pay",
            Tool(
                effect=Effect.IRREVERSIBLE,
                input_schema=_SCHEMA,
                perform=HttpCall(path="/pay"),
                connector="desk",
            ),
        ),
    ),
)


class _Nothing:
    """A connector whose effect is none."""

    kind: Final = "http"

    async def perform(self, call: Performing) -> Told:
        """See `Connector`."""
        return Told(ok=True, value={"paid": call.arguments["n"]})

    async def lookup(self, call: Performing) -> Told | None:
        """See `Connector`."""
        raise NotImplementedError(call.action)

    async def close(self) -> None:
        """See `Connector`."""


def commit_one() -> Iterator[Work]:
    yield from _work(_committing, callers=1, calls=400)


def commit_many() -> Iterator[Work]:
    yield from _work(_committing, callers=32, calls=3_200)


def action_one() -> Iterator[Work]:
    yield from _work(_acting, callers=1, calls=300)


def action_many() -> Iterator[Work]:
    yield from _work(_acting, callers=32, calls=3_200)


def _work(kind: Any, *, callers: int, calls: int) -> Iterator[Work]:  # noqa: ANN401
    with tempfile.TemporaryDirectory(prefix="sea-bench-") as folder:

        def batch() -> Batch:
            path = Path(folder) / f"{time.monotonic_ns()}.db"
            empty = laid(path, [DOOR, JOURNAL], "run_1", _METADATA)
            with Database.open(f"sqlite:///{path}") as database:
                done = uvloop.run(_batch(kind, database, callers, calls))
            return replace(done, kept_bytes=path.stat().st_size - empty)

        yield batch


async def _batch(kind: Any, database: Database, callers: int, calls: int) -> Batch:  # noqa: ANN401
    latencies_us: list[float] = []

    async def caller(first: int) -> None:
        async with opened() as one:
            for number in range(first, calls, callers):
                began = time.perf_counter()
                await one(number)
                latencies_us.append((time.perf_counter() - began) * 1e6)

    async with kind(database) as opened:
        await asyncio.gather(*(caller(first) for first in range(callers)))
    return Batch(calls, latencies_us=latencies_us)


@contextlib.asynccontextmanager
async def _committing(database: Database) -> AsyncIterator[Any]:
    async def one(number: int) -> None:
        def use_case(connection: Connection) -> None:
            connection.execute(_NOTE.insert(), {"id": number, "text": "x"})

        await database.write(use_case, isolation=Isolation.READ_COMMITTED)

    yield lambda: contextlib.nullcontext(one)


@contextlib.asynccontextmanager
async def _acting(database: Database) -> AsyncIterator[Any]:
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
    routes = Routes(action_routes(slots, actions, Waits(books, clock)))
    server = Server(ErrorBoundary(routes, Ids(clock)), listen("127.0.0.1", 0))
    await server.start()
    try:
        yield partial(_client, int(server.address.rpartition(":")[2]))
    finally:
        await server.stop(0.0)
        await books.leave()


class _NoFunctions:
    def session(self, call: Performing) -> Any:  # noqa: ANN401
        raise NotImplementedError(call.action)


@contextlib.asynccontextmanager
async def _client(port: int) -> AsyncIterator[Any]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)

    async def one(number: int) -> None:
        body = b'{"order":"W1","n":%d}' % number
        writer.write(_HEAD % (_KEY.encode(), len(body), body))
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
        told = await reader.readexactly(length)
        if b'"ok":true' not in told:
            raise RuntimeError(told.decode())

    try:
        yield one
    finally:
        writer.close()


def _comparison(name: str, what: str) -> Comparison:
    return Comparison(
        name=f"action-{name}",
        question=f"What does an irreversible action cost, from an agent's request to its answer, "
        f"{what}? (SQLite, full durability; the effect does nothing.)",
        operation="action",
        contenders=(
            Contender(name="one bare commit", target=f"bench.actions:commit_{name}"),
            Contender(name="an action", target=f"bench.actions:action_{name}"),
            Contender(
                name="a DBOS step",
                target=f"bench.peers.dbos_steps:steps_full_{name}",
                peer="dbos",
            ),
        ),
    )


COMPARISONS = (
    _comparison("one", "one after the other"),
    _comparison("many", "with 32 callers"),
)
