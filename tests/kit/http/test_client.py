import asyncio
import contextlib
import gzip
import socket
import ssl
import sys
import tempfile
import zlib
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from seatrial.kit.errors import SeatrialError
from seatrial.kit.http.asgi import Receive, Scope, Send
from seatrial.kit.http.by_aiohttp import _Aiohttp, aiohttp_client
from seatrial.kit.http.by_pyreqwest import pyreqwest_client
from seatrial.kit.http.calls import Client
from seatrial.kit.http.client import (
    AnswerBroken,
    AnswerTooLarge,
    CallTimedOut,
    ClientClosed,
    HttpClient,
    Limits,
    PeerUnreachable,
    Phase,
    Request,
    Response,
    Timeouts,
    surely_unsent,
)
from seatrial.kit.http.listening import listen_unix
from seatrial.kit.http.server import Server, run
from tests.kit.http.certificates import authority_and_server
from tests.kit.http.peers import (
    PATIENCE,
    Script,
    eventually,
    peer,
    read_request,
    says,
    serving,
)

CLIENTS = {"pyreqwest": pyreqwest_client, "aiohttp": aiohttp_client}
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
QUICK = Timeouts(first_byte=0.2, chunk=0.2, total=PATIENCE)

Make = Callable[..., Client]


@pytest.fixture(params=CLIENTS)
def make(request: pytest.FixtureRequest) -> Make:
    found: Make = CLIENTS[request.param]
    return found


async def _fetch(client: HttpClient, request: Request, limit: int = 1_000_000) -> bytes:
    async with client.send(request) as response:
        return await response.read(limit)


def _against(
    make: Make, script: Script, act: Callable[[HttpClient, str], Coroutine[Any, Any, None]]
) -> None:
    async def main() -> None:
        async with peer(script) as port, make(Limits(connect=1.0, pool=0.2)) as client:
            await act(client, f"http://127.0.0.1:{port}")

    run(main)


def _fails(make: Make, script: Script, **request: Any) -> SeatrialError:
    """The error that a call against `script` ends with."""
    caught: list[SeatrialError] = []

    async def act(client: HttpClient, url: str) -> None:
        try:
            await _fetch(client, Request(url=url, **request))
        except SeatrialError as error:
            caught.append(error)

    _against(make, script, act)
    assert len(caught) == 1
    return caught[0]


# --- What is sent


def _sent(make: Make, path: str, **request: Any) -> tuple[bytes, set[tuple[bytes, bytes]], bytes]:
    """Request line, headers with lower-case names, body, as they arrive."""
    raw = b""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal raw
        raw = await read_request(reader)
        writer.write(OK)

    async def act(client: HttpClient, url: str) -> None:
        await _fetch(client, Request(url=url + path, **request))

    _against(make, script, act)
    head, _, body = raw.partition(b"\r\n\r\n")
    line, *headers = head.split(b"\r\n")
    pairs = (header.split(b": ", 1) for header in headers)
    return line, {(name.lower(), value) for name, value in pairs}, body


@pytest.mark.parametrize(
    "path",
    ["/", "/a%2Fb/%c3%bc;x=1,2", "/a/?q=%20&b=+&c[d]=e&f=/?:@!$(*)", "/~a._-//b", "/...?.."],
)
def test_the_target_arrives_as_written(make: Make, path: str) -> None:
    assert _sent(make, path)[0] == f"GET {path} HTTP/1.1".encode()


def test_nothing_is_sent_that_was_not_asked_for(make: Make) -> None:
    _, headers, body = _sent(make, "/", headers=(("X-Twice", "1"), ("X-Twice", "2")))
    (host,) = [value for name, value in headers if name == b"host"]
    assert host.startswith(b"127.0.0.1:")
    assert headers - {(b"host", host)} == {
        (b"accept", b"*/*"),
        (b"user-agent", b"seatrial"),
        (b"x-twice", b"1"),
        (b"x-twice", b"2"),
    }
    assert body == b""


def test_headers_of_the_caller_win(make: Make) -> None:
    given = (("Host", "api.example.com"), ("User-Agent", "me"), ("Accept", "text/event-stream"))
    assert _sent(make, "/", headers=given)[1] == {
        (name.lower().encode(), value.encode()) for name, value in given
    }


@pytest.mark.parametrize(
    ("method", "body"),
    [("POST", b"x" * 200_000), ("PUT", b"y" * 2_000_000), ("PUT", b""), ("POST", b"")],
)
def test_a_body_is_sent_whole_with_its_length(make: Make, method: str, body: bytes) -> None:
    line, headers, arrived = _sent(make, "/", method=method, body=body)
    assert line.startswith(method.encode())
    assert (b"content-length", str(len(body)).encode()) in headers
    assert arrived == body


def test_names_below_localhost_are_this_machine(make: Make) -> None:
    raw = b""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal raw
        raw = await read_request(reader)
        writer.write(OK)

    async def act(client: HttpClient, url: str) -> None:
        port = url.rpartition(":")[2]
        await _fetch(client, Request(url=f"http://acme.staging.localhost:{port}/"))
        assert f"\r\nhost: acme.staging.localhost:{port}\r\n".encode() in raw.lower()

    _against(make, script, act)


def test_the_environment_names_no_proxy(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    assert _sent(make, "/")[0] == b"GET / HTTP/1.1"


# --- What comes back


def test_an_answer_has_its_status_headers_and_body(make: Make) -> None:
    script = says(
        b"HTTP/1.1 418 Teapot\r\nContent-Length: 5\r\nX-A: 1\r\nx-a: 2\r\nX-L: caf\xe9\r\n\r\nhello"
    )

    async def act(client: HttpClient, url: str) -> None:
        async with client.send(Request(url=url)) as response:
            assert response.status == 418
            assert response.headers == (("content-length", "5"), ("x-a", "1"), ("x-a", "2"))
            assert await response.read(5) == b"hello"

    _against(make, script, act)


@pytest.mark.parametrize(
    ("method", "raw", "body"),
    [
        ("GET", b"HTTP/1.1 200 OK\r\n\r\nuntil the end", b"until the end"),
        ("GET", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", b""),
        ("GET", b"HTTP/1.1 204 No Content\r\n\r\n", b""),
        ("GET", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 99999\r\n\r\n", b""),
        ("HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n", b""),
        ("GET", b"HTTP/1.1 100 Continue\r\n\r\n" + OK, b"hi"),
        (
            "GET",
            CHUNKED + b"2;x=y\r\nhi\r\n0\r\nT: x\r\n\r\n",
            b"hi",
        ),
    ],
)
def test_a_body_ends_where_its_message_says(
    make: Make, method: str, raw: bytes, body: bytes
) -> None:
    async def act(client: HttpClient, url: str) -> None:
        assert await _fetch(client, Request(url=url, method=method), limit=100) == body

    _against(make, says(raw), act)


def test_a_header_of_many_kilobytes_is_read(make: Make) -> None:
    script = says(b"HTTP/1.1 200 OK\r\nX-Long: " + b"a" * 30_000 + b"\r\nContent-Length: 0\r\n\r\n")

    async def act(client: HttpClient, url: str) -> None:
        async with client.send(Request(url=url)) as response:
            assert dict(response.headers)["x-long"] == "a" * 30_000

    _against(make, script, act)


def test_parts_arrive_when_they_are_sent(make: Make) -> None:
    go_on = asyncio.Event()

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(CHUNKED + b"3\r\none\r\n")
        await go_on.wait()
        writer.write(b"3\r\ntwo\r\n0\r\n\r\n")

    async def act(client: HttpClient, url: str) -> None:
        seen = []
        async with client.send(Request(url=url)) as response:
            async for part in response:
                seen.append(part)
                go_on.set()
        assert seen == [b"one", b"two"]

    _against(make, script, act)


def test_a_redirect_is_an_answer_like_any_other(make: Make) -> None:
    script = says(b"HTTP/1.1 302 Found\r\nLocation: /other\r\nContent-Length: 0\r\n\r\n")

    async def act(client: HttpClient, url: str) -> None:
        async with client.send(Request(url=url)) as response:
            assert (response.status, dict(response.headers)["location"]) == (302, "/other")

    _against(make, script, act)


def test_a_cookie_is_not_kept(make: Make) -> None:
    heads: list[bytes] = []

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await read_request(reader))
        writer.write(b"HTTP/1.1 200 OK\r\nSet-Cookie: a=b; Path=/\r\nContent-Length: 0\r\n\r\n")

    async def act(client: HttpClient, url: str) -> None:
        for _ in range(2):
            await _fetch(client, Request(url=url.replace("127.0.0.1", "a.localhost")))

    _against(make, script, act)
    assert len(heads) == 2
    assert not any(b"cookie" in head.lower() for head in heads)


def test_aiohttp_has_nowhere_to_keep_a_cookie() -> None:
    # Its usual jar ignores addresses, the only hosts that a test may call.
    async def main() -> None:
        async with aiohttp_client() as client:
            assert isinstance(client.engine, _Aiohttp)
            assert isinstance(client.engine._session.cookie_jar, aiohttp.DummyCookieJar)

    run(main)


def test_calls_one_after_the_other_share_a_connection(make: Make) -> None:
    connections = 0

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        while True:
            await read_request(reader)
            writer.write(OK)

    async def act(client: HttpClient, url: str) -> None:
        for _ in range(10):
            assert await _fetch(client, Request(url=url)) == b"hi"

    _against(make, script, act)
    assert connections == 1


# --- What goes wrong


@pytest.mark.parametrize("framing", [b"Content-Length: 1000000\r\n\r\n", b"\r\n"])
def test_more_than_the_limit_is_not_taken(make: Make, framing: bytes) -> None:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\n" + framing)
        for _ in range(100):
            writer.write(b"x" * 10_000)
            await writer.drain()

    async def act(client: HttpClient, url: str) -> None:
        with pytest.raises(AnswerTooLarge):
            await _fetch(client, Request(url=url), limit=50_000)

    _against(make, script, act)


def test_an_announced_excess_is_not_waited_for(make: Make) -> None:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000001\r\n\r\n")
        await reader.read()

    assert isinstance(_fails(make, script), AnswerTooLarge)


BROKEN = {
    "closed without a word": b"",
    "head cut": b"HTTP/1.1 200 OK\r\nConte",
    "body shorter than said": b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhi",
    "chunks cut": CHUNKED + b"5\r\nhello\r\n",
    "chunk cut": CHUNKED + b"5\r\nhel",
    "chunk without a size": CHUNKED + b"zz\r\nhello\r\n",
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nhi",
    "negative length": b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\nhi",
    "no http": b"\x00\x01\x02 hello\r\n\r\n",
    "endless head": b"HTTP/1.1 200 OK\r\n" + b"X: 12345678\r\n" * 100_000,
}


@pytest.mark.parametrize("raw", BROKEN.values(), ids=BROKEN)
def test_a_broken_answer_is_named_and_its_request_may_have_arrived(make: Make, raw: bytes) -> None:
    error = _fails(make, says(raw))
    assert isinstance(error, AnswerBroken)
    assert not surely_unsent(error)
    assert "127.0.0.1" in error.message
    assert "\n" not in error.message


@pytest.mark.parametrize(
    "raw",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi and more",
        CHUNKED[:-2] + b"Content-Length: 1\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
    ],
)
def test_more_than_was_announced_never_gets_into_a_body(make: Make, raw: bytes) -> None:
    async def act(client: HttpClient, url: str) -> None:
        with contextlib.suppress(AnswerBroken):
            assert await _fetch(client, Request(url=url)) == b"hi"
        assert await _fetch(client, Request(url=url)) == b"hi"

    answers = iter([raw, OK])

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(next(answers))

    _against(make, script, act)


def test_a_reset_in_the_middle_is_a_broken_answer(make: Make) -> None:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhi")
        await writer.drain()
        await asyncio.sleep(0.05)
        raw = writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        writer.transport.abort()

    assert isinstance(_fails(make, script), AnswerBroken)


def test_where_nobody_listens_nothing_was_sent(make: Make) -> None:
    async def main() -> None:
        async with peer(says()) as port:
            pass
        async with make() as client:
            with pytest.raises(PeerUnreachable) as caught:
                await _fetch(client, Request(url=f"http://127.0.0.1:{port}/?secret=1"))
        assert surely_unsent(caught.value)
        assert "secret" not in caught.value.message
        assert (
            "refused" in caught.value.message.lower() or "connect" in caught.value.message.lower()
        )

    run(main)


async def _mute(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    await read_request(reader)
    await asyncio.sleep(PATIENCE)


async def _stalls(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await read_request(reader)
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhi")
    await asyncio.sleep(PATIENCE)


async def _dribbles(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await read_request(reader)
    writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
    while True:
        writer.write(b"x")
        await asyncio.sleep(0.02)


@pytest.mark.parametrize(
    ("script", "timeouts", "phase"),
    [
        (_mute, QUICK, Phase.FIRST_BYTE),
        (_stalls, QUICK, Phase.CHUNK),
        (_dribbles, Timeouts(chunk=5, total=0.2), Phase.TOTAL),
        (_mute, Timeouts(first_byte=5, total=0.2), Phase.TOTAL),
    ],
)
def test_each_wait_is_bounded_and_told_apart(
    make: Make, script: Script, timeouts: Timeouts, phase: Phase
) -> None:
    error = _fails(make, script, timeouts=timeouts)
    assert isinstance(error, CallTimedOut)
    assert error.fields["phase"] is phase
    assert error.fields["seconds"] == 0.2


@pytest.mark.skipif(sys.platform != "linux", reason="others answer a full backlog with a reset")
def test_a_connection_that_does_not_come_about_is_a_timeout_of_its_own(make: Make) -> None:
    async def main() -> None:
        with contextlib.ExitStack() as sockets:
            full = sockets.enter_context(socket.socket())
            full.bind(("127.0.0.1", 0))
            full.listen(0)
            for _ in range(4):
                client = sockets.enter_context(socket.socket())
                client.settimeout(0.0)
                with contextlib.suppress(BlockingIOError):
                    client.connect(full.getsockname())
            async with make(Limits(connect=0.2)) as caller:
                with pytest.raises(CallTimedOut) as caught:
                    await _fetch(caller, Request(url=f"http://127.0.0.1:{full.getsockname()[1]}/"))
        assert caught.value.fields["phase"] is Phase.CONNECT
        assert surely_unsent(caught.value)

    run(main)


def test_a_call_beyond_the_limit_waits_and_then_gives_up(make: Make) -> None:
    async def main() -> None:
        async with peer(_mute) as port, make(Limits(calls=2, pool=0.1)) as client:
            request = Request(url=f"http://127.0.0.1:{port}/")
            first = [asyncio.create_task(_fetch(client, request)) for _ in range(2)]
            await eventually(client.slots.locked)
            with pytest.raises(CallTimedOut) as caught:
                await _fetch(client, request)
            assert caught.value.fields["phase"] is Phase.POOL
            waiting = asyncio.create_task(_fetch(client, Request(url=request.url, timeouts=QUICK)))
            await asyncio.sleep(0)
            first[0].cancel()
            with pytest.raises(CallTimedOut) as caught:  # it got the slot, and waits for an answer
                await waiting
            assert caught.value.fields["phase"] is Phase.FIRST_BYTE
            first[1].cancel()
            await asyncio.gather(*first, return_exceptions=True)

    run(main)


# --- Decoding


def _encoded(encoding: bytes, body: bytes) -> Script:
    return says(
        b"HTTP/1.1 200 OK\r\nContent-Encoding: %s\r\nContent-Length: %d\r\n\r\n"
        % (encoding, len(body))
        + body
    )


def test_without_being_asked_nothing_is_decoded(make: Make) -> None:
    body = gzip.compress(b"x" * 1000, mtime=0)

    async def act(client: HttpClient, url: str) -> None:
        assert await _fetch(client, Request(url=url)) == body

    _against(make, _encoded(b"gzip", body), act)


@pytest.mark.parametrize(
    ("encoding", "body", "meant"),
    [
        (b"gzip", gzip.compress(b"hello" * 100_000, mtime=0), b"hello" * 100_000),
        (b"gzip", gzip.compress(b"one", mtime=0) + gzip.compress(b"two", mtime=0), b"onetwo"),
        (b"gzip", gzip.compress(b"", mtime=0), b""),
        (b"gzip", b"", b""),
        (b"deflate", zlib.compress(b"hello"), b"hello"),
        (b"identity", b"hello", b"hello"),
    ],
)
def test_what_is_asked_to_be_decoded_is(
    make: Make, encoding: bytes, body: bytes, meant: bytes
) -> None:
    async def act(client: HttpClient, url: str) -> None:
        assert await _fetch(client, Request(url=url, decode=True)) == meant

    _against(make, _encoded(encoding, body), act)


def test_asking_to_decode_says_what_can_be_decoded(make: Make) -> None:
    assert (b"accept-encoding", b"gzip, deflate") in _sent(make, "/", decode=True)[1]


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        (b"gzip", gzip.compress(b"hello", mtime=0)[:-4]),
        (b"gzip", b"this is no gzip"),
        (b"br", b"whatever"),
    ],
)
def test_what_cannot_be_decoded_is_a_broken_answer(
    make: Make, encoding: bytes, body: bytes
) -> None:
    assert isinstance(_fails(make, _encoded(encoding, body), decode=True), AnswerBroken)


def test_a_small_body_cannot_become_a_huge_one(make: Make) -> None:
    bomb = gzip.compress(b"\0" * 50_000_000, mtime=0)

    async def act(client: HttpClient, url: str) -> None:
        with pytest.raises(AnswerTooLarge):
            await _fetch(client, Request(url=url, decode=True), limit=1_000_000)
        async with client.send(Request(url=url, decode=True)) as response:
            async for part in response:
                assert len(part) <= 262_144
                break

    _against(make, _encoded(b"gzip", bomb), act)


# --- Giving up, and letting go


async def _leave(response: Response) -> None:
    async for _ in response:
        return


@pytest.mark.parametrize("way", ["cancelled early", "cancelled late", "left", "timed out"])
def test_a_call_given_up_closes_its_connection_and_frees_its_slot(make: Make, way: str) -> None:
    arrived, gone = asyncio.Event(), asyncio.Event()

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        if way != "cancelled early":
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhi")
        arrived.set()
        with contextlib.suppress(OSError):
            await reader.read()
        gone.set()

    async def main() -> None:
        async with peer(script) as port, make(Limits(calls=1)) as client:
            # pyreqwest lets go of a call without a head only when its time is over.
            total = 0.3 if make is pyreqwest_client else None
            timeouts = QUICK if way == "timed out" else Timeouts(total=total)
            request = Request(url=f"http://127.0.0.1:{port}/", timeouts=timeouts)
            if way == "left":
                async with client.send(request) as response:
                    await _leave(response)
            else:
                task = asyncio.create_task(_fetch(client, request))
                await arrived.wait()
                if way != "timed out":
                    await asyncio.sleep(0.02)
                    task.cancel()
                with pytest.raises((asyncio.CancelledError, CallTimedOut)):
                    await task
            async with asyncio.timeout(PATIENCE):
                await gone.wait()
            assert not client.slots.locked()

    run(main)


@pytest.mark.parametrize("script", [_mute, _stalls])
def test_a_closed_client_makes_no_calls_and_says_so(make: Make, script: Script) -> None:
    arrived = asyncio.Event()

    async def told(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asyncio.get_running_loop().call_later(0.05, arrived.set)
        await script(reader, writer)

    async def main() -> None:
        async with peer(told) as port:
            client = make()
            request = Request(url=f"http://127.0.0.1:{port}/")
            flying = asyncio.create_task(_fetch(client, request))
            await arrived.wait()
            await client.close()
            await client.close()
            with pytest.raises(ClientClosed):
                await flying
            with pytest.raises(ClientClosed):
                await _fetch(client, request)

    run(main)


def test_thousands_of_calls_at_once_all_get_their_own_answer(make: Make) -> None:
    async def mirror(scope: Scope, _receive: Receive, send: Send) -> None:
        body = scope["path"].encode()
        headers = [(b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def main() -> None:
        async with serving(mirror) as server, make(Limits(calls=100, pool=PATIENCE)) as client:

            async def one(number: int) -> bool:
                got = await _fetch(client, Request(url=f"{server.address}/{number}"))
                return got == f"/{number}".encode()

            assert all(await asyncio.gather(*(one(n) for n in range(2000))))
            assert not client.slots.locked()

    run(main)


# --- Other ways to connect


def test_calls_can_go_through_a_unix_socket() -> None:
    async def hello(scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": dict(scope["headers"])[b"host"]})

    async def main() -> None:
        with tempfile.TemporaryDirectory(prefix="sea") as folder:
            path = Path(folder) / "s"
            server = Server(hello, listen_unix(path))
            await server.start()
            async with aiohttp_client(unix_socket=path) as client:
                assert await _fetch(client, Request(url="http://control/")) == b"control"
            await server.stop(grace=1)
            async with aiohttp_client(unix_socket=path) as client:
                with pytest.raises(PeerUnreachable):
                    await _fetch(client, Request(url="http://control/"))

    run(main)


def test_a_certificate_is_believed_only_if_its_authority_is_trusted(make: Make) -> None:
    authority, server = authority_and_server("127.0.0.1")

    async def main() -> None:
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "c").write_bytes(server)
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(Path(folder) / "c")

        async with peer(says(OK), context) as port:
            request = Request(url=f"https://127.0.0.1:{port}/")
            async with make() as client:
                with pytest.raises(PeerUnreachable):
                    await _fetch(client, request)
            async with make(trusted=authority) as client:
                assert await _fetch(client, request) == b"hi"

    run(main)
