"""Server-sent events as values, to bytes and back, by the rules of the WHATWG HTML standard.

https://html.spec.whatwg.org/multipage/server-sent-events.html (section 9.2, parsing and
interpreting an event stream).
"""

import re
from dataclasses import dataclass
from typing import Final

from seatrial.kit.errors import BadUpstream

MEDIA_TYPE: Final = b"text/event-stream"
HEARTBEAT: Final = b":\n\n"
_LINE_END: Final = re.compile(r"\r\n|\r|\n")
_FORBIDDEN: Final = re.compile(r"[\r\n\0]")
_BOM: Final = b"\xef\xbb\xbf"


class EventTooLarge(BadUpstream):
    """A server-sent event is larger than {limit} bytes."""

    code = "event_too_large"
    cause = "The sender never ended its event, or sends more in one event than is accepted."
    remedy = "Look at what the sender streams; raise the limit where such events are meant."


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One event.

    Attributes:
        data: its text; lines are separated by a line feed.
        event: its type.
        id: what a client sends back as `Last-Event-ID`; empty where none was ever set.
    """

    data: str
    event: str = "message"
    id: str = ""


def encode(event: Event) -> bytes:
    """The event on the wire.

    Every line break in `data` becomes one line feed at the reader. CR, LF and NUL in `event` and
    `id` are left out: there they would let the text begin a field or an event of its own.
    """
    lines = [f"data: {line}\n" for line in _LINE_END.split(event.data)]
    if event.id:
        lines.append(f"id: {_FORBIDDEN.sub('', event.id)}\n")
    if event.event != "message":
        lines.append(f"event: {_FORBIDDEN.sub('', event.event)}\n")
    lines.append("\n")
    return "".join(lines).encode(errors="replace")


def encode_retry(milliseconds: int) -> bytes:
    """Tells clients how long to wait before they connect again."""
    return b"retry: %d\n\n" % milliseconds


class EventParser:
    """Events out of a stream of bytes that may be cut anywhere.

    Attributes:
        last_id: the id of the last whole event, for `Last-Event-ID` when connecting again.
        retry: milliseconds to wait before that, where the sender said so.
    """

    def __init__(self, *, limit: int = 16 * 1024 * 1024) -> None:
        self.last_id = ""
        self.retry: int | None = None
        self._limit = limit
        self._line = bytearray()  # the line under way
        self._after_cr = False
        self._at_start = True
        self._data: list[str] = []
        self._size = 0  # bytes in `_data`
        self._type = ""
        self._id = ""

    def feed(self, chunk: bytes) -> list[Event]:
        """The events that `chunk` completes. One that the end of the stream cuts off never appears.

        Raises:
            EventTooLarge: one event is larger than the limit.
        """
        if self._at_start:
            chunk = self._past_bom(chunk)
        if self._after_cr and chunk:
            self._after_cr = False
            chunk = chunk.removeprefix(b"\n")
        if not chunk:
            return []
        self._after_cr = chunk.endswith(b"\r")
        lines = chunk.splitlines()  # of bytes: at CR, LF and CRLF alone, as the standard says
        rest = b"" if chunk.endswith((b"\r", b"\n")) else lines.pop()
        if lines and self._line:
            lines[0] = bytes(self._line + lines[0])
            self._line.clear()
        events = [event for line in lines if (event := self._take(line)) is not None]
        self._line += rest
        self._check(len(self._line))
        return events

    def _past_bom(self, chunk: bytes) -> bytes:
        head = bytes(self._line) + chunk
        if len(head) < len(_BOM) and _BOM.startswith(head):
            self._line[:] = head
            return b""
        self._at_start = False
        self._line.clear()
        return head.removeprefix(_BOM)

    def _take(self, line: bytes) -> Event | None:
        if not line:
            return self._dispatch()
        name, _, raw = line.partition(b":")
        raw = raw.removeprefix(b" ")
        if name == b"data":
            self._data.append(raw.decode(errors="replace"))
            self._size += len(raw) + 1
            self._check(self._size)
        elif name == b"event":
            self._type = raw.decode(errors="replace")
        elif name == b"id" and b"\0" not in raw:
            self._id = raw.decode(errors="replace")
        elif name == b"retry" and raw.isdigit():
            self.retry = int(raw[:18])
        return None

    def _dispatch(self) -> Event | None:
        self.last_id = self._id
        kind, self._type = self._type or "message", ""
        if not self._data:
            return None
        event = Event(data="\n".join(self._data), event=kind, id=self._id)
        self._data = []
        self._size = 0
        return event

    def _check(self, size: int) -> None:
        if size > self._limit:
            raise EventTooLarge(limit=self._limit)
