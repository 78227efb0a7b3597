"""A release's actions as MCP's tools, page by page, and what became of a call."""

import base64
import binascii
from collections.abc import Mapping, Sequence
from typing import Any, Final

import orjson

from seatrial.cell.door.mcp.domain.messages import INVALID_PARAMS, Asked, RpcError
from seatrial.cell.tools.domain.values import Shown, Told
from seatrial.contract.releases.actions import Effect

PAGE: Final = 100
"""Tools on a page."""
_MARK: Final = "after:"
_HEADERS: Final = "x-mcp-header"


def tool(action: Shown) -> dict[str, Any]:
    """The action as a tool."""
    shown: dict[str, Any] = {
        "name": action.name,
        # A client drops the whole list for one schema that is no object's.
        "inputSchema": {**_without_headers(action.input_schema), "type": "object"},
        "annotations": annotations(action.effect),
    }
    if action.description:
        shown["description"] = action.description
    return shown


def annotations(effect: Effect) -> dict[str, bool]:
    """What an effect means in MCP's words. Every write may destroy: our classes do not say."""
    reads = effect is Effect.READ
    return {
        "readOnlyHint": reads,
        "destructiveHint": not reads,
        "idempotentHint": reads or effect is Effect.IDEMPOTENT,
    }


def page(actions: Sequence[Shown], cursor: object) -> tuple[list[dict[str, Any]], str | None]:
    """The tools that follow `cursor` (None: the first), and the cursor of the next page.

    A cursor says after which name to go on, so that any process can answer it.

    Raises:
        RpcError: nothing here gave out such a cursor.
    """
    ordered = sorted(actions, key=lambda action: action.name)
    start = 0
    if cursor is not None:
        names = [action.name for action in ordered]
        last = _read(cursor)
        if last not in names:
            raise RpcError(INVALID_PARAMS, "The cursor is unknown; list from the start.")
        start = names.index(last) + 1
    found = ordered[start : start + PAGE]
    more = start + PAGE < len(ordered)
    return [tool(action) for action in found], _cursor(found[-1].name) if more else None


def called(asked: Asked) -> tuple[str, dict[str, Any]]:
    """The name and the arguments of a `tools/call`.

    Raises:
        RpcError: it has no name, or its arguments are no object.
    """
    name = asked.params.get("name")
    if not isinstance(name, str):
        raise RpcError(INVALID_PARAMS, "params.name is the name of a tool.")
    arguments = asked.params.get("arguments")
    if arguments is None:
        return name, {}
    if not isinstance(arguments, dict):
        raise RpcError(INVALID_PARAMS, "params.arguments is a JSON object.")
    return name, arguments


def unknown(name: str, actions: Sequence[Shown]) -> RpcError:
    """What an agent is told that calls a tool which its release does not have."""
    known = ", ".join(sorted(action.name for action in actions)[:20]) or "none"
    return RpcError(INVALID_PARAMS, f"Unknown tool: {name[:128]!r}. The release has {known}.")


def result(told: Told) -> dict[str, Any]:
    """What became of a call.

    Text goes to the model as it is, everything else as JSON whose members are sorted: an answer
    from the record must be the same bytes, or the agent asks its model another question.
    """
    if told.ok:
        value = told.value
        text = value if isinstance(value, str) else _json(value)
        found: dict[str, Any] = {"content": [{"type": "text", "text": text}], "isError": False}
        if isinstance(value, dict):
            found["structuredContent"] = value
        return found
    sentence = told.error or "The action failed."
    return {
        "content": [{"type": "text", "text": sentence}],
        "structuredContent": {"error": sentence, "code": told.code},
        "isError": True,
    }


def _json(value: object) -> str:
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()


def _cursor(name: str) -> str:
    return base64.urlsafe_b64encode(f"{_MARK}{name}".encode()).decode()


def _read(cursor: object) -> str | None:
    if not isinstance(cursor, str):
        return None
    try:
        text = base64.b64decode(cursor.encode(), altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError):
        return None
    return text.removeprefix(_MARK) if text.startswith(_MARK) else None


def _without_headers(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The schema without wishes to see arguments in headers too: nothing here routes by them."""
    kept = {key: value for key, value in schema.items() if key != _HEADERS}
    properties = kept.get("properties")
    if isinstance(properties, dict):
        kept["properties"] = {
            name: _without_headers(each) if isinstance(each, dict) else each
            for name, each in properties.items()
        }
    return kept
