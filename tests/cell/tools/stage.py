"""A cell's actions over real runs and books, with agents that are functions of this process."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from seatrial.cell.assess.domain.masking import Masked, Material
from seatrial.cell.assess.service.fixtures import Fixtures
from seatrial.cell.assess.service.fixtures import Surroundings as FixtureSurroundings
from seatrial.cell.assess.store.fixtures import HISTORY as FIXTURES
from seatrial.cell.hosts.domain import Error, HostEvent, Origin, Result, RunRequest, SlotIdentity
from seatrial.cell.journal.domain.calls import Call
from seatrial.cell.journal.domain.records import Bounds as BookBounds
from seatrial.cell.journal.domain.retention import Retention
from seatrial.cell.journal.service.books import Books, RunFacts
from seatrial.cell.journal.service.metering import Journal, calls
from seatrial.cell.journal.service.writing import Surroundings as Recording
from seatrial.cell.journal.store.tables import HISTORY as JOURNAL
from seatrial.cell.runs.domain.values import Bounds, Run
from seatrial.cell.runs.service.ports import Ports
from seatrial.cell.runs.service.runs import Runs
from seatrial.cell.runs.service.waiting import fenced
from seatrial.cell.runs.store.tables import HISTORY as RUNS
from seatrial.cell.tools.service.actions import Actions, Surroundings
from seatrial.cell.tools.service.by_http import HttpConnector
from seatrial.cell.tools.service.by_sql import SqlConnector
from seatrial.cell.tools.service.connectors import Bound, Connectors
from seatrial.cell.tools.service.ports import Connector, Secrets
from seatrial.cell.tools.service.reviews import Reviews
from seatrial.cell.tools.service.waits import Waits
from seatrial.contract.releases.actions import (
    Effect,
    FunctionCall,
    HttpCall,
    HttpRequest,
    InProcess,
    Review,
    SqlCall,
    Tool,
)
from seatrial.contract.releases.components import Code, Limits, component
from seatrial.contract.releases.release import Release, assemble
from seatrial.contract.runs.states import RunState
from seatrial.data.fixtures.domain import Fixture, Masking
from seatrial.kit.clock import SystemClock
from seatrial.kit.crypto.digests import Digest
from seatrial.kit.crypto.signing import SigningKey
from seatrial.kit.database.database import Database
from seatrial.kit.database.migrations import migrate_now
from seatrial.kit.http.boundary import ErrorBoundary
from seatrial.kit.http.by_aiohttp import aiohttp_client
from seatrial.kit.http.client import HttpClient, Request, Response
from seatrial.kit.ids import Ids
from seatrial.kit.transparency.store import HISTORY as LOG
from tests.cell.llms.provider import serving
from tests.cell.runs.stage import Scripted, Switch, asked
from tests.cell.tools.world import Desk, Functions

CLOCK = SystemClock()
IDS = Ids(CLOCK)
PATIENCE = 60.0
BOUNDS = Bounds(lease=2.0, poll=0.05, chunks=0.01, grace=0.2, attempts=50)
QUICK = BookBounds(patience=0.2, quiet=0.5)
SECRET = "key-of-the-desk"
_ORDER = {"type": "object", "properties": {"order": {"type": "string"}}, "required": ["order"]}
_WHAT = {"type": "object", "properties": {"what": {"type": "string"}}, "required": ["what"]}
_ANY = {"type": "object"}
_PAY = SqlCall(statement="INSERT INTO ledger (what) VALUES (:what)")


def tool(effect: str, perform: Any, connector: str | None = None, **more: Any) -> Tool:
    """An action."""
    return Tool(
        effect=Effect(effect),
        input_schema=more.pop("schema", _WHAT),
        perform=perform,
        connector=connector,
        **{"timeout_seconds": 20.0, **more},
    )


TOOLS = {
    "look": tool(
        "read",
        SqlCall(statement="SELECT name, cents FROM orders WHERE name = :order"),
        "shop",
        schema=_ORDER,
        description="Look an order up.",
    ),
    "note": tool(
        "idempotent",
        SqlCall(
            statement="INSERT INTO notes (key, what) VALUES (:seatrial_key, :what) "
            "ON CONFLICT DO NOTHING"
        ),
        "shop",
    ),
    "pay": tool("transactional", _PAY, "shop"),
    "charge": tool("transactional", FunctionCall(function="shop.py:charge"), "shop"),
    "sum": tool("read", FunctionCall(function="shop.py:sum"), schema=_ANY),
    "shout": tool("irreversible", FunctionCall(function="shop.py:shout"), schema=_ANY),
    "mail": tool("irreversible", HttpCall(path="/mail/{what}"), "desk"),
    "ticket": tool(
        "reconcilable",
        HttpCall(
            path="/tickets/{what}",
            lookup=HttpRequest(method="GET", path="/by-key/{seatrial_key}"),
        ),
        "desk",
        timeout_seconds=1.0,
    ),
    "put": tool("idempotent", HttpCall(method="PUT", path="/things/{what}"), "desk"),
    "fetch": tool(
        "read",
        HttpCall(method="GET", path="/things/{what}", query=("page",)),
        "desk",
        timeout_seconds=5.0,
    ),
    "refund": tool("irreversible", HttpCall(path="/refunds/{what}"), "desk", review=Review.ALWAYS),
    "adjust": tool("transactional", _PAY, "shop", review=Review.ALWAYS),
    "calc": tool("read", InProcess()),
    "bare": tool("read", None),
    "lost": tool("transactional", _PAY, "nowhere"),
    "odd": tool("irreversible", HttpCall(path="/x"), "shop"),
    "broken": tool("read", FunctionCall(function="shop.py:sum"), schema={"type": "nonsense"}),
    "away": tool(
        "read",
        FunctionCall(function="shop.py:sum"),
        schema={"$ref": "https://elsewhere.example/schema.json"},
    ),
}


def release_of(tools: Mapping[str, Tool] = TOOLS, limits: Limits | None = None) -> Release:
    """A release with actions."""
    code = Code(entry="agent.py:run", bundle=Digest.of(b""), python="3.11")
    parts = [component("code", code), *(component(name, each) for name, each in tools.items())]
    if limits is not None:
        parts.append(component("limits", limits))
    return assemble("support", tuple(parts))


@dataclass(frozen=True)
class Calling:
    """What an agent may do."""

    cell: "Cell"
    slot: SlotIdentity
    input: Any

    async def call(self, name: str, *, retry: bool = False, **arguments: Any) -> Any:
        """The value of an action, or the code of why there is none."""
        called = await self.cell.actions.call(self.slot, name, arguments, retry=retry)
        called.delivered()
        return called.told.value if called.told.ok else called.told.code

    async def wait(self, **wanted: Any) -> Any:
        return await self.cell.waits.wait(self.slot, wanted)


Agent = Callable[[Calling], Awaitable[Any]]
Wrap = Callable[[str, Connector], Connector]


@dataclass
class Cell:
    """One process of a cell."""

    database: Database
    runs: Runs
    actions: Actions
    reviews: Reviews
    waits: Waits
    books: Books
    desk: Desk
    functions: Functions
    release: Release
    fixtures: Fixtures
    segments: list[int] = field(default_factory=list)

    async def started(self, given: Any = "hello", **more: Any) -> Run:
        """A run that was accepted."""
        return (await self.runs.accept(asked(given, **more))).run

    async def stands(self, run: Run, *states: RunState) -> Run:
        """The run, once it is in one of the states."""
        async with asyncio.timeout(PATIENCE):
            while (found := await self.runs.get(run.id)).state not in states:  # noqa: ASYNC110 - it is a row
                await asyncio.sleep(0.01)
        return found

    async def ended(self, run: Run) -> Run:
        """The run, once it has ended."""
        return await self.stands(run, RunState.SUCCEEDED, RunState.FAILED, RunState.CANCELLED)

    async def parked(self, run: Run) -> Run:
        """The run, once it waits."""
        return await self.stands(run, RunState.WAITING)

    async def output(self, given: Any = "hello", **more: Any) -> Any:
        """What a run comes to, which succeeds."""
        run = await self.ended(await self.started(given, **more))
        assert run.state is RunState.SUCCEEDED, run.failure
        return run.output

    async def calls(self, run: str) -> list[Call]:
        return await self.database.read(lambda connection: calls(connection, run))


@contextlib.asynccontextmanager
async def cell(
    database: Database,
    shop: Database,
    agent: Agent,
    *,
    release: Release | None = None,
    desk: Desk | None = None,
    base_url: str | None = None,
    wrap: Wrap = lambda _, connector: connector,
    sole: bool = False,
    working: bool = True,
    masking: Secrets | None = None,
    fixtures: type[Fixtures] = Fixtures,
    keeping: Retention | None = None,
) -> AsyncIterator[Cell]:
    """A cell with its worker at work."""
    migrate_now(database, [LOG, RUNS, JOURNAL, FIXTURES])
    active, desk, functions = release or release_of(), desk or Desk(), Functions()
    made: list[Cell] = []

    async def script(request: RunRequest) -> AsyncIterator[HostEvent]:
        slot = slot_of(active, request.run, request.attempt)
        made[0].segments.append(request.attempt)
        try:
            output = await agent(Calling(made[0], slot, request.input))
        except Exception as error:  # noqa: BLE001 - as the guest tells it
            told = f"{getattr(error, 'code', type(error).__name__)}: {error}"
            yield Error(code="agent_raised", message=told, origin=Origin.AGENT)
        else:
            yield Result(output=output)

    async def facts(run: str) -> RunFacts:
        found = await made[0].runs.get(run)
        return RunFacts(mode=found.mode, follows=found.follows)

    async def releases(_: Digest) -> Release:
        return active

    async with contextlib.AsyncExitStack() as stack:
        if base_url is None:
            base_url = await stack.enter_async_context(serving(ErrorBoundary(desk, IDS)))
        address = base_url
        client = _Client(stack)
        books = Books(Recording(database=database, fence=fenced, clock=CLOCK, bounds=QUICK), facts)
        ports = Ports(
            hosts=Scripted(script=script),
            admit=Switch().admit,
            limits=lambda _connection, _digest: Limits(),
            books=books,
            chance=lambda: 0.0,
            ended=lambda run: books.ended(run.id),
        )
        runs = Runs(database, ports, clock=CLOCK, ids=IDS, sole=sole, bounds=BOUNDS)
        desk_there = HttpConnector("desk", address, client=client, secrets=_secret, secret="desk")
        shop_there = SqlConnector("shop", partial(_opened, shop), functions)
        bound = {
            "shop": Bound(kind="sql", open=lambda: wrap("shop", shop_there)),
            "desk": Bound(kind="http", open=lambda: wrap("desk", desk_there)),
        }
        kept = fixtures(
            FixtureSurroundings(
                database=database,
                environment="staging",
                runs=runs,
                releases=releases,
                secrets=masking or _secret,
                mask=mask,
                signing=SigningKey(b"s" * 32),
                clock=CLOCK,
                rules=Path("rules.toml"),
                source="",
                key="masking",
                work=Path("work"),
                retention=keeping or Retention(),
                written=books.written,
            )
        )
        around = Surroundings(
            database=database,
            books=books,
            journal=Journal(database),
            releases=releases,
            connectors=Connectors("staging", bound, functions),
            clock=CLOCK,
            recording=kept.answer,
        )
        here = Cell(
            database=database,
            runs=runs,
            actions=Actions(around),
            reviews=Reviews(database, runs, CLOCK),
            waits=Waits(books, CLOCK, kept.answer),
            books=books,
            desk=desk,
            functions=functions,
            release=active,
            fixtures=kept,
        )
        made.append(here)
        async with _working(runs) if working else contextlib.nullcontext():
            yield here
        await books.leave()


@contextlib.asynccontextmanager
async def _working(runs: Runs) -> AsyncIterator[None]:
    work = asyncio.create_task(runs.work())
    try:
        yield
        await runs.drain(0.0)
    finally:
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)


class _Client:
    """An HTTP client that is opened when it is first used: that takes longer than most tests."""

    def __init__(self, stack: contextlib.AsyncExitStack) -> None:
        self._stack = stack
        self._client: HttpClient | None = None

    @contextlib.asynccontextmanager
    async def send(self, request: Request) -> AsyncIterator[Response]:
        """See `HttpClient`."""
        if self._client is None:
            self._client = await self._stack.enter_async_context(aiohttp_client())
        async with self._client.send(request) as response:
            yield response

    async def close(self) -> None:
        """See `HttpClient`: the stack closes it."""


async def mask(material: Material) -> Masked:
    """Masks nothing: what a fixture is made of is what is looked at here."""
    talk = material.conversation
    fixture = Fixture(
        run=material.run,
        release=material.release,
        masking=Masking(rules="sha256:0", key=material.key, verdict="sha256:1"),
        messages=talk.messages,
        calls=talk.calls,
        said=talk.said,
        clock=talk.clock,
        seed=talk.seed,
        expect=tuple(material.expect),
    )
    return Masked(fixture=fixture, people=0, dropped=())


async def _opened(database: Database) -> Database:
    return database


async def _secret(name: str) -> str:
    assert name == "desk"
    return SECRET


def slot_of(release: Release, run: str | None, attempt: int | None) -> SlotIdentity:
    """Who calls."""
    return SlotIdentity(
        agent="support",
        environment="staging",
        release=release.name,
        slot="slot_1",
        run=run,
        attempt=attempt,
    )
