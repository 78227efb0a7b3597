"""Starlette and httpx, the usual pair, at the work of `bench.http`."""

import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from functools import partial

import httpx  # type: ignore[import-not-found] # the peer's
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from bench.peers.http_load import load, started
from bench.work import Work

_DROPPED = {"host", "content-length", "connection", "transfer-encoding"}


def one() -> Iterator[Work]:
    yield from _through(callers=1, requests=2000)


def many() -> Iterator[Work]:
    yield from _through(callers=32, requests=250)


def _through(callers: int, requests: int) -> Iterator[Work]:
    with (
        started("bench.peers.http_load") as model,
        started("bench.peers.starlette_httpx", str(model)) as proxy,
    ):
        yield partial(load, proxy, callers=callers, requests=requests, cpu=True)


def _app(upstream: str) -> Starlette:
    limits = httpx.Limits(max_connections=1000, max_keepalive_connections=1000)
    client = httpx.AsyncClient(limits=limits, timeout=60)

    async def pass_through(request: Request) -> Response:
        body = await request.body()
        headers = [(k, v) for k, v in request.headers.items() if k not in _DROPPED]
        got = await client.post(upstream, content=body, headers=headers)
        return Response(got.content, got.status_code, {"content-type": got.headers["content-type"]})

    async def cpu(_request: Request) -> Response:
        return PlainTextResponse(str(time.process_time()))

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        async with client:
            yield

    routes = [Route("/v1/chat/completions", pass_through, methods=["POST"]), Route("/cpu", cpu)]
    return Starlette(routes=routes, lifespan=lifespan)


def main() -> None:
    config = uvicorn.Config(
        _app(f"http://127.0.0.1:{sys.argv[1]}/v1/chat/completions"),
        port=0,
        access_log=False,
        log_level="error",
    )
    bound = config.bind_socket()
    bound.listen(2048)
    print(bound.getsockname()[1], flush=True)
    uvicorn.Server(config).run(sockets=[bound])


if __name__ == "__main__":
    main()
