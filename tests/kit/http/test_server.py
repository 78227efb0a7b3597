import asyncio
import contextlib
import logging
import re
import socket
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from seatrial.kit.errors import Unavailable
from seatrial.kit.http.answers import answer, answer_json, answer_text
from seatrial.kit.http.asgi import App, Receive, Scope, Send
from seatrial.kit.http.boundary import ErrorBoundary
from seatrial.kit.http.connection import BoundedConnection
from seatrial.kit.http.event_stream import EventStream
from seatrial.kit.http.events import Event
from seatrial.kit.http.lifetime import Lifetime, answer_readiness
from seatrial.kit.http.listening import listen, listen_unix
from seatrial.kit.http.requests import read_body
from seatrial.kit.http.server import Server, run, serve
from tests.kit.http.peers import (
    IDS,
    PATIENCE,
    connected,
    eventually,
    exchange,
    port_of,
    serving,
)

LOOPS = [run, lambda main: asyncio.run(main())]
ASKING = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
CLOSE = b"Host: x\r\nConnection: close\r\n"


class _Late(Unavailable):
    """Too late."""

    code = "test_server_late"
    cause = "It is."
    remedy = "Hurry."


async def hello(scope: Scope, _receive: Receive, send: Send) -> None:
    await answer_text(send, f"hello {scope['path']}")


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    body = await read_body(scope, receive, limit=100_000)
    await answer(send, body, content_type=b"application/octet-stream")


def _bounded(app: App) -> App:
    return ErrorBoundary(app, IDS)


@pytest.mark.parametrize("start", LOOPS)
def test_an_app_answers_over_tcp(
    start: Callable[[Callable[[], Coroutine[Any, Any, None]]], None],
) -> None:
    async def main() -> None:
        async with serving(hello) as server:
            raw = await exchange(port_of(server), b"GET /a%20b HTTP/1.1\r\n" + CLOSE + b"\r\n")
        head, _, body = raw.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 OK\r\n")
        assert body == b"hello /a b"
        assert re.search(rb"\r\ndate: \w{3}, \d\d ", head)
        assert b"server:" not in head

    start(main)


@pytest.mark.parametrize("start", LOOPS)
def test_small_writes_are_sent_at_once_on_every_loop(
    start: Callable[[Callable[[], Coroutine[Any, Any, None]]], None],
) -> None:
    async def main() -> None:
        async with serving(hello) as server, connected(port_of(server)):
            connections = server._uvicorn.server_state.connections
            await eventually(lambda: len(connections) == 1)
            transport = next(iter(connections)).transport
            accepted = transport.get_extra_info("socket")
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)

    start(main)


@pytest.mark.parametrize("start", LOOPS)
def test_an_app_answers_over_a_unix_socket_that_is_gone_afterwards(
    start: Callable[[Callable[[], Coroutine[Any, Any, None]]], None],
) -> None:
    async def main() -> None:
        with tempfile.TemporaryDirectory(prefix="sea") as folder:
            path = Path(folder) / "s"
            server = Server(hello, listen_unix(path))
            await server.start()
            reader, writer = await asyncio.open_unix_connection(path)
            writer.write(b"GET / HTTP/1.1\r\n" + CLOSE + b"\r\n")
            assert (await reader.read()).endswith(b"hello /")
            writer.close()
            await server.stop(grace=1)
            assert not path.exists()

    start(main)


def test_a_socket_file_of_a_successor_is_left_alone() -> None:
    async def main() -> None:
        with tempfile.TemporaryDirectory(prefix="sea") as folder:
            path = Path(folder) / "s"
            server = Server(hello, listen_unix(path))
            await server.start()
            path.unlink()
            with listen_unix(path):
                await server.stop(grace=0)
                assert path.exists()

    run(main)


def test_several_apps_share_a_process_and_a_lifetime() -> None:
    async def main() -> None:
        lifetime = Lifetime()

        async def ready(_scope: Scope, _receive: Receive, send: Send) -> None:
            await answer_readiness(send, lifetime)

        servers = [Server(hello, listen("127.0.0.1", 0)), Server(ready, listen("127.0.0.1", 0))]
        serving_ = asyncio.create_task(serve(servers, lifetime, grace=1))
        await eventually(lambda: lifetime.serving)
        request = b"GET / HTTP/1.1\r\n" + CLOSE + b"\r\n"
        assert b"hello" in await exchange(port_of(servers[0]), request)
        assert b'"serving"' in await exchange(port_of(servers[1]), request)
        lifetime.drain()
        assert await serving_ == 0
        for server in servers:
            with pytest.raises(OSError, match=r"refused|Connect call failed"):
                await exchange(port_of(server), request)

    run(main)


def test_what_is_in_flight_may_finish_and_nothing_new_is_accepted() -> None:
    async def main() -> None:
        lifetime, release = Lifetime(), asyncio.Event()

        async def slow(_scope: Scope, _receive: Receive, send: Send) -> None:
            await release.wait()
            await answer_text(send, "finished")

        server = Server(_bounded(slow), listen("127.0.0.1", 0))
        over = asyncio.create_task(serve([server], lifetime, grace=PATIENCE))
        await eventually(lambda: lifetime.serving)
        port = port_of(server)
        async with connected(port) as (reader, writer), connected(port) as (idle, _):
            writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            await eventually(lambda: len(server._uvicorn.server_state.tasks) == 1)
            lifetime.drain()
            assert await idle.read() == b""  # an idle connection is closed
            with pytest.raises(OSError, match=r"refused|Connect call failed"):
                await exchange(port, b"")
            release.set()
            raw = await reader.read()
        assert raw.startswith(b"HTTP/1.1 200")
        assert b"connection: close" in raw
        assert raw.endswith(b"finished")
        assert await over == 0

    run(main)


def test_what_does_not_finish_in_time_is_told_and_counted(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def main() -> None:
        lifetime = Lifetime()

        async def stuck(_scope: Scope, _receive: Receive, _send: Send) -> None:
            await asyncio.Event().wait()

        server = Server(_bounded(stuck), listen("127.0.0.1", 0))
        over = asyncio.create_task(serve([server], lifetime, grace=0.05))
        await eventually(lambda: lifetime.serving)
        asking = asyncio.create_task(
            exchange(port_of(server), b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        )
        await eventually(lambda: len(server._uvicorn.server_state.tasks) == 1)
        lifetime.drain()
        assert await over == 1
        raw = await asking
        assert raw.startswith(b"HTTP/1.1 503")
        assert b"shutting_down" in raw

    run(main)
    assert [r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING] == [
        "requests cancelled at shutdown: 1"
    ]


def test_streams_end_at_once_and_in_order() -> None:
    async def main() -> None:
        lifetime = Lifetime()

        async def forever() -> AsyncIterator[Event]:
            yield Event(data="first", id="1")
            await asyncio.Event().wait()

        async def stream(scope: Scope, receive: Receive, send: Send) -> None:
            await EventStream(lifetime=lifetime).answer(scope, receive, send, forever())

        server = Server(_bounded(stream), listen("127.0.0.1", 0))
        over = asyncio.create_task(serve([server], lifetime, grace=PATIENCE))
        await eventually(lambda: lifetime.serving)
        async with connected(port_of(server)) as (reader, writer):
            writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            await reader.readuntil(b"data: first")
            lifetime.drain()
            rest = await reader.read()
        assert rest.endswith(b"0\r\n\r\n")  # the chunked answer is whole
        assert await over == 0

    run(main)


def test_a_client_that_leaves_a_stream_ends_it(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        closed = asyncio.Event()

        async def forever() -> AsyncIterator[Event]:
            try:
                yield Event(data="x")
                await asyncio.Event().wait()
            finally:
                closed.set()

        async def stream(scope: Scope, receive: Receive, send: Send) -> None:
            await EventStream(lifetime=Lifetime()).answer(scope, receive, send, forever())

        async with serving(_bounded(stream)) as server:
            async with connected(port_of(server)) as (reader, writer):
                writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
                await reader.readuntil(b"data: x")
            async with asyncio.timeout(PATIENCE):
                await closed.wait()
            await eventually(lambda: not server._uvicorn.server_state.tasks)

    run(main)
    assert [r for r in caplog.records if r.levelno >= logging.WARNING] == []


def test_a_client_that_never_reads_takes_bounded_memory_and_does_not_hold_up_the_end() -> None:
    async def main() -> None:
        made = 0

        async def flood() -> AsyncIterator[Event]:
            nonlocal made
            while True:
                made += 1
                yield Event(data="x" * 65_536)

        async def stream(scope: Scope, receive: Receive, send: Send) -> None:
            await EventStream(lifetime=Lifetime()).answer(scope, receive, send, flood())

        async with serving(_bounded(stream)) as server:
            with socket.socket() as deaf:
                deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                deaf.connect(("127.0.0.1", port_of(server)))
                deaf.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
                await eventually(lambda: made > 1)
                before = -1
                while before != made:
                    before = made
                    await asyncio.sleep(0.1)
                assert made < 1000  # 64 MB
                async with asyncio.timeout(PATIENCE):
                    await server.stop(grace=0)
                assert not server._uvicorn.server_state.connections

    run(main)


@pytest.mark.skipif(sys.platform != "linux", reason="TCP_USER_TIMEOUT is Linux's")
def test_the_kernel_drops_a_client_that_never_reads() -> None:
    async def large(_scope: Scope, _receive: Receive, send: Send) -> None:
        await answer(send, b"x" * 50_000_000, content_type=b"text/plain")

    async def main() -> None:
        listener = listen("127.0.0.1", 0)
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 300)
        server = Server(large, listener)
        await server.start()
        with socket.socket() as deaf:
            deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            deaf.connect(("127.0.0.1", port_of(server)))
            deaf.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            await eventually(lambda: len(server._uvicorn.server_state.connections) == 1)
            await eventually(lambda: not server._uvicorn.server_state.connections)
        await server.stop(grace=0)

    run(main)


def test_an_answer_that_breaks_off_is_seen_to_be_broken(caplog: pytest.LogCaptureFixture) -> None:
    async def breaks(scope: Scope, _receive: Receive, send: Send) -> None:
        length = [(b"content-length", b"100")] if scope["path"] == "/fixed" else []
        await send({"type": "http.response.start", "status": 200, "headers": length})
        await send({"type": "http.response.body", "body": b"part", "more_body": True})
        raise _Late

    async def main() -> None:
        async with serving(_bounded(breaks)) as server:
            for path in (b"/fixed", b"/chunked"):
                raw = await exchange(
                    port_of(server), b"GET " + path + b" HTTP/1.1\r\nHost: x\r\n\r\n"
                )
                assert b"part" in raw
                assert not raw.endswith(b"0\r\n\r\n")
                assert b"problem" not in raw

    run(main)
    assert [r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING] == [
        "Too late.",
        "Too late.",
    ]


def test_a_client_that_sends_too_much_hears_why_before_the_connection_closes() -> None:
    async def main() -> None:
        async with serving(_bounded(echo)) as server:
            for head, part in (
                (b"Content-Length: 3000000\r\n", b"x" * 100_000),
                (b"Transfer-Encoding: chunked\r\n", b"186a0\r\n" + b"x" * 100_000 + b"\r\n"),
            ):
                async with connected(port_of(server)) as (reader, writer):
                    writer.write(b"POST / HTTP/1.1\r\nHost: x\r\n" + head + b"\r\n")
                    for _ in range(30):
                        writer.write(part)
                    raw = await reader.read()
                assert raw.startswith(b"HTTP/1.1 413")
                assert b"body_too_large" in raw

    run(main)


def test_a_client_that_waits_for_100_is_refused_before_it_sends() -> None:
    async def main() -> None:
        async with serving(_bounded(echo)) as server:
            request = b"POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n"
            raw = await exchange(port_of(server), request + b"Content-Length: 3000000\r\n\r\n")
            assert raw.startswith(b"HTTP/1.1 413")
            assert b"connection: close" in raw
            async with connected(port_of(server)) as (reader, writer):
                writer.write(request + b"Content-Length: 2\r\nConnection: close\r\n\r\n")
                assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
                writer.write(b"hi")
                assert (await reader.read()).endswith(b"hi")

    run(main)


@pytest.mark.parametrize(
    "raw",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET / HTTP/1.1\r\nHost x\r\n\r\n",
        b"GET / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"GET / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"nonsense\r\n\r\n",
    ],
)
def test_what_is_not_http_is_a_problem_too(raw: bytes, caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        async with serving(_bounded(echo)) as server:
            got = await exchange(port_of(server), raw)
        assert got.startswith(b"HTTP/1.1 400 Bad Request\r\n")
        assert b"content-type: application/problem+json" in got
        assert b"request_malformed" in got

    run(main)
    assert [r for r in caplog.records if r.levelno >= logging.WARNING] == []


@pytest.mark.parametrize(
    ("opening", "more"),
    [
        (b"GET / HTTP/1.1\r\nHost: x\r\n", b"X-Y: " + b"a" * 10_000 + b"\r\n"),
        (b"GET / HTTP/1.1\r\nHost: x\r\nX-Y: ", b"a" * 10_000),
        (b"GET /", b"a" * 10_000),
        (b"", b"\r\n" * 5_000),
        (ASKING + b"0\r\n", b"X-Y: " + b"a" * 10_000 + b"\r\n"),
        (ASKING + b"0\r\nX-Y: ", b"a" * 10_000),
        (ASKING + b"2;x=", b"a" * 10_000),
        (ASKING + b"2\r\nhi\r\n", b"0" * 10_000),
    ],
)
def test_what_is_not_body_and_has_no_end_is_refused(opening: bytes, more: bytes) -> None:
    async def main() -> None:
        async with serving(_bounded(echo)) as server:
            async with connected(port_of(server)) as (reader, writer):
                writer.write(opening)
                answer_ = asyncio.create_task(reader.read())
                sent = 0
                while not answer_.done() and sent < 1000:
                    writer.write(more)
                    sent += 1
                    await asyncio.sleep(0.001)
                assert sent < 1000  # 10 MB
                raw = b""
                with contextlib.suppress(ConnectionResetError):
                    raw = await answer_
            assert raw == b"" or raw.startswith((b"HTTP/1.1 431 ", b"HTTP/1.1 400 "))
            await eventually(lambda: not server._uvicorn.server_state.tasks)

    run(main)


def test_a_trailer_does_not_pass_for_a_header() -> None:
    async def names(scope: Scope, receive: Receive, send: Send) -> None:
        await read_body(scope, receive, limit=100)
        await answer_text(send, repr(sorted(name for name, _ in scope["headers"])))

    async def main() -> None:
        async with serving(names) as server:
            raw = await exchange(
                port_of(server),
                b"POST / HTTP/1.1\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
                b"2\r\nhi\r\n0\r\nX-Admin: yes\r\n\r\n",
            )
        assert raw.endswith(b"[b'connection', b'transfer-encoding']")

    run(main)


def test_a_head_without_end_behind_a_request_in_flight_is_cut_not_spliced() -> None:
    async def main() -> None:
        release = asyncio.Event()

        async def slow(_scope: Scope, _receive: Receive, send: Send) -> None:
            await release.wait()
            await answer_text(send, "first")

        async with serving(_bounded(slow)) as server:
            async with connected(port_of(server)) as (reader, writer):
                writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\n")
                writer.write(b"X: " + b"a" * 300_000)
                raw = b""
                with contextlib.suppress(ConnectionResetError):
                    async with asyncio.timeout(PATIENCE):
                        raw = await reader.read()
                assert raw == b""
            release.set()
            await eventually(lambda: not server._uvicorn.server_state.tasks)

    run(main)


@pytest.mark.parametrize(
    ("sent", "answered"),
    [
        (b"", b""),
        (b"\r\n", b""),
        (b"GET / HT", b"HTTP/1.1 408"),
        (b"GET / HTTP/1.1\r\nHost: x\r\nX-Slow: a", b"HTTP/1.1 408"),
    ],
)
def test_a_client_that_does_not_get_to_the_point_is_let_go(
    monkeypatch: pytest.MonkeyPatch, sent: bytes, answered: bytes
) -> None:
    monkeypatch.setattr(BoundedConnection, "head_seconds", 0.1)

    async def main() -> None:
        async with serving(hello) as server:
            raw = await exchange(port_of(server), sent)
        assert raw.startswith(answered)
        assert bool(raw) is bool(answered)

    run(main)


def test_a_second_request_on_a_connection_is_bounded_like_the_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(BoundedConnection, "head_seconds", 0.1)

    async def main() -> None:
        async with serving(hello) as server:
            raw = await exchange(port_of(server), b"GET /1 HTTP/1.1\r\nHost: x\r\n\r\nGET /2 HT")
        assert b"hello /1" in raw
        assert b"HTTP/1.1 408" in raw

    run(main)


def test_a_request_that_takes_long_is_not_taken_for_a_slow_head(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(BoundedConnection, "head_seconds", 0.05)

    async def slow(scope: Scope, receive: Receive, send: Send) -> None:
        body = await read_body(scope, receive, limit=100)
        await asyncio.sleep(0.2)
        await answer_json(send, len(body))

    async def main() -> None:
        async with serving(slow) as server, connected(port_of(server)) as (reader, writer):
            writer.write(b"POST / HTTP/1.1\r\nContent-Length: 4\r\n" + CLOSE + b"\r\nab")
            await asyncio.sleep(0.1)
            writer.write(b"cd")
            assert (await reader.read()).endswith(b"4")

    run(main)


def test_an_upgrade_is_not_taken_up_and_not_worth_a_line(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def main() -> None:
        async with serving(hello) as server:
            raw = await exchange(
                port_of(server),
                b"GET / HTTP/1.1\r\nHost: x\r\n"
                b"Connection: upgrade, close\r\nUpgrade: websocket\r\n\r\n",
            )
        assert raw.startswith(b"HTTP/1.1 200")

    run(main)
    assert [r for r in caplog.records if r.levelno >= logging.WARNING] == []


def test_a_server_that_never_started_can_be_stopped() -> None:
    async def main() -> None:
        assert await Server(hello, listen("127.0.0.1", 0)).stop(grace=0) == 0

    run(main)


def test_when_serving_is_cancelled_everything_is_closed() -> None:
    async def main() -> None:
        lifetime = Lifetime()
        server = Server(hello, listen("127.0.0.1", 0))
        task = asyncio.create_task(serve([server], lifetime, grace=60))
        await eventually(lambda: lifetime.serving)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        with pytest.raises(OSError, match=r"refused|Connect call failed"):
            await exchange(port_of(server), b"")

    run(main)
