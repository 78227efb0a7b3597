import pytest

from seatrial.kit.http.client import (
    HOP_BY_HOP,
    AnswerBroken,
    CallMalformed,
    CallTimedOut,
    ClientClosed,
    PeerUnreachable,
    Phase,
    Request,
    check,
    first_header,
    surely_unsent,
    target,
)


@pytest.mark.parametrize(
    ("url", "dialled", "host"),
    [
        ("http://example.com", "http://example.com/", "example.com"),
        (
            "https://Example.COM:8443/A?b=%2F",
            "https://example.com:8443/A?b=%2F",
            "example.com:8443",
        ),
        ("http://[::1]:8700/x", "http://[::1]:8700/x", "[::1]:8700"),
        ("http://localhost/x", "http://127.0.0.1/x", "localhost"),
        ("http://acme.cell.localhost:81/?q", "http://127.0.0.1:81/?q", "acme.cell.localhost:81"),
        ("https://cell.localhost/", "https://cell.localhost/", "cell.localhost"),
        ("http://localhost.example.com/", "http://localhost.example.com/", "localhost.example.com"),
        ("http://a?filter[x]=1", "http://a/?filter[x]=1", "a"),
        ("http://a/..b/c../...", "http://a/..b/c../...", "a"),
    ],
)
def test_a_plain_url_is_dialled_as_written(url: str, dialled: str, host: str) -> None:
    found = target(url)
    assert (found.url, found.host) == (dialled, host)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "example.com",
        "ftp://example.com/",
        "file:///etc/passwd",
        "http://",
        "http:///x",
        "http://user:pw@example.com/",
        "http://example.com@evil.example/",
        "http://example.com\\@evil.example/",
        "http://a/../b",
        "http://a/.",
        "http://a/%2e%2E/b",
        "http://a/x/.%2e?y",
        "http://a/b c",
        "http://a/ü",
        "http://ü/",
        "http://a/%zz",
        "http://a/%",
        "http://a/#fragment",
        "http://a/\r\nX: y",
        "http://a:0/",
        "http://a:65536/",
        "http://a:x/",
        "http://-a/",
        "http://a/<b>",
        "http://a/?'",
        " http://a/",
        "http://a/ ",
        "http://a/\n",
    ],
)
def test_a_url_that_programs_read_differently_is_refused(url: str) -> None:
    with pytest.raises(CallMalformed):
        target(url)


@pytest.mark.parametrize("method", ["get", "", "GET ", "GET /", "X" * 21, "GÉT"])
def test_a_strange_method_is_refused(method: str) -> None:
    with pytest.raises(CallMalformed):
        check(Request(url="http://a/", method=method))


@pytest.mark.parametrize(
    "header",
    [
        ("", "x"),
        ("a b", "x"),
        ("a:", "x"),
        ("ä", "x"),
        ("a", "x\r\ny: z"),
        ("a", "x\0"),
        ("a", "ü"),
        ("Content-Length", "5"),
        *[(name, "x") for name in sorted(HOP_BY_HOP)],
    ],
)
def test_a_header_that_could_change_the_message_is_refused(header: tuple[str, str]) -> None:
    with pytest.raises(CallMalformed):
        check(Request(url="http://a/", headers=(header,)))


def test_what_surely_reached_nobody_may_be_repeated() -> None:
    unsent = [
        CallMalformed(reason="x"),
        ClientClosed(),
        PeerUnreachable(peer="x", reason="y"),
        CallTimedOut(peer="x", phase=Phase.POOL, seconds=1.0),
        CallTimedOut(peer="x", phase=Phase.CONNECT, seconds=1.0),
    ]
    unknown = [
        AnswerBroken(peer="x", reason="y"),
        CallTimedOut(peer="x", phase=Phase.FIRST_BYTE, seconds=1.0),
        CallTimedOut(peer="x", phase=Phase.CHUNK, seconds=1.0),
        CallTimedOut(peer="x", phase=Phase.TOTAL, seconds=1.0),
    ]
    assert all(map(surely_unsent, unsent))
    assert not any(map(surely_unsent, unknown))


def test_the_first_header_of_a_name_is_found() -> None:
    headers = (("a", "1"), ("b", "2"), ("a", "3"))
    assert (first_header(headers, "a"), first_header(headers, "c")) == ("1", None)


def test_a_timeout_says_what_was_waited_for() -> None:
    error = CallTimedOut(peer="api.example.com", phase=Phase.FIRST_BYTE, seconds=2.5)
    assert error.message == "Waited 2.5 s for the first byte of api.example.com."
