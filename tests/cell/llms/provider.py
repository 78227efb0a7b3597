"""A provider of models that says what it is told to say, in both dialects, and can misbehave.

It keeps every request that it got. Faults are asked for by the model's name: `gpt-slow`, `gpt-cut`
and so on, see `FAULTS`; the answers are those that OpenAI and Anthropic document.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import orjson

from seatrial.kit.http.asgi import App, Receive, Scope, Send
from seatrial.kit.http.boundary import ResponseCut
from seatrial.kit.http.listening import listen
from seatrial.kit.http.requests import gone, read_body
from seatrial.kit.http.server import Server

TEXT = "Guten Tag, wie geht es Ihnen?"
WORDS = [f"{word} " for word in TEXT.split()]
FAULTS = ("overloaded", "slow", "cut", "half", "garbage", "other", "silent")


@dataclass
class Seen:
    path: str
    query: str
    headers: list[tuple[bytes, bytes]]
    body: bytes

    def header(self, name: str) -> str | None:
        return next((v.decode() for k, v in self.headers if k == name.encode()), None)


@dataclass
class Provider:
    """What was asked, and what was sent."""

    address: str = ""
    seen: list[Seen] = field(default_factory=list)
    sent: list[bytes] = field(default_factory=list)
    reached: asyncio.Event = field(default_factory=asyncio.Event)
    left: asyncio.Event = field(default_factory=asyncio.Event)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = await read_body(scope, receive, limit=1 << 30)
        query = scope.get("query_string", b"").decode()
        self.seen.append(Seen(scope["path"], query, list(scope["headers"]), body))
        self.reached.set()
        asked = orjson.loads(body)
        answer = _Answer(self, scope["path"].removeprefix("/v1"), asked, receive, send)
        await answer.give()


@dataclass
class _Answer:
    provider: Provider
    route: str
    asked: dict[str, Any]
    receive: Receive
    send: Send

    @property
    def model(self) -> str:
        return str(self.asked["model"])

    @property
    def fault(self) -> str:
        return next((fault for fault in FAULTS if self.model.endswith(fault)), "")

    async def give(self) -> None:
        if self.fault == "overloaded":
            body = orjson.dumps({"error": {"message": "later", "type": "overloaded"}})
            await self._whole(body, status=529, extra=[(b"retry-after", b"7")])
        elif self.fault == "silent":
            await gone(self.receive)
            self.provider.left.set()
        elif self.asked.get("stream"):
            await self._stream()
        else:
            await self._plain()

    async def _plain(self) -> None:
        body = orjson.dumps(self._body(), option=orjson.OPT_INDENT_2)
        if self.fault == "garbage":
            body = b"\xff\xfe no json {"
        if self.fault == "slow":
            await asyncio.sleep(0.2)
        await self._whole(body, cut=self.fault in {"cut", "half"})

    async def _whole(
        self,
        body: bytes,
        *,
        status: int = 200,
        extra: list[tuple[bytes, bytes]] | None = None,
        cut: bool = False,
    ) -> None:
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", b"%d" % len(body)),
            (b"x-request-id", b"req_of_provider"),
            (b"openai-organization", b"secret-org"),
            (b"set-cookie", b"a=b"),
            (b"x-ratelimit-remaining-requests", b"41"),
            *(extra or []),
        ]
        await self.send({"type": "http.response.start", "status": status, "headers": headers})
        if cut:
            await self.send(
                {"type": "http.response.body", "body": body[: len(body) // 2], "more_body": True}
            )
            raise ResponseCut
        self.provider.sent.append(body)
        await self.send({"type": "http.response.body", "body": body})

    async def _stream(self) -> None:
        headers = [(b"content-type", b"text/event-stream; charset=utf-8")]
        await self.send({"type": "http.response.start", "status": 200, "headers": headers})
        whole = b"".join(self._events())
        self.provider.sent.append(whole)
        step = 1 + len(whole) // 23  # parts that end in the middle of events
        parts = [whole[at : at + step] for at in range(0, len(whole), step)]
        for number, part in enumerate(parts):
            if self.fault == "cut" and number == len(parts) // 2:
                await asyncio.sleep(0.05)  # so that what was sent is read before the end is met
                raise ResponseCut
            await self.send({"type": "http.response.body", "body": part, "more_body": True})
            if self.fault == "slow":
                await asyncio.sleep(0.02)
        await self.send({"type": "http.response.body", "body": b"", "more_body": False})

    @property
    def _named(self) -> str:
        return "gpt-9-2031-01-01" if self.fault == "other" else self.model

    def _body(self) -> dict[str, Any]:
        if self.route == "/messages":
            return {
                "id": "msg_1",
                "type": "message",
                "role": "assistant",
                "model": self._named,
                "content": [{"type": "text", "text": TEXT}],
                "stop_reason": "end_turn",
                "stop_sequence": None,
                "usage": _anthropic_usage(12),
            }
        if self.route == "/responses":
            return self._response("completed")
        if self.route == "/embeddings":
            return {
                "object": "list",
                "data": [{"object": "embedding", "index": 0, "embedding": [0.25, -1.5]}],
                "model": self._named,
                "usage": {"prompt_tokens": 8, "total_tokens": 8},
            }
        return {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": 1,
            "model": self._named,
            "choices": [
                {
                    "index": 0,
                    "message": {"role": "assistant", "content": TEXT, "refusal": None},
                    "finish_reason": "stop",
                    "logprobs": None,
                }
            ],
            "usage": _chat_usage(),
        }

    def _response(self, status: str) -> dict[str, Any]:
        text = {"type": "output_text", "text": TEXT, "annotations": []}
        return {
            "id": "resp_1",
            "object": "response",
            "created_at": 1,
            "status": status,
            "model": self._named,
            "output": [
                {
                    "type": "message",
                    "id": "msg_1",
                    "status": "completed",
                    "role": "assistant",
                    "content": [text],
                }
            ]
            if status == "completed"
            else [],
            "parallel_tool_calls": True,
            "tool_choice": "auto",
            "tools": [],
            "usage": {
                "input_tokens": 20,
                "input_tokens_details": {"cached_tokens": 5},
                "output_tokens": 12,
                "output_tokens_details": {"reasoning_tokens": 0},
                "total_tokens": 32,
            }
            if status == "completed"
            else None,
        }

    def _events(self) -> list[bytes]:
        if self.route == "/messages":
            return self._message_events()
        if self.route == "/responses":
            return self._response_events()
        return self._chat_events()

    def _chat_events(self) -> list[bytes]:
        wants = (self.asked.get("stream_options") or {}).get("include_usage")
        frame = {
            "id": "chatcmpl-1",
            "object": "chat.completion.chunk",
            "created": 1,
            "model": self._named,
        }
        nothing = {"usage": None} if wants else {}
        frames = [
            {
                **frame,
                "choices": [{"index": 0, "delta": {"content": word}, "finish_reason": None}],
                **nothing,
            }
            for word in WORDS
        ]
        frames.append(
            {**frame, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}], **nothing}
        )
        if wants:
            frames.append({**frame, "choices": [], "usage": _chat_usage()})
        return [b"data: %b\n\n" % orjson.dumps(each) for each in frames] + [b"data: [DONE]\n\n"]

    def _response_events(self) -> list[bytes]:
        events: list[dict[str, Any]] = [
            {"type": "response.created", "response": self._response("in_progress")},
            *(
                {
                    "type": "response.output_text.delta",
                    "item_id": "msg_1",
                    "output_index": 0,
                    "content_index": 0,
                    "delta": word,
                }
                for word in WORDS
            ),
            {"type": "response.completed", "response": self._response("completed")},
        ]
        return [_named(each | {"sequence_number": n}) for n, each in enumerate(events)]

    def _message_events(self) -> list[bytes]:
        start: dict[str, Any] = {
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "model": self._named,
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": _anthropic_usage(1),
        }
        events: list[dict[str, Any]] = [
            {"type": "message_start", "message": start},
            {
                "type": "content_block_start",
                "index": 0,
                "content_block": {"type": "text", "text": ""},
            },
            {"type": "ping"},
            *(
                {
                    "type": "content_block_delta",
                    "index": 0,
                    "delta": {"type": "text_delta", "text": word},
                }
                for word in WORDS
            ),
            {"type": "content_block_stop", "index": 0},
            {
                "type": "message_delta",
                "delta": {"stop_reason": "end_turn", "stop_sequence": None},
                "usage": {"output_tokens": 12},
            },
            {"type": "message_stop"},
        ]
        return [_named(each) for each in events]


def _named(event: dict[str, Any]) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (event["type"].encode(), orjson.dumps(event))


def _chat_usage() -> dict[str, Any]:
    return {
        "prompt_tokens": 20,
        "completion_tokens": 12,
        "total_tokens": 32,
        "prompt_tokens_details": {"cached_tokens": 5},
    }


def _anthropic_usage(output: int) -> dict[str, Any]:
    return {
        "input_tokens": 10,
        "cache_read_input_tokens": 5,
        "cache_creation_input_tokens": 3,
        "output_tokens": output,
    }


@contextlib.asynccontextmanager
async def serving(app: App) -> AsyncIterator[str]:
    """Where `app` is served meanwhile."""
    server = Server(app, listen("127.0.0.1", 0))
    await server.start()
    try:
        yield server.address
    finally:
        await server.stop(0.0)
