"""JSON-RPC 2.0 as MCP takes it: one message a body, told apart by what it must have.

Batches left the protocol with 2025-06-18, and what answers a request of the server's has no
place here, since this server asks nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from seatrial.cell.tools.domain.values import DEEPEST as DEEPEST_ARGUMENTS
from seatrial.cell.tools.domain.values import LARGEST_ARGUMENTS

PARSE_ERROR: Final = -32700
INVALID_REQUEST: Final = -32600
METHOD_NOT_FOUND: Final = -32601
INVALID_PARAMS: Final = -32602
INTERNAL_ERROR: Final = -32603
REFUSED: Final = 1
"""A rule of Seatrial says no, `data` says which. Outside of what JSON-RPC and MCP reserve: -32000
is what some clients call a closed connection.
"""
HEADER_MISMATCH: Final = -32020
UNSUPPORTED_VERSION: Final = -32022

LARGEST: Final = LARGEST_ARGUMENTS + (64 << 10)
"""Bytes of a message: the largest arguments, so that those are refused by name, and their cover."""
DEEPEST: Final = DEEPEST_ARGUMENTS + 2
"""Levels of a message: arguments stand two below its top."""
LONGEST_ID: Final = 256
"""Characters of an id that is text."""
LONGEST_METHOD: Final = 128

Id: TypeAlias = str | int


class RpcError(Exception):
    """What is wrong, as JSON-RPC tells it.

    Attributes:
        code: of JSON-RPC or MCP.
        message: one sentence.
        data: more of it, for programs.
        id: of the request; None where it cannot be known.
    """

    def __init__(
        self, code: int, message: str, data: Mapping[str, Any] | None = None, own: Id | None = None
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.data = data
        self.id = own

    def document(self) -> dict[str, Any]:
        """The message that tells it."""
        error: dict[str, Any] = {"code": self.code, "message": self.message}
        if self.data is not None:
            error["data"] = dict(self.data)
        return {"jsonrpc": "2.0", "id": self.id, "error": error}


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A request, which is owed an answer.

    Attributes:
        id: to be echoed; it names nothing else. Clients begin anew with 0 or 1 in each connection,
            so that equal ids do not make a request the repetition of another.
        method: what is asked.
        params: of it.
        meta: `params._meta`; None where there is none.
    """

    id: Id
    method: str
    params: Mapping[str, Any] = field(default_factory=dict)
    meta: Mapping[str, Any] | None = None

    def answered(self, result: Mapping[str, Any]) -> dict[str, Any]:
        """The message that answers it."""
        return {"jsonrpc": "2.0", "id": self.id, "result": dict(result)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Noted:
    """A notification, which is owed none.

    Attributes:
        method: what is told.
    """

    method: str


def message(value: object) -> Asked | Noted:
    """The one message that a body holds.

    Raises:
        RpcError: it holds none, with the id where there is a usable one.
    """
    if isinstance(value, list):
        raise RpcError(INVALID_REQUEST, "Send one message in each request: batches are refused.")
    if not isinstance(value, dict):
        raise RpcError(INVALID_REQUEST, "A message is a JSON object.")
    own = _id(value["id"]) if "id" in value else None
    if value.get("jsonrpc") != "2.0":
        raise RpcError(INVALID_REQUEST, 'A message has "jsonrpc": "2.0".', own=own)
    if "method" not in value:
        what = "answers a request" if {"result", "error"} & value.keys() else "has no method"
        raise RpcError(INVALID_REQUEST, f"The message {what}; nothing was asked.", own=own)
    method = value["method"]
    if not isinstance(method, str) or not 0 < len(method) <= LONGEST_METHOD:
        raise RpcError(INVALID_REQUEST, "The method is a short text.", own=own)
    params = value.get("params", {})
    if not isinstance(params, dict):
        raise RpcError(_PARAMS[own is None], "The params are a JSON object.", own=own)
    if own is None:
        return Noted(method=method)
    meta = params.get("_meta")
    if meta is not None and not isinstance(meta, dict):
        raise RpcError(INVALID_PARAMS, "params._meta is a JSON object.", own=own)
    return Asked(id=own, method=method, params=params, meta=meta)


_PARAMS: Final = {True: INVALID_REQUEST, False: INVALID_PARAMS}
"""A notification with wrong params is no message; a request with them is one that is wrong."""


def _id(value: object) -> Id:
    """JSON-RPC also lets null and fractions be ids; MCP does not, and no client sends them."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise RpcError(INVALID_REQUEST, "An id is text or a whole number of at most 64 bits.")
    if isinstance(value, str) and len(value) > LONGEST_ID:
        raise RpcError(INVALID_REQUEST, f"An id is no longer than {LONGEST_ID} characters.")
    return value
