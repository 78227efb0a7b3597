"""What serving a flag by OFREP costs, above HTTP itself and beside the evaluation inside it."""

import asyncio
import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import orjson

from bench.harness import ROOT, Comparison, Contender
from bench.work import Batch, Work
from seatrial.cell.door.callers import Anybody, Callers, TokenHolders
from seatrial.cell.door.flag_source import ServedFlags, edition
from seatrial.cell.door.ofrep import Ofrep
from seatrial.contract.flags.splits import Generation
from seatrial.kit.clock import SystemClock
from seatrial.kit.http.answers import JSON, answer
from seatrial.kit.http.asgi import App, Receive, Scope, Send
from seatrial.kit.http.boundary import ErrorBoundary
from seatrial.kit.http.lifetime import Lifetime
from seatrial.kit.http.listening import listen
from seatrial.kit.http.requests import read_body
from seatrial.kit.http.server import Server, run, serve
from seatrial.kit.ids import Ids

_REQUESTS = 8_000
_CONNECTIONS = 8
_TOKEN = "a-token-that-is-long-enough"  # noqa: S105 - made up
_CONTEXT = {"targetingKey": "user-1", "plan": "pro", "email": "ann@example.com"}
_SPLIT = {
    "state": "ENABLED",
    "variants": {"on": True, "off": False},
    "defaultVariant": "off",
    "targeting": {"fractional": [["on", 5], ["off", 95]]},
}
_TEXT = json.dumps({"flags": {f"flag-{n}": _SPLIT for n in range(100)}}).encode()


def _flags() -> ServedFlags:
    return ServedFlags(edition(_TEXT, generation=Generation.V3, now=datetime.now(UTC)))


def _ofrep(callers: Callers) -> App:
    return Ofrep(_flags(), callers=callers, lifetime=Lifetime(), clock=SystemClock())


async def _bare(scope: Scope, receive: Receive, send: Send) -> None:
    """Reads what is sent, answers as many bytes as OFREP does, and decides nothing."""
    await read_body(scope, receive, limit=1 << 20)
    await answer(send, _ANSWER, content_type=JSON)


_ANSWER = orjson.dumps(
    {"key": "flag-7", "reason": "TARGETING_MATCH", "variant": "off", "value": False}
)


def _request(path: str) -> bytes:
    body = orjson.dumps({"context": _CONTEXT})
    head = (
        f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        f"Authorization: Bearer {_TOKEN}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def _over_http(app: App, path: str, requests: int = _REQUESTS) -> Iterator[Work]:
    """The app in this process, whose CPU is counted; the load comes from another."""
    listener, lifetime, begun = listen("127.0.0.1", 0), Lifetime(), threading.Event()
    loops: list[asyncio.AbstractEventLoop] = []

    async def main() -> None:
        loops.append(asyncio.get_running_loop())
        begun.set()
        await serve([Server(app, listener)], lifetime, grace=5)

    thread = threading.Thread(target=lambda: run(main))
    port = str(listener.getsockname()[1])
    thread.start()
    begun.wait()
    with subprocess.Popen(
        [sys.executable, "-m", "bench.ofrep", port, path, str(requests)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as load:
        yield lambda: _loaded(load)
        load.terminate()
    loops[0].call_soon_threadsafe(lifetime.drain)
    thread.join()


def _loaded(load: subprocess.Popen[str]) -> Batch:
    assert load.stdin
    assert load.stdout
    load.stdin.write("go\n")
    load.stdin.flush()
    latencies = json.loads(load.stdout.readline())
    return Batch(len(latencies), latencies)


def engine() -> Iterator[Work]:
    definition = _flags().current.definition

    def work() -> int:
        for _ in range(400_000):
            definition.evaluate("flag-7", _CONTEXT, 0)
        return 400_000

    yield work


def _single(app: Callable[[], App]) -> Callable[[], Iterator[Work]]:
    return lambda: _over_http(app(), "/ofrep/v1/evaluate/flags/flag-7")


bare = _single(lambda: _bare)
bounded = _single(lambda: ErrorBoundary(_bare, Ids(SystemClock())))
ofrep = _single(lambda: ErrorBoundary(_ofrep(Anybody()), Ids(SystemClock())))
guarded = _single(lambda: ErrorBoundary(_ofrep(TokenHolders([_TOKEN])), Ids(SystemClock())))


def bulk() -> Iterator[Work]:
    app = ErrorBoundary(_ofrep(Anybody()), Ids(SystemClock()))
    return _over_http(app, "/ofrep/v1/evaluate/flags", _REQUESTS // 8)


class _Load(asyncio.Protocol):
    """One connection that asks again as soon as it is answered."""

    def __init__(self, request: bytes, times: int, latencies: list[float]) -> None:
        self._request = request
        self._left = times
        self._latencies = latencies
        self.done = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # TCP's
        self._transport = transport
        self._ask()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(exc or ConnectionResetError())

    def data_received(self, data: bytes) -> None:
        self._seen += data
        head, end, body = self._seen.partition(b"\r\n\r\n")
        if not end or len(body) < int(head.partition(b"content-length: ")[2].split(b"\r")[0]):
            return
        assert head.startswith(b"HTTP/1.1 200"), head
        self._latencies.append((time.perf_counter() - self._sent) * 1e6)
        self._left -= 1
        if self._left:
            self._ask()
        else:
            self.done.set_result(None)
            self._transport.close()

    def _ask(self) -> None:
        self._seen, self._sent = b"", time.perf_counter()
        self._transport.write(self._request)


async def _load(port: int, path: str, requests: int) -> list[float]:
    loop, latencies = asyncio.get_running_loop(), list[float]()
    request, times = _request(path), requests // _CONNECTIONS
    clients = [
        (await loop.create_connection(lambda: _Load(request, times, latencies), "127.0.0.1", port))[
            1
        ]
        for _ in range(_CONNECTIONS)
    ]
    await asyncio.gather(*(client.done for client in clients))
    return latencies


COMPARISONS = (
    Comparison(
        name="ofrep",
        question="What does a flag cost by OFREP above an answer that decides nothing, and the "
        "evaluation (a 5 % split) in it? Server's CPU alone, 8 connections.",
        operation="answer",
        contenders=(
            Contender(name="bare ASGI", target="bench.ofrep:bare"),
            Contender(name="bare, with the error boundary", target="bench.ofrep:bounded"),
            Contender(name="OFREP, one flag", target="bench.ofrep:ofrep"),
            Contender(name="OFREP, one flag, with a token", target="bench.ofrep:guarded"),
            Contender(name="OFREP, all of 100 flags", target="bench.ofrep:bulk"),
            Contender(name="evaluation alone", target="bench.ofrep:engine"),
        ),
    ),
)


if __name__ == "__main__":
    for _ in sys.stdin:
        print(json.dumps(run(lambda: _load(int(sys.argv[1]), sys.argv[2], int(sys.argv[3])))))
        sys.stdout.flush()
