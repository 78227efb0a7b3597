"""What the way of a model call through a cell costs: pins, limits, journal, usage, all of it."""

import sys
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Final

from bench.harness import Comparison, Contender
from bench.held import fenced, laid
from bench.http import SLOW, THINKS
from bench.peers.http_load import load, started
from bench.work import Work
from seatrial.cell.door.api.inner import inner_routes
from seatrial.cell.door.service.prompts import Prompts, PromptSources
from seatrial.cell.door.service.slots import Slots
from seatrial.cell.door.store.tables import HISTORY as DOOR
from seatrial.cell.hosts.domain import SlotIdentity
from seatrial.cell.journal.service.books import Books
from seatrial.cell.journal.service.metering import Journal
from seatrial.cell.journal.service.writing import Surroundings as Recording
from seatrial.cell.journal.store.calls import HISTORY as JOURNAL
from seatrial.cell.llms.domain import Dialect, Provider
from seatrial.cell.llms.service.calls import ModelCalls, Surroundings
from seatrial.cell.llms.service.figures import ModelFigures
from seatrial.cell.llms.service.price_table import loaded
from seatrial.cell.llms.service.prices import Prices
from seatrial.contract.releases.components import Code, Model, component
from seatrial.contract.releases.release import Release, assemble
from seatrial.kit.clock import SystemClock
from seatrial.kit.crypto.digests import Digest
from seatrial.kit.crypto.tokens import Token
from seatrial.kit.database.database import Database
from seatrial.kit.http.answers import answer_text
from seatrial.kit.http.asgi import Receive, Scope, Send
from seatrial.kit.http.boundary import ErrorBoundary
from seatrial.kit.http.by_aiohttp import aiohttp_client
from seatrial.kit.http.lifetime import Lifetime
from seatrial.kit.http.listening import listen
from seatrial.kit.http.routes import Routes
from seatrial.kit.http.server import Server, run, serve
from seatrial.kit.ids import Ids

_MODEL: Final = "bench.peers.http_load"
_KEY: Final = Token.mint("staging", "slot", lambda bound: bound // 3).reveal()  # the same each time
_ONE: Final = {"callers": 1, "requests": 2000}
_MANY: Final = {"callers": 32, "requests": 250}


def direct_one() -> Iterator[Work]:
    yield from _direct(**_ONE)


def direct_many() -> Iterator[Work]:
    yield from _direct(**_MANY)


def door_one() -> Iterator[Work]:
    yield from _through(**_ONE)


def door_many() -> Iterator[Work]:
    yield from _through(**_MANY)


def direct_slow() -> Iterator[Work]:
    yield from _direct(**SLOW, thinks=THINKS)


def door_slow() -> Iterator[Work]:
    yield from _through(**SLOW, thinks=THINKS)


def _direct(callers: int, requests: int, thinks: int = 0) -> Iterator[Work]:
    with started(_MODEL, str(thinks)) as model:
        yield partial(load, model, callers=callers, requests=requests, cpu=False)


def _through(callers: int, requests: int, thinks: int = 0) -> Iterator[Work]:
    with started(_MODEL, str(thinks)) as model, started("bench.model_api", str(model)) as door:
        yield partial(load, door, callers=callers, requests=requests, cpu=True, key=_KEY)


async def _cpu(_scope: Scope, _receive: Receive, send: Send) -> None:
    await answer_text(send, str(time.process_time()))


async def _serve() -> None:
    (model,) = sys.argv[1:]
    clock = SystemClock()
    code = Code(entry="agent.py:run", bundle=Digest.of(b""), python="3.11")
    pin = component("main", Model(provider="openai", model="m"))
    release = assemble("support", (component("code", code), pin))
    slot = SlotIdentity(
        agent="support",
        environment="staging",
        release=release.name,
        slot="slot_1",
        run="run_1",
        attempt=1,
    )

    async def releases(_digest: Digest) -> Release:
        return release

    async def secrets(_name: str) -> str:
        return "sk-of-the-provider"

    async def wants_drafts(_run: str) -> bool:
        return False

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "cell.db"
        laid(path, [DOOR, JOURNAL], "run_1")
        database = Database.open(f"sqlite:///{path}")
        async with aiohttp_client() as client:
            journal = Journal(database)
            around = Surroundings(
                environment="staging",
                providers={
                    "openai": Provider(
                        name="openai",
                        base_url=f"http://127.0.0.1:{model}/v1",
                        secret="openai",  # noqa: S106 - the name of a secret
                        dialect=Dialect.OPENAI,
                    )
                },
                client=client,
                journal=journal,
                books=Books(Recording(database=database, fence=fenced, clock=clock)),
                secrets=secrets,
                releases=releases,
                prices=Prices(clock, loaded),
                figures=ModelFigures(),
                clock=clock,
            )
            sources = PromptSources(
                environment="staging",
                database=database,
                journal=journal,
                releases=releases,
                wants_drafts=wants_drafts,
                clock=clock,
            )
            slots = Slots(database, hosted=lambda _token: slot, environment="staging", clock=clock)
            table = inner_routes(slots, ModelCalls(around), Prompts(sources))
            app = ErrorBoundary(Routes([*table, ("GET", "/cpu", _cpu)]), Ids(clock))
            server = Server(app, listen("127.0.0.1", 0))
            print(server.address.rpartition(":")[2], flush=True)
            await serve([server], Lifetime(), grace=0)


def _comparison(name: str, who: str, suffix: str) -> Comparison:
    return Comparison(
        name=f"model-api-{name}",
        question=f"What does the way through a cell add to a model call, for {who}? (On SQLite. "
        "The bare hop through `kit.http` beside it tells how much of that is HTTP; the rest is the "
        "slot's token, pins, limits, two rows of the journal, usage and headers.)",
        operation="call",
        contenders=(
            Contender(name="no hop", target=f"bench.model_api:direct_{suffix}"),
            Contender(name="a bare hop", target=f"bench.http:aiohttp_{suffix}"),
            Contender(name="the inner door", target=f"bench.model_api:door_{suffix}"),
        ),
    )


COMPARISONS = (
    Comparison(
        name="model-api-slow",
        question="What does the way through a cell add to a call of a model that takes 20 ms? "
        "(On SQLite. What is written while the model works costs its caller no time.)",
        operation="call",
        contenders=(
            Contender(name="no hop", target="bench.model_api:direct_slow"),
            Contender(name="a bare hop", target="bench.http:aiohttp_slow"),
            Contender(name="the inner door", target="bench.model_api:door_slow"),
        ),
    ),
    _comparison("one", "one caller", "one"),
    _comparison("many", "32 callers at once", "many"),
)

if __name__ == "__main__":
    run(_serve)
