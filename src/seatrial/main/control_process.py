"""`seatrial control`: the deciding half as one process."""

import asyncio
import logging
from importlib.metadata import version
from pathlib import Path
from typing import Final

import click

from seatrial.contract.environments.profiles import PATH
from seatrial.control.catalog import store as catalog_store
from seatrial.control.catalog.api import router as catalog_router
from seatrial.control.catalog.blobs import FolderBlobs
from seatrial.control.catalog.service import Catalog
from seatrial.control.environments import store as environments_store
from seatrial.control.environments.api import router as environments_router
from seatrial.control.environments.service import Environments
from seatrial.control.identity import store as identity_store
from seatrial.control.identity.api import router as identity_router
from seatrial.control.identity.service import API, CONTROL, Identity
from seatrial.control.promotions.api import router as promotions_router
from seatrial.control.promotions.service import ordering
from seatrial.control.promotions.service.means import Means
from seatrial.control.promotions.service.promotions import Promotions
from seatrial.control.promotions.store import tables as promotions_store
from seatrial.kit.clock import Clock
from seatrial.kit.crypto import keyfiles
from seatrial.kit.crypto.signing import SigningKey, VerifyKey
from seatrial.kit.errors import SeatrialError
from seatrial.kit.http.asgi import App, Receive, Scope, Send
from seatrial.kit.http.listening import address_of, listen
from seatrial.kit.http.server import Server
from seatrial.kit.leases import store as leases_store
from seatrial.kit.leases.service import Lease
from seatrial.kit.log import log_error
from seatrial.kit.metrics import Family, gauge
from seatrial.kit.settings import load
from seatrial.kit.transparency import store as transparency_store
from seatrial.main.control_access import Access
from seatrial.main.control_app import control_app
from seatrial.main.probes import Probes
from seatrial.main.process import (
    Frame,
    note_address,
    private_folder,
    run_process,
    serve_all,
    show_first_token,
)
from seatrial.main.settings import ControlSettings

HISTORIES: Final = (
    leases_store.HISTORY,
    transparency_store.HISTORY,
    identity_store.HISTORY,
    environments_store.HISTORY,
    catalog_store.HISTORY,
    promotions_store.HISTORY,
)
_LOG: Final = logging.getLogger(__name__)
_TIDY: Final = 3_600.0  # seconds


@click.command()
@click.option(
    "--settings", "file", type=click.Path(path_type=Path), help="Its settings, a TOML file."
)
@click.option("--leash", type=int, hidden=True, help="Ends with whoever holds the other end.")
def control(file: Path | None, leash: int | None) -> int:
    """Run control: releases, evidence, promotions, and what cells are to run.

    \b
    Examples:
      seatrial control --settings /etc/seatrial/control.toml
    """  # noqa: D301 - \b is Click's mark for text that keeps its lines
    settings = load(ControlSettings, file)
    return run_process(settings, HISTORIES, lambda frame: _main(settings, frame), leash=leash)


async def _main(settings: ControlSettings, frame: Frame) -> int:
    folder = private_folder(settings.control.directory)
    key = keyfiles.load_or_create(SigningKey, folder / "keys" / "signing.pem")
    blobs = FolderBlobs(folder / "blobs", frame.ids)
    database, clock = frame.database, frame.clock
    identity = Identity(database, clock, frame.ids)
    environments = Environments(
        database,
        clock,
        frame.ids,
        roots=[VerifyKey.parse(name) for name in settings.control.roots],
        profiles=dict.fromkeys(PATH, settings.control.profile),
    )
    catalog = Catalog(database, blobs, clock, frame.ids, environments.keyring)
    means = Means(
        key=key,
        environments=environments,
        catalog=catalog,
        patience=settings.control.prepare_seconds,
        version=version("seatrial"),
        embedded=settings.control.embedded,
    )
    promotions = Promotions(database, clock, means)
    access = Access(identity, environments)
    api = control_app(
        (
            identity_router(identity, access.guard),
            environments_router(
                environments, database, access.guard, access.newcomer, [key.verify_key.id]
            ),
            catalog_router(catalog, database, access.guard, access.reader, promotions.active),
            promotions_router(promotions, access.guard, access.cell, frame.lifetime),
        ),
        frame.ids,
        version=version("seatrial"),
        body_limit=settings.http.body_limit,
    )
    probes = Probes(frame, lambda: _figures(promotions), name="control")
    with listen(settings.http.host, settings.http.port) as listener:
        note_address(folder, url=address_of(listener))
        await show_first_token(folder, CONTROL, API, identity.first_token)
        return await serve_all(
            frame,
            [Server(_front(api, probes), listener)],
            [
                Lease(database, ordering.LEASE, frame.holder, clock).run(promotions.lead),
                tidy(blobs, clock),
            ],
            grace=settings.http.shutdown_seconds,
        )


def _front(api: App, probes: Probes) -> App:
    async def front(scope: Scope, receive: Receive, send: Send) -> None:
        app = probes.app(scope) or api
        await app(scope, receive, send)

    return front


async def _figures(promotions: Promotions) -> list[Family]:
    status = await promotions.status()
    cells = [cell for environment in status.environments for cell in environment.cells]
    generations: dict[tuple[str, ...], float] = {
        (each.environment,): each.current.generation
        for each in status.environments
        if each.current is not None
    }
    return [
        gauge("seatrial_keyring_version", "The keyring in force.", {(): status.keyring}),
        gauge("seatrial_generation", "In force, as committed.", generations, "environment"),
        gauge(
            "seatrial_cell_behind",
            "Generations by which a cell lags.",
            {(cell.environment, cell.cell): cell.behind for cell in cells},
            *("environment", "cell"),
        ),
        gauge(
            "seatrial_cell_lag_seconds",
            "Since the commit that a cell has not carried out.",
            {(cell.environment, cell.cell): cell.lag_seconds for cell in cells},
            *("environment", "cell"),
        ),
    ]


async def tidy(blobs: FolderBlobs, clock: Clock) -> None:
    """Remove what uploads left, for ever; a folder that is away for a while ends nothing."""
    while True:
        try:
            await asyncio.to_thread(blobs.sweep, clock.now())
        except SeatrialError as error:
            log_error(_LOG, error)
        await clock.sleep(_TIDY)
