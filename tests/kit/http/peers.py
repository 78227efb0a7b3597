"""Partners for tests: an in-memory server for one request, a real one, and raw sockets."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from seatrial.kit.clock import SystemClock
from seatrial.kit.http.asgi import App, Message, Receive, Scope
from seatrial.kit.http.listening import listen
from seatrial.kit.http.server import Server
from seatrial.kit.ids import Ids

IDS = Ids(SystemClock())
PATIENCE = 10.0  # seconds; only a broken test waits so long


@dataclass
class Answer:
    messages: list[Message] = field(default_factory=list)

    @property
    def status(self) -> int:
        return int(self.messages[0]["status"])

    @property
    def headers(self) -> dict[bytes, bytes]:
        return dict(self.messages[0]["headers"])

    @property
    def body(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.messages[1:])

    @property
    def json(self) -> Any:
        return orjson.loads(self.body)


def scope(
    method: str = "GET",
    path: str = "/",
    headers: Sequence[tuple[bytes, bytes]] = (),
    query: bytes = b"",
) -> Scope:
    return {
        "type": "http",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": query,
        "headers": list(headers),
    }


def body_of(*parts: bytes) -> Receive:
    """A client that sends `parts` and then goes away."""
    pending: list[Message] = [
        {"type": "http.request", "body": part, "more_body": number < len(parts)}
        for number, part in enumerate(parts, start=1)
    ]

    async def receive() -> Message:
        return pending.pop(0) if pending else {"type": "http.disconnect"}

    return receive


async def silence() -> Message:
    """A client that stays and says nothing."""
    await asyncio.Event().wait()
    raise AssertionError


async def call(app: App, request: Scope, receive: Receive | None = None) -> Answer:
    answer = Answer()

    async def send(message: Message) -> None:
        answer.messages.append(message)

    await app(request, receive or body_of(b""), send)
    return answer


@contextlib.asynccontextmanager
async def serving(app: App, *, grace: float = 0.0) -> AsyncIterator[Server]:
    server = Server(app, listen("127.0.0.1", 0))
    await server.start()
    try:
        yield server
    finally:
        await server.stop(grace)


def port_of(server: Server) -> int:
    return int(server.address.rpartition(":")[2])


@contextlib.asynccontextmanager
async def connected(
    port: int,
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield reader, writer
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


async def exchange(port: int, request: bytes) -> bytes:
    """Everything the server says to `request` until it closes."""
    async with connected(port) as (reader, writer), asyncio.timeout(PATIENCE):
        writer.write(request)
        return await reader.read()


Script = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@contextlib.asynccontextmanager
async def peer(script: Script, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """A raw server that plays `script` to each connection; yields its port."""
    playing: set[asyncio.Task[None]] = set()

    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                await script(reader, writer)
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()
        finally:
            writer.transport.abort()  # uvloop hangs at its end over a transport left open

    def connected_(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(play(reader, writer))
        playing.add(task)
        task.add_done_callback(playing.discard)

    server = await asyncio.start_server(connected_, "127.0.0.1", 0, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in list(playing):
            task.cancel()
        await asyncio.gather(*playing, return_exceptions=True)


async def read_request(reader: asyncio.StreamReader) -> bytes:
    """Head and body of one request with a content length (or none)."""
    head = await reader.readuntil(b"\r\n\r\n")
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return head + await reader.readexactly(int(line.partition(b":")[2]))
    return head


def says(*parts: bytes) -> Script:
    """Read one request, send `parts`, close."""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        for part in parts:
            writer.write(part)
            await writer.drain()

    return script


def open_files() -> int:
    return sum(1 for _ in Path("/dev/fd").iterdir())


async def eventually(condition: Callable[[], bool]) -> None:
    """Wait until `condition` holds."""
    async with asyncio.timeout(PATIENCE):
        while not condition():  # noqa: ASYNC110 - what is waited for sets no event
            await asyncio.sleep(0.005)
