"""Kills what belongs to a dead cell, also when the cell had no time to.

An agent process dies with its cell by itself, but what it has started does not. One warden for each
cell waits for the cell's end of a pipe to close, and then ends every process that bears its mark.
It is run by path, in a session of its own: `python -I -S warden.py <mark>`.
"""

import contextlib
import os
import signal
import sys
import time
from pathlib import Path
from typing import Final

VARIABLE: Final = "SEATRIAL_SLOT"
_PROC: Final = Path("/proc")
_ROUNDS: Final = 20
_PAUSE: Final = 0.1  # seconds; a process being born is seen in the next round


def kill_marked(mark: str, sessions: frozenset[int] = frozenset()) -> int:
    """Kill each process whose mark begins with `mark`, or that is in one of `sessions`.

    Returns:
        How many there were. Only this user's processes are seen; without `/proc`, none.
    """
    found = 0
    for process in marked(mark, sessions):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(process, signal.SIGKILL)
            found += 1
    return found


def marked(mark: str, sessions: frozenset[int] = frozenset()) -> list[int]:
    """The living processes with this mark or of these sessions, this one left out."""
    wanted = f"\0{VARIABLE}={mark}".encode()
    return [
        int(entry)
        for entry in _processes()
        if int(entry) != os.getpid()
        and (_session(entry) in sessions or wanted in b"\0" + _environment(entry))
        and alive(int(entry))
    ]


def marks(prefix: str) -> set[str]:
    """All marks in use that begin with `prefix`."""
    start = f"{VARIABLE}={prefix}".encode()
    variables = (each for entry in _processes() for each in _environment(entry).split(b"\0"))
    return {
        each.partition(b"=")[2].decode("utf-8", "replace")
        for each in variables
        if each.startswith(start)
    }


def born(process: int) -> str | None:
    """When a process began, in the kernel's ticks: with its id, a name that is never used again."""
    fields = _stat(str(process))
    return fields[19] if fields else None


def alive(process: int) -> bool:
    """Whether it runs; one that is over and only not yet waited for does not."""
    return _stat(str(process))[:1] not in ([], ["Z"], ["X"])


def _processes() -> list[str]:
    try:
        return [entry for entry in os.listdir(_PROC) if entry.isdigit()]  # noqa: PTH208 - faster
    except OSError:
        return []


def _environment(entry: str) -> bytes:
    try:
        return (_PROC / entry / "environ").read_bytes()
    except OSError:
        return b""


def _stat(entry: str) -> list[str]:
    """The fields after the program's name, which may hold anything."""
    try:
        text = (_PROC / entry / "stat").read_text("utf-8", "replace")
    except OSError:
        return []
    return text.rpartition(")")[2].split()


def _session(entry: str) -> int:
    fields = _stat(entry)
    return int(fields[3]) if fields else 0


def _watch(mark: str) -> None:
    while os.read(sys.stdin.fileno(), 4096):  # nothing is ever written: this waits for the end
        pass
    for _ in range(_ROUNDS):
        if not kill_marked(mark):
            break
        time.sleep(_PAUSE)  # lint: SEA002 because this is a program of its own, with no clock


if __name__ == "__main__":
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    _watch(sys.argv[1])
