"""The system that the story runs on: its commands, its cells, its provider, and their ends."""

import contextlib
import http.client
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import click

_SEATRIAL: Final = Path(sys.executable).with_name("seatrial")
_PATIENCE: Final = 60.0  # seconds
_GLANCE: Final = 0.05  # seconds
_PATH: Final = f"{_SEATRIAL.parent}{os.pathsep}{os.environ.get('PATH', '')}"
_VARIABLES: Final = {**os.environ, "PATH": _PATH}


class DemoFailed(SystemExit):
    """A step is not as it says."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"the demo failed: {reason}")


@dataclass(frozen=True)
class System:
    """One system.

    Attributes:
        project: where its commands run.
    """

    project: Path

    def say(self, *arguments: str, code: int = 0) -> None:
        """Show a command and what it says; it must end with `code`."""
        click.echo(click.style(f"$ seatrial {' '.join(map(_quoted, arguments))}", fg="cyan"))
        done = self._run(*arguments, shown=True)
        if done.returncode != code:
            raise DemoFailed(f"exit code {done.returncode} of {arguments[0]}")

    def ask(self, *arguments: str) -> Any:  # noqa: ANN401 - any JSON value
        """What a command answers with `--json`."""
        done = self._run(*arguments, "--json")
        try:
            return json.loads(done.stdout)
        except ValueError:
            raise DemoFailed(done.stderr) from None

    def quietly(self, *arguments: str, told: str = "") -> None:
        """Run a command that the story does not show."""
        done = self._run(*arguments, told=told)
        if done.returncode:
            raise DemoFailed(done.stderr)

    def _run(
        self, *arguments: str, told: str = "", shown: bool = False
    ) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [_SEATRIAL, *arguments],
            cwd=self.project,
            env=_VARIABLES,
            input=told,
            text=True,
            stdout=None if shown else subprocess.PIPE,
            stderr=subprocess.STDOUT if shown else subprocess.PIPE,
            check=False,
        )

    def provider(self, arguments: tuple[str, ...]) -> str:
        """Start the model in the background; its address."""
        log = (self.project / "provider.log").open("wb")
        command = [str(_SEATRIAL), "provider", *arguments, "--port", "0", "--json"]
        process = subprocess.Popen(
            command,
            cwd=self.project,
            env=_VARIABLES,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            start_new_session=True,
        )
        (self.project / "provider.pid").write_text(str(process.pid))
        line = process.stdout.readline() if process.stdout is not None else b""
        if not line:
            raise DemoFailed((self.project / "provider.log").read_text())
        url: str = json.loads(line)["url"]
        return url

    def end(self) -> None:
        """End whatever of it runs; nothing need run."""
        if (self.project / ".seatrial" / "up.lock").exists():
            self._run("down")
        pid = self.project / "provider.pid"
        with contextlib.suppress(OSError, ValueError):
            number = int(pid.read_text())
            if b"provider" in Path(f"/proc/{number}/cmdline").read_bytes():
                os.kill(number, signal.SIGTERM)
            pid.unlink()

    def front(self, environment: str) -> "Front":
        """An environment's front door."""
        access = json.loads((self.project / ".seatrial" / "access.json").read_text())
        there = access["environments"][environment]
        return Front(int(there["url"].rpartition(":")[2]), there["token"])

    def kill(self, environment: str) -> None:
        """`kill -9` to the cell of an environment."""
        wanted = str(self.project / ".seatrial" / environment / "settings.toml").encode()
        for number, arguments in _commands():
            if wanted in arguments:
                os.kill(number, signal.SIGKILL)
                return
        raise DemoFailed(f"no process runs {environment}")


class Front:
    """A cell's API, asked as any client would: what cannot be reached is asked again.

    Args:
        port: of the cell.
        token: that may start runs there.
    """

    def __init__(self, port: int, token: str) -> None:
        self._port = port
        self._token = token

    def start(self, agent: str, said: str, session: str, key: str) -> str:
        """A run's id; the idempotency key makes it safe to ask twice."""
        body = {"input": said, "mode": "async", "session": session}
        run: str = self._asked(f"/v1/agents/{agent}/runs", body, key)["id"]
        return run

    def ended(self, run: str) -> dict[str, Any]:
        """The run at its end."""
        last = time.monotonic() + _PATIENCE
        while not (found := self._asked(f"/v1/runs/{run}"))["ended"]:
            if time.monotonic() > last:
                raise DemoFailed(f"the run {run} does not end")
            time.sleep(_GLANCE)
        return found

    def receipt(self, run: str) -> dict[str, Any]:
        """The run's receipt."""
        return self._asked(f"/v1/runs/{run}/receipt")

    def _asked(self, path: str, body: object = None, key: str = "") -> dict[str, Any]:
        last = time.monotonic() + _PATIENCE
        while True:
            try:
                return self._once(path, body, key)
            except (OSError, http.client.HTTPException):
                if time.monotonic() > last:
                    raise
                time.sleep(_GLANCE)

    def _once(self, path: str, body: object, key: str) -> dict[str, Any]:
        headers = {"authorization": f"Bearer {self._token}", "content-type": "application/json"}
        if key:
            headers["idempotency-key"] = key
        data = None if body is None else json.dumps(body)
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=30)
        with contextlib.closing(connection):
            connection.request("GET" if body is None else "POST", path, data, headers)
            answer = connection.getresponse()
            told = answer.read()
        if answer.status in {502, 503, 504}:
            raise ConnectionError(f"status {answer.status}")
        if answer.status >= 400:
            raise DemoFailed(f"{answer.status} {told.decode(errors='replace')}")
        found: dict[str, Any] = json.loads(told)
        return found


def wait(what: str, there: Callable[[], bool]) -> None:
    """Wait until `there`."""
    last = time.monotonic() + _PATIENCE
    while not there():
        if time.monotonic() > last:
            raise DemoFailed(f"{what} did not come")
        time.sleep(_GLANCE)


def _commands() -> Iterator[tuple[int, list[bytes]]]:
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                yield int(entry.name), (entry / "cmdline").read_bytes().split(b"\0")


def _quoted(argument: str) -> str:
    return f'"{argument}"' if " " in argument or not argument else argument
