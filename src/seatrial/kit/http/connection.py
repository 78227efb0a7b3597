"""uvicorn's HTTP/1.1 connection with the bounds that it lacks, on all of a request but its body.

As it is, uvicorn with httptools takes 30 MB of headers into memory without a word, keeps a
connection that never sends a request for as long as the peer likes, and lets a trailer after the
body pass for a header before it (measured on 0.54).
"""

import asyncio
import logging
from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import (
    STATUS_LINE,
    HttpToolsProtocol,
    RequestResponseCycle,
)

from seatrial.kit.errors import Invalid
from seatrial.kit.http.answers import error_messages
from seatrial.kit.log import log_error

_LOG: Final = logging.getLogger(__name__)


class RequestMalformed(Invalid):
    """The bytes received are not an HTTP/1.1 request."""

    code = "request_malformed"
    cause = "The caller speaks another protocol (TLS to a plain port?), or a broken one."
    remedy = "Use `http://` for a plain port and `https://` for the port of the TLS proxy."


class HeadTooLarge(Invalid):
    """The request's first line and headers are larger than {limit} bytes."""

    code = "head_too_large"
    cause = "A head is held in memory whole, so its size is bounded."
    remedy = "Send fewer or smaller headers; put data into the body."
    status = 431


class HeadStalled(Invalid):
    """The request's headers did not arrive within {seconds:g} seconds."""

    code = "head_stalled"
    cause = "The caller opened a request and did not finish its headers."
    remedy = "Send the request again; if it repeats, look at the network between."
    status = 408


class BoundedConnection(HttpToolsProtocol):
    """One client's connection.

    Bounded in size, give or take one read from the socket: a head, and whatever else is neither
    body nor the end of a request (chunk sizes and extensions, trailers, empty lines). Bounded in
    time: a head, from the connection's first moment or the head's first byte on; a connection
    that stays idle before its first request is closed after the same time. Trailers are dropped.
    """

    largest_head = 65_536  # bytes
    head_seconds = 15.0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as in uvicorn
        """See `asyncio.Protocol`."""
        super().connection_made(transport)
        self._in_head = False
        self._no_body = 0  # bytes that came since something other than them came to its end
        self._timer: asyncio.TimerHandle | None = None
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """See `asyncio.Protocol`."""
        self._unwatch()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol`."""
        self._no_body += len(data)
        super().data_received(data)
        if self.transport.is_closing():
            self._unwatch()
        elif self._no_body > self.largest_head:
            self._refuse(HeadTooLarge(limit=self.largest_head))
        elif self._answering() or self.timeout_keep_alive_task is not None:
            self._unwatch()
        elif self._timer is None:
            self._watch()

    def on_message_begin(self) -> None:
        """Called by the parser at a request's first byte."""
        self._in_head = True
        self._no_body = 0
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Called by the parser for each header, and for each trailer."""
        if self._in_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Called by the parser at the empty line."""
        self._in_head = False
        self._no_body = 0
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Called by the parser for each part of a body."""
        self._no_body = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Called by the parser at a request's end."""
        self._no_body = 0
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Called by uvicorn when an answer is complete."""
        super().on_response_complete()
        if self._in_head and self._timer is None:  # the next request has begun, behind this one
            self._watch()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - ours is told as a problem
        """Called by uvicorn for what its parser refuses."""
        self._refuse(RequestMalformed())

    def _answering(self) -> bool:
        cycle: RequestResponseCycle | None = self.cycle
        return cycle is not None and not cycle.response_complete

    def _may_answer(self) -> bool:
        """Whether what is refused is the request whose answer comes next, and has not begun."""
        cycle: RequestResponseCycle | None = self.cycle
        if cycle is None or cycle.response_complete:
            return True
        return cycle.more_body and not cycle.response_started and not self.pipeline

    def _watch(self) -> None:
        self._timer = self.loop.call_later(self.head_seconds, self._too_slow)

    def _unwatch(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _too_slow(self) -> None:
        self._timer = None
        if self._in_head:
            self._refuse(HeadStalled(seconds=self.head_seconds))
        else:
            self.transport.close()

    def _refuse(self, error: Invalid) -> None:
        self._unwatch()
        log_error(_LOG, error)
        if self._may_answer():
            self.transport.write(self._whole_answer(error))
        self.transport.close()

    def _whole_answer(self, error: Invalid) -> bytes:
        start, body = error_messages(error, headers=[(b"connection", b"close")])
        headers: list[tuple[bytes, bytes]] = [
            *self.server_state.default_headers,
            *start["headers"],
        ]
        lines: list[Any] = [b"%s: %s\r\n" % pair for pair in headers]
        return b"".join([STATUS_LINE[error.status], *lines, b"\r\n", body["body"]])
