"""Calls by aiohttp, on the event loop itself: the default, and the way to Unix sockets.

A call that is given up closes its connection at once, whichever part it had come to: a model that
nobody listens to any more stops writing.
"""

import io
import ssl
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NoReturn

import aiohttp
from yarl import URL

from seatrial.kit.http.calls import BODIED, Client
from seatrial.kit.http.client import (
    AnswerBroken,
    CallMalformed,
    CallTimedOut,
    ClientClosed,
    Limits,
    PeerUnreachable,
    Phase,
    Request,
)

_AT_ONCE: Final = 1 << 20  # bytes
_LONGEST_LINE: Final = 65_536  # bytes of one header; aiohttp's 8 KB is less than some servers send


def aiohttp_client(
    limits: Limits | None = None,
    *,
    trusted: bytes | None = None,
    unix_socket: Path | None = None,
) -> Client:
    """A client over aiohttp. Make it inside the loop that will use it, and close it there.

    Args:
        limits: see there.
        trusted: a certificate authority (PEM) believed besides those of the machine.
        unix_socket: where every call goes, whatever host its URL names.
    """
    chosen = limits or Limits()
    return Client(_Aiohttp(chosen, _connector(chosen, trusted, unix_socket)), chosen)


def _data(body: bytes) -> bytes | io.BytesIO:
    """Above 1 MiB in parts, as aiohttp asks for by a warning: at once it would hold the loop up."""
    return body if len(body) <= _AT_ONCE else io.BytesIO(body)


class _Aiohttp:
    def __init__(self, limits: Limits, connector: aiohttp.BaseConnector) -> None:
        self._connect = limits.connect
        self._session = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=limits.connect),
            auto_decompress=False,
            trust_env=False,
            skip_auto_headers=("accept-encoding", "user-agent", "content-type"),
            max_line_size=_LONGEST_LINE,
            max_field_size=_LONGEST_LINE,
        )

    async def open(
        self, request: Request, *, url: str, host: str, headers: Sequence[tuple[str, str]]
    ) -> "_Stream":
        try:
            response = await self._session.request(
                request.method,
                URL(url, encoded=True),
                headers=headers,
                data=_data(request.body) if request.body or request.method in BODIED else None,
                allow_redirects=False,
            )
        except (aiohttp.ClientError, ValueError, OSError, RuntimeError) as error:
            self._raise(error, host)
        return _Stream(response, host)

    async def close(self) -> None:
        await self._session.close()

    def _raise(self, error: Exception, host: str) -> NoReturn:
        if self._session.closed:
            raise ClientClosed from None
        if isinstance(error, aiohttp.ServerTimeoutError):  # `sock_connect` is the only limit set
            late = CallTimedOut(peer=host, phase=Phase.CONNECT, seconds=self._connect)
            raise late from None
        if isinstance(error, aiohttp.ClientConnectorError):
            raise PeerUnreachable(peer=host, reason=_reason(error)) from None
        if isinstance(error, aiohttp.InvalidURL) or not isinstance(
            error, OSError | aiohttp.ClientError
        ):
            raise CallMalformed(reason=str(error)) from None
        raise AnswerBroken(peer=host, reason=_reason(error)) from None


class _Stream:
    def __init__(self, response: aiohttp.ClientResponse, host: str) -> None:
        self.status = response.status
        self.headers = tuple(
            (name.decode("ascii").lower(), value.decode("ascii"))
            for name, value in response.raw_headers
            if name.isascii() and value.isascii()
        )
        self._response = response
        self._host = host

    async def chunk(self) -> bytes | None:
        try:
            return await self._response.content.readany() or None
        except (aiohttp.ClientError, OSError) as error:
            raise AnswerBroken(peer=self._host, reason=_reason(error)) from None

    async def release(self) -> None:
        self._response.close()


def _connector(
    limits: Limits, trusted: bytes | None, unix_socket: Path | None
) -> aiohttp.BaseConnector:
    if unix_socket is not None:
        return aiohttp.UnixConnector(str(unix_socket), limit=0, keepalive_timeout=limits.idle)
    return aiohttp.TCPConnector(
        limit=0, keepalive_timeout=limits.idle, ssl=True if trusted is None else _with(trusted)
    )


def _with(trusted: bytes) -> ssl.SSLContext:
    """The machine's authorities and `trusted`. Without it aiohttp's own context serves, which is
    made when it is imported: to read all authorities again takes 36 ms.
    """
    authorities = ssl.create_default_context()
    authorities.load_verify_locations(cadata=trusted.decode("ascii"))
    return authorities


def _reason(error: Exception) -> str:
    """The error without the URL and the bytes that aiohttp quotes."""
    if isinstance(error, aiohttp.ClientConnectorError):
        return error.strerror or str(error.os_error) or type(error.os_error).__name__
    if isinstance(error, aiohttp.ClientResponseError):
        return error.message.splitlines()[0]
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    if isinstance(error, aiohttp.ServerDisconnectedError):
        return "the connection closed before the head was complete"
    return (str(error).splitlines() or [type(error).__name__])[0]
