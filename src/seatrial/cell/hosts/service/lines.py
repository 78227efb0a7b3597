"""What a process prints, line by line, bounded: an agent may print without end."""

import asyncio
import os
from collections.abc import Callable
from typing import Final

_GULP: Final = 65_536  # bytes of one read, as much as a pipe holds
LONGEST_LINE: Final = 8_192  # bytes
_CUT: Final = " …[cut]"


class PrintedLines:
    """Reads one pipe on the loop. Made on the loop that reads it."""

    def __init__(self, descriptor: int, most_bytes: int, emit: Callable[[str], None]) -> None:
        """Read `descriptor`, which becomes its own, until `close`; at most `most_bytes` a run."""
        os.set_blocking(descriptor, False)
        self._descriptor = descriptor
        self._most = most_bytes
        self._left = most_bytes
        self._emit = emit
        self._rest = b""
        self._skipping = False
        self._loop = asyncio.get_running_loop()
        self._open = True
        self._loop.add_reader(descriptor, self._read)

    def renew(self) -> None:
        """A run begins: it may print as much as any other."""
        self._left = self._most

    def drain(self) -> None:
        """Take what has been printed so far, and the beginning of a line as one."""
        while self._open and self._read():
            pass
        self._flush()

    def close(self) -> None:
        """Take the last lines and let go of the pipe."""
        if self._open:
            self.drain()
            self._end()

    def _read(self) -> bool:
        try:
            data = os.read(self._descriptor, _GULP)
        except BlockingIOError:
            return False
        except OSError:
            data = b""
        if not data:
            self._end()
            return False
        if self._left > 0:
            self._take(data)
            return True
        return False  # beyond the bound: a drain must not follow an endless printer

    def _take(self, data: bytes) -> None:
        self._left -= len(data)
        *lines, rest = (self._rest + data).split(b"\n")
        self._rest = b""
        for line in lines:
            self._line(line)
        if len(rest) > LONGEST_LINE:
            self._line(rest)
            self._skipping = True
        else:
            self._rest = rest
        if self._left <= 0:
            self._flush()
            self._emit(f"[more than {self._most} bytes printed in one run; the rest is dropped]")

    def _line(self, line: bytes) -> None:
        if self._skipping:  # the end of a line whose beginning was told
            self._skipping = False
            return
        text = line[:LONGEST_LINE].decode("utf-8", "replace")
        self._emit(text + _CUT if len(line) > LONGEST_LINE else text.removesuffix("\r"))

    def _flush(self) -> None:
        if self._rest:
            rest, self._rest = self._rest, b""
            self._line(rest)

    def _end(self) -> None:
        self._flush()
        self._open = False
        self._loop.remove_reader(self._descriptor)
        os.close(self._descriptor)
