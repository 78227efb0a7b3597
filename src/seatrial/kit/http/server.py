"""Serving apps: a `Server` for each socket, one `Lifetime` over all, and an orderly end."""

import asyncio
import contextlib
import logging
import signal
import socket
import sys
from collections.abc import Callable, Coroutine, Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import Any, Final, TypeVar

import uvicorn

from seatrial.kit.http.asgi import App
from seatrial.kit.http.boundary import ResponseCut
from seatrial.kit.http.connection import BoundedConnection
from seatrial.kit.http.lifetime import Lifetime
from seatrial.kit.http.listening import address_of

if sys.platform != "win32":
    import uvloop

_T = TypeVar("_T")
_LOG: Final = logging.getLogger(__name__)
_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)
_POLL: Final = 0.01  # seconds, while draining
_UNWIND: Final = 1.0  # seconds that a cancelled request has to tell its client
_IDLE: Final = 75  # seconds; longer than load balancers keep theirs (60), so that they close first


class Server:
    """One app on one listening socket (see `kit.http.listening`).

    Behind a proxy the client's address is the proxy's: forwarded headers are not believed.
    """

    def __init__(self, app: App, listener: socket.socket) -> None:
        self.address = address_of(listener)
        self._listener = listener
        self._file = _file_of(listener)
        config = uvicorn.Config(
            app,
            http=BoundedConnection,
            ws="none",
            lifespan="off",
            interface="asgi3",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            timeout_keep_alive=_IDLE,
            workers=1,
        )
        config.load()
        self._uvicorn = uvicorn.Server(config)
        self._uvicorn.lifespan = config.lifespan_class(config)
        self._uvicorn.servers = []
        self._clock: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to accept."""
        _quieten()
        await self._uvicorn.startup(sockets=[self._listener])
        self._clock = asyncio.create_task(self._keep_date())

    async def stop(self, grace: float) -> int:
        """Accept no more, let requests in flight finish for `grace` seconds, cancel the rest.

        Returns:
            How many requests were cancelled.
        """
        for accepting in self._uvicorn.servers:
            accepting.close()
        self._listener.close()
        if self._file is not None:
            _remove(*self._file)
        await self._let_finish(grace)
        cut = await self._cancel()
        for connection in list(self._uvicorn.server_state.connections):
            connection.transport.abort()
        if self._clock is not None:
            self._clock.cancel()
            await asyncio.gather(self._clock, return_exceptions=True)
        return cut

    async def _let_finish(self, grace: float) -> None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + grace
        state = self._uvicorn.server_state
        while state.connections or state.tasks:
            # Again each time: a connection may have been accepted just before the end.
            for connection in list(state.connections):
                connection.shutdown()
            if loop.time() >= deadline:
                return
            await asyncio.sleep(_POLL)

    async def _cancel(self) -> int:
        tasks = list(self._uvicorn.server_state.tasks)
        if not tasks:
            return 0
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks, timeout=_UNWIND)
        _LOG.warning("requests cancelled at shutdown: %d", len(tasks))
        return len(tasks)

    async def _keep_date(self) -> None:
        while True:
            await self._uvicorn.on_tick(0)  # writes the Date header anew
            await asyncio.sleep(1.0)


async def serve(
    servers: Sequence[Server], lifetime: Lifetime, *, grace: float, notice: float = 0.0
) -> int:
    """Serve until `lifetime` drains, then end.

    Args:
        servers: what is served.
        lifetime: told `serve` once all accept, and `end` when none does.
        grace: seconds that requests in flight have to finish.
        notice: seconds between the first word of the end (streams end, readiness answers 503) and
            the closing of the sockets, for load balancers that poll readiness.

    Returns:
        How many requests were cancelled because `grace` was not enough.
    """
    try:
        for server in servers:
            await server.start()
            _LOG.info("listening on %s", server.address)
        lifetime.serve()
        await lifetime.told_to_end()
        await asyncio.sleep(notice)
    except BaseException:
        grace = 0.0
        raise
    finally:
        lifetime.drain()
        cut = sum(await asyncio.gather(*(server.stop(grace) for server in servers)))
        lifetime.end()
    return cut


@contextlib.contextmanager
def ended_by_signals(lifetime: Lifetime) -> Iterator[None]:
    """Let SIGTERM and SIGINT drain `lifetime`; a second one kills the process at once.

    Only for the main thread, inside a running loop. The handlers from before come back at exit.
    """
    loop = asyncio.get_running_loop()

    def end(number: int) -> None:
        _LOG.info("%s: finishing what is in flight", signal.Signals(number).name)
        lifetime.drain()

    def heard(number: int, _: FrameType | None) -> None:
        # The default action is the kernel's: it works even if the loop is stuck.
        for each in _SIGNALS:
            signal.signal(each, signal.SIG_DFL)
        loop.call_soon_threadsafe(end, number)

    before = {each: signal.signal(each, heard) for each in _SIGNALS}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def run(main: Callable[[], Coroutine[Any, Any, _T]]) -> _T:
    """Run `main` on the fastest loop there is: uvloop where it exists."""
    factory = None if sys.platform == "win32" else uvloop.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        return runner.run(main())


class _OurLogOnly(logging.Filter):
    """Drops what uvicorn says of things that are logged already, or that any caller can cause."""

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, ResponseCut | asyncio.CancelledError):
            return False
        return record.levelno >= logging.ERROR


_FILTER: Final = _OurLogOnly()


def _quieten() -> None:
    logging.getLogger("uvicorn.error").addFilter(_FILTER)


def _file_of(listener: socket.socket) -> tuple[Path, int] | None:
    if listener.family != socket.AF_UNIX:
        return None
    path = Path(listener.getsockname())
    return path, path.stat().st_ino


def _remove(path: Path, inode: int) -> None:
    with contextlib.suppress(FileNotFoundError):
        if path.stat().st_ino == inode:  # else another process has taken the place
            path.unlink()
