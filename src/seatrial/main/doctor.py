"""`seatrial doctor`: can this machine carry a process with these settings? It measures."""

import contextlib
import enum
import platform
import resource
import shutil
import socket
import statistics
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import click

from seatrial.cell.hosts.domain import ISOLATED
from seatrial.cell.hosts.service.isolation import isolation_here
from seatrial.kit.clock import SystemClock
from seatrial.kit.database.address import SqliteAddress, parse
from seatrial.kit.database.database import Database
from seatrial.kit.database.errors import DatabaseInUse
from seatrial.kit.database.probe import SQLITE, SQLITE_IS_NEW_ENOUGH, touch
from seatrial.kit.errors import Exit, SeatrialError
from seatrial.kit.settings import load
from seatrial.kit.terminal.output import answer_json, json_option, table
from seatrial.main.settings import DatabaseSettings, HttpSettings, Settings, kind_of

_COMMITS: Final = 20
_SLOW_COMMIT_MS: Final = 50.0
_LEAST_FILES: Final = 1024  # each run holds a few: its caller, its model call, its host
_LEAST_SPACE: Final = 1 << 30  # bytes


class State(enum.StrEnum):
    """What a check found."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One line of the doctor's answer."""

    check: str
    state: State
    detail: str
    remedy: str = ""


@click.command()
@click.argument("file", required=False, type=click.Path(path_type=Path))
@json_option
def doctor(file: Path | None, *, as_json: bool) -> int:
    """Check this machine against the settings in FILE, or the defaults.

    Opens the database, times durable commits, tries the address, confines a process as an agent's
    would be. Changes nothing. Ends with 1 when a check fails.

    \b
    Examples:
      seatrial doctor
      seatrial doctor cell.toml --json
    """  # noqa: D301 - \b is Click's mark for text that keeps its lines
    found = list(examine(load(kind_of(file), file)))
    if as_json:
        answer_json([asdict(finding) for finding in found])
    else:
        rows = [(f.check, f.state, f"{f.detail} {f.remedy}".strip()) for f in found]
        click.echo(table(("check", "state", "found"), rows))
    return Exit.FAILED if any(f.state is State.FAIL for f in found) else Exit.OK


def examine(settings: Settings) -> Iterator[Finding]:
    """Every finding, in the order in which a reader would ask."""
    yield _interpreter()
    yield _sqlite()
    yield _open_files()
    yield _isolation()
    yield from _database(settings.database)
    yield _address(settings.http)


def _interpreter() -> Finding:
    system = platform.system()
    detail = f"{platform.python_implementation()} {platform.python_version()}, {system}"
    if system == "Linux":
        return Finding(check="python", state=State.OK, detail=detail)
    return Finding(
        check="python",
        state=State.WARN,
        detail=detail,
        remedy="Agents are isolated on Linux only; run production there.",
    )


def _sqlite() -> Finding:
    return Finding(
        check="sqlite",
        state=State.OK if SQLITE_IS_NEW_ENOUGH else State.FAIL,
        detail=SQLITE,
        remedy="" if SQLITE_IS_NEW_ENOUGH else "Use a Python whose SQLite is 3.37 or later.",
    )


def _open_files() -> Finding:
    allowed, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    good = allowed >= _LEAST_FILES or allowed == resource.RLIM_INFINITY
    return Finding(
        check="open files",
        state=State.OK if good else State.WARN,
        detail=f"{allowed} allowed",
        remedy="" if good else f"Raise the limit to {_LEAST_FILES} or more (ulimit -n).",
    )


def _isolation() -> Finding:
    try:
        found = isolation_here()
    except SeatrialError as error:
        return Finding(
            check="isolation", state=State.WARN, detail=error.message, remedy=error.remedy
        )
    missing = f", without {', '.join(found.missing)}" if found.missing else ""
    good = found.level == ISOLATED
    return Finding(
        check="isolation",
        state=State.OK if good else State.WARN,
        detail=f"{found.label}: Landlock {found.landlock}{missing}",
        remedy="" if good else "Agents run, but not apart; production needs Linux 6.7 or later.",
    )


def _database(settings: DatabaseSettings) -> Iterator[Finding]:
    url = settings.url.get_secret_value()
    try:
        address = parse(url)
        if isinstance(address, SqliteAddress) and not address.path.exists():
            yield from _new_file(address.path)
            return
        with Database.open(url) as database:
            yield _commits(database, str(database))
    except DatabaseInUse as error:
        yield Finding(check="database", state=State.WARN, detail=error.message)
        return
    except SeatrialError as error:
        yield Finding(check="database", state=State.FAIL, detail=error.message, remedy=error.remedy)
        return
    if isinstance(address, SqliteAddress):
        yield _space(address.path)


def _new_file(path: Path) -> Iterator[Finding]:
    """A file that is still to be made: another one in its place tells as much."""
    folder = next(each for each in path.absolute().parents if each.is_dir())
    try:
        with (
            tempfile.TemporaryDirectory(prefix=".doctor-", dir=folder) as place,
            Database.open(f"sqlite:///{place}/tried.db") as database,
        ):
            yield _commits(database, f"{path} (new)")
    except OSError as error:
        yield Finding(
            check="database",
            state=State.FAIL,
            detail=f"Cannot write to {folder}: {error.strerror or error}.",
            remedy="Name another file in `database.url`, or let this user write there.",
        )
        return
    yield _space(folder / path.name)


def _commits(database: Database, place: str) -> Finding:
    clock, taken = SystemClock(), []
    for _ in range(_COMMITS):
        began = clock.steady()
        database.write_now(touch)
        taken.append((clock.steady() - began) * 1000)
    median = statistics.median(taken)
    slow = median > _SLOW_COMMIT_MS
    return Finding(
        check="database",
        state=State.WARN if slow else State.OK,
        detail=f"{place}, a durable commit takes {median:.1f} ms.",
        remedy="Each accepted run and each effect waits for one: use a faster disk."
        if slow
        else "",
    )


def _space(path: Path) -> Finding:
    free = shutil.disk_usage(path.parent).free
    good = free >= _LEAST_SPACE
    return Finding(
        check="disk",
        state=State.OK if good else State.WARN,
        detail=f"{free / 2**30:.1f} GiB free beside the database.",
        remedy="" if good else "Make room: a full disk refuses new runs.",
    )


def _address(settings: HttpSettings) -> Finding:
    place = f"{settings.host}:{settings.port}"
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            settings.host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with contextlib.closing(socket.socket(family, kind, protocol)) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        return Finding(
            check="address",
            state=State.FAIL,
            detail=f"Cannot listen on {place}: {error.strerror or error}.",
            remedy="Set another `http.port`, or stop what listens there.",
        )
    return Finding(check="address", state=State.OK, detail=f"{place} is free.")
