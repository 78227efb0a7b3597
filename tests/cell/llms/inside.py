"""A cell's inner door on a real socket, before a real provider on another."""

import contextlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import orjson

from seatrial.cell.door.api.inner import inner_routes
from seatrial.cell.door.service.prompts import Prompts, PromptSources
from seatrial.cell.door.service.slots import Slots
from seatrial.cell.door.store.tables import HISTORY as DOOR
from seatrial.cell.hosts.domain import SlotIdentity
from seatrial.cell.journal.domain.calls import Call
from seatrial.cell.journal.domain.records import Bounds
from seatrial.cell.journal.service.books import Books, FactsOf, plain
from seatrial.cell.journal.service.metering import Journal, calls
from seatrial.cell.journal.service.writing import Fence
from seatrial.cell.journal.service.writing import Surroundings as Recording
from seatrial.cell.journal.store.calls import HISTORY as JOURNAL
from seatrial.cell.llms.domain import Dialect
from seatrial.cell.llms.domain import Provider as Known
from seatrial.cell.llms.service.calls import CallBounds, ModelCalls, Surroundings
from seatrial.cell.llms.service.figures import ModelFigures
from seatrial.cell.llms.service.price_table import loaded
from seatrial.cell.llms.service.prices import Prices
from seatrial.contract.releases.components import Code, Limits, Model, Prompt, component
from seatrial.contract.releases.release import Release, assemble
from seatrial.kit.clock import SystemClock
from seatrial.kit.crypto.digests import Digest
from seatrial.kit.crypto.tokens import Token
from seatrial.kit.database.database import Database
from seatrial.kit.database.migrations import migrate_now
from seatrial.kit.http.boundary import ErrorBoundary
from seatrial.kit.http.by_aiohttp import aiohttp_client
from seatrial.kit.http.client import HttpClient, Request, Timeouts
from seatrial.kit.http.routes import Routes
from seatrial.kit.ids import Ids
from tests.cell.llms.provider import FAULTS, Provider, serving

CLOCK = SystemClock()
GPT = "gpt-4o-2024-08-06"
CLAUDE = "claude-sonnet-4-5-20250929"
KEYS = {"openai": "key-of-openai", "anthropic": "key-of-anthropic"}
CHAT: dict[str, Any] = {"model": GPT, "messages": [{"role": "user", "content": "Hallo"}]}
MESSAGES: dict[str, Any] = {**CHAT, "model": CLAUDE, "max_tokens": 100}
QUICK = Bounds(patience=0.2, quiet=0.5)
BOUNDS = CallBounds(timeouts=Timeouts(first_byte=5.0, chunk=5.0, total=None))


def release_of(limits: Limits | None = None, prompts: Mapping[str, str] | None = None) -> Release:
    pins = {
        "main": Model(provider="openai", model=GPT),
        "other": Model(provider="anthropic", model=CLAUDE),
        "small": Model(provider="openai", model="text-embedding-3-small"),
        "lost": Model(provider="nowhere", model="gpt-lost"),
        **{f"f{fault}": Model(provider="openai", model=f"gpt-{fault}") for fault in FAULTS},
        **{f"c{fault}": Model(provider="anthropic", model=f"c-{fault}") for fault in FAULTS},
    }
    code = Code(entry="agent.py:run", bundle=Digest.of(b""), python="3.11")
    parts = [component("code", code), *(component(name, pin) for name, pin in pins.items())]
    parts += [
        component(n, Prompt(text=text)) for n, text in (prompts or {"greeting": "Hi"}).items()
    ]
    if limits is not None:
        parts.append(component("limits", limits))
    return assemble("support", tuple(parts))


@dataclass
class Inside:
    """What a test asks through, and looks at afterwards."""

    database: Database
    provider: Provider
    client: HttpClient
    figures: ModelFigures
    books: Books
    slots: Slots
    prompts: Prompts
    slot: SlotIdentity
    token: str
    address: str = ""
    drafting: set[str] = field(default_factory=set)

    async def ask(
        self,
        path: str,
        body: object = None,
        *,
        token: str | None = None,
        headers: tuple[tuple[str, str], ...] = (),
    ) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body of an answer."""
        raw = body if isinstance(body, bytes) else b"" if body is None else orjson.dumps(body)
        request = self.request(path, raw, token=token, headers=headers)
        async with self.client.send(request) as response:
            return response.status, dict(response.headers), await response.read(1 << 30)

    def request(
        self,
        path: str,
        raw: bytes,
        *,
        token: str | None = None,
        headers: tuple[tuple[str, str], ...] = (),
    ) -> Request:
        return Request(
            url=f"{self.address}{path}",
            method="POST" if raw else "GET",
            headers=(
                ("authorization", f"Bearer {token or self.token}"),
                ("content-type", "application/json"),
                *headers,
            ),
            body=raw,
        )

    async def calls(self) -> list[Call]:
        return await self.database.read(lambda connection: calls(connection, "run_a"))


@contextlib.asynccontextmanager
async def inside(
    database: Database,
    *,
    environment: str = "staging",
    release: Release | None = None,
    run: str | None = "run_a",
    bounds: CallBounds = BOUNDS,
    upstream: str | None = None,
    http: HttpClient | None = None,
    attempt: int = 1,
    kept: Bounds = QUICK,
    facts: FactsOf = plain,
    stands: Fence | None = None,
) -> AsyncIterator[Inside]:
    """A cell's inner door, its provider, and a client of it."""
    migrate_now(database, [DOOR, JOURNAL])
    active = release or release_of()
    token = Token.mint(environment, "slot")
    slot = SlotIdentity(
        agent="support",
        environment=environment,
        release=active.name,
        slot="slot_1",
        run=run,
        attempt=None if run is None else attempt,
    )
    provider, figures, journal = Provider(), ModelFigures(), Journal(database)
    fence = stands or (lambda *_: True)
    books = Books(Recording(database=database, fence=fence, clock=CLOCK, bounds=kept), facts)
    drafting: set[str] = set()

    async def releases(digest: Digest) -> Release:
        assert digest == active.name
        return active

    async def secrets(name: str) -> str:
        return KEYS[name]

    async def wants_drafts(run: str) -> bool:
        return run in drafting

    def whose(given: Token) -> SlotIdentity | None:
        return slot if given.reveal() == token.reveal() else None

    async with contextlib.AsyncExitStack() as stack:
        base = upstream or await stack.enter_async_context(serving(ErrorBoundary(provider, IDS)))
        client = await stack.enter_async_context(aiohttp_client())
        around = Surroundings(
            environment=environment,
            providers={
                name: Known(name=name, base_url=f"{base}/v1", secret=name, dialect=Dialect(name))
                for name in KEYS
            },
            client=http or client,
            journal=journal,
            books=books,
            secrets=secrets,
            releases=releases,
            prices=Prices(CLOCK, loaded),
            figures=figures,
            clock=CLOCK,
            bounds=bounds,
        )
        sources = PromptSources(
            environment=environment,
            database=database,
            journal=journal,
            releases=releases,
            wants_drafts=wants_drafts,
            clock=CLOCK,
        )
        slots = Slots(database, hosted=whose, environment=environment, clock=CLOCK)
        prompts = Prompts(sources)
        routes = Routes(inner_routes(slots, ModelCalls(around), prompts))
        made = Inside(
            database=database,
            provider=provider,
            client=client,
            figures=figures,
            books=books,
            slots=slots,
            prompts=prompts,
            slot=slot,
            token=token.reveal(),
            drafting=drafting,
        )
        address = await stack.enter_async_context(serving(ErrorBoundary(routes, IDS)))
        yield replace(made, address=address)
        await books.leave()


IDS = Ids(CLOCK)
