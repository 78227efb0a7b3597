"""The log of a cell at hand: the newest lines in memory, more of them in files."""

import asyncio
import logging
import logging.handlers
import os
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass
from io import TextIOWrapper
from pathlib import Path
from typing import Any, Final

import orjson

from seatrial.cell.hosts.domain import LogLine, Stream
from seatrial.kit.log import Redactor, formatter

FILE: Final = "cell.jsonl"
_PRINTED: Final = logging.getLogger("seatrial.agent")
_LARGEST_FILE: Final = 10 << 20  # bytes
_FILES: Final = 5
_KEPT: Final = 5_000  # lines in memory
_LEVELS: Final = {"debug": 10, "info": 20, "warning": 30, "error": 40, "critical": 50}


@dataclass(frozen=True, kw_only=True)
class LogFilter:
    """Which lines are wanted; None does not matter.

    Attributes:
        agent: of which agent.
        run: of which run.
        level: the least important.
        printed: whether what agents have printed is among them; that may be payload.
    """

    agent: str | None = None
    run: str | None = None
    level: str | None = None
    printed: bool = True

    def takes(self, line: dict[str, Any]) -> bool:
        """Whether a line is wanted."""
        return (
            (self.agent is None or line.get("agent") == self.agent)
            and (self.run is None or line.get("run") == self.run)
            and (self.level is None or _rank(line.get("level")) >= _rank(self.level))
            and (self.printed or "stream" not in line)
        )


class LogBook(logging.Handler):
    """Keeps each line of the process's log, redacted as those on standard error are.

    Hang it onto the root logger. Lines may come from any thread; readers belong to one loop. A
    disk that is full or gone costs lines in the file, nothing else.

    Args:
        directory: of the files; made if missing.
        redactor: of the process.
    """

    def __init__(self, directory: Path, redactor: Redactor) -> None:
        super().__init__()
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.setFormatter(formatter(redactor, as_json=True))
        self._file = _PrivateFile(directory / FILE, _LARGEST_FILE, _FILES)
        self._lines: deque[tuple[int, str]] = deque(maxlen=_KEPT)
        self._count = 0
        self._readers: set[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = set()

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a line."""
        try:
            line = self.format(record)
        except Exception:  # noqa: BLE001 - as every handler: a bad line must not end what logged it
            self.handleError(record)
            return
        self._count += 1  # under the handler's lock, as all of this
        self._lines.append((self._count, line))
        self._file.write(line)
        for loop, there in tuple(self._readers):
            if not loop.is_closed():
                loop.call_soon_threadsafe(there.set)

    def close(self) -> None:
        """Close the file."""
        self._file.close()
        super().close()

    @property
    def last(self) -> int:
        """The number of the newest line; 0 for none."""
        return self._count

    def newest(self, wanted: LogFilter, most: int) -> list[tuple[int, str]]:
        """The newest lines that are wanted, each with its number, the oldest first."""
        found: list[tuple[int, str]] = []
        with self._guard():
            kept = list(self._lines)
        for number, line in reversed(kept):
            if wanted.takes(orjson.loads(line)):
                found.append((number, line))
                if len(found) == most:
                    break
        return found[::-1]

    async def follow(self, wanted: LogFilter, after: int) -> AsyncIterator[tuple[int, str]]:
        """The lines later than number `after` that are wanted, as they come, for ever.

        A reader who is slower than the log loses lines: the numbers tell.
        """
        there = asyncio.Event()
        reader = (asyncio.get_running_loop(), there)
        self._readers.add(reader)
        try:
            while True:
                there.clear()
                for number, line in self._later(after):
                    after = number
                    if wanted.takes(orjson.loads(line)):
                        yield number, line
                await there.wait()
        finally:
            self._readers.discard(reader)

    def _later(self, after: int) -> list[tuple[int, str]]:
        fresh: list[tuple[int, str]] = []
        with self._guard():
            for number, line in reversed(self._lines):
                if number <= after:
                    break
                fresh.append((number, line))
        return fresh[::-1]

    def _guard(self) -> Any:  # noqa: ANN401 - the lock of `logging`, whose type has no name
        if self.lock is None:
            raise RuntimeError("a handler has a lock")
        return self.lock


class _PrivateFile:
    """A file of lines that only its owner may read, and those before it."""

    def __init__(self, path: Path, largest: int, files: int) -> None:
        self._handler = _Rotating(path, maxBytes=largest, backupCount=files - 1, delay=True)
        self._handler.setFormatter(logging.Formatter("%(message)s"))

    def write(self, line: str) -> None:
        self._handler.emit(logging.makeLogRecord({"msg": line}))

    def close(self) -> None:
        self._handler.close()


class _Rotating(logging.handlers.RotatingFileHandler):
    def _open(self) -> TextIOWrapper:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        descriptor = os.open(self.baseFilename, flags, 0o600)
        return os.fdopen(descriptor, "a", encoding="utf-8", errors="replace")

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - the name is logging's
        """A disk that takes nothing must not fill standard error with its complaints."""


def printed(line: LogLine, agent: str) -> None:
    """Put what an agent's process printed onto the log."""
    level = logging.INFO if line.stream is Stream.OUTPUT else logging.WARNING
    extra = {
        "agent": agent,
        "run": line.run,
        "release": str(line.release),
        "slot": line.slot,
        "stream": str(line.stream),
    }
    _PRINTED.log(level, "%s", line.text, extra=extra)


def known_level(name: str) -> bool:
    """Whether there is such a level."""
    return name in _LEVELS


def _rank(level: object) -> int:
    return _LEVELS.get(level, 0) if isinstance(level, str) else 0
