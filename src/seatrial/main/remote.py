"""Calls of one server's JSON API with one token; its problems come back as errors."""

from typing import Any, Final

import orjson

from seatrial.kit.errors import BadUpstream
from seatrial.kit.http.client import HttpClient, Request, Timeouts

_LARGEST: Final = 16 << 20  # bytes of an answer
_RAISE: Final = object()


class ServerRefused(BadUpstream):
    """{url} answered {status} {code}: {detail}."""

    code = "server_refused"
    cause = "The server understood the request and refused it; its answer tells why."
    remedy = "Do as the answer says; the server's log has the request."


class Remote:
    """One server.

    Args:
        client: makes the calls.
        url: the server's origin.
        token: sent as bearer.
    """

    def __init__(self, client: HttpClient, url: str, token: str) -> None:
        self._client = client
        self._url = url
        self._token = token

    async def get(self, path: str, absent: object = _RAISE) -> Any:  # noqa: ANN401 - any JSON
        """The JSON at `path`; `absent` for a 404, where it is given."""
        return await self._call("GET", path, None, absent)

    async def post(self, path: str, body: object) -> Any:  # noqa: ANN401 - any JSON
        """What posting `body` to `path` answers."""
        return await self._call("POST", path, body, _RAISE)

    async def put(self, path: str, body: object) -> Any:  # noqa: ANN401 - any JSON
        """What putting `body` at `path` answers."""
        return await self._call("PUT", path, body, _RAISE)

    async def _call(self, method: str, path: str, body: object, absent: object) -> Any:  # noqa: ANN401
        headers = [("authorization", f"Bearer {self._token}")]
        if body is not None:
            headers.append(("content-type", "application/json"))
        request = Request(
            url=self._url + path,
            method=method,
            headers=tuple(headers),
            body=b"" if body is None else orjson.dumps(body),
            timeouts=Timeouts(first_byte=30, total=60),
        )
        async with self._client.send(request) as response:
            data = await response.read(_LARGEST)
            status = response.status
        if status == 404 and absent is not _RAISE:
            return absent
        if status >= 400:
            raise _refused(request.url, status, data)
        return orjson.loads(data) if data else None


def _refused(url: str, status: int, data: bytes) -> ServerRefused:
    try:
        problem = orjson.loads(data)
        code, detail = str(problem["code"]), str(problem["detail"])
    except (orjson.JSONDecodeError, KeyError, TypeError):
        code, detail = "", data[:200].decode(errors="replace")
    return ServerRefused(url=url, status=status, code=code, detail=detail)
