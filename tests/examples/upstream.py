"""A model that runs the order desk of the examples, in OpenAI's two dialects and Anthropic's.

It looks the order up, asks for the words of its arrival where it was offered a tool for that, and
then says both. A question with the word `wait` is answered last once `go` is set. Questions are
read and answers written as the scripted model does it.
"""

import asyncio
import json
import re
from dataclasses import dataclass, field
from typing import Any, Final

from seatrial.cell.llms.scripted.dialects import chat, messages, responses
from seatrial.cell.llms.scripted.dialects.parts import Frame
from seatrial.cell.llms.scripted.domain import Answer, Asked, Calling, Role
from seatrial.kit.http.asgi import Receive, Scope, Send
from seatrial.kit.http.requests import read_body

_FORMS: Final[dict[str, Any]] = {
    "/chat/completions": chat,
    "/responses": responses,
    "/messages": messages,
}


@dataclass(frozen=True)
class Question:
    """What the user said, what tools told since, what is offered.

    Attributes:
        turns: how many questions of the user there are, the last one included.
    """

    text: str
    told: tuple[str, ...]
    offered: frozenset[str]
    turns: int

    @property
    def answer(self) -> Answer:
        """The next call, or the last words."""
        call = self._call
        calls: tuple[Calling, ...] = ()
        if call is not None:
            name, arguments = call
            calls = (Calling(id=f"call_{len(self.told)}", name=name, arguments=arguments),)
        content = None if calls else self._words
        return Answer(content=content, calls=calls, input_tokens=20, output_tokens=5)

    @property
    def _call(self) -> tuple[str, dict[str, Any]] | None:
        if not self.told:
            (order,) = re.findall(r"A-\d", self.text)
            return "order_status", {"order": order}
        if len(self.told) == 1 and "arrival" in self.offered:
            return "arrival", {"days": json.loads(self.told[0])["days"]}
        return None

    @property
    def _words(self) -> str:
        found = json.loads(self.told[0])
        when = self.told[1] if len(self.told) > 1 else f"in {found['days']} days"
        return f"Order {found['order']} is {found['state']} and arrives {when.strip()}. "


@dataclass
class Upstream:
    """What was asked, by question and step."""

    seen: list[tuple[str, int]] = field(default_factory=list)
    turns: list[int] = field(default_factory=list)
    go: asyncio.Event = field(default_factory=asyncio.Event)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        raw = await read_body(scope, receive, limit=1 << 20)
        body = json.loads(raw)
        form = _FORMS[scope["path"].removeprefix("/v1")]
        asked: Asked = form.read(body, len(raw))
        question = _question(asked, body["tools"])
        self.seen.append((question.text, len(question.told)))
        self.turns.append(question.turns)
        answer = question.answer
        if not answer.calls and "wait" in question.text:
            await self.go.wait()
        assert asked.stream, "every example streams"
        events = b"".join(form.events(Frame("1", asked.model), answer, asked))
        headers = [(b"content-type", b"text/event-stream; charset=utf-8")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": events, "more_body": False})


def _question(asked: Asked, tools: list[dict[str, Any]]) -> Question:
    last = max(n for n, each in enumerate(asked.heard) if each.role is Role.USER)
    return Question(
        asked.heard[last].text,
        tuple(_told(each.text) for each in asked.heard[last:] if each.role is Role.TOOL),
        frozenset((each.get("function") or each)["name"] for each in tools),
        len(asked.texts(Role.USER)),
    )


def _told(text: str) -> str:
    """The words of a result: one framework hands over the whole part of an MCP result."""
    try:
        found = json.loads(text)
    except ValueError:
        return text
    return str(found["text"]) if isinstance(found, dict) and "text" in found else text
