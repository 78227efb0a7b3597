"""A provider that breaks HTTP itself: it writes what it is told, byte for byte."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: %b\r\n"
JSON, EVENTS = b"application/json", b"text/event-stream"


def whole(body: bytes, *, length: int, media: bytes = JSON) -> bytes:
    """An answer that says that its body has `length` bytes."""
    return HEAD % media + b"content-length: %d\r\n\r\n" % length + body


def chunked(*parts: bytes, over: bool = True, media: bytes = EVENTS) -> bytes:
    """An answer in parts; not `over`, it is never ended."""
    body = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts)
    return HEAD % media + b"transfer-encoding: chunked\r\n\r\n" + body + (b"0\r\n\r\n" * over)


@contextlib.asynccontextmanager
async def saying(answer: bytes, *, close: bool = True) -> AsyncIterator[str]:
    """A server that answers each request with `answer`; else than `close`, it then stalls."""
    held: set[asyncio.StreamWriter] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        held.add(writer)
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            head = await reader.readuntil(b"\r\n\r\n")
            size = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
            await reader.readexactly(size)
            writer.write(answer)
            await writer.drain()
            if not close:
                await reader.read()  # until the other side goes
        writer.close()
        held.discard(writer)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        port = server.sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}"
    finally:
        for writer in held:
            writer.close()
        server.close()
        await server.wait_closed()
