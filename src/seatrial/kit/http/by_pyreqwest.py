"""Calls by pyreqwest: hyper in Rust on a thread of its own. The twin, with less work for the loop.

Measured on 0.15.1: a call that is given up before its head has arrived is not stopped. The library
drops its handle, not the task behind it, so the connection stays until the server answers or the
call's `total` time is over, and a model goes on writing at our cost. Hence it is not the default.
"""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Final, NoReturn

from pyreqwest.client import Client as Library
from pyreqwest.client import ClientBuilder
from pyreqwest.exceptions import (
    BuilderError,
    ClientClosedError,
    ConnectTimeoutError,
    DetailedPyreqwestError,
    PyreqwestError,
)
from pyreqwest.request import StreamRequest
from pyreqwest.response import Response

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

_SLACK: Final = 0.5  # seconds; our own limit shall be the first to tell
_CONNECTING: Final = "client error (Connect)"  # hyper's words for: before anything was sent


def pyreqwest_client(limits: Limits | None = None, *, trusted: bytes | None = None) -> Client:
    """A client over pyreqwest. Make it inside the loop that will use it, and close it there.

    Args:
        limits: see there.
        trusted: a certificate authority (PEM) believed besides those of the machine.
    """
    chosen = limits or Limits()
    return Client(_Pyreqwest(chosen, trusted), chosen)


class _Pyreqwest:
    def __init__(self, limits: Limits, trusted: bytes | None) -> None:
        self._connect = limits.connect
        builder = (
            ClientBuilder()
            .no_proxy()
            .follow_redirects(enable=False)
            .referer(enable=False)
            .gzip(enable=False)
            .brotli(enable=False)
            .zstd(enable=False)
            .deflate(enable=False)
            .connect_timeout(timedelta(seconds=limits.connect))
            .pool_idle_timeout(timedelta(seconds=limits.idle))
        )
        if trusted is not None:
            builder = builder.add_root_certificate_pem(trusted)
        self._library: Library = builder.build()

    async def open(
        self, request: Request, *, url: str, host: str, headers: Sequence[tuple[str, str]]
    ) -> "_Stream":
        try:
            builder = self._library.request(request.method, url).headers(headers)
            if request.body:
                builder = builder.body_bytes(request.body)
            elif request.method in BODIED:
                builder = builder.header("content-length", "0")
            if request.timeouts.total is not None:
                builder = builder.timeout(timedelta(seconds=request.timeouts.total + _SLACK))
            # By default even the head is held back until 64 KB of the body are there.
            sending = builder.streamed_read_buffer_limit(0).build_streamed()
            response = await sending.__aenter__()
        except (PyreqwestError, ValueError) as error:
            self._raise(error, host)
        return _Stream(sending, response, host)

    async def close(self) -> None:
        await self._library.close()

    def _raise(self, error: Exception, host: str) -> NoReturn:
        if isinstance(error, ConnectTimeoutError):
            late = CallTimedOut(peer=host, phase=Phase.CONNECT, seconds=self._connect)
            raise late from None
        if isinstance(error, ClientClosedError):
            raise ClientClosed from None
        if isinstance(error, BuilderError) or not isinstance(error, PyreqwestError):
            raise CallMalformed(reason=str(error)) from None
        # A `ConnectError` may also be a connection lost after the request was sent: only the
        # chain of causes tells, and where it says nothing, the request may have arrived.
        causes = _causes(error)
        if _CONNECTING in causes:
            raise PeerUnreachable(peer=host, reason=causes[-1]) from None
        raise AnswerBroken(peer=host, reason=causes[-1]) from None


class _Stream:
    def __init__(self, sending: StreamRequest, response: Response, host: str) -> None:
        self.status = response.status
        self.headers = _headers(response)
        self._sending = sending
        self._read = response.body_reader.read_chunk
        self._host = host

    async def chunk(self) -> bytes | None:
        try:
            part = await self._read()
        except PyreqwestError as error:
            if isinstance(error, ClientClosedError):
                raise ClientClosed from None
            raise AnswerBroken(peer=self._host, reason=_causes(error)[-1]) from None
        return None if part is None else part.to_bytes()

    async def release(self) -> None:
        await self._sending.__aexit__(None, None, None)


def _headers(response: Response) -> tuple[tuple[str, str], ...]:
    try:
        return tuple(response.headers.items())
    except ValueError:  # one value is not ASCII; leave out that one
        return tuple(_readable(response))


def _readable(response: Response) -> Iterator[tuple[str, str]]:
    pairs = iter(response.headers.items())
    while True:
        try:
            yield next(pairs)
        except ValueError:
            continue
        except StopIteration:
            return


def _causes(error: PyreqwestError) -> list[str]:
    details = error.details if isinstance(error, DetailedPyreqwestError) else None
    causes = details["causes"] if details else None
    return [cause["message"] for cause in causes] if causes else [error.message]
