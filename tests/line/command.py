"""The command as a person runs it: a process of its own in a folder, its words, its exit code."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from seatrial.kit.files import holder_of
from tests.line.processes import wait_until

_PATIENCE: Final = 180.0  # seconds
_KEPT: Final = ("PATH", "LANG", "TMPDIR", "PYTHONPATH")


@dataclass(frozen=True, kw_only=True)
class Said:
    """What a command answered."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Standard output as JSON."""
        return json.loads(self.out)


@dataclass(frozen=True, kw_only=True)
class Place:
    """A folder of somebody's, with a home beside it.

    Attributes:
        folder: where the commands run.
    """

    folder: Path

    @property
    def state(self) -> Path:
        """What `up` keeps."""
        return self.folder / ".seatrial"

    @property
    def supervisor(self) -> int | None:
        """The process that `up` is, if it lives."""
        pid = holder_of(self.state / "up.lock")
        return pid if pid is not None and lives(pid) else None

    @property
    def children(self) -> dict[str, int]:
        """Processes of the supervisor by the folder of their settings."""
        return {
            Path(arguments[arguments.index("--settings") + 1]).parent.name: pid
            for pid, arguments in _commands().items()
            if str(self.state) in " ".join(arguments) and "--settings" in arguments
        }

    def call(self, *arguments: str, data: str | None = None, **variables: str) -> Said:
        """Run `seatrial` with these arguments, to its end."""
        kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
        done = subprocess.run(
            [sys.executable, "-m", "seatrial.main", *arguments],
            cwd=self.folder,
            env=kept | {"HOME": str(self.folder.parent), "COLUMNS": "200"} | variables,
            input=data,
            stdin=subprocess.DEVNULL if data is None else None,
            capture_output=True,
            text=True,
            timeout=_PATIENCE,
            check=False,
        )
        return Said(code=done.returncode, out=done.stdout, err=done.stderr)

    def done(self, *arguments: str, **variables: str) -> Said:
        """The same, and it must end with 0."""
        said = self.call(*arguments, **variables)
        assert said.code == 0, (arguments, said, self.logs())
        return said

    def logs(self) -> str:
        """The ends of all logs."""
        found = [*sorted(self.state.glob("*/process.log")), self.state / "up.log"]
        return "\n".join(
            f"--- {path.parent.name} ---\n{path.read_text(errors='replace')[-1_500:]}"
            for path in found
            if path.exists()
        )


@contextlib.contextmanager
def place(name: str = "support") -> Iterator[Place]:
    """An empty folder; whatever was started in it is gone at the end, and so is the folder."""
    root = Path(tempfile.mkdtemp(prefix="line-"))
    here = Place(folder=root / name)
    here.folder.mkdir()
    try:
        yield here
    finally:
        doomed = [*here.children.values()]
        if (supervisor := here.supervisor) is not None:
            doomed.append(supervisor)
        for pid in reversed(doomed):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not any(map(lives, doomed)), "the processes of a test to end")
        shutil.rmtree(root, ignore_errors=True)


def lives(pid: int) -> bool:
    """Whether there is such a process that has not ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def _commands() -> dict[int, list[str]]:
    found = {}
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            found[int(path.parent.name)] = path.read_bytes().decode(errors="replace").split("\0")
    return found
