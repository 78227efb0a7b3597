"""The rooms of one cell, joined: each is made when it is first asked for."""

import importlib
import os
import random
from collections.abc import Collection, Coroutine, Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from seatrial.cell.assess.domain.masking import MaskingBounds
from seatrial.cell.assess.service.fixtures import Fixtures
from seatrial.cell.assess.service.fixtures import Surroundings as FixtureSurroundings
from seatrial.cell.assess.service.masking import MaskingProcess
from seatrial.cell.door.api.actions import action_routes
from seatrial.cell.door.api.desk import Desk
from seatrial.cell.door.api.drafts import draft_routes, local_run_routes
from seatrial.cell.door.api.fixtures import fixture_routes
from seatrial.cell.door.api.inner import inner_routes
from seatrial.cell.door.api.logs import log_routes, metric_routes
from seatrial.cell.door.api.openai import openai_routes
from seatrial.cell.door.api.receipts import receipt_routes
from seatrial.cell.door.api.reviews import review_routes
from seatrial.cell.door.api.runs import run_routes
from seatrial.cell.door.api.secrets import secret_routes
from seatrial.cell.door.api.sessions import session_routes
from seatrial.cell.door.api.status import status_routes
from seatrial.cell.door.api.tokens import token_routes
from seatrial.cell.door.mcp.api import mcp_routes
from seatrial.cell.door.mcp.service import Tools
from seatrial.cell.door.service.access import Access
from seatrial.cell.door.service.figures import CellFigures
from seatrial.cell.door.service.local_runs import LocalRuns
from seatrial.cell.door.service.prompts import TAG, Prompts, PromptSources
from seatrial.cell.door.service.slots import Slots
from seatrial.cell.hosts.domain import Limits as HostLimits
from seatrial.cell.hosts.service.functions import Functions
from seatrial.cell.hosts.service.hosts import Hosts
from seatrial.cell.hosts.service.plans import HostSettings
from seatrial.cell.journal.domain.retention import Retention
from seatrial.cell.journal.service.books import Books, RunFacts
from seatrial.cell.journal.service.metering import Journal
from seatrial.cell.journal.service.metering import totals as journal_totals
from seatrial.cell.journal.service.sweeping import Sweeper
from seatrial.cell.journal.service.writing import Surroundings as Recording
from seatrial.cell.llms.domain import KNOWN, Dialect, Provider
from seatrial.cell.llms.service.calls import CallBounds, ModelCalls
from seatrial.cell.llms.service.calls import Surroundings as CallSurroundings
from seatrial.cell.llms.service.figures import ModelFigures
from seatrial.cell.llms.service.prices import Prices
from seatrial.cell.llms.service.providers import providers
from seatrial.cell.runs.domain.values import Bounds, Run, Usage
from seatrial.cell.runs.service.judging import Judge
from seatrial.cell.runs.service.ports import Ports
from seatrial.cell.runs.service.runs import Runs
from seatrial.cell.runs.service.waiting import fenced
from seatrial.cell.switch.domain import Admission, Current, Figures
from seatrial.cell.switch.service.admission import admitted, current
from seatrial.cell.switch.service.blobs import Blobs
from seatrial.cell.switch.service.cell import CellSwitch
from seatrial.cell.switch.service.cell import Surroundings as SwitchSurroundings
from seatrial.cell.switch.service.enrolling import Application, own_keys
from seatrial.cell.switch.service.warming import HostWarmer, plan_of
from seatrial.cell.telemetry import domain as telemetry
from seatrial.cell.telemetry.service.counts import RunFigures
from seatrial.cell.telemetry.service.logs import LogBook, printed
from seatrial.cell.telemetry.service.receipts import Receipts
from seatrial.cell.telemetry.service.traces import Collector, Traces
from seatrial.cell.tools.service.actions import Actions
from seatrial.cell.tools.service.actions import Surroundings as ActionSurroundings
from seatrial.cell.tools.service.connectors import Connectors
from seatrial.cell.tools.service.reviews import Reviews
from seatrial.cell.tools.service.waits import Waits
from seatrial.cell.vault.service import Vault, cipher_of
from seatrial.contract.releases.release import Release
from seatrial.contract.runs.access import Caller
from seatrial.kit.crypto.digests import Digest
from seatrial.kit.crypto.signing import VerifyKey
from seatrial.kit.database.connection import Connection
from seatrial.kit.http.client import HttpClient
from seatrial.kit.http.routes import Routes
from seatrial.kit.transparency.domain import Entry
from seatrial.kit.transparency.service import append
from seatrial.main.cell_hosts import ReleaseHosts
from seatrial.main.cell_tools import ActionFunctions, Means, bound, placed
from seatrial.main.probes import Probes
from seatrial.main.process import (
    Frame,
)
from seatrial.main.settings import CellSettings, FixturesSection, ModelsSection

_MASKING: Final = "seatrial.main.masking_process"
_PASSED_ON: Final = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "TZ")
_PRICES: Final = "seatrial.cell.llms.service.price_table"


class CellRooms:
    """Everything that one process of a cell consists of. Belongs to one event loop.

    Args:
        settings: of the process.
        frame: of the process.
        folder: its own.
        client: for calls to control, providers and collectors.
        address: of the front door, as it listens.
        inner: of the inner door.
    """

    def __init__(
        self,
        settings: CellSettings,
        frame: Frame,
        folder: Path,
        client: HttpClient,
        *,
        address: str,
        inner: str,
    ) -> None:
        self._settings = settings
        self._frame = frame
        self._folder = folder
        self._client = client
        self._address = address
        self._inner = inner
        self._environment = settings.cell.environment

    # --- What is served ------------------------------------------------------------------------

    @cached_property
    def front(self) -> Routes:
        """The app for callers."""
        admit, environment, hosts = self.access.admit, self._environment, self.hosts
        local = LocalRuns(
            self._frame.database,
            runs=self.runs,
            slots=self._slots,
            environment=environment,
            clock=self._frame.clock,
        )
        return Routes(
            [
                *Probes(self._frame, name=f"cell of {environment}").routes(),
                *metric_routes(self._figures.families),
                *run_routes(self._desk),
                *review_routes(self._desk, self._reviews),
                *session_routes(self._desk),
                *openai_routes(self._desk, self._active),
                *receipt_routes(self._receipts, admit),
                *fixture_routes(self._fixtures, admit, environment),
                *log_routes(self.book, admit, self._frame.lifetime),
                *status_routes(admit, self._place, self._standing, hosts.status, self.runs),
                *token_routes(self.access, environment),
                *secret_routes(self.vault, admit, environment),
                *draft_routes(self._prompts, admit, environment),
                *local_run_routes(local, admit, environment, inner_url=self._inner),
            ]
        )

    @cached_property
    def inner(self) -> Routes:
        """The app for agents."""
        slots = self._slots
        return Routes(
            [
                *inner_routes(slots, self._models, self._prompts),
                *action_routes(slots, self._actions, self._waits),
                *mcp_routes(slots, Tools(self._actions)),
            ]
        )

    def work(self) -> Iterator[Coroutine[Any, Any, object]]:
        """What goes on beside serving, for the life of the process."""
        yield self._switch.run()
        yield self.runs.work()
        yield self._sweeper.work()
        if self._traces is not None:
            yield self._traces.work()

    async def leave(self) -> None:
        """Write what is still in memory; nothing is served any more."""
        await self._actions.close()
        await self._books.leave()

    # --- Who may call, and what is kept ----------------------------------------------------------

    @cached_property
    def access(self) -> Access:
        """Tokens of this cell."""
        frame = self._frame
        return Access(
            frame.database, environment=self._environment, clock=frame.clock, ids=frame.ids
        )

    @cached_property
    def vault(self) -> Vault:
        """Secrets of this environment; to be opened before anything is served."""
        return Vault(
            self._frame.database,
            environment=self._environment,
            cipher=cipher_of(self._folder / "keys"),
            redactor=self._frame.redactor,
            clock=self._frame.clock,
        )

    @cached_property
    def book(self) -> LogBook:
        """The log that is shown; to be hung onto the root logger."""
        return LogBook(self._folder / "logs", self._frame.redactor)

    @cached_property
    def _journal(self) -> Journal:
        return Journal(self._frame.database)

    @cached_property
    def _books(self) -> Books:
        frame = self._frame
        around = Recording(database=frame.database, fence=fenced, clock=frame.clock)
        return Books(around, self._facts)

    @cached_property
    def _sweeper(self) -> Sweeper:
        frame, bounds = self._frame, self._settings.journal
        retention = Retention(
            after=timedelta(days=bounds.days), ceiling=int(bounds.max_gb * (1 << 30))
        )
        return Sweeper(
            frame.database, retention, self.runs.ends, frame.clock, (self._fixtures.sweep,)
        )

    # --- Agents ----------------------------------------------------------------------------------

    @cached_property
    def hosts(self) -> Hosts:
        """Agent processes; to be opened around everything."""
        return Hosts(
            _host_settings(self._settings),
            directory=self._folder / "hosts",
            door=self._inner,
            clock=self._frame.clock,
            ids=self._frame.ids,
            on_line=lambda line: printed(line, self._releases.agent(line.release)),
        )

    @cached_property
    def runs(self) -> Runs:
        """Runs; to be drained before the end."""
        frame = self._frame
        return Runs(
            frame.database,
            Ports(
                hosts=self._releases,
                admit=self._admitted,
                limits=self._releases.limits,
                usage=_usage,
                changed=self._changed,
                ended=self._ended,
                books=self._books,
            ),
            clock=frame.clock,
            ids=frame.ids,
            sole=frame.sole,
            bounds=_bounds(self._settings),
        )

    @cached_property
    def _blobs(self) -> Blobs:
        return Blobs(self._folder / "blobs")

    @cached_property
    def _releases(self) -> ReleaseHosts:
        wheels, environment = self._folder / "wheels", self._environment
        limits = HostLimits(memory_bytes=self._settings.hosts.memory_mb << 20)
        return ReleaseHosts(
            self.hosts,
            self._frame.database,
            HostWarmer(self.hosts, self._blobs, wheels, environment, limits),
            plan=lambda release: plan_of(release, self._blobs, wheels, environment, limits),
            fetch=self._fetch,
            expect=self._expect,
        )

    @cached_property
    def _slots(self) -> Slots:
        return Slots(
            self._frame.database,
            hosted=self.hosts.whose,
            environment=self._environment,
            clock=self._frame.clock,
        )

    @cached_property
    def _prompts(self) -> Prompts:
        return Prompts(
            PromptSources(
                environment=self._environment,
                database=self._frame.database,
                journal=self._journal,
                releases=self._releases.release,
                wants_drafts=self._wants_drafts,
                clock=self._frame.clock,
            )
        )

    @cached_property
    def _model_figures(self) -> ModelFigures:
        return ModelFigures()

    @cached_property
    def _models(self) -> ModelCalls:
        clock = self._frame.clock
        return ModelCalls(
            CallSurroundings(
                environment=self._environment,
                providers=_providers(self._settings.models),
                client=self._client,
                journal=self._journal,
                books=self._books,
                secrets=self.vault.secret,
                releases=self._releases.release,
                prices=Prices(clock, _price_table),
                figures=self._model_figures,
                clock=clock,
                bounds=CallBounds(steps=self._settings.runs.steps),
            )
        )

    @cached_property
    def _actions(self) -> Actions:
        frame, environment = self._frame, self._environment
        functions = ActionFunctions(Functions(self.hosts, self._releases.plan))
        means = Means(
            folder=self._folder,
            own=self._settings.database.url.get_secret_value(),
            client=self._client,
            secrets=self.vault.secret,
            functions=functions,
            clock=frame.clock,
        )
        return Actions(
            ActionSurroundings(
                database=frame.database,
                books=self._books,
                journal=self._journal,
                releases=self._releases.release,
                connectors=Connectors(
                    environment, bound(self._settings.connectors, means), functions
                ),
                clock=frame.clock,
                recording=self._fixtures.answer,
                steps=self._settings.runs.steps,
            )
        )

    @cached_property
    def _waits(self) -> Waits:
        return Waits(self._books, self._frame.clock, self._fixtures.answer)

    @cached_property
    def _fixtures(self) -> Fixtures:
        settings, folder = self._settings.fixtures, self._folder
        source = settings.source.get_secret_value()
        if source:
            source = placed(source, folder) if "://" in source else str(folder / source)
        return Fixtures(
            FixtureSurroundings(
                database=self._frame.database,
                environment=self._environment,
                runs=self.runs,
                releases=self._releases.release,
                secrets=self.vault.secret,
                mask=_masking(settings),
                signing=own_keys(folder / "keys").signing,
                clock=self._frame.clock,
                rules=folder / settings.rules if settings.rules else None,
                source=source,
                key=settings.key,
                work=folder / "fixtures.work",
                retention=Retention(
                    after=timedelta(days=settings.days), ceiling=int(settings.max_mb * (1 << 20))
                ),
                written=self._books.written,
                on_read=self._payload_read,
            )
        )

    @cached_property
    def _reviews(self) -> Reviews:
        return Reviews(self._frame.database, self.runs, self._frame.clock)

    # --- The switch ------------------------------------------------------------------------------

    @cached_property
    def _switch(self) -> CellSwitch:
        here, frame, runs = self._settings.cell, self._frame, self.runs
        switch = CellSwitch(
            SwitchSurroundings(
                database=frame.database,
                client=self._client,
                blobs=self._blobs,
                warmer=self._releases,
                count=runs.counts,
                busy=lambda connection: frozenset(runs.unfinished(connection)),
                on_flip=self._releases.flipped,
                clock=frame.clock,
                chance=random.Random(),  # noqa: S311 - spreads retries
            ),
            Application(
                folder=self._folder,
                token_file=self._folder / here.enrolment,
                control=here.control,
                url=here.url or self._address,
                cell=here.name,
                environment=here.environment,
                profile=here.profile,
            ),
            own_keys(self._folder / "keys"),
            tuple(VerifyKey.parse(name) for name in here.roots),
            holder=frame.holder,
        )
        switch.begin_now()
        return switch

    # --- What is told ----------------------------------------------------------------------------

    @cached_property
    def _desk(self) -> Desk:
        return Desk(
            runs=self.runs,
            judge=self._judge,
            admit=self.access.admit,
            environment=self._environment,
            lifetime=self._frame.lifetime,
            ids=self._frame.ids,
            on_payload_read=self._payload_read,
            give_fixture=self._fixtures.give,
        )

    @cached_property
    def _judge(self) -> Judge:
        frame = self._frame
        return Judge(
            database=frame.database, clock=frame.clock, ids=frame.ids, changed=self._changed
        )

    @cached_property
    def _receipts(self) -> Receipts:
        return Receipts(
            database=self._frame.database,
            environment=self._environment,
            runs=self.runs,
            judge=self._judge,
            written=self._books.written,
            on_read=self._payload_read,
        )

    @cached_property
    def _run_figures(self) -> RunFigures:
        return RunFigures()

    @cached_property
    def _figures(self) -> CellFigures:
        return CellFigures(
            environment=self._environment,
            database=self._frame.database,
            models=self._model_figures,
            runs=self.runs,
            hosts=self.hosts.status,
            traces=self._traces,
            more=(self._run_figures.families,),
        )

    @cached_property
    def _traces(self) -> Traces | None:
        endpoint = self._settings.telemetry.otlp
        if not endpoint:
            return None
        collector = Collector(
            url=f"{endpoint.rstrip('/')}/v1/traces",
            headers=(),
            resource={
                telemetry.SERVICE: "seatrial",
                telemetry.VERSION: version("seatrial"),
                telemetry.ENVIRONMENT: self._environment,
            },
        )
        frame = self._frame
        return Traces(frame.database, client=self._client, collector=collector, clock=frame.clock)

    @property
    def _place(self) -> dict[str, str]:
        here = self._settings.cell
        return {"cell": here.name, "environment": here.environment, "region": here.region}

    # --- One room's word to another --------------------------------------------------------------

    def _admitted(self, connection: Connection, agent: str) -> Admission:
        self._sweeper.refuse_full()
        return admitted(connection, agent)

    def _changed(self, release: Digest | None = None) -> None:
        self._switch.changed(release)

    def _ended(self, run: Run) -> None:
        self._books.ended(run.id)
        self._run_figures.ended(run)
        if self._traces is not None:
            self._traces.ended(run)

    def _expect(self, release: Release) -> None:
        self._models.expect(release)

    async def _fetch(self, release: Release) -> None:
        await self._switch.fetch(release)

    async def _wants_drafts(self, run: str) -> bool:
        return TAG in (await self.runs.get(run)).tags

    async def _facts(self, run: str) -> RunFacts:
        found = await self.runs.get(run)
        return RunFacts(mode=found.mode, follows=found.follows)

    async def _payload_read(self, caller: Caller, run: Run) -> None:
        at = self._frame.clock.now()
        entry = Entry(kind="payload.read", subject=run.id, actor=caller.id, body={}, at=at)
        await self._frame.database.write(lambda connection: append(connection, entry))

    async def _active(self) -> tuple[Collection[str], datetime]:
        now = await self._frame.database.read(current)
        return now.closure.agents, now.flipped

    async def _standing(self) -> tuple[Figures, Current]:
        return await self._switch.figures(), await self._frame.database.read(current)


def _host_settings(settings: CellSettings) -> HostSettings:
    hosts = settings.hosts
    return HostSettings(
        slots=hosts.slots,
        slots_per_release=hosts.slots_per_release,
        ready_seconds=hosts.start_seconds,
        require_isolation=hosts.isolated,
    )


def _bounds(settings: CellSettings) -> Bounds:
    runs = settings.runs
    return Bounds(
        concurrency=settings.hosts.slots,
        per_agent=settings.hosts.slots_per_release,
        queued=runs.queue,
        lease=runs.lease_seconds,
        timeout=runs.timeout_seconds,
        attempts=runs.attempts,
        turns=runs.session_turns,
        input=runs.input_limit,
        output=runs.output_limit,
        grace=settings.http.shutdown_seconds,
    )


def _providers(models: ModelsSection) -> Mapping[str, Provider]:
    known = (
        replace(KNOWN["openai"], base_url=models.openai.rstrip("/")),
        replace(KNOWN["anthropic"], base_url=models.anthropic.rstrip("/")),
    )
    compatible = (each.partition("=") for each in models.compatible)
    more = (
        Provider(name=name, base_url=url.rstrip("/"), secret=name, dialect=Dialect.OPENAI)
        for name, _, url in compatible
    )
    return providers([*known, *more])


def _price_table() -> tuple[Any, Any]:
    """Imported when the first release that pins a model is warmed: 0.4 s and 30 MB."""
    table: tuple[Any, Any] = importlib.import_module(_PRICES).loaded()
    return table


def _masking(settings: FixturesSection) -> MaskingProcess:
    """With what locale, home and temporary folder need, and nothing that this process was told."""
    environment = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    bounds = MaskingBounds(seconds=settings.seconds, memory=settings.memory_mb << 20)
    return MaskingProcess(_MASKING, environment, bounds)


def _usage(connection: Connection, run: str) -> Usage:
    found = journal_totals(connection, run)
    return Usage(
        input_tokens=found.input_tokens,
        output_tokens=found.output_tokens,
        cost_usd=found.cost_usd,
        calls=found.calls,
    )
