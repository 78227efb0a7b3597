"""The long loops of this room."""

import asyncio
import contextlib
import resource
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from typing import Any, Final

from dev.soak import Soak
from seatrial.kit.errors import SeatrialError
from seatrial.kit.http.answers import answer
from seatrial.kit.http.asgi import Receive, Scope, Send
from seatrial.kit.http.boundary import ErrorBoundary
from seatrial.kit.http.by_aiohttp import aiohttp_client
from seatrial.kit.http.by_pyreqwest import pyreqwest_client
from seatrial.kit.http.calls import Client
from seatrial.kit.http.client import Limits, Request, Timeouts
from seatrial.kit.http.event_stream import EventStream
from seatrial.kit.http.events import Event
from seatrial.kit.http.lifetime import Lifetime
from seatrial.kit.http.requests import read_body
from seatrial.kit.http.routes import Routes
from seatrial.kit.http.server import run
from tests.kit.http.peers import (
    IDS,
    connected,
    eventually,
    exchange,
    open_files,
    peer,
    port_of,
    says,
    serving,
)

_AT_ONCE: Final = 60
_THREADS_FILES: Final = 8  # that pyreqwest's own thread keeps for ever
_POST: Final = b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n"
_GET: Final = b"GET /stream HTTP/1.1\r\nHost: x\r\n\r\n"


async def _echo(scope: Scope, receive: Receive, send: Send) -> None:
    body = await read_body(scope, receive, limit=1000)
    await answer(send, body, content_type=b"text/plain")


async def _forever() -> AsyncIterator[Event]:
    yield Event(data="begun")
    await asyncio.Event().wait()


async def _stream(scope: Scope, receive: Receive, send: Send) -> None:
    await EventStream(lifetime=Lifetime()).answer(scope, receive, send, _forever())


async def _whole(port: int) -> None:
    assert (await exchange(port, _POST + b"Connection: close\r\n\r\nhi")).endswith(b"hi")


async def _left_in_the_body(port: int) -> None:
    async with connected(port) as (_, writer):
        writer.write(_POST + b"\r\nh")


async def _left_in_the_stream(port: int) -> None:
    async with connected(port) as (reader, writer):
        writer.write(_GET)
        await reader.readuntil(b"begun")


async def _nonsense(port: int) -> None:
    assert b" 400 " in await exchange(port, b"nonsense\r\n\r\n")


async def _too_large(port: int) -> None:
    request = b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 1001\r\n\r\n" + b"x" * 1001
    assert b" 413 " in await exchange(port, request)


def _served(loops: int) -> Mapping[str, object]:
    fates = (_whole, _left_in_the_body, _left_in_the_stream, _nonsense, _too_large)

    async def main() -> Mapping[str, object]:
        app = ErrorBoundary(Routes([("POST", "/echo", _echo), ("GET", "/stream", _stream)]), IDS)
        async with serving(app) as server:
            state = server._uvicorn.server_state

            async def settled() -> None:
                await eventually(lambda: not state.connections and not state.tasks)

            return await _leaks(
                loops, lambda number: fates[number % len(fates)](port_of(server)), settled
            )

    return run(main)


def _called(make: Callable[[Limits], Client], spare: int) -> Callable[[int], Mapping[str, object]]:
    async def mute(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await reader.read()

    scripts = [
        says(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"),
        says(b""),
        says(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhi"),
        mute,
    ]

    async def main(loops: int) -> Mapping[str, object]:
        async with contextlib.AsyncExitStack() as stack:
            ports = [await stack.enter_async_context(peer(script)) for script in scripts]
            before = len(asyncio.all_tasks())
            client = await stack.enter_async_context(make(Limits(idle=0.5)))

            async def one(number: int) -> None:
                url = f"http://127.0.0.1:{ports[number % len(ports)]}/"
                timeouts = Timeouts(first_byte=0.2, total=0.3)
                with contextlib.suppress(SeatrialError):
                    async with client.send(Request(url=url, timeouts=timeouts)) as response:
                        await response.read(100)

            async def settled() -> None:
                await eventually(lambda: len(asyncio.all_tasks()) <= before)

            return await _leaks(loops, one, settled, spare)

    return lambda loops: run(lambda: main(loops))


async def _leaks(
    loops: int,
    one: Callable[[int], Coroutine[Any, Any, None]],
    settled: Callable[[], Coroutine[Any, Any, None]],
    spare: int = 0,
) -> Mapping[str, object]:
    """What is open after many exchanges and was not after the first few."""
    await asyncio.gather(*(one(number) for number in range(_AT_ONCE)))
    await settled()
    files, tasks, peak = open_files(), len(asyncio.all_tasks()), _peak()
    for start in range(0, loops, _AT_ONCE):
        await asyncio.gather(*(one(start + n) for n in range(min(_AT_ONCE, loops - start))))
    await settled()
    await eventually(lambda: open_files() <= files + spare)
    assert len(asyncio.all_tasks()) <= tasks
    grown = _peak() - peak
    assert grown < 32
    return {"tasks left": 0, "files left": 0, "peak memory grew by MiB": grown}


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


SOAKS: Final = (
    Soak(
        name="leaks, HTTP server",
        promise="requests of every fate leave no task, no file and no memory behind",
        run=_served,
        full=20_000,
        short=300,
    ),
    Soak(
        name="leaks, HTTP client by aiohttp",
        promise="calls of every fate leave no task, no file and no memory behind",
        run=_called(aiohttp_client, 0),
        full=10_000,
        short=240,
    ),
    Soak(
        name="leaks, HTTP client by pyreqwest",
        promise="calls of every fate leave no task, no file and no memory behind",
        run=_called(pyreqwest_client, _THREADS_FILES),
        full=10_000,
        short=240,
    ),
)
