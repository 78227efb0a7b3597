"""Control over HTTP. Whatever it answers, a call ends in time, in size, and in a named error."""

from collections.abc import AsyncGenerator
from typing import Any, Final

import orjson

from seatrial.cell.switch.domain import ControlRefused
from seatrial.cell.switch.service.ports import Answer
from seatrial.cell.switch.service.switching import LARGEST_DESIRED
from seatrial.contract.switch.api import EnrolAnswer, EnrolRequest
from seatrial.contract.switch.requests import Said
from seatrial.kit.crypto.digests import Digest
from seatrial.kit.errors import SeatrialError
from seatrial.kit.http.client import HttpClient, Request, Response, Timeouts, first_header
from seatrial.kit.http.events import EventParser

_LARGEST_RELEASE: Final = 16 << 20  # bytes; 500 components, of which prompts are the largest
_LARGEST_PROBLEM: Final = 64 << 10
_SHORT: Final = Timeouts(first_byte=10.0, chunk=10.0, total=30.0)
_LONG: Final = Timeouts(first_byte=30.0, chunk=30.0, total=None)
_LISTENING: Final = Timeouts(first_byte=10.0, chunk=45.0, total=None)  # heartbeats come each 15 s
_JSON: Final = ("content-type", "application/json")


class HttpControl:
    """Control's API as one cell uses it."""

    def __init__(self, client: HttpClient, url: str, cell: str, token: str) -> None:
        self._client = client
        self._url = url.rstrip("/")
        self._cell = f"/v1/cells/{cell}"
        self._headers = (("authorization", f"Bearer {token}"),)

    async def desired(self, etag: str, current: int) -> Answer | None:
        """See `Control.desired`."""
        asked = (("if-none-match", etag),) if etag else ()
        request = self._request("GET", f"{self._cell}/desired?current={current}", headers=asked)
        async with self._client.send(request) as response:
            if response.status == 304:
                return None
            await _refuse(response, request)
            body = await response.read(LARGEST_DESIRED)
            found = first_header(response.headers, "etag") or ""
        return Answer(text=body.decode(errors="replace"), etag=found)

    async def changes(self) -> AsyncGenerator[None, None]:
        """See `Control.changes`."""
        request = self._request("GET", f"{self._cell}/events", timeouts=_LISTENING)
        parser = EventParser(limit=_LARGEST_PROBLEM)
        async with self._client.send(request) as response:
            await _refuse(response, request)
            yield None
            async for part in response:
                if parser.feed(part):
                    yield None

    async def release(self, digest: Digest) -> object:
        """See `Control.release`."""
        request = self._request("GET", f"/v1/releases/{digest}")
        async with self._client.send(request) as response:
            await _refuse(response, request)
            answer = _parsed(await response.read(_LARGEST_RELEASE))
        return answer.get("release") if isinstance(answer, dict) else None

    async def blob(self, digest: Digest) -> AsyncGenerator[bytes, None]:
        """See `Control.blob`."""
        request = self._request("GET", f"/v1/blobs/{digest}", timeouts=_LONG)
        async with self._client.send(request) as response:
            await _refuse(response, request)
            async for part in response:
                yield part

    async def report(self, envelope: bytes) -> None:
        """See `Control.report`."""
        await self._said(f"{self._cell}/reports", envelope)

    async def evidence(self, envelope: bytes) -> None:
        """See `Control.evidence`."""
        await self._said(f"{self._cell}/facts", envelope)

    async def _said(self, path: str, envelope: bytes) -> None:
        body = orjson.dumps(Said(envelope=envelope.decode()).document())
        request = self._request("POST", path, headers=(_JSON,), body=body)
        async with self._client.send(request) as response:
            await _refuse(response, request)
            await response.read(_LARGEST_PROBLEM)

    def _request(
        self,
        method: str,
        path: str,
        *,
        headers: tuple[tuple[str, str], ...] = (),
        body: bytes = b"",
        timeouts: Timeouts = _SHORT,
    ) -> Request:
        return Request(
            method=method,
            url=f"{self._url}{path}",
            headers=(*self._headers, *headers),
            body=body,
            timeouts=timeouts,
        )


async def enrol(client: HttpClient, url: str, asked: EnrolRequest) -> EnrolAnswer:
    """Make this process known to control.

    Raises:
        ControlRefused: the token is unknown, used or lapsed.
        DocumentInvalid: the answer is none.
        SeatrialError: control cannot be reached.
    """
    request = Request(
        method="POST",
        url=f"{url.rstrip('/')}/v1/enrolments",
        headers=(_JSON,),
        body=orjson.dumps(asked.document()),
        timeouts=_SHORT,
    )
    async with client.send(request) as response:
        await _refuse(response, request)
        return EnrolAnswer.read(_parsed(await response.read(_LARGEST_PROBLEM)))


async def _refuse(response: Response, request: Request) -> None:
    if 200 <= response.status < 300:
        return
    call = f"{request.method} {request.url}"
    reason = "it gave no reason"
    try:
        problem = _parsed(await response.read(_LARGEST_PROBLEM))
    except SeatrialError as error:
        reason = error.message
    else:
        if isinstance(problem, dict) and isinstance(problem.get("detail"), str):
            reason = f"{problem.get('code', '')} {problem['detail']}".strip()
    raise ControlRefused(status=response.status, call=call, reason=reason)


def _parsed(body: bytes) -> Any:  # noqa: ANN401 - whatever a server may answer
    try:
        return orjson.loads(body)
    except ValueError:
        return None
