"""Kills what belongs to a dead cell, also when the cell had no time to.

An agent process dies with its cell by itself, but what it has started does not. One warden for each
cell waits for the cell's end of a pipe to close. Then it ends every process that bears the cell's
mark, or is in the session of an agent process that it was told of. It is run by path, in a session
of its own: `python -I -S warden.py <mark>`.
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
    """The living processes with this mark, or in a session of such a one, or of `sessions`.

    This process and its own session are left out.
    """
    wanted = f"\0{VARIABLE}={mark}".encode()
    entries = [int(entry) for entry in _processes() if int(entry) != os.getpid()]
    bearers = {each for each in entries if wanted in b"\0" + _environment(each)}
    # A child may have shed the mark; it did not leave the session, which begins with our process.
    theirs = (sessions | {_session(each) for each in bearers}) - {os.getsid(0), 0}
    return [
        each for each in entries if alive(each) and (each in bearers or _session(each) in theirs)
    ]


def marks(prefix: str) -> set[str]:
    """All marks in use that begin with `prefix`."""
    start = f"{VARIABLE}={prefix}".encode()
    variables = (each for entry in _processes() for each in _environment(int(entry)).split(b"\0"))
    return {
        each.partition(b"=")[2].decode("utf-8", "replace")
        for each in variables
        if each.startswith(start)
    }


def born(process: int) -> str | None:
    """When a process began, in the kernel's ticks: with its id, a name that is never used again."""
    fields = _stat(process)
    return fields[19] if fields else None


def alive(process: int) -> bool:
    """Whether it runs; one that is over and only not yet waited for does not."""
    return _stat(process)[:1] not in ([], ["Z"], ["X"])


def _processes() -> list[str]:
    try:
        return [entry for entry in os.listdir(_PROC) if entry.isdigit()]  # noqa: PTH208 - faster
    except OSError:
        return []


def _environment(process: int) -> bytes:
    try:
        return (_PROC / str(process) / "environ").read_bytes()
    except OSError:
        return b""


def _stat(process: int) -> list[str]:
    """The fields after the program's name, which may hold anything."""
    try:
        text = (_PROC / str(process) / "stat").read_text("utf-8", "replace")
    except OSError:
        return []
    return text.rpartition(")")[2].split()


def _session(process: int) -> int:
    fields = _stat(process)
    return int(fields[3]) if fields else 0


def _watch(mark: str) -> None:
    sessions: set[int] = set()
    for line in sys.stdin:  # `+123` for a process that began, `-123` for one that is over
        (sessions.add if line[0] == "+" else sessions.discard)(int(line[1:]))
    for _ in range(_ROUNDS):
        if not kill_marked(mark, frozenset(sessions)):
            break
        time.sleep(_PAUSE)  # lint: SEA002 because this is a program of its own, with no clock


if __name__ == "__main__":
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    _watch(sys.argv[1])
