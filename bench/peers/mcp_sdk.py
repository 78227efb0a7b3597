"""The official SDK's MCP server, and a client of few bytes that asks any server the same.

Standard library and, for the server, the packages of `model-clients.txt`.
"""

import asyncio
import contextlib
import importlib
import socket
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager
from typing import Any, Final

from bench.work import Batch, Work

Ask = Callable[[int], tuple[bytes, bytes]]
"""Further headers and the body of one request, by its number."""

_CALLS: Final = {1: 300, 32: 1_600}
_META: Final = (
    b'"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28",'
    b'"io.modelcontextprotocol/clientInfo":{"name":"bench","version":"1"},'
    b'"io.modelcontextprotocol/clientCapabilities":{}}'
)
_HEAD: Final = (
    b"POST %b HTTP/1.1\r\nhost: 127.0.0.1:%d\r\ncontent-type: application/json\r\n"
    b"accept: application/json, text/event-stream\r\nauthorization: Bearer %b\r\n"
    b"%bcontent-length: %d\r\n\r\n%b"
)


def listed(number: int) -> tuple[bytes, bytes]:
    """A request for the tools."""
    body = b'{"jsonrpc":"2.0","id":%d,"method":"tools/list","params":{%b}}' % (number, _META)
    return b"mcp-protocol-version: 2026-07-28\r\nmcp-method: tools/list\r\n", body


def called(number: int) -> tuple[bytes, bytes]:
    """A call of the tool `find`."""
    body = (
        b'{"jsonrpc":"2.0","id":%d,"method":"tools/call",'
        b'"params":{"name":"find","arguments":{"n":%d},%b}}' % (number, number, _META)
    )
    return (
        b"mcp-protocol-version: 2026-07-28\r\nmcp-method: tools/call\r\nmcp-name: find\r\n",
        body,
    )


def called_one() -> Iterator[Work]:
    yield lambda: asyncio.run(_batch(1))


def called_many() -> Iterator[Work]:
    yield lambda: asyncio.run(_batch(32))


async def timed(
    opened: Callable[[], AbstractAsyncContextManager[Any]], callers: int, calls: int
) -> list[float]:
    """Microseconds of each of `calls` calls, made by `callers` callers at once."""
    latencies_us: list[float] = []

    async def caller(first: int) -> None:
        async with opened() as one:
            for number in range(first, calls, callers):
                began = time.perf_counter()
                await one(number)
                latencies_us.append((time.perf_counter() - began) * 1e6)

    await asyncio.gather(*(caller(first) for first in range(callers)))
    return latencies_us


@contextlib.asynccontextmanager
async def client(port: int, path: str, ask: Ask, token: str) -> AsyncIterator[Any]:
    """A connection, as a function that asks and takes the answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)

    async def one(number: int) -> None:
        headers, body = ask(number)
        writer.write(_HEAD % (path.encode(), port, token.encode(), headers, len(body), body))
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
        told = await reader.readexactly(length)
        if b" 200 " not in head or b'"isError":true' in told or b'"ok":false' in told:
            raise RuntimeError(told.decode())

    try:
        yield one
    finally:
        writer.close()


async def _batch(callers: int) -> Batch:
    async with _server() as port:
        latencies_us = await timed(
            lambda: client(port, "/mcp", called, "none"), callers, _CALLS[callers]
        )
    return Batch(_CALLS[callers], latencies_us=latencies_us)


@contextlib.asynccontextmanager
async def _server() -> AsyncIterator[int]:
    server = importlib.import_module("mcp.server").MCPServer("bench", log_level="ERROR")

    async def find(n: int) -> dict[str, int]:
        return {"found": n}

    server.tool(name="find")(find)
    app = server.streamable_http_app(json_response=True, stateless_http=True)
    uvicorn = importlib.import_module("uvicorn")
    there = uvicorn.Server(uvicorn.Config(app, log_level="error"))
    # Named as TCP, or asyncio leaves Nagle's algorithm on, for 40 ms a call.
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as own:
        own.bind(("127.0.0.1", 0))
        work = asyncio.create_task(there.serve(sockets=[own]))
        while not there.started:  # noqa: ASYNC110 - it tells nobody
            await asyncio.sleep(0.01)
        yield own.getsockname()[1]
        there.should_exit = True
        await work
