"""Keeps one server running for as long as one process lives, then leaves nothing of it.

    python guardian.py WATCHED DIRECTORY SIGNAL USER COMMAND...

It puts itself into the background, runs COMMAND as user number USER, and starts it again when it
ends, unless a file `hold` lies in DIRECTORY. When process WATCHED has ended, however it ended, or
on SIGTERM, it sends SIGNAL to the server and removes DIRECTORY, with the files beside it that bear
its name. Should the guardian itself be killed, the kernel sends SIGNAL to the server. Only the
standard library is used: it starts in 30 ms.
"""

import contextlib
import ctypes
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

_PR_SET_PDEATHSIG: Final = 1
_PATIENCE: Final = 5.0  # seconds for a server to end by itself
_LOOK: Final = 0.05  # seconds between looks at the server


def main(watched: int, directory: Path, stop: int, user: int, command: list[str]) -> None:
    """Guard `command` until `watched` has ended."""
    if os.fork():
        return
    os.setsid()
    asked: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: asked.append(number))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _leave_the_terminal(directory / "server.log")
    (directory / "guardian").write_text(f"{os.getpid()}\n")
    still_there = _presence(watched)
    server: subprocess.Popen[bytes] | None = None
    while not asked and still_there():
        if (server is None or server.poll() is not None) and not (directory / "hold").exists():
            server = subprocess.Popen(command, preexec_fn=_bound_to_us(user, stop))  # noqa: PLW1509 - one thread only
            (directory / "pid").write_text(f"{server.pid}\n")
    if server is not None:
        _end(server, stop)
    _remove(directory)
    os._exit(0)


def _leave_the_terminal(log: Path) -> None:
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    written = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(written, 1)
    os.dup2(written, 2)


def _presence(watched: int) -> Callable[[], bool]:
    """Waits a moment; then says whether `watched` still lives."""
    if sys.platform != "linux":

        def look() -> bool:
            time.sleep(_LOOK)
            with contextlib.suppress(ProcessLookupError):
                os.kill(watched, 0)
                return True
            return False

        return look
    try:
        descriptor = os.pidfd_open(watched)
    except ProcessLookupError:
        return lambda: False
    return lambda: not select.select([descriptor], [], [], _LOOK)[0]


def _bound_to_us(user: int, stop: int) -> Callable[[], None]:
    def prepare() -> None:
        os.setsid()
        if user != os.geteuid():
            os.setgroups([])
            os.setgid(user)
            os.setuid(user)
        if sys.platform == "linux":
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, stop)

    return prepare


def _end(server: "subprocess.Popen[bytes]", stop: int) -> None:
    if server.poll() is None:
        server.send_signal(stop)
    try:
        server.wait(_PATIENCE)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()


def _remove(directory: Path) -> None:
    shutil.rmtree(directory, ignore_errors=True)
    for beside in directory.parent.glob(f"{directory.name}.*"):
        beside.unlink(missing_ok=True)
    with contextlib.suppress(OSError):  # another server is still there
        directory.parent.rmdir()


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]), sys.argv[5:])
