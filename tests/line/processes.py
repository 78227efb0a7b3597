"""One real process of Seatrial: started, killed, stopped, woken; gone for sure at the end."""

import contextlib
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeVar

from seatrial.main.home import toml

PATIENCE: Final = 60.0
"""Seconds that a condition may take on a machine that is very busy; only a broken test waits."""

_T = TypeVar("_T")
_TAIL: Final = 2_500  # characters of a log that a failure shows
_KEPT: Final = ("PATH", "LANG", "TMPDIR", "PYTHONPATH")


class Died(AssertionError):
    """A process is gone that should be there."""


@dataclass(kw_only=True)
class Process:
    """One process, by its settings file.

    Attributes:
        name: for people.
        command: `control` or `cell`.
        folder: its own.
        tables: its settings.
        port: of its front door.
    """

    name: str
    command: str
    folder: Path
    tables: dict[str, dict[str, Any]]
    port: int
    _running: "subprocess.Popen[bytes] | None" = field(default=None, repr=False)
    _leash: int = field(default=-1, repr=False)

    @property
    def url(self) -> str:
        """Of its front door."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> Path:
        """What it said, over all its lives."""
        return self.folder / "process.log"

    @property
    def pid(self) -> int:
        """Of the process that was started last."""
        if self._running is None:
            raise Died(f"{self.name} was never started")
        return self._running.pid

    @property
    def alive(self) -> bool:
        """Whether it runs; a stopped one does."""
        return self._running is not None and self._running.poll() is None

    @property
    def status(self) -> int | None:
        """Its exit code; None while it runs."""
        return None if self._running is None else self._running.poll()

    def start(self, failpoints: str = "", before: Callable[[], None] | None = None) -> None:
        """Start it; `failpoints` as in `kit.failpoints`; `before` is run in the child first."""
        if self.alive:
            raise AssertionError(f"{self.name} runs already")
        self._let_go()
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        settings = self.folder / "settings.toml"
        settings.touch(mode=0o600)
        settings.write_text(toml(self.tables))
        environment = {name: os.environ[name] for name in _KEPT if name in os.environ}
        if failpoints:
            environment["SEATRIAL_DEBUG__FAILPOINTS"] = failpoints
        ours, self._leash = os.pipe()
        with self.log.open("ab") as log:
            self._running = subprocess.Popen(
                [
                    *(sys.executable, "-m", "seatrial.main", self.command),
                    *("--settings", str(settings), "--leash", str(ours)),
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=environment,
                pass_fds=(ours,),
                preexec_fn=before,  # noqa: PLW1509 - one thread only
                start_new_session=True,
            )
        os.close(ours)

    def kill(self) -> None:
        """SIGKILL, and wait for its end."""
        if self._running is not None:
            with contextlib.suppress(ProcessLookupError):
                self._running.kill()
            self._running.wait()
        self._let_go()

    def end(self) -> int:
        """SIGTERM, and wait for its end; its exit code."""
        if self._running is None:
            return 0
        with contextlib.suppress(ProcessLookupError):
            self._running.terminate()
        try:
            return self._running.wait(PATIENCE)
        finally:
            self.kill()

    def stop(self) -> None:
        """SIGSTOP: it does nothing until `wake`."""
        os.kill(self.pid, signal.SIGSTOP)

    def wake(self) -> None:
        """SIGCONT."""
        os.kill(self.pid, signal.SIGCONT)

    def said(self, text: str) -> bool:
        """Whether its log has `text`."""
        return self.log.exists() and text in self.log.read_text(errors="replace")

    def tail(self) -> str:
        """The last lines of its log."""
        found = self.log.read_text(errors="replace") if self.log.exists() else ""
        return f"--- {self.name} ({'up' if self.alive else self.status}) ---\n{found[-_TAIL:]}"

    def _let_go(self) -> None:
        if self._leash >= 0:
            os.close(self._leash)
            self._leash = -1


def free_ports(count: int) -> list[int]:
    """Ports that nobody holds, below those that the kernel gives to connections."""
    found: list[int] = []
    with contextlib.ExitStack() as stack:
        while len(found) < count:
            probe = stack.enter_context(socket.socket())
            with contextlib.suppress(OSError):
                probe.bind(("127.0.0.1", random.randrange(11_000, 32_000)))  # noqa: S311
                found.append(probe.getsockname()[1])
    return found


def wait_until(true: Callable[[], _T], what: str, patience: float = PATIENCE) -> _T:
    """Wait for `true` to return something true; that."""
    until = time.monotonic() + patience
    while True:
        if found := true():
            return found
        if time.monotonic() > until:
            raise AssertionError(f"waited {patience:g} s for {what}")
        time.sleep(0.02)


def guests(process: Process) -> list[int]:
    """Agent processes of a cell."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            parent = int((place / "stat").read_text().rpartition(")")[2].split()[1])
            if parent == process.pid and b"SEATRIAL_SLOT=" in (place / "environ").read_bytes():
                found.append(int(place.name))
    return found
