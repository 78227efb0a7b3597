"""The provider's endpoints: three APIs of models, faults on request, and a look at its counts."""

import asyncio
import hashlib
import json
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Final

from pydantic import ValidationError

from seatrial.cell.llms.domain import Dialect, Route
from seatrial.cell.llms.scripted.dialects import chat, messages, responses
from seatrial.cell.llms.scripted.dialects.parts import Frame
from seatrial.cell.llms.scripted.domain import (
    NO_ANSWER,
    Asked,
    Break,
    BreakRefused,
    Fault,
    QuestionUnreadable,
    Reply,
    Unscripted,
)
from seatrial.cell.llms.scripted.service import Scripted
from seatrial.kit.documents import findings
from seatrial.kit.http.answers import JSON, answer_empty, answer_json
from seatrial.kit.http.answers import answer as http_answer
from seatrial.kit.http.asgi import App, Receive, Scope, Send
from seatrial.kit.http.boundary import ResponseCut
from seatrial.kit.http.requests import gone, read_json
from seatrial.kit.http.routes import Routes

_LARGEST: Final = 64 << 20  # bytes of a question
_SPOKEN: Final = {Route.CHAT: chat, Route.RESPONSES: responses, Route.MESSAGES: messages}
_STREAM: Final = [(b"content-type", b"text/event-stream; charset=utf-8")]
_OTHER: Final = "some-other-model"
_REFUSALS: Final = {
    Fault.OVERLOADED: (529, "overloaded_error", "Overloaded"),
    Fault.RATE_LIMITED: (429, "rate_limit_error", "Too many requests"),
    Fault.BROKEN: (500, "api_error", "Something went wrong"),
}


def provider(scripted: Scripted) -> App:
    """The provider as an app."""

    async def healthy(_scope: Scope, _receive: Receive, send: Send) -> None:
        """Whether it serves, and what was asked of it."""
        await answer_json(send, {"serving": True, "questions": scripted.counts})

    async def broken(scope: Scope, receive: Receive, send: Send) -> None:
        """Let the next questions meet a fault."""
        try:
            asked = Break.model_validate(await read_json(scope, receive, limit=1 << 16))
        except ValidationError as error:
            raise BreakRefused(reason=findings(Break, error)) from None
        scripted.break_next(asked)
        await answer_empty(send)

    async def mended(_scope: Scope, _receive: Receive, send: Send) -> None:
        """Forget the faults that were asked for."""
        scripted.mend()
        await answer_empty(send)

    return Routes(
        [
            ("GET", "/", healthy),
            ("GET", "/v1", healthy),
            ("GET", "/healthz", healthy),
            ("POST", "/faults", broken),
            ("DELETE", "/faults", mended),
            *(("POST", f"/v1{route}", _Spoken(scripted, route)) for route in _SPOKEN),
        ]
    )


class _Spoken:
    """One API of a model."""

    def __init__(self, scripted: Scripted, route: Route) -> None:
        self._scripted = scripted
        self._route = route
        self._form: ModuleType = _SPOKEN[route]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = await read_json(scope, receive, limit=_LARGEST, strict=False)
        raw = json.dumps(body).encode()
        try:
            asked: Asked = self._form.read(body, len(raw))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise QuestionUnreadable(reason=f"{type(error).__name__} at {error}") from None
        try:
            reply = self._scripted.reply(asked)
        except Unscripted as error:
            await self._refuse(send, error.status, error.code, f"{error.message} {error.remedy}")
            return
        await asyncio.sleep(reply.delay)
        told = _Told(asked, reply, Frame(hashlib.sha256(raw).hexdigest()[:24], asked.model))
        await self._tell(told, receive, send)

    async def _tell(self, told: "_Told", receive: Receive, send: Send) -> None:
        fault = told.reply.fault
        if fault is Fault.SILENT:
            await gone(receive)
        elif fault in _REFUSALS:
            status, kind, said = _REFUSALS[fault]
            headers = [(b"retry-after", b"1")] if status != 500 else []
            await self._refuse(send, status, kind, said, headers)
        elif fault is Fault.GARBAGE:
            await http_answer(send, b"\xff\xfe no json {", content_type=JSON)
        elif told.asked.stream:
            await _stream(send, told.events(self._form), cut=fault is Fault.CUT)
        else:
            await _whole(send, told.whole(self._form), cut=fault is Fault.CUT)

    async def _refuse(
        self,
        send: Send,
        status: int,
        kind: str,
        said: str,
        headers: list[tuple[bytes, bytes]] | None = None,
    ) -> None:
        error: dict[str, Any] = {"message": said, "type": kind}
        if self._route.dialect is Dialect.ANTHROPIC:
            await answer_json(send, {"type": "error", "error": error}, status=status,
                              headers=headers or [])  # fmt: skip
            return
        error |= {"code": kind, "param": None}
        await answer_json(send, {"error": error}, status=status, headers=headers or [])


@dataclass(frozen=True)
class _Told:
    """A question with what is to happen to it."""

    asked: Asked
    reply: Reply
    frame: Frame

    @property
    def _framed(self) -> Frame:
        if self.reply.fault is Fault.OTHER_MODEL:
            return Frame(self.frame.own, _OTHER)
        return self.frame

    def whole(self, form: ModuleType) -> bytes:
        return json.dumps(form.whole(self._framed, self.reply.answer or NO_ANSWER)).encode()

    def events(self, form: ModuleType) -> list[bytes]:
        return list(form.events(self._framed, self.reply.answer or NO_ANSWER, self.asked))


async def _stream(send: Send, events: list[bytes], *, cut: bool) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": _STREAM})
    for event in events[: len(events) // 2] if cut else events:
        await send({"type": "http.response.body", "body": event, "more_body": True})
    if cut:
        await asyncio.sleep(0.05)  # so that what was sent is read before the end is met
        raise ResponseCut
    await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _whole(send: Send, body: bytes, *, cut: bool) -> None:
    if not cut:
        await http_answer(send, body, content_type=JSON)
        return
    headers = [(b"content-type", JSON), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    part = body[: len(body) // 2]
    await send({"type": "http.response.body", "body": part, "more_body": True})
    raise ResponseCut
