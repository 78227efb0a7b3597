"""Starts servers under a guardian, in a directory that ends with the test run."""

import contextlib
import fcntl
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, TypeVar

_T = TypeVar("_T")

_GUARDIAN: Final = Path(__file__).with_name("guardian.py")
_WORKER: Final = "PYTEST_XDIST_WORKER"
_MEMORY: Final = Path("/dev/shm")  # noqa: S108 - a folder of mode 711, under a name of its own
_DISK: Final = Path("/tmp")  # noqa: S108 - likewise; the usual place may have too long a name
_ROOM: Final = 2 << 30  # bytes
_PATIENCE: Final = 30.0  # seconds for a server to start or end
_POLL: Final = 0.01


def run_owner() -> int:
    """The process whose end is the end of the run: under xdist the one that started the workers."""
    return os.getppid() if _WORKER in os.environ else os.getpid()


def worker_number() -> int:
    """Which worker this is, from 0."""
    return int(os.environ.get(_WORKER, "gw0").removeprefix("gw"))


def run_directory(owner: int, *, on_disk: bool = False) -> Path:
    """Where the servers of this run live: in memory where there is room, 15 times as fast.

    The path is short: a socket's may have 107 bytes.
    """
    root = _DISK if on_disk or not _roomy(_MEMORY) else _MEMORY
    return root / f"sea-{owner}-{_born(owner)}"


def _roomy(directory: Path) -> bool:
    return directory.is_dir() and shutil.disk_usage(directory).free > _ROOM


def _born(process: int) -> str:
    """What tells this process from an earlier one of the same number."""
    with contextlib.suppress(OSError):
        after_name = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2]
        return after_name.split()[19]
    return "0"


@contextlib.contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Alone, among all workers, to start what will live in `directory`."""
    directory.parent.mkdir(mode=0o711, exist_ok=True)
    with directory.with_name(f"{directory.name}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def start(
    command: list[str], directory: Path, *, owner: int, stop: signal.Signals, user: int
) -> None:
    """Run `command` until process `owner` ends; `directory` exists already, and goes with it."""
    words = [str(owner), str(directory), str(int(stop)), str(user), *command]
    subprocess.run(
        [sys.executable, "-I", str(_GUARDIAN), *words], check=True, stdin=subprocess.DEVNULL
    )


def stop(directory: Path) -> None:
    """End the server of `directory`, if it runs, and remove everything of it, now."""
    guardian = directory / "guardian"
    if guardian.exists():
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(guardian.read_text()), signal.SIGTERM)
            wait_until(lambda: not directory.exists(), f"{directory} to be gone")
    shutil.rmtree(directory, ignore_errors=True)
    directory.with_name(f"{directory.name}.lock").unlink(missing_ok=True)
    with contextlib.suppress(OSError):  # another server is still there, or nothing was
        directory.parent.rmdir()


def kill(directory: Path, how: signal.Signals = signal.SIGKILL) -> None:
    """End the server of `directory`, which stays down until `resume`."""
    (directory / "hold").touch()
    process = int((directory / "pid").read_text())
    with contextlib.suppress(ProcessLookupError):
        os.kill(process, how)
    wait_until(lambda: not alive(process), "the server's end")


def resume(directory: Path) -> None:
    """Let the guardian start the server again."""
    (directory / "hold").unlink()


def alive(process: int) -> bool:
    """Whether there is such a process, or its remains."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def wait_until(true: Callable[[], _T], what: str, patience: float = _PATIENCE) -> _T:
    """Wait for `true` to return something true; that."""
    until = time.monotonic() + patience
    while True:
        if result := true():
            return result
        if time.monotonic() > until:
            raise TimeoutError(f"waited {patience} s for {what}")
        time.sleep(_POLL)
