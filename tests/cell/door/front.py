"""A cell's front door with everything behind it but hosts, and its inner door."""

import contextlib
import logging
import shutil
import tempfile
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

from seatrial.cell.door.api.desk import Desk
from seatrial.cell.door.api.drafts import draft_routes, local_run_routes
from seatrial.cell.door.api.logs import log_routes, metric_routes
from seatrial.cell.door.api.openai import openai_routes
from seatrial.cell.door.api.receipts import receipt_routes
from seatrial.cell.door.api.runs import run_routes
from seatrial.cell.door.api.secrets import secret_routes
from seatrial.cell.door.api.sessions import session_routes
from seatrial.cell.door.api.tokens import token_routes
from seatrial.cell.door.service.access import EVERYTHING, Access
from seatrial.cell.door.service.figures import CellFigures
from seatrial.cell.door.service.local_runs import LocalRuns
from seatrial.cell.runs.domain.values import Run
from seatrial.cell.runs.service.judging import Judge
from seatrial.cell.runs.service.ports import Ports
from seatrial.cell.runs.service.runs import Runs
from seatrial.cell.runs.store.tables import HISTORY as RUNS
from seatrial.cell.switch.service.admission import admitted, begin
from seatrial.cell.switch.store import HISTORY as SWITCH
from seatrial.cell.telemetry.service.counts import RunFigures
from seatrial.cell.telemetry.service.logs import LogBook
from seatrial.cell.telemetry.service.receipts import Receipts
from seatrial.cell.vault.service import Vault
from seatrial.cell.vault.store import HISTORY as VAULT
from seatrial.contract.environments.profiles import rules_of
from seatrial.contract.environments.rules import Profile
from seatrial.contract.releases.closure import Active, Closure
from seatrial.contract.releases.components import Limits
from seatrial.contract.runs.access import Caller
from seatrial.kit.crypto.digests import Digest
from seatrial.kit.crypto.rows import RowCipher, WrappingKey
from seatrial.kit.database.connection import Connection
from seatrial.kit.database.database import Database
from seatrial.kit.database.migrations import migrate_now
from seatrial.kit.http.asgi import App
from seatrial.kit.http.lifetime import Lifetime
from seatrial.kit.http.routes import Routes
from seatrial.kit.log import Redactor
from seatrial.kit.transparency.store import HISTORY as LOG
from tests.cell.door.asgi import NOTHING, ask
from tests.cell.door.cells import CLOCK, IDS, access_to
from tests.cell.llms.inside import Inside, inside, release_of

LOCAL = "/v1/agents/support/local-runs"


@dataclass
class Door:
    """The front door of a cell, and its inner one."""

    inner: Inside
    access: Access
    runs: Runs
    judge: Judge
    book: LogBook
    table: list[tuple[str, str, App]]
    token: str
    shown: list[tuple[str, str]]

    @property
    def routes(self) -> Routes:
        return Routes(self.table)

    async def ask(
        self, method: str, path: str, body: object = None, *, token: str | None = None
    ) -> tuple[int, Any]:
        headers: Mapping[str, str] = {**NOTHING, "authorization": f"Bearer {token or self.token}"}
        status, _, told = await ask(self.routes, path, body, headers=headers, method=method)
        return status, told

    async def begun(self, **order: Any) -> tuple[str, str]:
        """The run and the token of a fresh local run."""
        status, told = await self.ask("POST", LOCAL, {"input": "hi", **order})
        assert status == 201
        assert told["url"] == self.inner.address
        return told["run"], told["token"]

    async def fetched(self, token: str, name: str = "greeting") -> dict[str, Any]:
        status, _, answer = await self.inner.ask(f"/v1/prompts/{name}", token=token)
        return {"status": status, **orjson.loads(answer)}


@contextlib.asynccontextmanager
async def door(
    database: Database, environment: str = "staging", *, deployed: bool = True
) -> AsyncIterator[Door]:
    migrate_now(database, [LOG, SWITCH, RUNS, VAULT])
    folder = Path(tempfile.mkdtemp())
    shown: list[tuple[str, str]] = []
    book = LogBook(folder, Redactor())
    release = release_of()
    agents = {"support": Active(release=release.name, name="support@3")} if deployed else {}
    rules = rules_of(Profile.SOLO, "staging")
    closure = Closure(environment=environment, agents=agents, rules=rules)

    def use_case(connection: Connection) -> None:
        begin(connection, closure, datetime(2026, 1, 1, tzinfo=UTC))

    await database.write(use_case)
    async with (
        _listening(book, folder),
        inside(database, environment=environment, release=release) as inner,
    ):
        access = access_to(database, environment)
        counts = RunFigures()
        ports = Ports(
            hosts=_NoHosts(), admit=admitted, limits=lambda _c, _d: Limits(), ended=counts.ended
        )
        runs = Runs(database, ports, clock=CLOCK, ids=IDS, sole=True)
        local = LocalRuns(
            database, runs=runs, slots=inner.slots, environment=environment, clock=CLOCK
        )
        vault = Vault(
            database,
            environment=environment,
            cipher=RowCipher(WrappingKey.generate()),
            redactor=Redactor(),
            clock=CLOCK,
        )
        judge = Judge(database=database, clock=CLOCK, ids=IDS, changed=lambda _release: None)

        async def read(caller: Caller, run: Run) -> None:
            shown.append((caller.name, run.id))

        async def give(_document: object, agent: str, _release: Digest | None) -> str:
            raise AssertionError(f"nothing here rehearses {agent}")

        receipts = Receipts(
            database=database, environment=environment, runs=runs, judge=judge, on_read=read
        )
        desk = Desk(
            runs=runs,
            judge=judge,
            admit=access.admit,
            environment=environment,
            lifetime=Lifetime(),
            ids=IDS,
            on_payload_read=read,
            give_fixture=give,
        )
        figures = CellFigures(
            environment=environment,
            database=database,
            models=inner.figures,
            runs=runs,
            hosts=tuple,
            more=(counts.families,),
        )
        table = [
            *run_routes(desk),
            *session_routes(desk),
            *openai_routes(desk, _nothing_active),
            *draft_routes(inner.prompts, access.admit, environment),
            *local_run_routes(local, access.admit, environment, inner_url=inner.address),
            *token_routes(access, environment),
            *secret_routes(vault, access.admit, environment),
            *receipt_routes(receipts, access.admit),
            *log_routes(book, access.admit, Lifetime()),
            *metric_routes(figures.families),
        ]
        _, token = await access.make(name="dev", permissions=EVERYTHING)
        yield Door(inner, access, runs, judge, book, table, token.reveal(), shown)


@contextlib.asynccontextmanager
async def _listening(book: LogBook, folder: Path) -> AsyncIterator[None]:
    root = logging.getLogger()
    before = root.level
    root.addHandler(book)
    root.setLevel(logging.INFO)
    try:
        yield
    finally:
        root.setLevel(before)
        root.removeHandler(book)
        book.close()
        shutil.rmtree(folder)


async def _nothing_active() -> tuple[list[str], datetime]:
    return [], datetime(2026, 1, 1, tzinfo=UTC)


class _NoHosts:
    def slot(self, release: object) -> Any:
        raise AssertionError(release)
