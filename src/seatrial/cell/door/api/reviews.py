"""`/v1/reviews`: what people are asked of runs that wait, and what they say."""

from typing import Annotated, Any, Final

import orjson
from pydantic import Field

from seatrial.cell.door.api.desk import Desk, asked_for, page_size
from seatrial.cell.door.api.operations import Operating
from seatrial.cell.door.api.shown import told_run
from seatrial.cell.door.domain import Operation
from seatrial.cell.runs.domain.refusals import RunUnknown
from seatrial.cell.runs.domain.values import Run
from seatrial.cell.tools.domain.refusals import ReviewSettled
from seatrial.cell.tools.service.reviews import Asked, Reviews, Word
from seatrial.contract.documents import Document
from seatrial.contract.runs.access import Caller, CellPermission
from seatrial.kit.http.answers import answer_json
from seatrial.kit.http.asgi import App, Receive, Scope, Send
from seatrial.kit.http.requests import read_json
from seatrial.kit.http.routes import path_values

_LONGEST: Final = 4_000  # characters
_LARGEST: Final = 1 << 20  # bytes
_SHORT: Final = 65_536
_LONGEST_SEQ: Final = 9  # digits


class Decision(Document):
    """What a person says."""

    reason: Annotated[str, Field(max_length=_LONGEST)] = ""


class Happening(Decision):
    """What a person says of a write that has happened.

    Attributes:
        value: what its agent is answered; any JSON value.
    """

    value: Any = None


def review_routes(desk: Desk, reviews: Reviews) -> list[tuple[str, str, App]]:
    """The endpoints, for `Routes`."""
    at = _Endpoints(desk, reviews)

    def operating(operation: Operation, app: App) -> App:
        return Operating(desk.environment, operation, app)

    return [
        ("GET", "/v1/reviews", at.listed),
        ("POST", "/v1/reviews/{run}/{seq}/approve", operating(Operation.APPROVE, at.approve)),
        ("POST", "/v1/reviews/{run}/{seq}/reject", operating(Operation.REJECT, at.reject)),
        ("POST", "/v1/reviews/{run}/{seq}/happened", operating(Operation.HAPPENED, at.happened)),
        (
            "POST",
            "/v1/reviews/{run}/{seq}/not-happened",
            operating(Operation.NOT_HAPPENED, at.not_happened),
        ),
    ]


class _Endpoints:
    def __init__(self, desk: Desk, reviews: Reviews) -> None:
        self._desk = desk
        self._reviews = reviews

    async def listed(self, scope: Scope, _receive: Receive, send: Send) -> None:
        """What is asked; with its arguments for those who may see payloads."""
        caller = await self._desk.caller(scope, CellPermission.PAYLOAD, CellPermission.READ)
        limit = page_size(asked_for(scope, "limit"))
        found = await self._reviews.listed(tenant=caller.tenant or None, limit=limit)
        payload = caller.may(CellPermission.PAYLOAD)
        if payload:
            for run in {each.run.id: each.run for each in found}.values():
                await self._desk.payload(caller, run)
        await answer_json(send, {"reviews": [_told(each, payload=payload) for each in found]})

    async def approve(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let an action be performed."""
        await self._decide(scope, receive, send, approved=True)

    async def reject(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let an action not be performed; its agent is told so."""
        await self._decide(scope, receive, send, approved=False)

    async def happened(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Say that a write has happened."""
        caller = await self._desk.caller(scope, CellPermission.OPERATE)
        told = Happening.read(await read_json(scope, receive, limit=_LARGEST, strict=False))
        run, seq = await self._place(scope, caller)
        word = Word(by=caller.id, reason=told.reason)
        await self._answer(send, await self._reviews.happened(run, seq, word, told.value))

    async def not_happened(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Say that a write has not happened: it is performed when the run goes on."""
        caller = await self._desk.caller(scope, CellPermission.OPERATE)
        told = Decision.read(await read_json(scope, receive, limit=_SHORT))
        run, seq = await self._place(scope, caller)
        word = Word(by=caller.id, reason=told.reason)
        await self._answer(send, await self._reviews.not_happened(run, seq, word))

    async def _decide(self, scope: Scope, receive: Receive, send: Send, *, approved: bool) -> None:
        caller = await self._desk.caller(scope, CellPermission.OPERATE)
        told = Decision.read(await read_json(scope, receive, limit=_SHORT))
        run, seq = await self._place(scope, caller)
        word = Word(by=caller.id, reason=told.reason)
        await self._answer(send, await self._reviews.decide(run, seq, word, approved=approved))

    async def _place(self, scope: Scope, caller: Caller) -> tuple[str, int]:
        """Run and number in the path, of a run that the caller may touch."""
        named = path_values(scope)
        run, text = await self._desk.runs.get(named["run"]), named["seq"]
        if caller.tenant not in {"", run.tenant}:
            raise RunUnknown(run=run.id)
        if not (text.isascii() and text.isdigit() and len(text) <= _LONGEST_SEQ):
            raise ReviewSettled(run=run.id, seq=text)
        return run.id, int(text)

    async def _answer(self, send: Send, run: Run) -> None:
        await answer_json(send, told_run(run, self._desk.environment, payload=False))


def _told(asked: Asked, *, payload: bool) -> dict[str, Any]:
    question, arguments = asked.question, None
    if payload and question.request is not None:
        arguments = orjson.loads(question.request.content)
        if not question.unknown:
            arguments = arguments["arguments"]
    since = question.since
    return {
        "run": asked.run.id,
        "seq": question.seq,
        "agent": asked.run.agent,
        "release_name": asked.run.release_name,
        "action": asked.action,
        "asks": "outcome" if question.unknown else "approval",
        "arguments": arguments,
        "since": None if since is None else since.isoformat().replace("+00:00", "Z"),
    }
