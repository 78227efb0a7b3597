"""A connector that is an HTTP service."""

import asyncio
import re
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote, urlencode

import orjson

from seatrial.cell.tools.domain.refusals import (
    ActionFailed,
    ActionUnreachable,
    ConnectorUnfit,
    OutcomeUnknown,
)
from seatrial.cell.tools.domain.values import LARGEST_RESULT, Performing, Told
from seatrial.cell.tools.service.ports import Secrets
from seatrial.contract.releases.actions import Effect, HttpCall, HttpRequest
from seatrial.kit.errors import SeatrialError
from seatrial.kit.http.client import (
    HttpClient,
    PeerUnreachable,
    Request,
    Timeouts,
    first_header,
)

KIND: Final = "http"
_PLACE: Final = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")
_KEY: Final = "seatrial_key"
_AGAIN: Final = frozenset((408, 425, 429, 500, 502, 503, 504))
"""Statuses after which the same request may be sent again, if it is harmless to."""
_REFUSED: Final = frozenset((408, 425, 429))
"""Of these, those that say that it was not performed."""
_PAUSES: Final = (0.2, 0.8)  # seconds before a request is sent again
_LONGEST: Final = 300  # characters of an answer that an error quotes
_BODILESS: Final = frozenset(("GET", "DELETE"))


class HttpConnector:
    """Requests below one address.

    Args:
        name: of the connector.
        base_url: without a slash at its end; redirects are not followed.
        client: for the requests.
        secrets: of the environment.
        secret: name of the secret that is sent; None for none.
        header: in which, and with which words before it, such as `authorization: Bearer`.
    """

    kind: Final = KIND

    def __init__(
        self,
        name: str,
        base_url: str,
        *,
        client: HttpClient,
        secrets: Secrets,
        secret: str | None = None,
        header: str = "authorization: Bearer",
    ) -> None:
        self._name = name
        self._base_url = base_url.rstrip("/")
        self._client = client
        self._secrets = secrets
        self._secret = secret
        self._header, _, self._scheme = (part.strip() for part in header.partition(":"))

    async def perform(self, call: Performing) -> Told:
        """See `Connector`."""
        how = call.tool.perform
        if not isinstance(how, HttpCall):
            raise ConnectorUnfit(connector=self._name, kind=KIND, action=call.action)
        effect = call.tool.effect
        keyed = None if effect is Effect.READ else how.key_header
        request = await self._request(how, call, keyed)
        begun = False
        pauses = _PAUSES if effect in {Effect.READ, Effect.IDEMPOTENT} else ()
        for pause in pauses:
            found = await self._sent(request, call)
            if isinstance(found, Told):
                return found
            begun = begun or found.begun
            await asyncio.sleep(pause)
        found = await self._sent(request, call)
        if isinstance(found, Told):
            return found
        unanswered = _unsure if begun or found.begun else _unreachable
        return unanswered(call, found.reason)

    async def lookup(self, call: Performing) -> Told | None:
        """See `Connector`."""
        how = call.tool.perform
        if not isinstance(how, HttpCall) or how.lookup is None:
            raise OutcomeUnknown(action=call.action, reason="its release has no `lookup`")
        request = await self._request(how.lookup, call, None)
        try:
            status, value = await self._answer(request)
        except SeatrialError as error:
            raise OutcomeUnknown(action=call.action, reason=_sentence(error)) from None
        if status == 404:
            return None
        if 200 <= status < 300:
            return Told(ok=True, value=value)
        raise OutcomeUnknown(action=call.action, reason=f"`lookup` was answered with {status}")

    async def close(self) -> None:
        """See `Connector`."""

    async def _sent(self, request: Request, call: Performing) -> "Told | _Unanswered":
        """What came of one request."""
        try:
            status, value = await self._answer(request)
        except PeerUnreachable as error:  # nothing was sent
            return _Unanswered(begun=False, reason=_sentence(error))
        except SeatrialError as error:
            return _Unanswered(begun=True, reason=_sentence(error))
        if 200 <= status < 300:
            return Told(ok=True, value=value)
        reason = f"{self._name} answered {status}: {_quoted(value)}"
        if status in _AGAIN:
            return _Unanswered(begun=status not in _REFUSED, reason=reason)
        if status >= 500:
            return _unsure(call, reason)
        return Told.failed(ActionFailed(action=call.action, reason=reason))

    async def _answer(self, request: Request) -> tuple[int, Any]:
        async with self._client.send(request) as response:
            content = await response.read(LARGEST_RESULT)
            media = first_header(response.headers, "content-type") or ""
            return response.status, _value(content, media)

    async def _request(self, how: HttpRequest, call: Performing, keyed: str | None) -> Request:
        left = dict(call.arguments)
        placed = {_KEY: call.key, **left}

        def fill(match: re.Match[str]) -> str:
            left.pop(match[1], None)
            if match[1] not in placed:
                raise ActionFailed(
                    action=call.action, reason=f"no value is given for `{{{match[1]}}}`"
                )
            filled = quote(_text(placed[match[1]]), safe="")
            if filled in {"", ".", ".."}:
                raise ActionFailed(
                    action=call.action, reason=f"`{{{match[1]}}}` would change the path"
                )
            return filled

        path = _PLACE.sub(fill, how.path)
        query = {name: _text(left.pop(name)) for name in how.query if name in left}
        url = f"{self._base_url}{path}" + (f"?{urlencode(query, quote_via=quote)}" if query else "")
        headers: list[tuple[str, str]] = [("accept", "application/json")]
        body = b""
        if how.method not in _BODILESS:
            body = orjson.dumps(left)
            headers.append(("content-type", "application/json"))
        if keyed is not None:
            headers.append((keyed.lower(), call.key))
        if self._secret is not None:
            value = await self._secrets(self._secret)
            headers.append((self._header.lower(), f"{self._scheme} {value}".strip()))
        seconds = call.tool.timeout_seconds
        return Request(
            url=url,
            method=how.method,
            headers=tuple(headers),
            body=body,
            timeouts=Timeouts(first_byte=seconds, chunk=seconds, total=seconds),
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class _Unanswered:
    """A request that may be sent again, if it is harmless to.

    Attributes:
        begun: it may have been performed.
        reason: in words.
    """

    begun: bool
    reason: str


def _unreachable(call: Performing, reason: str) -> Told:
    """It was not performed."""
    return Told.failed(ActionUnreachable(action=call.action, reason=reason))


def _unsure(call: Performing, reason: str) -> Told:
    """It may have been performed; of a read that does not matter.

    Raises:
        OutcomeUnknown: it matters.
    """
    if call.tool.effect is not Effect.READ:
        raise OutcomeUnknown(action=call.action, reason=reason)
    return _unreachable(call, reason)


def _value(content: bytes, media: str) -> Any:  # noqa: ANN401 - any JSON value
    if "json" in media.lower():
        try:
            return orjson.loads(content) if content else None
        except orjson.JSONDecodeError:
            pass
    return content.decode("utf-8", "replace") if content else None


def _text(value: object) -> str:
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def _quoted(value: object) -> str:
    text = value if isinstance(value, str) else orjson.dumps(value).decode()
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def _sentence(error: SeatrialError) -> str:
    return error.message.rstrip(".")
