"""The way from an agent's process to its cell: one request, on one connection.

It stands on the standard library, starts no thread and keeps no connection: a process is given its
next run only when nothing of the last one is left in it.
"""

import asyncio
import contextlib
import http.client
import io
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Self, cast
from urllib.parse import urlsplit

from seatrial.kit.errors import Conflict, Failed, Unavailable

_URL: Final = "SEATRIAL_URL"
_TOKEN: Final = "SEATRIAL_TOKEN"  # noqa: S105 - a name
_BROKEN: Final = (ConnectionError, http.client.HTTPException)


class DoorMissing(Conflict):
    """There is no cell to ask: the variable {variable} is not set."""

    code = "door_missing"
    cause = "A cell sets it for what it runs; `seatrial dev`, and any other start, has none."
    remedy = "Try it with `seatrial test`, or deploy it: waits need that. Or hand in a `Door`."


class DoorUnreachable(Unavailable):
    """The cell at {url} cannot be reached: {reason}."""

    code = "door_unreachable"
    cause = "It has ended, or this process may not connect to it."
    remedy = "Nothing, in a hosted run: it goes on from its record. Else see `seatrial status`."


class DoorRefused(Failed):
    """The cell refuses {what} with {told}: {reason}."""

    code = "door_refused"
    cause = "It was not asked for as it must be, or may not be had in this run."
    remedy = "Look the code up under Reference, Errors."

    @property
    def told(self) -> str:
        """The code of the cell's own error, such as `connector_unbound`."""
        return str(self.fields["told"])


@dataclass(frozen=True, kw_only=True)
class Door:
    """Where a cell answers the agents that it runs.

    Attributes:
        url: its address, such as `http://127.0.0.1:4100`.
        token: of the slot.
    """

    url: str
    token: str = field(repr=False)

    @classmethod
    def here(cls) -> Self:
        """The one that this process was given.

        Raises:
            DoorMissing: it was given none.
        """
        return cls(url=_variable(_URL), token=_variable(_TOKEN))

    def ask(self, method: str, path: str, body: object = None) -> Any:  # noqa: ANN401 - JSON
        """Send a request and return the JSON of the answer.

        A request whose connection breaks is sent once more, marked as a repetition.

        Raises:
            DoorUnreachable: there is no answer.
            DoorRefused: the answer is an error.
        """
        sent, headers = self._request(body)
        try:
            return self._told(path, *self._exchange(method, path, sent, headers))
        except _BROKEN:
            headers |= _AGAIN
        except OSError as error:
            raise self._unreachable(error) from None
        try:
            return self._told(path, *self._exchange(method, path, sent, headers))
        except (*_BROKEN, OSError) as error:
            raise self._unreachable(error) from None

    async def ask_async(self, method: str, path: str, body: object = None) -> Any:  # noqa: ANN401
        """As `ask`, and others run meanwhile."""
        sent, headers = self._request(body)
        try:
            return self._told(path, *await self._exchange_async(method, path, sent, headers))
        except _BROKEN:
            headers |= _AGAIN
        except OSError as error:
            raise self._unreachable(error) from None
        try:
            return self._told(path, *await self._exchange_async(method, path, sent, headers))
        except (*_BROKEN, OSError) as error:
            raise self._unreachable(error) from None

    def _request(self, body: object) -> tuple[bytes | None, dict[str, str]]:
        headers = {"authorization": f"Bearer {self.token}", "connection": "close"}
        if body is None:
            return None, headers
        return _encoded(body), {**headers, "content-type": "application/json"}

    def _exchange(
        self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]
    ) -> tuple[int, bytes]:
        host, port = self._address()
        with contextlib.closing(http.client.HTTPConnection(host, port)) as connection:
            connection.request(method, path, body, dict(headers))
            answer = connection.getresponse()
            return answer.status, answer.read()

    async def _exchange_async(
        self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]
    ) -> tuple[int, bytes]:
        host, port = self._address()
        reader, writer = await asyncio.open_connection(host, port)
        try:
            writer.write(_written(method, path, f"{host}:{port}", body, headers))
            await writer.drain()
            raw = await reader.read()
        finally:
            writer.close()
        answer = http.client.HTTPResponse(cast("Any", _Read(raw)), method=method)
        answer.begin()  # lint: SEA001 because it reads the head of an answer
        return answer.status, answer.read()

    def _address(self) -> tuple[str, int]:
        parts = urlsplit(self.url)
        return parts.hostname or "", parts.port or 80

    def _told(self, what: str, status: int, content: bytes) -> Any:  # noqa: ANN401
        try:
            told = json.loads(content)
        except ValueError:
            told = {}
        if status < http.HTTPStatus.BAD_REQUEST:
            return told
        if not isinstance(told, dict):
            told = {}
        reason = " ".join(str(told[name]) for name in ("detail", "remedy") if name in told)
        raise DoorRefused(what=what, told=told.get("code", status), reason=reason.rstrip("."))

    def _unreachable(self, error: Exception) -> DoorUnreachable:
        return DoorUnreachable(url=self.url, reason=str(error) or type(error).__name__)


_AGAIN: Final = {"seatrial-retry": "1"}


class _Read:
    """Bytes that were read, for whoever wants a socket to read them from."""

    def __init__(self, raw: bytes) -> None:
        self._raw = raw

    def makefile(self, mode: str) -> io.BytesIO:  # noqa: ARG002 - what the library calls
        """See above."""
        return io.BytesIO(self._raw)


def _written(
    method: str, path: str, host: str, body: bytes | None, headers: Mapping[str, str]
) -> bytes:
    length = {} if body is None else {"content-length": str(len(body))}
    lines = [f"{name}: {value}" for name, value in {"host": host, **headers, **length}.items()]
    head = "\r\n".join((f"{method} {path} HTTP/1.1", *lines, "", ""))
    return head.encode("latin-1") + (body or b"")


def _encoded(body: object) -> bytes:
    return json.dumps(body, allow_nan=False, separators=(",", ":")).encode()


def _variable(name: str) -> str:
    value = os.environ.get(name)  # lint: SEA004 because the cell tells its agents so
    if not value:
        raise DoorMissing(variable=name)
    return value
