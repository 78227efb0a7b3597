"""The two ends of the work of `bench.http`: a model that answers at once or after a while, and its
callers.

Standard library only, on bare protocols, so that what lies between the ends is what is measured.
"""

import asyncio
import json
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from bench.work import Batch

_TEXT: Final = "My parcel 4711 is late; it was to come on the 3rd. What can you do for me? "
_QUESTION: Final = json.dumps(  # 2 kB, in the form in which the providers' own clients send it
    {"model": "m", "messages": [{"role": "user", "content": _TEXT * 26}]}, separators=(",", ":")
).encode()
_ANSWER: Final = json.dumps(
    {"id": "x", "choices": [{"message": {"role": "assistant", "content": _TEXT * 9}}]},
    separators=(",", ":"),
).encode()
_HEAD: Final = (
    b"POST /v1/chat/completions HTTP/1.1\r\nhost: bench\r\ncontent-type: application/json\r\n"
    b"authorization: Bearer %b\r\ncontent-length: %d\r\n\r\n"
)
_KEY: Final = "sk-0123456789abcdef0123456789abcdef"
_REPLY: Final = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"


def _complete(buffer: bytes) -> bool:
    head, found, body = buffer.partition(b"\r\n\r\n")
    if not found:
        return False
    _, named, rest = head.lower().partition(b"content-length:")
    if not named:  # in chunks
        return body.endswith(b"0\r\n\r\n")
    return len(body) >= int(rest.split(b"\r\n", 1)[0])


class _Model(asyncio.Protocol):
    def __init__(self, thinks: float) -> None:
        self._thinks = thinks

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._buffer = b""

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if _complete(self._buffer):
            self._buffer = b""
            if self._thinks:
                asyncio.get_running_loop().call_later(self._thinks, self._answer)
            else:
                self._answer()

    def _answer(self) -> None:
        self._transport.write(_REPLY % len(_ANSWER) + _ANSWER)


class _Caller(asyncio.Protocol):
    def __init__(
        self, requests: int, key: str, latencies_us: list[float], done: asyncio.Future[None]
    ) -> None:
        self._left = requests
        self._key = key.encode()
        self._latencies_us = latencies_us
        self._done = done

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._ask()

    def _ask(self) -> None:
        self._buffer = b""
        self._asked = time.perf_counter()
        self._transport.write(_HEAD % (self._key, len(_QUESTION)) + _QUESTION)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if not _complete(self._buffer):
            return
        self._latencies_us.append((time.perf_counter() - self._asked) * 1e6)
        assert self._buffer.startswith(b"HTTP/1.1 200 "), self._buffer
        assert _ANSWER in self._buffer, self._buffer
        self._left -= 1
        if self._left:
            self._ask()
        else:
            self._transport.close()
            self._done.set_result(None)


def load(port: int, *, callers: int, requests: int, cpu: bool, key: str = _KEY) -> Batch:
    """Let `callers` send `requests` each, one after the other.

    Args:
        port: of whoever answers, on this machine.
        callers: connections at once.
        requests: of each.
        cpu: whether the answerer tells the CPU seconds that it has used, at `/cpu`.
        key: sent as the bearer token.
    """
    before = _cpu(port) if cpu else 0.0
    latencies_us = asyncio.run(_load(port, callers, requests, key))
    after = _cpu(port) if cpu else 0.0
    return Batch(callers * requests, latencies_us=latencies_us, other_cpu_s=after - before)


async def _load(port: int, callers: int, requests: int, key: str) -> list[float]:
    loop = asyncio.get_running_loop()
    latencies_us: list[float] = []
    waits = []
    for _ in range(callers):
        done: asyncio.Future[None] = loop.create_future()
        caller = _Caller(requests, key, latencies_us, done)
        await loop.create_connection(lambda caller=caller: caller, "127.0.0.1", port)  # type: ignore[misc] # the default binds it
        waits.append(done)
    await asyncio.gather(*waits)
    return latencies_us


def _cpu(port: int) -> float:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/cpu") as answer:
        return float(answer.read())


@contextmanager
def started(*arguments: str) -> Iterator[int]:
    """Run `python -m …`, which prints the port that it listens on; yield the port."""
    command = [sys.executable, "-m", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            yield int(process.stdout.readline())
        finally:
            process.kill()


async def _serve_model(thinks: float) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Model(thinks), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve_model(int(sys.argv[1]) / 1000 if sys.argv[1:] else 0.0))
