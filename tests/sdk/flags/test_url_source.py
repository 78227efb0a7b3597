import http.server
import queue
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from seatrial.sdk.flags.sources import UrlSource

Heard = queue.Queue[bytes | str]


class _Server(http.server.ThreadingHTTPServer):
    """Serves one text under one ETag, and remembers what it was asked."""

    text = b"one"
    status = 200
    etag: str | None = '"1"'

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.asked: list[dict[str, str]] = []
        self.answered: queue.Queue[int] = queue.Queue()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/flags.json"


class _Handler(http.server.BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        self.server.asked.append(dict(self.headers))
        known = self.server.etag and self.headers.get("If-None-Match") == self.server.etag
        status = 304 if known else self.server.status
        self.send_response(status)
        if self.server.etag:
            self.send_header("ETag", self.server.etag)
        if status == 302:
            self.send_header("Location", self.server.url)
        body = b"" if status == 304 else self.server.text
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.server.answered.put(status)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def server() -> Iterator[_Server]:
    with _Server() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def heard() -> Heard:
    return queue.Queue()


def _opened(server: _Server, heard: Heard, **options: Any) -> UrlSource:
    source = UrlSource(server.url, **{"poll_seconds": 0.01, **options})
    source.open(heard.put, heard.put)
    return source


def test_the_first_text_is_there_before_open_returns_and_a_newer_one_follows(
    server: _Server, heard: Heard
) -> None:
    source = _opened(server, heard)
    assert heard.get_nowait() == b"one"
    server.text, server.etag = b"two", '"2"'
    assert heard.get(timeout=10) == b"two"
    source.close()


def test_what_has_not_changed_is_neither_sent_nor_told_again(server: _Server, heard: Heard) -> None:
    source = _opened(server, heard)
    statuses = [server.answered.get(timeout=10) for _ in range(4)]
    source.close()
    assert statuses == [200, 304, 304, 304]
    assert heard.get_nowait() == b"one"
    assert heard.empty()


def test_a_server_without_etags_is_compared_by_content(server: _Server, heard: Heard) -> None:
    server.etag = None
    source = _opened(server, heard)
    for _ in range(3):
        assert server.answered.get(timeout=10) == 200
    source.close()
    assert heard.qsize() == 1


@pytest.mark.parametrize("status", [302, 401, 404, 500])
def test_another_status_is_trouble_and_no_redirect_carries_the_token(
    server: _Server, heard: Heard, status: int
) -> None:
    server.status = status
    source = _opened(server, heard, token="s3cret", poll_seconds=60)
    source.close()
    assert str(status) in str(heard.get_nowait())
    assert len(server.asked) == 1
    assert server.asked[0]["Authorization"] == "Bearer s3cret"


def test_a_server_that_comes_back_is_heard_again(server: _Server, heard: Heard) -> None:
    server.status = 503
    source = _opened(server, heard)
    assert isinstance(heard.get_nowait(), str)
    server.status = 200
    assert heard.get(timeout=10) == b"one"
    source.close()


def test_a_text_too_large_is_refused(server: _Server, heard: Heard) -> None:
    source = _opened(server, heard, largest=2, poll_seconds=60)
    source.close()
    assert "larger than 2 bytes" in str(heard.get_nowait())


def test_nobody_there_is_trouble(heard: Heard) -> None:
    source = UrlSource("http://127.0.0.1:1/flags.json", poll_seconds=60)
    source.open(heard.put, heard.put)
    source.close()
    assert "not to be had" in str(heard.get_nowait())


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://x/y", "flags.json", ""])
def test_only_http_is_asked(url: str) -> None:
    with pytest.raises(ValueError, match="neither http nor https"):
        UrlSource(url)
