"""Logs: one line for each event, with the request it belongs to, and no secret in it.

Every line of the process, those of libraries included, passes through one handler, which redacts
the finished text: whatever path a secret took into a line (message, argument, field, traceback),
it does not leave.
"""

import base64
import contextlib
import contextvars
import logging
import re
import sys
import threading
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, Final, TextIO

import orjson

from seatrial.kit.crypto.tokens import TOKEN_PATTERN
from seatrial.kit.errors import SeatrialError
from seatrial.kit.text import printable

REDACTED: Final = "[redacted]"
_SHORTEST_SECRET: Final = 8  # characters; shorter values would blank out ordinary words
_LONGEST_LINE: Final = 65_536  # characters; one event must not fill the disk
_DEEPEST: Final = 8  # levels of a field; the rest is not worth a line
_KEPT: Final = 2_000  # characters of each field of a line that is too long
_STANDARD: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_SHAPES: Final = re.compile(
    r"(?P<scheme>\b(?:Bearer|Basic)\s+)[\w.~+/=-]{8,}"
    r"|(?P<userinfo>\b[a-z][a-z0-9+.-]*://[^\s:/@\"]*:)[^\s@/\"]+(?=@)"
    rf"|{TOKEN_PATTERN}"
    r"|\bsk-[\w-]{16,}|\bAKIA[0-9A-Z]{16}\b|\bgh[pousr]_[0-9A-Za-z]{36,}\b"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)",
    re.ASCII,
)
_bound: contextvars.ContextVar[Mapping[str, Any]] = contextvars.ContextVar(
    "seatrial_log", default=MappingProxyType({})
)


class Redactor:
    """Blanks out secrets in text: every value it was told of, and whatever has a secret's shape.

    One serves a whole process. Values are found as they are, JSON-escaped, and in base 64.
    """

    def __init__(self) -> None:
        self._values: set[str] = set()
        self._pattern: re.Pattern[str] | None = None
        self._lock = threading.Lock()

    def add(self, secret: str) -> None:
        """Never let `secret` (8 characters or more) pass again; a shorter one is refused."""
        if len(secret) < _SHORTEST_SECRET:
            raise ValueError(f"a secret of {len(secret)} characters cannot be redacted safely")
        with self._lock:
            self._values.update(_renderings(secret))
            longest_first = sorted(self._values, key=lambda value: (-len(value), value))
            self._pattern = re.compile("|".join(map(re.escape, longest_first)))

    def __call__(self, text: str) -> str:
        """`text` with each secret replaced by `[redacted]`."""
        if self._pattern is not None:
            text = self._pattern.sub(REDACTED, text)
        return _SHAPES.sub(_blanked, text)


@contextlib.contextmanager
def bound(**fields: Any) -> Iterator[None]:
    """Put `fields` (a request id, a run id) on every line logged inside, in this task alone."""
    token = _bound.set({**_bound.get(), **fields})
    try:
        yield
    finally:
        _bound.reset(token)


def configure(
    level: str, *, as_json: bool, redactor: Redactor, stream: TextIO | None = None
) -> None:
    """Send every log line of this process to `stream` (standard error by default).

    Args:
        level: `debug`, `info`, `warning` or `error`.
        as_json: one JSON object a line; else text for a terminal.
        redactor: what must not appear.
        stream: where lines go.
    """
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(_Lines(redactor, as_json=as_json))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    logging.captureWarnings(capture=True)
    logging.raiseExceptions = False  # a line that fails to render must not print its arguments


def formatter(redactor: Redactor, *, as_json: bool) -> logging.Formatter:
    """What renders lines as `configure` does, for a handler beside it."""
    return _Lines(redactor, as_json=as_json)


def log_error(logger: logging.Logger, error: SeatrialError) -> None:
    """Log an error that was answered, under its own level and code."""
    logger.log(error.log_level, error.message, extra={"code": error.code})


class _Lines(logging.Formatter):
    """A record as one line: JSON or text, redacted, bounded, with line breaks escaped."""

    def __init__(self, redactor: Redactor, *, as_json: bool) -> None:
        super().__init__()
        self._redactor = redactor
        self._render = _as_json if as_json else _as_text

    def format(self, record: logging.LogRecord) -> str:
        fields = {name: value for name, value in vars(record).items() if name not in _STANDARD}
        event: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": _message(record),
            **_bound.get(),
            **fields,
        }
        if record.exc_info:
            event["exception"] = self.formatException(record.exc_info)
        # Twice: rendering escapes quotes and breaks, under which a value is no longer recognised,
        # and it joins what was apart.
        event = {name: _cleaned(value, self._redactor) for name, value in event.items()}
        line = self._redactor(self._render(event))
        if len(line) > _LONGEST_LINE:
            # Redact before cutting: half a secret is no longer recognised as one.
            cut = {name: str(value)[:_KEPT] for name, value in event.items()}
            line = self._render({**cut, "cut_from": len(line)})[:_LONGEST_LINE]
        return line


def _cleaned(value: object, redactor: Redactor, levels: int = _DEEPEST) -> object:
    if isinstance(value, int | float | None):
        return value
    if isinstance(value, Mapping | list | tuple) and levels == 0:
        return "…"
    if isinstance(value, Mapping):
        return {
            redactor(str(name)): _cleaned(inner, redactor, levels - 1)
            for name, inner in value.items()
        }
    if isinstance(value, list | tuple):
        return [_cleaned(inner, redactor, levels - 1) for inner in value]
    return redactor(str(value))


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except Exception:  # noqa: BLE001 - a wrong format string must not lose the event
        return f"{record.msg} {record.args!r}"


def _as_json(event: Mapping[str, Any]) -> str:
    try:
        return orjson.dumps(event).decode()
    except orjson.JSONEncodeError:  # lone surrogates, depth, integers over 64 bits
        plain = {str(name): ascii(value) for name, value in event.items()}
        return orjson.dumps(plain).decode()


def _as_text(event: Mapping[str, Any]) -> str:
    rest = dict(event)
    time, level, logger, message = (
        rest.pop(name) for name in ("time", "level", "logger", "message")
    )
    trace = rest.pop("exception", None)
    words = " ".join(f"{name}={printable(str(value))}" for name, value in rest.items())
    line = f"{time} {level:<7} {logger}: {printable(message)} {words}".rstrip()
    return line if trace is None else f"{line}\n{trace}"


def _renderings(secret: str) -> set[str]:
    escaped = orjson.dumps(secret).decode()[1:-1]
    encoded = base64.b64encode(secret.encode()).decode().rstrip("=")
    return {secret, escaped, encoded, repr(secret)[1:-1], printable(secret)}


def _blanked(match: re.Match[str]) -> str:
    return f"{match['scheme'] or match['userinfo'] or ''}{REDACTED}"
