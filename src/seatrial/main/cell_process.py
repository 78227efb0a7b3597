"""`seatrial cell`: one environment in one region as one process."""

import contextlib
import logging
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import click

from seatrial.cell.assess.store import fixtures as fixtures_store
from seatrial.cell.door.service.access import KIND
from seatrial.cell.door.store import tables as door_store
from seatrial.cell.journal.store import calls as journal_store
from seatrial.cell.runs.store import tables as runs_store
from seatrial.cell.switch import store as switch_store
from seatrial.cell.switch.service.enrolling import own_keys
from seatrial.cell.telemetry.service.logs import LogBook
from seatrial.cell.vault import store as vault_store
from seatrial.kit.http.boundary import ErrorBoundary
from seatrial.kit.http.by_aiohttp import aiohttp_client
from seatrial.kit.http.listening import address_of, listen
from seatrial.kit.http.server import Server
from seatrial.kit.leases import store as leases_store
from seatrial.kit.settings import load
from seatrial.kit.transparency import store as transparency_store
from seatrial.main.cell_rooms import CellRooms
from seatrial.main.process import (
    Frame,
    note_address,
    private_folder,
    run_process,
    serve_all,
    show_first_token,
)
from seatrial.main.settings import CellSettings

HISTORIES: Final = (
    leases_store.HISTORY,
    transparency_store.HISTORY,
    switch_store.HISTORY,
    runs_store.HISTORY,
    journal_store.HISTORY,
    vault_store.HISTORY,
    door_store.HISTORY,
    fixtures_store.HISTORY,
)


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
        keys = own_keys(folder / "keys")
        note_address(
            folder,
            url=settings.cell.url or address,
            inner=inner_address,
            signing=keys.signing.id,
            sealing=keys.opening.id,
        )
        async with aiohttp_client() as client:
            rooms = CellRooms(settings, frame, folder, client, address=address, inner=inner_address)
            with _shown(rooms.book):
                return await _served(settings, frame, rooms, front, inner)


async def _served(
    settings: CellSettings,
    frame: Frame,
    rooms: CellRooms,
    front: socket.socket,
    inner: socket.socket,
) -> int:
    await rooms.vault.open()
    folder = settings.cell.directory.resolve()
    await show_first_token(folder, settings.cell.environment, KIND, rooms.access.first_token)
    async with rooms.hosts:
        code = await serve_all(
            frame,
            [
                Server(ErrorBoundary(rooms.front, frame.ids), front),
                Server(ErrorBoundary(rooms.inner, frame.ids), inner),
            ],
            rooms.work(),
            grace=settings.http.shutdown_seconds,
            drain=rooms.runs.drain,
        )
    await rooms.leave()
    return code


@contextlib.contextmanager
def _shown(book: LogBook) -> Iterator[None]:
    """Let every line of the log into `book`."""
    root = logging.getLogger()
    root.addHandler(book)
    try:
        yield
    finally:
        root.removeHandler(book)
        book.close()
