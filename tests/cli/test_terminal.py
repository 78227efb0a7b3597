"""On a terminal: what is asked, what Ctrl-C does. Real processes on a real pseudo-terminal."""

import json
import os
import pty
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from seatrial.kit.errors import Exit
from tests.cli.conftest import Command
from tests.cli.fake import Fake

PATIENCE = 30.0  # seconds; only a broken test waits so long


class Terminal:
    """A command whose standard input and error are a terminal; its output is a file."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self._ours, theirs = pty.openpty()
        self.out = folder.parent / "out.txt"
        with self.out.open("wb") as out:
            self.child = subprocess.Popen(
                [sys.executable, "-m", "seatrial.main", *arguments],
                cwd=folder,
                env={"PATH": os.environ["PATH"], "HOME": str(folder.parent), "COLUMNS": "200"},
                stdin=theirs,
                stdout=out,
                stderr=theirs,
                start_new_session=True,
            )
        os.close(theirs)
        self.said = ""

    def until(self, text: str) -> None:
        """Read until `text` was said."""
        last = time.monotonic() + PATIENCE
        while text not in self.said:
            assert time.monotonic() < last, self.said
            self._read()

    def type(self, text: str) -> None:
        os.write(self._ours, text.encode())

    def end(self) -> int:
        last = time.monotonic() + PATIENCE
        while self.child.poll() is None:
            assert time.monotonic() < last, self.said
            self._read()
        self._read()
        return self.child.wait()

    def close(self) -> None:
        if self.child.poll() is None:
            self.child.kill()
        self.child.wait()
        os.close(self._ours)

    def _read(self) -> None:
        ready, _, _ = select.select([self._ours], [], [], 0.05)
        if ready:
            try:
                self.said += os.read(self._ours, 65_536).decode(errors="replace")
            except OSError:  # the other end is closed
                time.sleep(0.05)


@contextmanager
def terminal(folder: Path, *arguments: str) -> Iterator[Terminal]:
    made = Terminal(folder, *arguments)
    try:
        yield made
    finally:
        made.close()


def test_production_wants_its_name_typed(fake: Fake, command: Command, project: Path) -> None:
    command("deploy")
    orders = len(fake.orders)
    with terminal(project, "promote") as shell:
        shell.until("Type 'production' to go on")
        assert "support  nothing -> support@1" in shell.said
        shell.type("y\n")
        assert shell.end() == Exit.DENIED
    assert len(fake.orders) == orders
    with terminal(project, "promote", "--json") as shell:
        shell.until("Type 'production' to go on")
        shell.type("production\n")
        assert shell.end() == Exit.OK
        assert json.loads(shell.out.read_text())["generation"] == 1


def test_init_asks_once_for_a_key_and_keeps_it_in_the_vault_alone(
    fake: Fake, project: Path
) -> None:
    with terminal(project, "init", "new") as shell:
        shell.until("A provider's key for staging")
        shell.type("sk-very-secret\n")
        assert shell.end() == Exit.OK
        assert "in staging's vault" in shell.said
        assert "sk-very-secret" not in shell.said
    assert fake.secrets == {"openai": "sk-very-secret"}
    for path in (project / "new").rglob("*"):
        assert path.is_dir() or "sk-very-secret" not in path.read_text()


def test_init_without_a_system_tells_the_command_for_later(tmp_path: Path) -> None:
    with terminal(tmp_path, "init", "new") as shell:
        shell.until("A provider's key for staging")
        shell.type("sk-very-secret\n")
        assert shell.end() == Exit.OK
        assert "seatrial secrets set openai --env staging" in shell.said
    with terminal(tmp_path, "init", "other") as shell:
        shell.until("A provider's key for staging")
        shell.type("\n")
        assert shell.end() == Exit.OK


def test_dev_answers_line_by_line_until_its_end(project: Path) -> None:
    with terminal(project, "dev") as shell:
        shell.until("Ctrl-D ends")
        shell.until("> ")
        shell.type('{"a": 1}\n')
        deadline = time.monotonic() + PATIENCE
        while '"a": 1' not in shell.out.read_text() and time.monotonic() < deadline:
            time.sleep(0.05)
        shell.type("\x04")
        assert shell.end() == Exit.OK
        assert json.loads(shell.out.read_text()) == {"echo": {"a": 1}}


@pytest.mark.parametrize(
    "arguments",
    [("invoke", "support", "for ever"), ("status", "--watch"), ("dev", "--input", "x")],
)
def test_ctrl_c_answers_at_once(fake: Fake, project: Path, arguments: tuple[str, ...]) -> None:
    (project / "agent.py").write_text(
        "import time\nprint('begun')\ndef run(i):\n    time.sleep(600)\n"
    )
    with terminal(project, *arguments) as shell:
        if arguments[0] == "status":
            while not shell.out.read_text():
                time.sleep(0.05)
        else:
            shell.until("waiting" if arguments[0] == "invoke" else "begun")
        began = time.monotonic()
        os.kill(shell.child.pid, signal.SIGINT)
        assert shell.end() == 130
        assert time.monotonic() - began < PATIENCE / 3
        assert "interrupted" in shell.said
        assert "Traceback" not in shell.said
    if arguments[0] == "invoke":
        assert fake.runs["run_0"]["state"] == "running"
