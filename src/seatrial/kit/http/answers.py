"""Answers in one call: JSON, bytes, text, nothing, and an error as problem details (RFC 9457).

An error may carry two optional attributes that only its answer shows:

* `retry_after`: seconds (a number) until the same call may succeed, sent as `Retry-After`;
* `headers`: pairs of lower-case name and value, such as `allow`. A 401 without
  `www-authenticate` among them gets the challenge `Bearer`.
"""

import json
import math
from typing import Any, Final

import orjson

from seatrial.kit.errors import SeatrialError, problem
from seatrial.kit.http.asgi import Headers, Message, Send

JSON: Final = b"application/json"
TEXT: Final = b"text/plain; charset=utf-8"
PROBLEM: Final = b"application/problem+json"


async def answer(
    send: Send, body: bytes, *, content_type: bytes, status: int = 200, headers: Headers = ()
) -> None:
    """Send a whole answer with its length."""
    start, rest = messages(status, body, content_type, headers)
    await send(start)
    await send(rest)


async def answer_json(
    send: Send,
    value: Any,  # noqa: ANN401 - any JSON value
    *,
    status: int = 200,
    headers: Headers = (),
) -> None:
    """Send `value` as JSON. NaN and infinity become null; what JSON has no form for is refused."""
    await answer(send, orjson.dumps(value), content_type=JSON, status=status, headers=headers)


async def answer_text(send: Send, text: str, *, status: int = 200, headers: Headers = ()) -> None:
    """Send plain text in UTF-8."""
    await answer(send, text.encode(), content_type=TEXT, status=status, headers=headers)


async def answer_empty(send: Send, *, status: int = 204, headers: Headers = ()) -> None:
    """Send an answer without a body, such as 204 or 304."""
    await send({"type": "http.response.start", "status": status, "headers": list(headers)})
    await send({"type": "http.response.body", "body": b""})


async def answer_error(send: Send, error: SeatrialError, *, instance: str | None = None) -> None:
    """Send `error` as a problem; `instance` is the id of the request that met it."""
    for message in error_messages(error, instance=instance):
        await send(message)


def messages(
    status: int, body: bytes, content_type: bytes, headers: Headers = ()
) -> tuple[Message, Message]:
    """The two messages of a whole answer, for a sender that must place something between them."""
    length = b"%d" % len(body)
    start = {
        "type": "http.response.start",
        "status": status,
        "headers": [(b"content-type", content_type), (b"content-length", length), *headers],
    }
    return start, {"type": "http.response.body", "body": body}


def error_messages(
    error: SeatrialError, *, instance: str | None = None, headers: Headers = ()
) -> tuple[Message, Message]:
    """The two messages of an error's answer; `headers` come on top of the error's own."""
    body = problem(error, instance=instance)
    try:
        encoded = orjson.dumps(body)
    except TypeError:  # half a surrogate pair in a quoted value, or a field beyond 64 bits
        encoded = json.dumps(body, default=str).encode()
    return messages(error.status, encoded, PROBLEM, [*_headers(error), *headers])


def _headers(error: SeatrialError) -> list[tuple[bytes, bytes]]:
    own: list[tuple[bytes, bytes]] = [*getattr(error, "headers", ())]
    retry_after: float | None = getattr(error, "retry_after", None)
    if retry_after is not None:
        own.append((b"retry-after", b"%d" % math.ceil(max(0.0, retry_after))))
    if error.status == 401 and all(name != b"www-authenticate" for name, _ in own):
        own.append((b"www-authenticate", b"Bearer"))
    own.append((b"cache-control", b"no-store"))
    return own
