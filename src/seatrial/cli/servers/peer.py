"""One server: JSON asked and answered, bytes handed over, events followed."""

import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar
from urllib.parse import quote, urlencode

from seatrial.cli.servers.domain import AnswerUnexpected
from seatrial.cli.servers.refusals import refusal
from seatrial.contract.documents import Document, DocumentInvalid
from seatrial.kit.http.client import (
    AnswerTooLarge,
    HttpClient,
    Request,
    Response,
    Timeouts,
    first_header,
)
from seatrial.kit.http.events import Event, EventParser

_D = TypeVar("_D", bound=Document)
_LARGEST: Final = 64 << 20  # bytes of an answer
_PATIENT: Final = Timeouts(first_byte=120.0, chunk=120.0, total=900.0)
_UPLOAD: Final = Timeouts(first_byte=1_800.0, chunk=120.0, total=1_900.0)
"""The answer to an upload begins when all of it was sent: a large wheel over a slow line."""

_ENDLESS: Final = Timeouts(first_byte=60.0, chunk=120.0, total=None)
Headers = tuple[tuple[str, str], ...]


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a server said.

    Attributes:
        status: below 300.
        headers: in lower case.
        value: the JSON in it; None where it is empty.
    """

    status: int
    headers: Headers
    value: Any

    def header(self, name: str) -> str:
        """The first header of that name; empty where there is none."""
        return first_header(self.headers, name) or ""


@dataclass(frozen=True, kw_only=True)
class Peer:
    """A server and the right to speak with it.

    Attributes:
        name: for messages: `control`, or the environment.
        url: its origin.
        token: a secret.
        client: makes the calls.
    """

    name: str
    url: str
    token: str
    client: HttpClient

    async def get(self, path: str, **query: str | int | None) -> Answer:
        """Read; errors are those of `HttpClient.send`, and what the server refuses."""
        return await self.call("GET", path, query=query)

    async def post(self, path: str, body: object = None, *, headers: Headers = ()) -> Answer:
        """Hand in a JSON value."""
        return await self.call("POST", path, body=body, headers=headers)

    async def call(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str | int | None] | None = None,
        body: object = None,
        headers: Headers = (),
    ) -> Answer:
        """One call that is answered by JSON.

        Raises:
            SeatrialError: under the code of the server's problem, or of the call's own.
            AnswerUnexpected: the answer is not JSON.
        """
        encoded = b"" if body is None else json.dumps(body).encode()
        kind = () if body is None else (("content-type", "application/json"),)
        return await self._send(self._request(method, path, query, encoded, (*kind, *headers)))

    async def put_bytes(self, path: str, content: bytes) -> None:
        """Hand over bytes."""
        kind = (("content-type", "application/octet-stream"),)
        await self._send(self._request("PUT", path, None, content, kind, timeouts=_UPLOAD))

    async def events(
        self,
        path: str,
        *,
        method: str = "GET",
        query: Mapping[str, str | int | None] | None = None,
        body: object = None,
        headers: Headers = (),
    ) -> AsyncIterator[Event]:
        """Events until the server ends the stream; errors as `call`."""
        encoded = b"" if body is None else json.dumps(body).encode()
        kind = () if body is None else (("content-type", "application/json"),)
        accept = (("accept", "text/event-stream"),)
        request = self._request(
            method, path, query, encoded, (*kind, *accept, *headers), timeouts=_ENDLESS
        )
        parser = EventParser()
        async with self.client.send(request) as response:
            if response.status >= 300:
                raise refusal(self.name, response.status, await response.read(_LARGEST))
            async for part in response:
                for event in parser.feed(part):
                    yield event

    async def records(
        self, path: str, query: Mapping[str, str | int | None]
    ) -> AsyncIterator[object]:
        """JSON values that come as events, as lines, or as one list; errors as `call`."""
        accept = (("accept", "text/event-stream, application/x-ndjson"),)
        request = self._request("GET", path, query, b"", accept, timeouts=_ENDLESS)
        async with self.client.send(request) as response:
            if response.status >= 300:
                raise refusal(self.name, response.status, await response.read(_LARGEST))
            kind = first_header(response.headers, "content-type") or ""
            texts = _events(response) if kind.startswith("text/event-stream") else _lines(response)
            async for text in texts:
                yield self._parsed(text)

    def _parsed(self, text: str | bytes) -> object:
        try:
            return json.loads(text)
        except (ValueError, RecursionError):
            raise AnswerUnexpected(peer=self.name, reason="it is not JSON") from None

    def read(self, kind: type[_D], value: object) -> _D:
        """The document that an answer is; raises `AnswerUnexpected`."""
        try:
            return kind.read(value)
        except DocumentInvalid as error:
            raise AnswerUnexpected(peer=self.name, reason=error.message) from None

    def _request(
        self,
        method: str,
        path: str,
        query: Mapping[str, str | int | None] | None,
        body: bytes,
        headers: Headers,
        timeouts: Timeouts = _PATIENT,
    ) -> Request:
        asked = {name: value for name, value in (query or {}).items() if value is not None}
        tail = f"?{urlencode(asked)}" if asked else ""
        return Request(
            url=f"{self.url}{path}{tail}",
            method=method,
            headers=(("authorization", f"Bearer {self.token}"), *headers),
            body=body,
            timeouts=timeouts,
        )

    async def _send(self, request: Request) -> Answer:
        async with self.client.send(request) as response:
            body = await response.read(_LARGEST)
        if response.status >= 300:
            raise refusal(self.name, response.status, body)
        if not body:
            return Answer(status=response.status, headers=response.headers, value=None)
        value = self._parsed(body)
        return Answer(status=response.status, headers=response.headers, value=value)


async def _events(response: Response) -> AsyncIterator[str]:
    parser = EventParser()
    async for part in response:
        for event in parser.feed(part):
            yield event.data


async def _lines(response: Response) -> AsyncIterator[bytes]:
    rest = b""
    async for part in response:
        *whole, rest = (rest + part).split(b"\n")
        if len(rest) > _LARGEST:
            raise AnswerTooLarge(peer="the log", limit=_LARGEST)
        for line in whole:
            if line.strip():
                yield line
    if rest.strip():
        yield rest


def segment(text: str) -> str:
    """`text` as one segment of a path."""
    return quote(text, safe="")
