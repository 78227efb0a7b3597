"""The outermost layer of every app: each request gets an id, each error an honest answer."""

import asyncio
import contextlib
import logging
import re
from typing import Final

from seatrial.kit.errors import Fault, SeatrialError
from seatrial.kit.http.answers import error_messages
from seatrial.kit.http.asgi import App, Message, Receive, Scope, Send
from seatrial.kit.http.lifetime import ShuttingDown
from seatrial.kit.http.requests import ClientGone
from seatrial.kit.ids import Ids
from seatrial.kit.log import bound, log_error

_LOG: Final = logging.getLogger(__name__)
_ID: Final = re.compile(rb"[A-Za-z0-9][A-Za-z0-9._-]{7,127}\Z")
_HEADER: Final = b"x-request-id"
_KEY: Final = "seatrial.request_id"
_LINGER: Final = 1.0  # seconds that a refused sender may go on before its connection is cut


class ResponseCut(Exception):
    """The answer had begun and cannot be finished: the server must close the connection.

    What went wrong is logged already. Closing is what tells the client that its answer is not
    whole: the last chunk, or part of the announced length, is missing.
    """


class ErrorBoundary:
    """Wraps an app so that whatever happens inside, the client gets one honest answer.

    A `SeatrialError` becomes a problem under its own status; any other exception becomes a `Fault`,
    logged with its traceback under an incident id and never shown. After the answer has begun,
    either cuts the connection. A client that went away is no error. HEAD is answered without body.

    The request's id is taken from `X-Request-Id` where that is 8 to 128 letters, digits, `.`, `_`
    or `-`, else made here; it is on the answer, on each line logged inside, and in `request_id`.
    """

    def __init__(self, app: App, ids: Ids) -> None:
        self._app = app
        self._ids = ids

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; other scopes pass through."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = _incoming_id(scope) or self._ids.new("req")
        scope[_KEY] = request
        exchange = _Exchange(scope, receive, send, request)
        with bound(request=request):
            try:
                await self._app(scope, exchange.receive, exchange.send)
            except asyncio.CancelledError as error:
                if not _told_to_stop():
                    await self._fault(exchange, error)  # somebody else's cancellation leaked
                    return
                with contextlib.suppress(ResponseCut):
                    await exchange.refuse(ShuttingDown())
                raise
            except Exception as error:  # noqa: BLE001 - the boundary of the process
                sole = _sole(error)
                if isinstance(sole, SeatrialError):
                    log_error(_LOG, sole)
                    await exchange.refuse(sole)
                else:
                    await self._fault(exchange, error)

    async def _fault(self, exchange: "_Exchange", error: BaseException) -> None:
        fault = Fault(incident=self._ids.new("inc"))
        extra = {"code": fault.code, "incident": fault.fields["incident"]}
        _LOG.error(fault.message, exc_info=error, extra=extra)
        await exchange.refuse(fault)


def request_id(scope: Scope) -> str:
    """The id of the request inside a boundary."""
    found: str = scope[_KEY]
    return found


class _Exchange:
    """The two directions of one request, and how far each has come."""

    __slots__ = ("_head", "_receive", "_request", "_scope", "_send", "finished", "read", "started")

    def __init__(self, scope: Scope, receive: Receive, send: Send, request: str) -> None:
        self._scope = scope
        self._receive = receive
        self._send = send
        self._request = request
        self._head = scope["method"] == "HEAD"
        self.read = False
        self.started = False
        self.finished = False

    async def receive(self) -> Message:
        message = await self._receive()
        if not message.get("more_body", False):
            self.read = True
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.started = True
            others = [pair for pair in message.get("headers", ()) if pair[0] != _HEADER]
            message = {**message, "headers": [*others, (_HEADER, self._request.encode())]}
        else:
            self.finished = not message.get("more_body", False)
            if self._head:
                message = {**message, "body": b""}
        try:
            await self._send(message)
        except OSError as error:  # how ASGI 2.4 servers say that the client has gone
            raise ClientGone from error

    async def refuse(self, error: SeatrialError) -> None:
        """Answer with `error`, or cut the connection where another answer has begun."""
        if self.finished:
            return
        if self.started:
            raise ResponseCut
        if isinstance(error, ClientGone):
            return
        unread = not self.read and _has_body(self._scope)
        close = [(b"connection", b"close")] if unread else []
        start, body = error_messages(error, instance=self._request, headers=close)
        with contextlib.suppress(ClientGone):
            await self.send(start)
            if unread:
                # Closing at once would reset a client that still sends, before it reads the answer.
                await self.send({**body, "more_body": True})
                await self._linger()
                body = {**body, "body": b""}
            await self.send(body)

    async def _linger(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LINGER):
                while not self.read:
                    await self.receive()


def _incoming_id(scope: Scope) -> str | None:
    for name, value in scope["headers"]:
        if name == _HEADER:
            return value.decode("ascii") if _ID.match(value) else None
    return None


def _has_body(scope: Scope) -> bool:
    return any(
        (name == b"content-length" and value.strip(b"0")) or name == b"transfer-encoding"
        for name, value in scope["headers"]
    )


def _told_to_stop() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _sole(error: BaseException) -> BaseException:
    """The error inside task groups that failed for one reason."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error
