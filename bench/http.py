"""What one hop costs: a caller, a pass-through made of `kit.http`, a model that answers at once."""

import sys
import time
from collections.abc import Iterator
from functools import partial
from typing import Final

from bench.harness import Comparison, Contender
from bench.peers.http_load import load, started
from bench.work import Work
from seatrial.kit.clock import SystemClock
from seatrial.kit.http.answers import answer_text
from seatrial.kit.http.asgi import Receive, Scope, Send
from seatrial.kit.http.boundary import ErrorBoundary
from seatrial.kit.http.by_aiohttp import aiohttp_client
from seatrial.kit.http.by_pyreqwest import pyreqwest_client
from seatrial.kit.http.client import HOP_BY_HOP, HttpClient, Request
from seatrial.kit.http.lifetime import Lifetime
from seatrial.kit.http.listening import listen
from seatrial.kit.http.requests import read_body
from seatrial.kit.http.routes import Routes
from seatrial.kit.http.server import Server, run, serve
from seatrial.kit.ids import Ids

_MODEL: Final = "bench.peers.http_load"
_LIMIT: Final = 10_000_000  # bytes
_ONE: Final = {"callers": 1, "requests": 2000}
_MANY: Final = {"callers": 32, "requests": 250}
SLOW: Final = {"callers": 1, "requests": 300}
THINKS: Final = 20  # milliseconds, a tenth of what the fastest providers take


def direct_one() -> Iterator[Work]:
    yield from _direct(**_ONE)


def direct_many() -> Iterator[Work]:
    yield from _direct(**_MANY)


def aiohttp_one() -> Iterator[Work]:
    yield from _through("aiohttp", **_ONE)


def aiohttp_many() -> Iterator[Work]:
    yield from _through("aiohttp", **_MANY)


def aiohttp_slow() -> Iterator[Work]:
    yield from _through("aiohttp", **SLOW, thinks=THINKS)


def pyreqwest_one() -> Iterator[Work]:
    yield from _through("pyreqwest", **_ONE)


def pyreqwest_many() -> Iterator[Work]:
    yield from _through("pyreqwest", **_MANY)


def _direct(callers: int, requests: int) -> Iterator[Work]:
    with started(_MODEL) as model:
        yield partial(load, model, callers=callers, requests=requests, cpu=False)


def _through(engine: str, callers: int, requests: int, thinks: int = 0) -> Iterator[Work]:
    with started(_MODEL, str(thinks)) as model, started("bench.http", engine, str(model)) as proxy:
        yield partial(load, proxy, callers=callers, requests=requests, cpu=True)


class _PassThrough:
    """What the model API is at its barest: read, send on, hand back."""

    def __init__(self, client: HttpClient, upstream: str) -> None:
        self._client = client
        self._upstream = upstream

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = await read_body(scope, receive, limit=_LIMIT)
        headers = tuple(
            (name.decode(), value.decode())
            for name, value in scope["headers"]
            if name != b"host" and name.decode() not in HOP_BY_HOP
        )
        request = Request(url=self._upstream, method="POST", headers=headers, body=body)
        async with self._client.send(request) as response:
            answer = await response.read(_LIMIT)
        kept = [(n.encode(), v.encode()) for n, v in response.headers if n not in HOP_BY_HOP]
        kept.append((b"content-length", b"%d" % len(answer)))
        await send({"type": "http.response.start", "status": response.status, "headers": kept})
        await send({"type": "http.response.body", "body": answer})


async def _cpu(_scope: Scope, _receive: Receive, send: Send) -> None:
    await answer_text(send, str(time.process_time()))


async def _serve() -> None:
    engine, model = sys.argv[1:]
    upstream = f"http://127.0.0.1:{model}/v1/chat/completions"
    async with aiohttp_client() if engine == "aiohttp" else pyreqwest_client() as client:
        app = Routes(
            [
                ("POST", "/v1/chat/completions", _PassThrough(client, upstream)),
                ("GET", "/cpu", _cpu),
            ]
        )
        server = Server(ErrorBoundary(app, Ids(SystemClock())), listen("127.0.0.1", 0))
        print(server.address.rpartition(":")[2], flush=True)
        await serve([server], Lifetime(), grace=0)


def _comparison(name: str, who: str, suffix: str) -> Comparison:
    return Comparison(
        name=f"http-{name}",
        question=f"What does one hop through `kit.http` add to a model call, for {who}? (The CPU "
        "includes the callers', which the floor shows alone. The hop: request id, error boundary, "
        "routes, a bounded body, the outgoing client with every time limit armed.)",
        operation="call",
        contenders=(
            Contender(name="no hop", target=f"bench.http:direct_{suffix}"),
            Contender(name="kit.http, aiohttp", target=f"bench.http:aiohttp_{suffix}"),
            Contender(name="kit.http, pyreqwest", target=f"bench.http:pyreqwest_{suffix}"),
            Contender(
                name="Starlette, httpx",
                target=f"bench.peers.starlette_httpx:{suffix}",
                peer="starlette_httpx",
            ),
        ),
    )


COMPARISONS = (
    _comparison("one", "one caller", "one"),
    _comparison("many", "32 callers at once", "many"),
)

if __name__ == "__main__":
    run(_serve)
