"""What every serving process does first and last: logs, database, signals, an orderly end."""

import asyncio
import contextlib
import logging
import os
import stat
from collections.abc import Callable, Coroutine, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import orjson

from seatrial.kit import failpoints
from seatrial.kit.clock import Clock, SystemClock
from seatrial.kit.crypto.tokens import Token
from seatrial.kit.database.address import SqliteAddress, parse
from seatrial.kit.database.database import Database
from seatrial.kit.database.history import History
from seatrial.kit.database.migrations import migrate_now
from seatrial.kit.errors import Denied, Exit
from seatrial.kit.files import write_private
from seatrial.kit.http.lifetime import Lifetime
from seatrial.kit.http.server import Server, ended_by_signals, run, serve
from seatrial.kit.ids import Ids
from seatrial.kit.log import Redactor, configure
from seatrial.main.home import ADDRESS
from seatrial.main.settings import LogFormat, Settings

_LOG: Final = logging.getLogger(__name__)
_OTHERS: Final = 0o077
_SOLE: Final = "sole"


class FolderExposed(Denied):
    """The folder {path!r} is not private: {reason}."""

    code = "folder_exposed"
    cause = "It holds keys and data of one environment; another user of this machine could read it."
    remedy = "Make it yours alone: `chmod 700` it, and own it."


@dataclass(frozen=True, kw_only=True)
class Frame:
    """What a process hands to its rooms.

    Attributes:
        database: open, and brought up to date.
        clock: the machine's.
        ids: the one source of them.
        redactor: knows every live secret.
        lifetime: drains when the process is told to end.
        holder: names this process among those of its database, for leases.
        sole: no other process can work on the database.
    """

    database: Database
    clock: Clock
    ids: Ids
    redactor: Redactor
    lifetime: Lifetime
    holder: str
    sole: bool


def run_process(
    settings: Settings,
    histories: Sequence[History],
    main: Callable[[Frame], Coroutine[Any, Any, int]],
    *,
    leash: int | None,
) -> int:
    """Run `main` between the opening of everything and its end.

    Args:
        settings: of the process.
        histories: of the tables that it needs.
        main: serves until the lifetime drains; its answer is the exit code.
        leash: descriptor of a pipe whose other end the supervisor holds: when it closes, the
            process ends as if told by a signal.
    """
    redactor = Redactor()
    configure(settings.log.level, as_json=settings.log.format is LogFormat.JSON, redactor=redactor)
    failpoints.arm(settings.debug.failpoints)
    clock = SystemClock()
    ids = Ids(clock)
    url = settings.database.url.get_secret_value()
    sole = isinstance(parse(url), SqliteAddress)
    with Database.open(url, clock=clock) as database:
        for step in migrate_now(database, histories):
            _LOG.info("migrated: %s", step)

        async def framed() -> int:
            lifetime = Lifetime()
            frame = Frame(
                database=database,
                clock=clock,
                ids=ids,
                redactor=redactor,
                lifetime=lifetime,
                # An SQLite file has one process: after a crash it takes its own lease back at once.
                holder=_SOLE if sole else ids.new("proc"),
                sole=sole,
            )
            with ended_by_signals(lifetime), _leashed(lifetime, leash):
                return await main(frame)

        return run(framed)


async def serve_all(
    frame: Frame,
    servers: Sequence[Server],
    work: Iterable[Coroutine[Any, Any, object]],
    *,
    grace: float,
    drain: Callable[[], Coroutine[Any, Any, None]] | None = None,
) -> int:
    """Serve, with `work` going on beside, until the lifetime drains.

    `drain` is called when it begins to; work goes on until that has returned.

    A piece of work that ends with an error ends the process: half a process is worse than none,
    and whoever supervises it starts it anew.

    Returns:
        The exit code.
    """
    tasks = [asyncio.ensure_future(each) for each in work]
    failed: list[BaseException] = []

    def ended(task: "asyncio.Future[object]") -> None:
        error = None if task.cancelled() else task.exception()
        if error is not None:
            _LOG.error("a part of the process failed", exc_info=error)
            failed.append(error)
            frame.lifetime.drain()

    async def drained() -> None:
        await frame.lifetime.told_to_end()
        if drain is not None:
            await drain()

    for task in tasks:
        task.add_done_callback(ended)
    draining = asyncio.ensure_future(drained())
    try:
        await serve(servers, frame.lifetime, grace=grace)
        await draining
    finally:
        draining.cancel()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    return Exit.FAILED if failed else Exit.OK


def private_folder(path: Path) -> Path:
    """The folder at `path`, absolute, made if missing, for its owner alone.

    Raises:
        FolderExposed: others may enter it.
    """
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    status = path.stat()
    if status.st_mode & _OTHERS:
        mode = stat.S_IMODE(status.st_mode)
        raise FolderExposed(path=str(path), reason=f"its mode is {mode:04o}")
    if status.st_uid not in {os.geteuid(), 0}:
        raise FolderExposed(path=str(path), reason=f"it belongs to user {status.st_uid}")
    return path.resolve()


async def show_first_token(
    folder: Path, environment: str, kind: str, claim: Callable[[Token], Coroutine[Any, Any, bool]]
) -> None:
    """Leave the first token where only its owner reads it: `first.token` in the own folder.

    It is written down before it is made good, so that no crash can lose it.

    Args:
        folder: of the process.
        environment: in the token's name.
        kind: likewise.
        claim: makes a token the first; false if another one is.
    """
    draft, path = folder / ".first.token", folder / "first.token"
    try:
        text = _drafted(draft, Token.mint(environment, kind))
    except FileNotFoundError:
        return  # another process in this folder was faster, and has shown it
    if await claim(Token(text)):
        write_private(path, text.encode())
        _LOG.warning("the first token lies in %s; take it, and remove the file", path)
    draft.unlink(missing_ok=True)


def _drafted(draft: Path, token: Token) -> str:
    """What lies in `draft`: `token`, unless another process or an earlier start has left one."""
    if not draft.exists():
        mine = draft.with_name(f"{draft.name}.{os.getpid()}")
        write_private(mine, token.reveal().encode())
        with contextlib.suppress(FileExistsError):
            os.link(mine, draft)  # whole, or not at all, and over nobody else's
        mine.unlink()
    return draft.read_text(encoding="ascii")


def note_address(folder: Path, **told: str) -> None:
    """Write down where the process listens, and who it is, for whoever has started it."""
    write_private(folder / ADDRESS, orjson.dumps(told))


@contextlib.contextmanager
def _leashed(lifetime: Lifetime, descriptor: int | None) -> Iterator[None]:
    if descriptor is None:
        yield
        return
    loop = asyncio.get_running_loop()

    def slack() -> None:
        loop.remove_reader(descriptor)
        _LOG.warning("the supervisor is gone: ending")
        lifetime.drain()

    os.set_blocking(descriptor, False)
    loop.add_reader(descriptor, slack)
    try:
        yield
    finally:
        loop.remove_reader(descriptor)
