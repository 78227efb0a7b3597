"""Reading a request: headers, query, body. Every bound is checked before memory is spent."""

import logging
import re
from typing import Any, Final
from urllib.parse import unquote_to_bytes

from seatrial.kit.crypto.documents import strict_json
from seatrial.kit.crypto.values import DEEPEST
from seatrial.kit.errors import Invalid, TooLarge
from seatrial.kit.http.alarm import Alarm
from seatrial.kit.http.asgi import Receive, Scope
from seatrial.kit.http.json_body import parse

_MOST_FIELDS: Final = 100  # of one query
_ESCAPE: Final = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_JSON: Final = re.compile(
    rb"application/(?:[\w.-]+\+)?json\s*(?:;\s*charset=\"?utf-8\"?\s*)?\Z", re.IGNORECASE
)


class ClientGone(Invalid):
    """The client closed the connection before it had its answer."""

    code = "client_gone"
    cause = "The caller gave up, restarted, or lost its network."
    remedy = "Nothing to do here; the caller may send the request again."
    log_level = logging.DEBUG  # nobody is left to be told, and nothing of ours is wrong


class BodyTooLarge(TooLarge):
    """The request body is larger than {limit} bytes."""

    code = "body_too_large"
    cause = "This endpoint bounds what it reads, so that one caller cannot take all memory."
    remedy = "Send less, or have the operator raise `http.body_limit`."


class BodyStalled(Invalid):
    """The request body did not arrive in time ({seconds:g} s allowed for {part})."""

    code = "body_stalled"
    cause = "The caller announced a body and sends it too slowly, or not at all."
    remedy = "Send the request again; if it repeats, look at the network between."
    status = 408


class HeaderMalformed(Invalid):
    """The header {name!r} is malformed: {reason}."""

    code = "header_malformed"
    cause = "A header that may stand once was repeated, or its value breaks its grammar."
    remedy = "Send the header once, as its standard says."


class QueryMalformed(Invalid):
    """The query string is malformed: {reason}."""

    code = "query_malformed"
    cause = "A query is `name=value` pairs joined by `&`, percent-encoded UTF-8."
    remedy = "Encode names and values with a URL library and send each name once."


class NotJson(Invalid):
    """The request's {header} {value!r} is not accepted here; send JSON."""

    code = "not_json"
    cause = "This endpoint reads `Content-Type: application/json` in UTF-8, uncompressed, alone."
    remedy = "Send the header `Content-Type: application/json` and a JSON body."
    status = 415


def header(scope: Scope, name: bytes) -> bytes | None:
    """The value of header `name` (lower case), or None.

    Raises:
        HeaderMalformed: it stands more than once, so that believing either would be a guess.
    """
    found: bytes | None = None
    for key, value in scope["headers"]:
        if key == name:
            if found is not None:
                raise HeaderMalformed(name=name.decode("latin-1"), reason="it is repeated")
            found = value
    return found


def query_pairs(scope: Scope) -> list[tuple[str, str]]:
    """The query's names and values in order.

    Raises:
        QueryMalformed: a bad percent escape, not UTF-8, or more than 100 fields.
    """
    raw: bytes = scope.get("query_string") or b""
    if not raw:
        return []
    fields = raw.split(b"&", _MOST_FIELDS)
    if len(fields) > _MOST_FIELDS:
        raise QueryMalformed(reason=f"more than {_MOST_FIELDS} fields")
    return [(_text(name), _text(value)) for name, _, value in (f.partition(b"=") for f in fields)]


def query(scope: Scope) -> dict[str, str]:
    """The query as a mapping, for endpoints where each name has one value.

    Raises:
        QueryMalformed: as `query_pairs`, or a name is repeated.
    """
    pairs = query_pairs(scope)
    fields = dict(pairs)
    if len(fields) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise QueryMalformed(reason=f"{twice!r} is repeated")
    return fields


def content_length(scope: Scope) -> int | None:
    """The announced size of the body in bytes; None where it is sent in chunks or there is none."""
    value = header(scope, b"content-length")
    if value is None:
        return None
    if not value.isdigit() or len(value) > 18:
        raise HeaderMalformed(name="content-length", reason="it is not a number of bytes")
    return int(value)


async def read_body(
    scope: Scope, receive: Receive, *, limit: int, stall: float = 30.0, total: float = 300.0
) -> bytes:
    """The whole request body.

    Args:
        scope: the request.
        receive: its source.
        limit: the largest body accepted, in bytes.
        stall: seconds that may pass without any part of the body arriving.
        total: seconds that the whole body may take.

    Raises:
        BodyTooLarge: announced or counted, before the excess is kept.
        BodyStalled: too slow.
        ClientGone: the connection closed first.
    """
    announced = content_length(scope)
    if announced is not None and announced > limit:
        raise BodyTooLarge(limit=limit)
    alarm = Alarm()
    try:
        return await _collected(receive, alarm, limit=limit, stall=stall, total=total)
    finally:
        alarm.close()


async def read_json(
    scope: Scope, receive: Receive, *, limit: int, strict: bool = True, deepest: int = DEEPEST
) -> Any:  # noqa: ANN401 - any JSON value
    """The request's JSON body, by `strict_json` or else by `kit.http.json_body.parse`.

    Raises:
        NotJson: the content type or encoding is another.
        JsonMalformed, JsonTooDeep: it is no JSON, or nests too deep.
        JsonUnfit: `strict`, and two readers could read it differently.
        BodyTooLarge, BodyStalled, ClientGone: see `read_body`.
    """
    kind = header(scope, b"content-type") or b""
    if not _JSON.match(kind):
        raise NotJson(header="Content-Type", value=kind.decode("latin-1"))
    encoding = header(scope, b"content-encoding") or b"identity"
    if encoding != b"identity":
        raise NotJson(header="Content-Encoding", value=encoding.decode("latin-1"))
    body = await read_body(scope, receive, limit=limit)
    if strict:
        return strict_json(body, largest=limit, deepest=deepest)
    return parse(body, deepest=deepest)


async def gone(receive: Receive) -> None:
    """Return when the client has gone (or the answer is complete). The body must be read before."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def _collected(
    receive: Receive, alarm: Alarm, *, limit: int, stall: float, total: float
) -> bytes:
    body: bytes
    more = bytearray()
    last = alarm.now() + total
    while True:
        try:
            with alarm.until(min(alarm.now() + stall, last)):
                message = await receive()
        except TimeoutError:
            part, seconds = ("the whole", total) if alarm.now() >= last else ("a part", stall)
            raise BodyStalled(seconds=seconds, part=part) from None
        if message["type"] == "http.disconnect":
            raise ClientGone
        body = message.get("body", b"")
        if len(more) + len(body) > limit:
            raise BodyTooLarge(limit=limit)
        if not message.get("more_body", False):
            return bytes(more + body) if more else body
        more += body


def _text(raw: bytes) -> str:
    if _ESCAPE.search(raw):
        raise QueryMalformed(reason="a % is not followed by two hexadecimal digits")
    try:
        return unquote_to_bytes(raw.replace(b"+", b" ")).decode()
    except UnicodeDecodeError:
        raise QueryMalformed(reason="it is not UTF-8") from None
