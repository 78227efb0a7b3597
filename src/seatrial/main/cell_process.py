"""`seatrial cell`: one environment in one region as one process."""

import logging
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import click

from seatrial.cell.door.api.desk import Desk
from seatrial.cell.door.api.drafts import draft_routes, local_run_routes
from seatrial.cell.door.api.inner import inner_routes
from seatrial.cell.door.api.logs import log_routes, metric_routes
from seatrial.cell.door.api.openai import openai_routes
from seatrial.cell.door.api.receipts import receipt_routes
from seatrial.cell.door.api.runs import run_routes
from seatrial.cell.door.api.secrets import secret_routes
from seatrial.cell.door.api.sessions import session_routes
from seatrial.cell.door.api.status import status_routes
from seatrial.cell.door.api.tokens import token_routes
from seatrial.cell.door.service.access import KIND, Access
from seatrial.cell.door.service.figures import CellFigures
from seatrial.cell.door.service.local_runs import LocalRuns
from seatrial.cell.door.service.prompts import TAG, Prompts, PromptSources
from seatrial.cell.door.service.slots import Slots
from seatrial.cell.door.store import tables as door_store
from seatrial.cell.hosts.domain import LogLine
from seatrial.cell.hosts.service.hosts import Hosts
from seatrial.cell.hosts.service.plans import HostSettings
from seatrial.cell.journal import store as journal_store
from seatrial.cell.journal.service import Journal
from seatrial.cell.journal.service import totals as journal_totals
from seatrial.cell.llms.domain import KNOWN, Dialect, Provider
from seatrial.cell.llms.service.calls import ModelCalls
from seatrial.cell.llms.service.calls import Surroundings as CallSurroundings
from seatrial.cell.llms.service.figures import ModelFigures
from seatrial.cell.llms.service.prices import Prices
from seatrial.cell.llms.service.providers import providers
from seatrial.cell.runs.domain.values import Bounds, Run, Usage
from seatrial.cell.runs.domain.values import Counts as RunCounts
from seatrial.cell.runs.service.judging import Judge
from seatrial.cell.runs.service.ports import Ports
from seatrial.cell.runs.service.runs import Runs
from seatrial.cell.runs.store import tables as runs_store
from seatrial.cell.switch import store as switch_store
from seatrial.cell.switch.domain import Counts
from seatrial.cell.switch.service.admission import admitted, current
from seatrial.cell.switch.service.blobs import Blobs
from seatrial.cell.switch.service.cell import CellSwitch
from seatrial.cell.switch.service.cell import Surroundings as SwitchSurroundings
from seatrial.cell.switch.service.enrolling import Application, own_keys
from seatrial.cell.telemetry.service.counts import RunFigures
from seatrial.cell.telemetry.service.logs import LogBook, printed
from seatrial.cell.telemetry.service.receipts import Receipts
from seatrial.cell.telemetry.service.traces import Collector, Traces
from seatrial.cell.vault import store as vault_store
from seatrial.cell.vault.service import Vault, cipher_of
from seatrial.contract.releases.release import Release
from seatrial.contract.runs.access import Caller
from seatrial.kit.crypto.digests import Digest
from seatrial.kit.crypto.signing import VerifyKey
from seatrial.kit.database.connection import Connection
from seatrial.kit.http.asgi import App
from seatrial.kit.http.boundary import ErrorBoundary
from seatrial.kit.http.by_aiohttp import aiohttp_client
from seatrial.kit.http.client import HttpClient
from seatrial.kit.http.listening import address_of, listen
from seatrial.kit.http.routes import Routes
from seatrial.kit.http.server import Server
from seatrial.kit.leases import store as leases_store
from seatrial.kit.settings import load
from seatrial.kit.transparency import store as transparency_store
from seatrial.kit.transparency.domain import Entry
from seatrial.kit.transparency.service import append
from seatrial.main.cell_hosts import ReleaseHosts
from seatrial.main.probes import Probes
from seatrial.main.process import (
    Frame,
    note_address,
    private_folder,
    run_process,
    serve_all,
    show_first_token,
)
from seatrial.main.settings import CellSettings, ModelsSection

HISTORIES: Final = (
    leases_store.HISTORY,
    transparency_store.HISTORY,
    switch_store.HISTORY,
    runs_store.HISTORY,
    journal_store.HISTORY,
    vault_store.HISTORY,
    door_store.HISTORY,
)
_LOG: Final = logging.getLogger(__name__)


@click.command()
@click.option(
    "--settings", "file", type=click.Path(path_type=Path), help="Its settings, a TOML file."
)
@click.option("--leash", type=int, hidden=True, help="Ends with whoever holds the other end.")
def cell(file: Path | None, leash: int | None) -> int:
    """Run a cell: the running half of one environment in one region.

    \b
    Examples:
      seatrial cell --settings /etc/seatrial/production.toml
    """  # noqa: D301 - \b is Click's mark for text that keeps its lines
    settings = load(CellSettings, file)
    return run_process(settings, HISTORIES, lambda frame: _main(settings, frame), leash=leash)


async def _main(settings: CellSettings, frame: Frame) -> int:
    folder = private_folder(settings.cell.directory)
    with (
        listen(settings.http.host, settings.http.port) as front,
        listen("127.0.0.1", settings.hosts.inner_port) as inner,
    ):
        address, inner_address = address_of(front), address_of(inner)
        note_address(folder, url=settings.cell.url or address, inner=inner_address)
        async with aiohttp_client() as client:
            built = await _built(settings, frame, folder, client, address, inner_address)
            async with built.hosts:
                environment = settings.cell.environment
                await show_first_token(folder, environment, KIND, built.access.first_token)
                try:
                    return await serve_all(
                        frame,
                        [
                            Server(ErrorBoundary(built.front, frame.ids), front),
                            Server(ErrorBoundary(built.inner, frame.ids), inner),
                        ],
                        built.work,
                        grace=settings.http.shutdown_seconds,
                        drain=built.runs.drain,
                    )
                finally:
                    logging.getLogger().removeHandler(built.book)
                    built.book.close()


@dataclass(frozen=True, kw_only=True)
class _Built:
    """A cell whose rooms are joined.

    Attributes:
        front: the app for callers.
        inner: the app for agents.
        hosts: to be opened around everything.
        runs: to be drained before the end.
        work: what goes on beside serving.
        book: the log that is shown.
        access: who may call.
    """

    front: App
    inner: App
    hosts: Hosts
    runs: Runs
    work: tuple[Any, ...]
    book: LogBook
    access: Access


async def _built(
    settings: CellSettings,
    frame: Frame,
    folder: Path,
    client: HttpClient,
    address: str,
    inner_address: str,
) -> _Built:
    """Join the rooms of a cell."""
    here, database, clock, ids = settings.cell, frame.database, frame.clock, frame.ids
    environment = here.environment
    book = LogBook(folder / "logs", frame.redactor)
    logging.getLogger().addHandler(book)
    blobs = Blobs(folder / "blobs")
    hosts = Hosts(
        _host_settings(settings),
        directory=folder / "hosts",
        door=inner_address,
        clock=clock,
        ids=ids,
        on_line=lambda line: _printed(line, releases),
    )

    async def fetch(release: Release) -> None:
        await switch.fetch(release)

    releases = ReleaseHosts(
        hosts,
        database,
        blobs,
        folder / "wheels",
        environment,
        fetch,
        lambda release: models.expect(release),
    )
    access = Access(database, environment=environment, clock=clock, ids=ids)
    vault = Vault(
        database,
        environment=environment,
        cipher=cipher_of(folder / "keys"),
        redactor=frame.redactor,
        clock=clock,
    )
    await vault.open()
    traces, run_figures = _traces(settings, frame, client), RunFigures()

    def changed(release: Digest | None = None) -> None:
        switch.changed(release)

    runs = Runs(
        database,
        Ports(
            hosts=releases,
            admit=admitted,
            limits=releases.limits,
            usage=_usage,
            changed=changed,
            ended=_ended(run_figures, traces),
        ),
        clock=clock,
        ids=ids,
        sole=frame.sole,
        bounds=_bounds(settings),
    )
    switch = CellSwitch(
        SwitchSurroundings(
            database=database,
            client=client,
            blobs=blobs,
            warmer=releases,
            count=lambda connection, release: _counts(runs.counts(connection, release)),
            busy=lambda connection: frozenset(runs.unfinished(connection)),
            on_flip=releases.flipped,
            clock=clock,
            chance=random.Random(),  # noqa: S311 - spreads retries
        ),
        Application(
            folder=folder,
            token_file=folder / here.enrolment,
            control=here.control,
            url=here.url or address,
            cell=here.name,
            environment=environment,
            profile=here.profile,
        ),
        own_keys(folder / "keys"),
        tuple(VerifyKey.parse(name) for name in here.roots),
        holder=frame.holder,
    )
    switch.begin_now()
    judge = Judge(database=database, clock=clock, ids=ids, changed=changed)
    journal = Journal(database)
    slots = Slots(database, hosted=hosts.whose, environment=environment, clock=clock)

    async def wants_drafts(run: str) -> bool:
        return TAG in (await runs.get(run)).tags

    prompts = Prompts(
        PromptSources(
            environment=environment,
            database=database,
            journal=journal,
            releases=releases.release,
            wants_drafts=wants_drafts,
            clock=clock,
        )
    )
    model_figures = ModelFigures()
    models = ModelCalls(
        CallSurroundings(
            environment=environment,
            providers=_providers(settings.models),
            client=client,
            journal=journal,
            secrets=vault.secret,
            releases=releases.release,
            prices=Prices(clock),
            figures=model_figures,
            clock=clock,
        )
    )
    local = LocalRuns(database, runs=runs, slots=slots, environment=environment, clock=clock)

    async def payload_read(caller: Caller, run: Run) -> None:
        entry = Entry(kind="payload.read", subject=run.id, actor=caller.id, body={}, at=clock.now())
        await database.write(lambda connection: append(connection, entry))

    desk = Desk(
        runs=runs,
        judge=judge,
        admit=access.admit,
        environment=environment,
        lifetime=frame.lifetime,
        ids=ids,
        on_payload_read=payload_read,
    )
    figures = CellFigures(
        environment=environment,
        database=database,
        models=model_figures,
        runs=runs,
        hosts=hosts.status,
        traces=traces,
        more=(run_figures.families,),
    )

    async def active() -> tuple[list[str], Any]:
        now = await database.read(current)
        return list(now.closure.agents), now.flipped

    async def standing() -> tuple[Any, Any]:
        return await switch.figures(), await database.read(current)

    place = {"cell": here.name, "environment": environment, "region": here.region}
    receipts = Receipts(
        database=database,
        environment=environment,
        runs=runs,
        judge=judge,
        on_read=payload_read,
    )
    admit = access.admit
    probes = Probes(frame)
    front = Routes(
        [
            *probes.routes(),
            *metric_routes(figures.families),
            *run_routes(desk),
            *session_routes(desk),
            *openai_routes(desk, active),
            *receipt_routes(receipts, admit),
            *log_routes(book, admit, frame.lifetime),
            *status_routes(admit, place, standing, hosts.status, runs),
            *token_routes(access, environment),
            *secret_routes(vault, admit, environment),
            *draft_routes(prompts, admit, environment),
            *local_run_routes(local, admit, environment, inner_url=inner_address),
        ]
    )
    return _Built(
        front=front,
        inner=Routes(inner_routes(slots, models, prompts)),
        hosts=hosts,
        runs=runs,
        work=(switch.run(), runs.work(), *(() if traces is None else (traces.work(),))),
        book=book,
        access=access,
    )


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
        per_agent=settings.hosts.slots,
        queued=runs.queue,
        lease=runs.lease_seconds,
        timeout=runs.timeout_seconds,
        attempts=runs.attempts,
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


def _traces(settings: CellSettings, frame: Frame, client: HttpClient) -> Traces | None:
    if not settings.telemetry.otlp:
        return None
    collector = Collector(
        url=f"{settings.telemetry.otlp.rstrip('/')}/v1/traces",
        headers=(),
        resource={
            "service.name": "seatrial",
            "service.version": version("seatrial"),
            "deployment.environment.name": settings.cell.environment,
        },
    )
    return Traces(frame.database, client=client, collector=collector, clock=frame.clock)


def _ended(figures: RunFigures, traces: Traces | None) -> Callable[[Run], None]:
    def ended(run: Run) -> None:
        figures.ended(run)
        if traces is not None:
            traces.ended(run)

    return ended


def _counts(counts: RunCounts) -> Counts:
    return Counts(
        first=counts.first,
        succeeded=counts.succeeded,
        failed=counts.failed,
        cancelled=counts.cancelled,
        good=counts.good,
        judged=counts.judged,
    )


def _usage(connection: Connection, run: str) -> Usage:
    found = journal_totals(connection, run)
    return Usage(
        input_tokens=found.input_tokens,
        output_tokens=found.output_tokens,
        cost_usd=found.cost_usd,
        calls=found.calls,
    )


def _printed(line: LogLine, releases: ReleaseHosts) -> None:
    printed(line, releases.agent(line.release))
