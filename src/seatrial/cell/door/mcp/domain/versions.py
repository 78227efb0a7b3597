"""Which version of MCP a request speaks, and whether its headers say the same as its body.

From 2026-07-28 on every request says for itself who sends it and in which version; before, one
`initialize` said it for all. This server keeps nothing between two requests in either.
"""

import base64
import binascii
import enum
import re
from collections.abc import Mapping
from typing import Any, Final

from seatrial.cell.door.mcp.domain.messages import (
    HEADER_MISMATCH,
    INVALID_PARAMS,
    UNSUPPORTED_VERSION,
    Asked,
    Id,
    RpcError,
)

MODERN: Final = "2026-07-28"
HANDSHAKE: Final = ("2025-11-25", "2025-06-18")
"""The versions that begin with `initialize`, the newest first."""
SUPPORTED: Final = (MODERN, *HANDSHAKE)

VERSION: Final = "mcp-protocol-version"
METHOD: Final = "mcp-method"
NAME: Final = "mcp-name"
HEADERS: Final = (VERSION, METHOD, NAME)

_META: Final = "io.modelcontextprotocol/"
META_VERSION: Final = f"{_META}protocolVersion"
META_CAPABILITIES: Final = f"{_META}clientCapabilities"
META_SERVER: Final = f"{_META}serverInfo"
_NAMED: Final = {"tools/call": "name", "prompts/get": "name", "resources/read": "uri"}
_ENCODED: Final = re.compile(r"=\?base64\?(.*)\?=\Z")


class Era(enum.Enum):
    """The two ways in which versions work."""

    HANDSHAKE = "handshake"
    STATELESS = "stateless"


def era(version: str | None, meta: Mapping[str, Any] | None = None) -> Era:
    """The era of a message whose header names `version`.

    No header means a handshake, whose clients send `initialize` without one; but a message whose
    `meta` names a version was to say the same in its header.

    Raises:
        RpcError: no such version is served here, or header and body differ.
    """
    if version is not None and version not in SUPPORTED:
        raise unsupported(version)
    if version == MODERN:
        return Era.STATELESS
    if (inside := (meta or {}).get(META_VERSION)) is not None and inside != version:
        raise RpcError(HEADER_MISMATCH, f"the header {VERSION} does not say what the body says")
    return Era.HANDSHAKE


def unsupported(version: str, own: Id | None = None) -> RpcError:
    """What a client of another version is told."""
    data = {"supported": list(SUPPORTED), "requested": version}
    return RpcError(UNSUPPORTED_VERSION, "Unsupported protocol version", data, own)


def settled(offered: str) -> str:
    """The version of a handshake: what the client offers, or else the newest that is served."""
    return offered if offered in HANDSHAKE else HANDSHAKE[0]


def agree(asked: Asked, headers: Mapping[str, str]) -> None:
    """Refuse a stateless request that lacks its envelope, or whose headers say something else.

    A proxy may route by the headers, while the body is what is done.

    Args:
        asked: the request.
        headers: those of `HEADERS` that it has.

    Raises:
        RpcError: with the id of the request.
    """
    meta = asked.meta or {}
    missing = [key for key in (META_VERSION, META_CAPABILITIES) if key not in meta]
    if missing:
        wrong = f"params._meta lacks {', '.join(missing)}"
        raise RpcError(INVALID_PARAMS, wrong, own=asked.id)
    if not isinstance(meta[META_CAPABILITIES], dict):
        raise RpcError(INVALID_PARAMS, f"{META_CAPABILITIES} is a JSON object", own=asked.id)
    expected: list[tuple[str, Any]] = [
        (VERSION, meta[META_VERSION]),
        (METHOD, asked.method),
    ]
    if asked.method in _NAMED:
        expected.append((NAME, asked.params.get(_NAMED[asked.method])))
    for header, value in expected:
        given = headers.get(header)
        if (decoded(given) if header == NAME else given) != value:
            wrong = f"the header {header} does not say what the body says"
            raise RpcError(HEADER_MISMATCH, wrong, own=asked.id)


def decoded(value: str | None) -> str | None:
    """The text of a header that may be written as `=?base64?…?=`; None where it is malformed."""
    if value is None or (found := _ENCODED.match(value)) is None:
        return value
    try:
        raw = base64.b64decode(found[1], validate=True)
        text = raw.decode()
    except (binascii.Error, ValueError):
        return None
    return text if base64.b64encode(raw).decode() == found[1] else None
