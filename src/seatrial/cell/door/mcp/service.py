"""What this server answers, whoever carries the message. It keeps nothing between two of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any, Final

from seatrial.cell.door.mcp.domain import tools, versions
from seatrial.cell.door.mcp.domain.messages import (
    INVALID_PARAMS,
    METHOD_NOT_FOUND,
    Asked,
    RpcError,
)
from seatrial.cell.door.mcp.domain.versions import Era
from seatrial.cell.door.service.slots import Insider
from seatrial.cell.tools.domain.refusals import ActionUnknown
from seatrial.cell.tools.service.actions import Actions, Called

CALL: Final = "tools/call"
_FRESH_MS: Final = 3_600_000
"""How long a client may keep a list: a process has one release, and a release never changes."""
_CAPABILITIES: Final = {"tools": {"listChanged": False}}
_SERVER: Final = {"name": "seatrial", "title": "Seatrial", "version": version("seatrial")}


@dataclass(frozen=True, slots=True)
class Answer:
    """What is answered.

    Attributes:
        document: the message.
        call: to be told whether the answer has arrived; None where nobody asks.
    """

    document: dict[str, Any]
    call: Called | None = None


class Tools:
    """A release's actions as an MCP server without sessions."""

    def __init__(self, actions: Actions) -> None:
        self._actions = actions

    async def answer(self, caller: Insider, asked: Asked, era: Era) -> Answer:
        """Answer one request.

        Raises:
            RpcError: without the request's id.
            SeatrialError: of `Actions.call`.
        """
        if asked.method == CALL:
            return await self._call(caller, asked, era)
        if asked.method == "tools/list":
            found = await self._list(caller, asked)
            return _answer(asked, era, _fresh(found, caller) if era is Era.STATELESS else found)
        if era is Era.STATELESS and asked.method == "server/discover":
            return _answer(asked, era, _fresh(_discovered(), caller))
        if era is Era.HANDSHAKE and asked.method == "initialize":
            return _answer(asked, era, _initialized(asked))
        if era is Era.HANDSHAKE and asked.method == "ping":
            return _answer(asked, era, {})
        raise RpcError(METHOD_NOT_FOUND, f"Method not found: {asked.method!r}")

    async def _list(self, caller: Insider, asked: Asked) -> dict[str, Any]:
        actions = await self._actions.listed(caller.slot)
        found, following = tools.page(actions, asked.params.get("cursor"))
        return {"tools": found} if following is None else {"tools": found, "nextCursor": following}

    async def _call(self, caller: Insider, asked: Asked, era: Era) -> Answer:
        name, arguments = tools.called(asked)
        try:
            called = await self._actions.call(caller.slot, name, arguments)
        except ActionUnknown:
            raise tools.unknown(name, await self._actions.listed(caller.slot)) from None
        return Answer(_answer(asked, era, tools.result(called.told)).document, called)


def _answer(asked: Asked, era: Era, result: Mapping[str, Any]) -> Answer:
    if era is Era.STATELESS:
        result = {**result, "resultType": "complete", "_meta": {versions.META_SERVER: _SERVER}}
    return Answer(asked.answered(result))


def _initialized(asked: Asked) -> dict[str, Any]:
    offered = asked.params.get("protocolVersion")
    if not isinstance(offered, str):
        raise RpcError(INVALID_PARAMS, "params.protocolVersion is the version that you offer.")
    return {
        "protocolVersion": versions.settled(offered),
        "capabilities": _CAPABILITIES,
        "serverInfo": _SERVER,
    }


def _discovered() -> dict[str, Any]:
    return {"supportedVersions": list(versions.SUPPORTED), "capabilities": _CAPABILITIES}


def _fresh(result: Mapping[str, Any], caller: Insider) -> dict[str, Any]:
    """`result`, and how long it may be kept: local code may change its actions at any time."""
    ttl = 0 if caller.local else _FRESH_MS
    return {**result, "ttlMs": ttl, "cacheScope": "private"}
