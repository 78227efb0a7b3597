"""Flags over HTTP, by the OpenFeature Remote Evaluation Protocol (OFREP) 0.3.

https://github.com/open-feature/protocol: `service/openapi.yaml` and `service/event-streams.yaml`.
Where real clients are stricter or looser than the protocol, they are followed; comments say where.
"""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Final
from urllib.parse import unquote_to_bytes

import orjson

from seatrial.cell.door.callers import Callers
from seatrial.cell.door.domain import ContextInvalid
from seatrial.cell.door.flag_source import Edition, ServedFlags
from seatrial.contract.flags.resolution import ErrorCode, Resolution
from seatrial.kit.clock import Clock
from seatrial.kit.crypto.digests import Digest
from seatrial.kit.errors import SeatrialError
from seatrial.kit.http.answers import JSON, answer, answer_empty, answer_json, error_messages
from seatrial.kit.http.asgi import Receive, Scope, Send
from seatrial.kit.http.event_stream import EventStream, last_event_id
from seatrial.kit.http.events import Event
from seatrial.kit.http.lifetime import Lifetime
from seatrial.kit.http.requests import ClientGone, header, query, read_json
from seatrial.kit.http.routes import MethodRefused, PathUnknown
from seatrial.kit.log import log_error

PREFIX: Final = b"/ofrep/"
"""Where every path of the protocol begins."""

_BULK: Final = b"/ofrep/v1/evaluate/flags"
_SINGLE: Final = b"/ofrep/v1/evaluate/flags/"
_EVENTS: Final = "/ofrep/v1/events"
_EVENTS_RAW: Final = _EVENTS.encode()
_LOG: Final = logging.getLogger(__name__)
_LARGEST: Final = 1 << 20  # bytes of a request: one context
_INACTIVITY: Final = 120  # seconds after which an idle client may leave the event stream
_OWN_SHAPE: Final = frozenset({400, 401, 403, 404, 413, 429})
"""The statuses for which OFREP says what an answer looks like; 413 is told like 400."""

_UNREAD: Final = frozenset({"json_malformed", "json_too_deep"})
_HTTP_OWN: Final = frozenset({b"content-type", b"content-length"})


class Ofrep:
    """The protocol as an app: evaluation of one flag, of all, and notices of changes.

    Args:
        flags: what is served.
        callers: who may ask.
        lifetime: when it drains, event streams end.
        clock: for `$flagd.timestamp`.
        catch_up: asked to look for newer flags when a caller has heard of another edition than
            the one in force here, say from a second server that saw the change first.
    """

    def __init__(
        self,
        flags: ServedFlags,
        *,
        callers: Callers,
        lifetime: Lifetime,
        clock: Clock,
        catch_up: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self._flags = flags
        self._callers = callers
        self._clock = clock
        self._catch_up = catch_up
        self._stream = EventStream(lifetime=lifetime)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request below `PREFIX`."""
        raw: bytes = scope["raw_path"]
        if raw.startswith(_SINGLE) and raw != _SINGLE:
            await self._single(raw[len(_SINGLE) :], scope, receive, send)
        elif raw in (_BULK, _SINGLE):
            await self._bulk(scope, receive, send)
        elif raw == _EVENTS_RAW:
            await self._listen(scope, receive, send)
        else:
            raise PathUnknown(path=raw.decode("latin-1"))

    async def _single(self, raw_key: bytes, scope: Scope, receive: Receive, send: Send) -> None:
        # Clients put the key into the path as it is: its slashes and stray per cents are its own.
        key = unquote_to_bytes(raw_key).decode(errors="replace")
        try:
            _only("POST", scope)
            self._callers.admit(scope)
            context = await _context(scope, receive)
        except SeatrialError as error:
            await _refuse(send, error, {"key": key})
            return
        current = self._flags.current
        resolution = current.definition.evaluate(key, context, self._now())
        body = orjson.dumps(told(current, key, resolution))
        status = _STATUS.get(resolution.error, 400)
        await answer(send, body, content_type=JSON, status=status)

    async def _bulk(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            _only("POST", scope)
            ticket = self._callers.admit(scope)
            context = await _context(scope, receive)
            heard = query(scope)
            known = header(scope, b"if-none-match")
        except SeatrialError as error:
            await _refuse(send, error, {})
            return
        await self._follow(heard)
        body = orjson.dumps(self._all(context, ticket))
        # Of the answer, not of the definition: it also changes with the caller and the time.
        tag = Digest.of(body).hex[:32].encode()
        headers = [(b"etag", b'"%b"' % tag), (b"cache-control", b"private, no-cache")]
        if known is not None and tag in _tags(known):
            await answer_empty(send, status=304, headers=headers)
        else:
            await answer(send, body, content_type=JSON, headers=headers)

    async def _follow(self, heard: dict[str, str]) -> None:
        etag = heard.get("flagConfigEtag", heard.get("flagConfigLastModified"))
        if self._catch_up and etag is not None and etag != self._flags.current.etag:
            await self._catch_up()

    def _all(self, context: dict[str, Any], ticket: str) -> dict[str, Any]:
        current, now = self._flags.current, self._now()
        definition = current.definition
        answers = [
            told(current, key, flag.resolve(context, now)) for key, flag in definition.flags.items()
        ]
        stream = {
            "type": "sse",
            "endpoint": {"requestUri": _EVENTS + ticket},
            "inactivityDelaySec": _INACTIVITY,
        }
        return {
            "flags": answers,
            "metadata": dict(definition.metadata),
            "eventStreams": [stream],
        }

    async def _listen(self, scope: Scope, receive: Receive, send: Send) -> None:
        _only("GET", scope)
        self._callers.admit_listener(scope)
        await self._stream.answer(scope, receive, send, self._notices(last_event_id(scope)))

    async def _notices(self, seen: str | None) -> AsyncIterator[Event]:
        """Word of each edition that the listener has not seen; only of the last, if it is slow.

        A new listener hears of the present one: it may have changed since he evaluated.
        """
        while True:
            current = await self._flags.other_than(seen)
            seen = current.etag
            notice = {"type": "refetchEvaluation", "etag": seen, "lastModified": current.since}
            yield Event(data=orjson.dumps(notice).decode(), id=seen)

    def _now(self) -> int:
        return int(self._clock.now().timestamp())


_STATUS: Final = {None: 200, ErrorCode.FLAG_NOT_FOUND: 404}


def told(current: Edition, key: str, resolution: Resolution) -> dict[str, Any]:
    """The answer for one flag, as OFREP writes it."""
    if resolution.error is not None:
        failure = {
            "key": key,
            "errorCode": resolution.error,
            "errorDetails": resolution.message or "",
        }
        return failure | _metadata(resolution)
    # The Python client demands reason and variant, the protocol does not.
    success: dict[str, Any] = {
        "key": key,
        "reason": resolution.reason,
        "variant": resolution.variant or "",
    }
    if resolution.variant is not None:
        value = resolution.value
        # The Python client takes 1 for no float, so a flag that also has 0.5 says 1.0.
        whole = type(value) is int and key in current.fractions
        success["value"] = float(value) if whole else value
    return success | _metadata(resolution)


def _metadata(resolution: Resolution) -> dict[str, Any]:
    return {"metadata": dict(resolution.metadata)} if resolution.metadata else {}


def _only(method: str, scope: Scope) -> None:
    if scope["method"] != method and not (method == "GET" and scope["method"] == "HEAD"):
        allowed = "GET, HEAD" if method == "GET" else method
        raise MethodRefused(path=scope["path"], method=scope["method"], allowed=allowed)


async def _context(scope: Scope, receive: Receive) -> dict[str, Any]:
    """The caller's context; none, or null, is an empty one."""
    request = await read_json(scope, receive, limit=_LARGEST, strict=False)
    if not isinstance(request, dict):
        raise ContextInvalid(reason="its body is no object")
    context = request.get("context")
    if context is None:
        return {}
    if not isinstance(context, dict):
        raise ContextInvalid(reason="`context` is no object")
    return context


def _tags(listed: bytes) -> list[bytes]:
    """The entity tags of `If-None-Match`; some clients leave the quotes out."""
    return [tag.strip().removeprefix(b"W/").strip(b'"') for tag in listed.split(b",")]


async def _refuse(send: Send, error: SeatrialError, about: dict[str, str]) -> None:
    """Answer in OFREP's shape where it has one; let the boundary answer elsewhere."""
    if error.status not in _OWN_SHAPE or isinstance(error, ClientGone):
        raise error
    log_error(_LOG, error)
    start, _ = error_messages(error)
    headers = [pair for pair in start["headers"] if pair[0] not in _HTTP_OWN]
    body = {**about, "errorCode": _code(error), "errorDetails": error.message}
    await answer_json(send, body, status=error.status, headers=headers)


def _code(error: SeatrialError) -> str:
    if isinstance(error, ContextInvalid):
        return "INVALID_CONTEXT"
    return "PARSE_ERROR" if error.code in _UNREAD else "GENERAL"
