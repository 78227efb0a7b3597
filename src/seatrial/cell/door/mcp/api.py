"""`POST /mcp` at the inner door: one message in, one answer out, on streamable HTTP."""

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson

from seatrial.cell.door.mcp.domain import messages, versions
from seatrial.cell.door.mcp.domain.messages import Asked, Noted, RpcError
from seatrial.cell.door.mcp.domain.refusals import AnswerFormRefused, OriginRefused
from seatrial.cell.door.mcp.domain.versions import Era
from seatrial.cell.door.mcp.service import CALL, Answer, Tools
from seatrial.cell.door.service.slots import Insider, Slots
from seatrial.cell.llms.domain import CallWithoutRun
from seatrial.kit.crypto.documents import JsonMalformed
from seatrial.kit.crypto.values import JsonTooDeep, JsonUnfit
from seatrial.kit.errors import SeatrialError
from seatrial.kit.http.answers import JSON, answer, answer_empty
from seatrial.kit.http.asgi import App, Headers, Receive, Scope, Send
from seatrial.kit.http.event_stream import EventStream
from seatrial.kit.http.events import Event
from seatrial.kit.http.lifetime import Lifetime
from seatrial.kit.http.requests import (
    ClientGone,
    HeaderMalformed,
    gone,
    header,
    read_json,
)
from seatrial.kit.log import bound, log_error

_LOG: Final = logging.getLogger(__name__)
QUIET: Final = 10.0
"""Seconds that a call may take before its answer begins, as a stream that is kept alive."""
_SORTED: Final = orjson.OPT_SORT_KEYS  # a recorded answer must be the same bytes as the first
_STATUS: Final = {messages.METHOD_NOT_FOUND: 404}


def mcp_routes(slots: Slots, tools: Tools, *, quiet: float = QUIET) -> list[tuple[str, str, App]]:
    """The endpoint, for `Routes`.

    GET and DELETE are answered with 405, as both eras allow: the server asks nothing by itself,
    and no session can be ended.

    Args:
        slots: who calls.
        tools: what is called.
        quiet: see `QUIET`.
    """
    return [("POST", "/mcp", _Endpoint(slots, tools, quiet))]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Post:
    """A request, and who sent it."""

    scope: Scope
    receive: Receive
    send: Send
    caller: Insider
    era: Era


class _Endpoint:
    """One message of MCP in, one answer out; see the how-to page for what is served.

    Calls whose callers have gone are held here: an effect is not cut off half-way.
    """

    def __init__(self, slots: Slots, tools: Tools, quiet: float) -> None:
        self._slots = slots
        self._tools = tools
        self._quiet = quiet
        self._under_way: set[asyncio.Task[Answer]] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        try:
            caller = await self._admitted(scope)
            value = await _body(scope, receive)
        except RpcError as error:
            await _tell(send, error.document(), status=400)
            return
        except ClientGone:
            raise
        except SeatrialError as error:
            await _refuse(send, error, None, error.status)
            return
        with bound(run=caller.slot.run, agent=caller.slot.agent):
            await self._message(scope, receive, send, caller, value)

    async def _admitted(self, scope: Scope) -> Insider:
        if (origin := header(scope, b"origin")) is not None:
            raise OriginRefused(origin=origin.decode("latin-1"))
        caller = await self._slots.caller(scope)
        if caller.slot.run is None:
            raise CallWithoutRun
        return caller

    async def _message(
        self, scope: Scope, receive: Receive, send: Send, caller: Insider, value: object
    ) -> None:
        try:
            headers = _headers(scope)
            message = messages.message(value)
            era = _era(headers, message)
        except RpcError as error:
            await _tell(send, error.document(), status=400)
            return
        if isinstance(message, Noted):
            # A cancelled write goes on: that it may have happened is worth more than its caller.
            await answer_empty(send, status=202)
            return
        post = _Post(scope=scope, receive=receive, send=send, caller=caller, era=era)
        try:
            if era is Era.STATELESS:
                versions.agree(message, headers)
            await self._request(post, message)
        except RpcError as error:
            error.id = message.id
            await _tell(send, error.document(), status=_status(error.code, era))
        except ClientGone:
            raise
        except SeatrialError as error:
            status = error.status if era is Era.STATELESS else 200
            await _refuse(send, error, message.id, status)

    async def _request(self, post: _Post, asked: Asked) -> None:
        answering = self._tools.answer(post.caller, asked, post.era)
        if asked.method != CALL:
            await _tell(post.send, (await answering).document)
            return
        work = asyncio.create_task(answering)
        self._under_way.add(work)
        work.add_done_callback(self._under_way.discard)
        try:
            if await self._is_quick(post, work):
                await _tell(post.send, work.result().document)
            else:
                await _stream(post, work, asked)
        except BaseException:
            work.add_done_callback(_lost)
            raise
        if work.exception() is None and (call := work.result().call) is not None:
            call.delivered()

    async def _is_quick(self, post: _Post, work: asyncio.Task[Answer]) -> bool:
        """Whether the answer came before a stream must begin."""
        limit = self._quiet if _takes(post.scope, b"text/event-stream") else None
        client = asyncio.create_task(gone(post.receive))
        try:
            await asyncio.wait({work, client}, timeout=limit, return_when=asyncio.FIRST_COMPLETED)
        finally:
            client.cancel()
            await asyncio.gather(client, return_exceptions=True)
        if not client.cancelled():  # even if the answer is there: nobody has it
            raise ClientGone
        return work.done()


async def _stream(post: _Post, work: asyncio.Task[Answer], asked: Asked) -> None:
    """Answer with events, of which the last and only one is the answer."""

    async def events() -> AsyncIterator[Event]:
        try:
            document = (await asyncio.shield(work)).document
        except RpcError as error:
            error.id = asked.id
            document = error.document()
        except SeatrialError as error:
            log_error(_LOG, error)
            document = _refusal(error, asked.id)
        yield Event(data=orjson.dumps(document, option=_SORTED).decode())

    # A lifetime of its own: an effect that is under way is answered while the cell drains.
    await EventStream(lifetime=Lifetime()).answer(post.scope, post.receive, post.send, events())


def _lost(work: asyncio.Task[Answer]) -> None:
    """Tell a call that has ended that nobody waits for it."""
    if not work.cancelled() and work.exception() is None and (call := work.result().call):
        call.lost()


async def _body(scope: Scope, receive: Receive) -> object:
    accept = header(scope, b"accept")
    if accept is not None and not _takes(scope, b"application/json"):
        raise AnswerFormRefused(given=accept.decode("latin-1"))
    try:
        return await read_json(scope, receive, limit=messages.LARGEST, deepest=messages.DEEPEST)
    except JsonMalformed as error:
        raise RpcError(messages.PARSE_ERROR, error.message) from None
    except (JsonTooDeep, JsonUnfit) as error:
        raise RpcError(messages.INVALID_REQUEST, error.message) from None


def _headers(scope: Scope) -> dict[str, str]:
    """Those by which a request is routed; a repeated one would be read in two ways."""
    found: dict[str, str] = {}
    for name in versions.HEADERS:
        try:
            value = header(scope, name.encode())
        except HeaderMalformed as error:
            raise RpcError(messages.HEADER_MISMATCH, error.message) from None
        if value is not None:
            found[name] = value.decode("latin-1")
    return found


def _era(headers: Mapping[str, str], message: Asked | Noted) -> Era:
    try:
        meta = message.meta if isinstance(message, Asked) else None
        return versions.era(headers.get(versions.VERSION), meta)
    except RpcError as error:
        error.id = message.id if isinstance(message, Asked) else None
        raise


def _takes(scope: Scope, kind: bytes) -> bool:
    """Whether the header `Accept` admits answers of a kind; who sends none takes all."""
    given = header(scope, b"accept")
    wide = (kind, kind.partition(b"/")[0] + b"/*", b"*/*")
    return given is None or any(
        part.partition(b";")[0].strip().lower() in wide for part in given.split(b",")
    )


def _status(code: int, era: Era) -> int:
    """Of HTTP. Clients of before 2026-07-28 take 404 for the end of a session, and wait for ever
    after some others: a message that could be read is answered with 200.
    """
    return _STATUS.get(code, 400) if era is Era.STATELESS else 200


async def _tell(
    send: Send, document: dict[str, Any], *, status: int = 200, headers: Headers = ()
) -> None:
    body = orjson.dumps(document, option=_SORTED)
    await answer(send, body, content_type=JSON, status=status, headers=headers)


async def _refuse(send: Send, error: SeatrialError, own: messages.Id | None, status: int) -> None:
    log_error(_LOG, error)
    headers = [(b"cache-control", b"no-store"), (b"x-seatrial-error", error.code.encode())]
    if status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    await _tell(send, _refusal(error, own), status=status, headers=headers)


def _refusal(error: SeatrialError, own: messages.Id | None) -> dict[str, Any]:
    data = {"code": error.code, "cause": error.cause, "remedy": error.remedy}
    sentence = f"{error.message} {error.remedy}"
    return RpcError(messages.REFUSED, sentence, data, own).document()
