"""A model that runs the order desk of the examples, in OpenAI's two dialects and Anthropic's.

It looks the order up, asks for the words of its arrival where it was offered a tool for that, and
then says both. A question with the word `wait` is answered last once `go` is set.
"""

import asyncio
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from seatrial.kit.http.asgi import Receive, Scope, Send
from seatrial.kit.http.requests import read_body

MODEL: Final = "gpt-4.1"


@dataclass(frozen=True)
class Asked:
    """A request, whatever its dialect: what the user said, what tools told, what is offered.

    Attributes:
        turns: how many questions of the user there are, the last one included.
    """

    question: str
    told: tuple[str, ...]
    offered: frozenset[str]
    turns: int

    @property
    def call(self) -> tuple[str, dict[str, Any]] | None:
        """The tool to call next."""
        if not self.told:
            (order,) = re.findall(r"A-\d", self.question)
            return "order_status", {"order": order}
        if len(self.told) == 1 and "arrival" in self.offered:
            return "arrival", {"days": json.loads(self.told[0])["days"]}
        return None

    @property
    def words(self) -> list[str]:
        """The last answer, in parts."""
        found = json.loads(self.told[0])
        when = self.told[1] if len(self.told) > 1 else f"in {found['days']} days"
        return f"Order {found['order']} is {found['state']} and arrives {when.strip()}.".split(" ")


@dataclass
class Upstream:
    """What was asked, by question and step."""

    seen: list[tuple[str, int]] = field(default_factory=list)
    turns: list[int] = field(default_factory=list)
    go: asyncio.Event = field(default_factory=asyncio.Event)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = json.loads(await read_body(scope, receive, limit=1 << 20))
        route = scope["path"].removeprefix("/v1")
        asked = _READ[route](body)
        self.seen.append((asked.question, len(asked.told)))
        self.turns.append(asked.turns)
        if asked.call is None and "wait" in asked.question:
            await self.go.wait()
        events = b"".join(_SAID[route](asked))
        assert body.get("stream"), "every example streams"
        headers = [(b"content-type", b"text/event-stream; charset=utf-8")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": events, "more_body": False})


def _text(content: Any) -> str:
    if isinstance(content, str):
        return content
    return "".join(part.get("text", "") for part in content or ())


def _chat_read(body: dict[str, Any]) -> Asked:
    messages = body["messages"]
    last = max(n for n, each in enumerate(messages) if each["role"] == "user")
    return Asked(
        _text(messages[last]["content"]),
        tuple(_text(each["content"]) for each in messages[last:] if each["role"] == "tool"),
        frozenset(each["function"]["name"] for each in body["tools"]),
        sum(each["role"] == "user" for each in messages),
    )


def _responses_read(body: dict[str, Any]) -> Asked:
    items = body["input"]
    items = [{"role": "user", "content": items}] if isinstance(items, str) else items
    last = max(n for n, each in enumerate(items) if each.get("role") == "user")
    results = (each for each in items[last:] if each.get("type") == "function_call_output")
    told = []
    for each in results:
        text = _text(each["output"])
        try:  # this framework hands over the whole part of an MCP result
            found = json.loads(text)
        except ValueError:
            found = text
        told.append(found["text"] if isinstance(found, dict) and "text" in found else text)
    offered = frozenset(each["name"] for each in body["tools"])
    turns = sum(each.get("role") == "user" for each in items)
    return Asked(_text(items[last]["content"]), tuple(told), offered, turns)


def _messages_read(body: dict[str, Any]) -> Asked:
    parts: list[dict[str, Any]] = []
    question, turns = "", 0
    for each in body["messages"]:
        if each["role"] == "user" and (text := _text(each["content"])):
            question, parts, turns = text, [], turns + 1
        elif each["role"] == "user":
            parts += [part for part in each["content"] if part["type"] == "tool_result"]
    told = tuple(_text(part["content"]) for part in parts)
    return Asked(question, told, frozenset(each["name"] for each in body["tools"]), turns)


def _id(asked: Asked) -> str:
    return f"call_{len(asked.told)}"


def _chat_said(asked: Asked) -> Iterator[bytes]:
    frame = {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": MODEL}
    if asked.call is not None:
        name, arguments = asked.call
        function = {"name": name, "arguments": json.dumps(arguments)}
        call = {"index": 0, "id": _id(asked), "type": "function", "function": function}
        deltas: list[dict[str, Any]] = [{"role": "assistant", "tool_calls": [call]}]
    else:
        deltas = [{"role": "assistant", "content": f"{word} "} for word in asked.words]
    for delta in deltas:
        choice = {"index": 0, "delta": delta, "finish_reason": None}
        yield b"data: %b\n\n" % json.dumps(frame | {"choices": [choice]}).encode()
    reason = "tool_calls" if asked.call is not None else "stop"
    end = {"index": 0, "delta": {}, "finish_reason": reason}
    yield b"data: %b\n\n" % json.dumps(frame | {"choices": [end]}).encode()
    usage = {"prompt_tokens": 20, "completion_tokens": 5, "total_tokens": 25}
    yield b"data: %b\n\n" % json.dumps(frame | {"choices": [], "usage": usage}).encode()
    yield b"data: [DONE]\n\n"


def _responses_said(asked: Asked) -> Iterator[bytes]:
    item: dict[str, Any]
    events: list[dict[str, Any]]
    if asked.call is not None:
        name, arguments = asked.call
        item = {"type": "function_call", "id": "fc_1", "call_id": _id(asked), "name": name}
        item |= {"arguments": json.dumps(arguments), "status": "completed"}
        events = []
    else:
        text = "".join(f"{word} " for word in asked.words)
        part = {"type": "output_text", "text": text, "annotations": []}
        item = {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed"}
        item |= {"content": [part]}
        place = {"item_id": "msg_1", "output_index": 0, "content_index": 0, "logprobs": []}
        kind = "response.output_text.delta"
        events = [{"type": kind, **place, "delta": f"{word} "} for word in asked.words]
    whole = {"id": "resp_1", "object": "response", "created_at": 1, "model": MODEL}
    whole |= {"parallel_tool_calls": True, "tool_choice": "auto", "tools": []}
    usage: dict[str, Any] = {"input_tokens": 20, "output_tokens": 5, "total_tokens": 25}
    usage |= {
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens_details": {"reasoning_tokens": 0},
    }
    begun = whole | {"status": "in_progress", "output": [], "usage": None}
    done = whole | {"status": "completed", "output": [item], "usage": usage}
    added = {"type": "response.output_item.added", "output_index": 0, "item": item}
    finished = {"type": "response.output_item.done", "output_index": 0, "item": item}
    named: list[dict[str, Any]] = [
        {"type": "response.created", "response": begun},
        added,
        *events,
        finished,
        {"type": "response.completed", "response": done},
    ]
    for number, each in enumerate(named):
        yield _named({**each, "sequence_number": number})


def _messages_said(asked: Asked) -> Iterator[bytes]:
    start: dict[str, Any] = {"id": "msg_1", "type": "message", "role": "assistant"}
    start |= {"model": "claude-sonnet-4-5", "content": [], "stop_reason": None}
    start |= {"stop_sequence": None, "usage": {"input_tokens": 20, "output_tokens": 1}}
    deltas: list[dict[str, Any]]
    if asked.call is not None:
        name, arguments = asked.call
        block = {"type": "tool_use", "id": _id(asked), "name": name, "input": {}}
        deltas = [{"type": "input_json_delta", "partial_json": json.dumps(arguments)}]
    else:
        block = {"type": "text", "text": ""}
        deltas = [{"type": "text_delta", "text": f"{word} "} for word in asked.words]
    yield _named({"type": "message_start", "message": start})
    yield _named({"type": "content_block_start", "index": 0, "content_block": block})
    for delta in deltas:
        yield _named({"type": "content_block_delta", "index": 0, "delta": delta})
    yield _named({"type": "content_block_stop", "index": 0})
    reason = "tool_use" if asked.call is not None else "end_turn"
    end = {"stop_reason": reason, "stop_sequence": None}
    yield _named({"type": "message_delta", "delta": end, "usage": {"output_tokens": 5}})
    yield _named({"type": "message_stop"})


def _named(event: dict[str, Any]) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (event["type"].encode(), json.dumps(event).encode())


_READ: Final = {
    "/chat/completions": _chat_read,
    "/responses": _responses_read,
    "/messages": _messages_read,
}
_SAID: Final = {
    "/chat/completions": _chat_said,
    "/responses": _responses_said,
    "/messages": _messages_said,
}
