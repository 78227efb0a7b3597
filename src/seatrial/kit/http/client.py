"""The one way out over HTTP: what a call is, what may go wrong, and the port that makes it.

A call follows no redirect, keeps no cookie, reads no proxy from the environment and hands on the
body's bytes as they came, unless asked otherwise.
"""

import enum
import functools
import re
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Final, Protocol

from seatrial.kit.errors import BadUpstream, Invalid, SeatrialError, TimedOut, Unavailable

HOP_BY_HOP: Final = frozenset(
    {
        "connection",
        "content-length",
        "expect",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
"""Headers of one connection: a proxy drops them both ways, and no request may set them."""

_METHOD: Final = re.compile(r"[A-Z]{1,20}\Z")
_NAME: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+\Z")
_URL: Final = re.compile(
    r"(?P<scheme>https?)://"
    r"(?P<host>[A-Za-z0-9_](?:[A-Za-z0-9._-]*[A-Za-z0-9_])?|\[[0-9A-Fa-f:.]+\])(?P<port>:[0-9]{1,5})?"
    r"(?P<target>(?:/(?:[A-Za-z0-9._~!$&()*+,;=:@/-]|%[0-9A-Fa-f]{2})*)?"
    r"(?:\?(?:[A-Za-z0-9._~!$&()*+,;=:@/?\[\]-]|%[0-9A-Fa-f]{2})*)?)\Z"
)
_DOTS: Final = re.compile(r"/(?:\.|%2e){1,2}(?:/|\?|\Z)", re.IGNORECASE)


class Phase(enum.StrEnum):
    """What was waited for when time ran out."""

    POOL = "a free connection"
    CONNECT = "the connection"
    FIRST_BYTE = "the first byte"
    CHUNK = "the next part"
    TOTAL = "the whole answer"


class PeerUnreachable(Unavailable):
    """Cannot connect to {peer}: {reason}."""

    code = "peer_unreachable"
    cause = "Nothing listens there, the name does not resolve, or its certificate is not trusted."
    remedy = "Check the address, and that the server runs; nothing was sent, so a retry is safe."


class CallTimedOut(TimedOut):
    """Waited {seconds:g} s for {phase} of {peer}."""

    code = "call_timed_out"
    cause = "The server, or the network to it, is slower than the call allows."
    remedy = "Retry if the request is safe to repeat; else ask the server what became of it."


class AnswerBroken(BadUpstream):
    """The answer of {peer} is broken: {reason}."""

    code = "answer_broken"
    cause = "The server closed the connection early, lied about a length, or does not speak HTTP."
    remedy = "Ask the server what became of the request before it is repeated."


class AnswerTooLarge(BadUpstream):
    """The answer of {peer} is larger than {limit} bytes."""

    code = "answer_too_large"
    cause = "The server sends more than this call accepts."
    remedy = "Ask for less, or raise the limit where such answers are meant."


class CallMalformed(Invalid):
    """The request cannot be sent: {reason}."""

    code = "call_malformed"
    cause = "A URL, method or header is not one that every server reads alike."
    remedy = "Percent-encode the URL's parts, give credentials in a header, and leave out `..`."


class ClientClosed(Unavailable):
    """The HTTP client is closed."""

    code = "client_closed"
    cause = "The process, or the part of it that owns the client, is ending."
    remedy = "Send the request again to a process that is serving."


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """How long one call may take, in seconds.

    Attributes:
        first_byte: from the first attempt to connect until the answer's headers.
        chunk: between two parts of the body.
        total: all together; None where the stream may go on for ever.
    """

    first_byte: float = 60.0
    chunk: float = 60.0
    total: float | None = 600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one client may hold.

    Attributes:
        calls: calls at once; a further one waits.
        pool: seconds that it waits.
        connect: seconds to connect, name and TLS included.
        idle: seconds that an unused connection is kept. Less than servers keep theirs.
    """

    calls: int = 1000
    pool: float = 10.0
    connect: float = 5.0
    idle: float = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One call.

    Attributes:
        url: `http` or `https`, percent-encoded, without credentials and dot segments. The name
            `localhost` and any name below it is 127.0.0.1 for `http`, whatever a resolver says.
        method: in capitals.
        headers: names and values, ASCII; none of `HOP_BY_HOP`.
        body: sent with its length.
        timeouts: see there.
        decode: ask for gzip or deflate and hand on what was inside.
    """

    url: str
    method: str = "GET"
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    timeouts: Timeouts = field(default_factory=Timeouts)
    decode: bool = False


class Response(Protocol):
    """An answer whose head has arrived.

    Attributes:
        status: its status.
        headers: lower-case names and values, in order; values that are not ASCII are left out.
    """

    status: int
    headers: tuple[tuple[str, str], ...]

    async def read(self, limit: int) -> bytes:
        """The whole body, once.

        Raises:
            AnswerTooLarge: it is larger than `limit` bytes; no more than that was kept.
            AnswerBroken: it is not whole.
            CallTimedOut: it came too slowly.
        """
        ...

    def __aiter__(self) -> AsyncIterator[bytes]:
        """The body's parts as they come, once; raises as `read`, without a limit."""
        ...


class HttpClient(Protocol):
    """Makes calls. One serves a process; thousands may be under way on its event loop."""

    def send(self, request: Request) -> AbstractAsyncContextManager[Response]:
        """Make the call: `async with client.send(request) as response`.

        Leaving the block early gives the answer up and closes its connection.

        Raises:
            CallMalformed: before anything is sent.
            PeerUnreachable: nothing was sent.
            CallTimedOut, AnswerBroken: see `surely_unsent`.
            ClientClosed: the client was closed.
        """
        ...

    async def close(self) -> None:
        """Close every connection. Calls under way fail."""
        ...


def surely_unsent(error: SeatrialError) -> bool:
    """Whether a call that ended with `error` reached no server, so that repeating it is safe."""
    if isinstance(error, CallTimedOut):
        return error.fields["phase"] in {Phase.POOL, Phase.CONNECT}
    return isinstance(error, PeerUnreachable | CallMalformed | ClientClosed)


def first_header(headers: tuple[tuple[str, str], ...], name: str) -> str | None:
    """The first value of header `name` (lower case), or None."""
    return next((value for key, value in headers if key == name), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where a URL leads.

    Attributes:
        url: what is dialled.
        host: the `Host` header.
    """

    url: str
    host: str


@functools.lru_cache(maxsize=1024)
def target(url: str) -> Target:
    """Where `url` leads.

    Raises:
        CallMalformed: it is not a URL that every program reads alike.
    """
    match = _URL.match(url)
    if match is None:
        raise CallMalformed(reason="its URL is not plain, percent-encoded http(s)")
    if _DOTS.search(match["target"]):
        raise CallMalformed(reason="its URL has a segment `.` or `..`")
    port = match["port"] or ""
    if port and not 0 < int(port[1:]) < 65536:
        raise CallMalformed(reason=f"its URL has the port {port[1:]}")
    host = match["host"].lower()
    dialled = host
    if match["scheme"] == "http" and (host == "localhost" or host.endswith(".localhost")):
        dialled = "127.0.0.1"
    rest = match["target"] if match["target"].startswith("/") else f"/{match['target']}"
    return Target(url=f"{match['scheme']}://{dialled}{port}{rest}", host=f"{host}{port}")


def check(request: Request) -> None:
    """Refuse what two servers could read in two ways.

    Raises:
        CallMalformed: the method or a header.
    """
    if not _METHOD.match(request.method):
        raise CallMalformed(reason=f"its method is {request.method!r}")
    for name, value in request.headers:
        if not _NAME.match(name) or name.lower() in HOP_BY_HOP:
            raise CallMalformed(reason=f"it may not set the header {name!r}")
        if not (value.isascii() and value.isprintable()):
            raise CallMalformed(reason=f"the value of its header {name!r} is not printable ASCII")
