"""One guest process: started with everything written out, watched, and ended with its children."""

import asyncio
import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from seatrial.cell.hosts import warden
from seatrial.cell.hosts.domain import HostUnstartable, Limits, Stream
from seatrial.cell.hosts.service.commands import guest_command
from seatrial.cell.hosts.service.lines import PrintedLines
from seatrial.cell.hosts.service.wire import Wire

_PAGE: Final = os.sysconf("SC_PAGE_SIZE")

Emit = Callable[[Stream, str], None]


class GuestProcess:
    """A running guest. Made by `start`; `stop` must be awaited once.

    Attributes:
        wire: the connection to it.
        exited: done with the exit status, negative for a signal, once it is over.
    """

    def __init__(
        self, process: "subprocess.Popen[bytes]", wire: Wire, lines: Sequence[PrintedLines]
    ) -> None:
        self.wire = wire
        self.exited: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._process = process
        self._lines = lines
        self._over = asyncio.Event()
        self._watch()

    @classmethod
    async def start(
        cls, *, python: Path, cwd: Path, told: Mapping[str, object], environment: Mapping[str, str],
        limits: Limits, emit: Emit,
    ) -> "GuestProcess":  # fmt: skip
        """Start a guest.

        Args:
            python: of the agent's virtual environment.
            cwd: the agent's bundle.
            told: what the guest needs to know; it holds no secret, for every user can see it.
            environment: all of its environment.
            limits: bounds of what it tells and prints.
            emit: is given what it prints.

        Raises:
            HostUnstartable: the machine refused.
        """
        loop = asyncio.get_running_loop()
        ours, theirs = socket.socketpair()
        pipes = [os.pipe(), os.pipe()]
        try:
            process = subprocess.Popen(  # noqa: ASYNC220 - vfork: about 1 ms, and no thread whose end would kill the guest
                guest_command(str(python), told),
                stdin=subprocess.DEVNULL,
                stdout=pipes[0][1],
                stderr=pipes[1][1],
                cwd=cwd,
                env={**environment, "SEATRIAL_HOST_FD": str(theirs.fileno())},
                pass_fds=(theirs.fileno(),),
                start_new_session=True,
            )
        except OSError as error:
            ours.close()
            for reading, _ in pipes:
                os.close(reading)
            raise HostUnstartable(reason=str(error)) from error
        finally:
            theirs.close()
            for _, writing in pipes:
                os.close(writing)
        ours.setblocking(False)  # noqa: FBT003 - it is called so
        try:
            _, wire = await loop.create_unix_connection(lambda: Wire(limits), sock=ours)
        except BaseException:
            process.kill()
            process.wait()
            ours.close()
            for reading, _ in pipes:
                os.close(reading)
            raise
        lines = [
            PrintedLines(reading, limits.log_bytes, _told_as(stream, emit))
            for stream, (reading, _) in zip(Stream, pipes, strict=True)
        ]
        return cls(process, wire, lines)

    @property
    def id(self) -> int:
        """Its process id, which is its group's and its session's too."""
        return self._process.pid

    @property
    def resident_bytes(self) -> int:
        """Its memory; 0 where the system does not tell."""
        try:
            return int(Path(f"/proc/{self.id}/statm").read_bytes().split()[1]) * _PAGE
        except (OSError, IndexError):
            return 0

    def renew_lines(self) -> None:
        """A run begins."""
        for each in self._lines:
            each.renew()

    def drain_lines(self) -> None:
        """Take what was printed until now."""
        for each in self._lines:
            each.drain()

    def kill(self) -> None:
        """Let it do nothing more, at once; `stop` must follow all the same."""
        self._signal(signal.SIGKILL)

    async def stop(self, mark: str, grace: float) -> None:
        """End it and all that it started: ask, wait `grace` seconds, kill."""
        if not self._over.is_set():
            self._signal(signal.SIGTERM)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(grace):
                    await self._over.wait()
        self._signal(signal.SIGKILL)
        # Its id is not given to another before it is reaped, so the sweep cannot hit a stranger.
        await asyncio.to_thread(warden.kill_marked, mark, frozenset({self.id}))
        await self._over.wait()
        self._reap()
        for each in self._lines:
            each.close()
        self.wire.close()

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.id, number)

    def _watch(self) -> None:
        loop = asyncio.get_running_loop()
        if not hasattr(os, "pidfd_open"):
            _ = loop.run_in_executor(None, self._wait_in_thread, loop)
            return
        descriptor = os.pidfd_open(self.id)

        def over() -> None:
            loop.remove_reader(descriptor)
            os.close(descriptor)
            self._told_over()

        loop.add_reader(descriptor, over)

    def _wait_in_thread(self, loop: asyncio.AbstractEventLoop) -> None:
        os.waitid(os.P_PID, self.id, os.WEXITED | os.WNOWAIT)
        loop.call_soon_threadsafe(self._told_over)

    def _told_over(self) -> None:
        """It is over; it is reaped later, and only its status is read now."""
        self._over.set()
        if not self.exited.done():
            status = os.waitid(os.P_PID, self.id, os.WEXITED | os.WNOWAIT | os.WNOHANG)
            code = 0 if status is None else status.si_status
            killed = status is not None and status.si_code != os.CLD_EXITED
            self.exited.set_result(-code if killed else code)

    def _reap(self) -> None:
        self._process.wait()


def spoken(status: int) -> str:
    """An exit status in words."""
    if status >= 0:
        return f"it exited with status {status}"
    try:
        name = signal.Signals(-status).name
    except ValueError:
        name = f"signal {-status}"
    hint = ", by the kernel if the machine or its group ran out of memory"
    return f"it was ended by {name}{hint if status == -signal.SIGKILL else ''}"


def make_scratch(folder: Path) -> Path:
    """A fresh folder that only this user may enter."""
    folder.mkdir(mode=0o700, parents=True)
    return folder


def remove_scratch(folder: Path) -> None:
    """Remove it, whatever an agent put in there."""
    shutil.rmtree(folder, ignore_errors=True)


class Warden:
    """The process that kills a dead cell's leftovers; one for each cell."""

    def __init__(self, mark: str) -> None:
        self._mark = mark
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Begin to watch this process."""
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", warden.__file__, self._mark],
            stdin=subprocess.PIPE,
            env={"PATH": os.defpath},
            cwd="/",
            start_new_session=True,
        )

    def began(self, process: int) -> None:
        """Guard the session of `process` too: a child may have shed the mark."""
        self._tell(f"+{process}\n")

    def ended(self, process: int) -> None:
        """Its id may be another's from now on."""
        self._tell(f"-{process}\n")

    def _tell(self, line: str) -> None:
        if self._process is not None and self._process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):  # the next start then ends what is left
                self._process.stdin.write(line.encode())
                self._process.stdin.flush()

    def close(self) -> None:
        """Nothing is left to guard."""
        if self._process is None:
            return
        self._process.kill()
        self._process.wait()
        if self._process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                self._process.stdin.close()


def _told_as(stream: Stream, emit: Emit) -> Callable[[str], None]:
    return lambda text: emit(stream, text)
