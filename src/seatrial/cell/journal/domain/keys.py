"""Names of calls: two calls of a run that ask the same have the same key, in every attempt.

A key is a SHA-256 over kind, route, name and the canonical JSON of the body. Headers are never in
it. Two things are taken out of the body, and nothing else:

- transport: fields of a fixed list, which carry tracing, cache and account marks that clients coin
  anew for each run and that no answer depends on;
- coined ids: what joins a tool's result to its call. Those that a provider coined come back from
  the journal and are the same in every attempt; those that a framework coined are not, and a body
  does not tell which is which. So all are renamed by first appearance: which result belongs to
  which call stays in the key, what the ids look like does not. Ids of what a provider keeps
  (`previous_response_id`, `conversation`, an `item_reference`) stay: they are content.

A body that has no canonical form is named by its very bytes: one that is no JSON, repeats a member
name, holds an integer beyond 53 bits, half a surrogate pair, or more than 128 levels. Such a body
answers only to an equal one.
"""

import enum
import hashlib
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson

from seatrial.cell.journal.domain.rows import Kind
from seatrial.kit.crypto.canonical import canonical
from seatrial.kit.crypto.documents import strict_json
from seatrial.kit.errors import SeatrialError


class Dialect(enum.StrEnum):
    """How a body is to be read."""

    OPENAI_CHAT = "openai_chat"
    OPENAI_RESPONSES = "openai_responses"
    ANTHROPIC_MESSAGES = "anthropic_messages"
    MCP_TOOL = "mcp_tool"
    """A JSON-RPC message `tools/call`."""
    ACTION = "action"
    """An action's arguments over HTTP, as they stand."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Call:
    """A call as its key sees it.

    Attributes:
        kind: what.
        dialect: how to read the body.
        route: the method and path, such as `POST /v1/messages`; the same for all ways to an action.
        name: the model or the action.
        body: as it came.
    """

    kind: Kind
    dialect: Dialect
    route: str
    name: str
    body: bytes


_Node = dict[str, Any]
_OPENAI: Final = frozenset(("metadata", "prompt_cache_key", "safety_identifier", "user"))
_DROPPED: Final[Mapping[Dialect, frozenset[str]]] = {
    Dialect.OPENAI_CHAT: _OPENAI,
    Dialect.OPENAI_RESPONSES: _OPENAI,
    Dialect.ANTHROPIC_MESSAGES: frozenset(("metadata",)),
    Dialect.MCP_TOOL: frozenset(("id", "jsonrpc")),
    Dialect.ACTION: frozenset(),
}
_MASKS: Final = re.compile(
    rb"(?<![0-9A-Za-z])(?:"
    rb"[0-9a-fA-F]{8}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{12}"
    rb"|\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:[.,]\d{1,9})?)?(?:Z|[+-]\d\d:?\d\d)?)?"
    rb"|(?:(?:Mon|Tues?|Wed(?:nes)?|Thu(?:rs)?|Fri|Sat(?:ur)?|Sun)(?:day)?,? )?"
    rb"(?:\d{1,2} (?:MONTH),? \d{4}|(?:MONTH) \d{1,2},? \d{4}|(?:MONTH) [ \d]\d(?= \d\d:))"
    rb"|\d{1,2}[./]\d{1,2}[./]\d{4}"
    rb"|\d\d:\d\d(?::\d\d(?:[.,]\d{1,9})?)?(?: ?[AP]M)?(?:Z|[+-]\d\d:?\d\d)?"
    rb"|1[5-9]\d{8}(?:\.\d{1,9}|\d{3}|\d{6}|\d{9})?"
    rb")(?![0-9A-Za-z])".replace(
        b"MONTH",
        rb"Jan(?:uary)?|Feb(?:ruary)?|Mar(?:ch)?|Apr(?:il)?|May|June?|July?|Aug(?:ust)?"
        rb"|Sep(?:t|tember)?|Oct(?:ober)?|Nov(?:ember)?|Dec(?:ember)?",
    )
)
"""Dates, times of day, epochs from 2017 to 2033 (s, ms, us, ns), and UUIDs."""
_MASK: Final = b"~"


def exact(call: Call) -> str:
    """The key: 64 hexadecimal digits."""
    return _named(call, b"exact", _form(call))


def masked(call: Call) -> str:
    """The key with each date, time, epoch and UUID replaced. What it finds is approximate.

    The text is read once for it: about 0.2 ms per kB. So it is computed only where a replay misses
    a key.
    """
    return _named(call, b"masked", _MASKS.sub(_MASK, _form(call)))


def scripted(call: Call) -> str:
    """The key where a recording has no request bodies: the turn, and what was said last.

    Of a model call, the turn counts the answers of models that its body holds, and what was said
    last is the text of what follows the last of them. Of an action, it is the whole call.
    """
    read = _SPOKEN.get(call.dialect)
    try:
        value = _value(call.body)
    except SeatrialError:
        value = None
    if read is None or not isinstance(value, dict):
        return _named(call, b"scripted", _form(call))
    return said_at(*read(value))


def said_at(turn: int, said: str) -> str:
    """The key of a model call in a script.

    Args:
        turn: answers of models before it.
        said: the last text of the user or of tools; results of parallel calls joined by newlines.
    """
    text = "\n".join(line.strip() for line in said.strip().splitlines())
    return hashlib.sha256(f"said\x00{turn}\x00{text}".encode("utf-8", "replace")).hexdigest()


def effect_key(run: str, action: str, key: str, occurrence: int) -> str:
    """What an effect is known by to the other side: the same in every attempt."""
    text = "\x00".join((run, action, key, str(occurrence)))
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()


def _named(call: Call, way: bytes, form: bytes) -> str:
    named = hashlib.sha256()
    for part in (way, call.kind.encode(), call.route.encode(), call.name.encode()):
        named.update(len(part).to_bytes(8, "big") + part)
    named.update(form)
    return named.hexdigest()


def _form(call: Call) -> bytes:
    """The bytes that stand for a body."""
    try:
        value = _value(call.body)
        kept = _kept(call.dialect, value) if isinstance(value, dict) else value
        return b"json" + canonical(kept)
    except SeatrialError:
        return b"raw" + call.body


def _value(body: bytes) -> Any:  # noqa: ANN401 - any JSON value
    """The value of a body, strictly.

    A body that orjson writes as it came repeats no member, for that would be lost. So do bodies
    of the clients that matter, and the strict reader, twenty times as slow, is seldom needed.
    """
    try:
        value: Any = orjson.loads(body)
        if orjson.dumps(value) == body:
            return value
    except (orjson.JSONDecodeError, orjson.JSONEncodeError):
        pass
    return strict_json(body, largest=len(body))


def _kept(dialect: Dialect, value: _Node) -> _Node:
    kept = {name: child for name, child in value.items() if name not in _DROPPED[dialect]}
    if dialect is Dialect.MCP_TOOL and isinstance(kept.get("params"), dict):
        kept["params"] = {name: item for name, item in kept["params"].items() if name != "_meta"}
    renamed = _IDS.get(dialect)
    return kept if renamed is None else renamed(kept, _Names())


class _Names:
    """New names for ids, by first appearance."""

    def __init__(self) -> None:
        self._given: dict[str, str] = {}

    def of(self, node: Any, *members: str) -> Any:  # noqa: ANN401 - any JSON value
        """`node` with its ids renamed, where it is an object that has some."""
        if not isinstance(node, dict):
            return node
        found = [name for name in members if isinstance(node.get(name), str)]
        if not found:
            return node
        return {**node, **{name: self._name(node[name]) for name in found}}

    def _name(self, coined: str) -> str:
        return self._given.setdefault(coined, f"id{len(self._given)}")


def _chat(body: _Node, names: _Names) -> _Node:
    def message(node: Any) -> Any:  # noqa: ANN401
        node = names.of(node, "tool_call_id")
        if isinstance(node, dict) and isinstance(node.get("tool_calls"), list):
            node = {**node, "tool_calls": [names.of(call, "id") for call in node["tool_calls"]]}
        return node

    return _over(body, "messages", message)


def _responses(body: _Node, names: _Names) -> _Node:
    def item(node: Any) -> Any:  # noqa: ANN401
        if isinstance(node, dict) and node.get("type") == "item_reference":
            return node
        return names.of(node, "call_id", "id")

    return _over(body, "input", item)


def _messages(body: _Node, names: _Names) -> _Node:
    def message(node: Any) -> Any:  # noqa: ANN401
        if not isinstance(node, dict):
            return node
        return _over(node, "content", lambda part: names.of(part, "id", "tool_use_id"))

    return _over(body, "messages", message)


def _over(body: _Node, member: str, change: Callable[[Any], Any]) -> _Node:
    nodes = body.get(member)
    if not isinstance(nodes, list):
        return body
    return {**body, member: [change(node) for node in nodes]}


_IDS: Final[Mapping[Dialect, Callable[[_Node, _Names], _Node]]] = {
    Dialect.OPENAI_CHAT: _chat,
    Dialect.OPENAI_RESPONSES: _responses,
    Dialect.ANTHROPIC_MESSAGES: _messages,
}


def _spoken_in_messages(body: _Node) -> tuple[int, str]:
    """Of chat completions and Anthropic messages."""
    nodes = _nodes(body.get("messages"))
    turn = sum(node.get("role") == "assistant" for node in nodes)
    return turn, _last(["" if node.get("role") in _UNHEARD else _text(node) for node in nodes])


def _spoken_in_input(body: _Node) -> tuple[int, str]:
    """Of responses; what a model says in one answer may be several items in a row."""
    items = body.get("input")
    if isinstance(items, str):
        return 0, items
    nodes = _nodes(items)
    own = [node.get("role") == "assistant" or node.get("type") in _MADE for node in nodes]
    turn = sum(mine and not before for before, mine in zip([False, *own], own, strict=False))
    mute = [mine or node.get("role") in _UNHEARD for mine, node in zip(own, nodes, strict=True)]
    return turn, _last(
        ["" if silent else _text(node) for silent, node in zip(mute, nodes, strict=True)]
    )


def _nodes(value: object) -> list[_Node]:
    return [node for node in value if isinstance(node, dict)] if isinstance(value, list) else []


_UNHEARD: Final = frozenset(("assistant", "system", "developer"))
_MADE: Final = frozenset(("function_call", "reasoning", "custom_tool_call"))
_SPOKEN: Final[Mapping[Dialect, Callable[[_Node], tuple[int, str]]]] = {
    Dialect.OPENAI_CHAT: _spoken_in_messages,
    Dialect.ANTHROPIC_MESSAGES: _spoken_in_messages,
    Dialect.OPENAI_RESPONSES: _spoken_in_input,
}


def _last(texts: list[str]) -> str:
    """The texts after the last that is empty, as a model's own and the system's are."""
    cut = max((place for place, text in enumerate(texts) if not text), default=-1)
    return "\n".join(texts[cut + 1 :])


def _text(node: object) -> str:
    return "\n".join(_texts(node))


def _texts(node: object) -> Iterator[str]:
    """The texts of a message, item or part, in order."""
    if isinstance(node, str):
        yield node
    elif isinstance(node, list):
        for part in node:
            yield from _texts(part)
    elif isinstance(node, dict):
        for name in ("content", "text", "output"):
            yield from _texts(node.get(name))
