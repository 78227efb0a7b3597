"""`make demo`: the main job on this machine, from nothing, in under a minute.

An agent goes from `init` to production; a worse release follows it; the cell is killed with -9 in
the middle of forty runs; and production goes back. Everything is the real thing: real processes,
databases, keys and signatures. Every step is checked, and the demo fails if one is not as it says.
"""

import contextlib
import http.client
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import click

_RUNS: Final = 40
_PATIENCE: Final = 60.0  # seconds
_SEATRIAL: Final = Path(sys.executable).with_name("seatrial")
_SLOW: Final = """
import time


def run(input):
    time.sleep(0.5)  # as long as a quick model takes
    return {"team": "billing", "urgency": "normal"}
"""


def main() -> None:
    """Run the scenes."""
    folder = Path(tempfile.mkdtemp(prefix="seatrial-demo-"))
    project = folder / "support"
    try:
        _play(folder, project)
    finally:
        if (project / ".seatrial" / "up.lock").exists():
            subprocess.run([_SEATRIAL, "down"], cwd=project, capture_output=True, check=False)
        shutil.rmtree(folder)
    click.echo("\nWhere to go on: README.md, docs/tutorial/first-agent.md, seatrial --help")


def _play(folder: Path, project: Path) -> None:
    _scene("1  An agent, and a system to run it", "nothing was installed, nobody was asked")
    _seatrial("init", "support", "--no-input", folder=folder)
    _seatrial("up", "--detach", "--port", "0", folder=project)

    _scene("2  Into staging", "an immutable release, named by its digest")
    _seatrial("deploy", folder=project)
    _seatrial("invoke", "support", "my parcel is late", "--env", "staging", folder=project)

    _scene("3  Into production", "by evidence: signed by its author, run in staging, ordered")
    _until_counted(project)
    _seatrial("promote", "--yes", folder=project)
    _seatrial("invoke", "support", "my parcel is late", "--env", "production", folder=project)

    _scene("4  A worse release follows", "it sends every parcel to billing, and nobody noticed")
    (project / "agent.py").write_text(_SLOW)
    _seatrial("deploy", folder=project)
    _seatrial("invoke", "support", "my parcel is late", "--env", "staging", folder=project)
    _until_counted(project)
    _seatrial("promote", "--yes", folder=project)

    _scene("5  kill -9 in the middle", f"{_RUNS} runs are accepted, and production's cell is shot")
    _kill_in_the_middle(project)

    _scene("6  Back", "whole, signed, without a build or a download")
    began = time.monotonic()
    _seatrial("rollback", "--yes", folder=project)
    click.echo(f"the command took {time.monotonic() - began:.1f} s, its own start included")
    _seatrial("invoke", "support", "my parcel is late", "--env", "production", folder=project)
    _seatrial("status", folder=project)

    _scene("7  A mistake at the command line", "a code, a cause, a remedy")
    _seatrial("promote", "suport", folder=project, fails=True)


def _scene(title: str, promise: str) -> None:
    click.echo(f"\n{click.style(title, bold=True)}  ({promise})")


def _seatrial(*arguments: str, folder: Path, fails: bool = False) -> None:
    click.echo(f"$ seatrial {' '.join(f'{a!r}' if ' ' in a else a for a in arguments)}")
    done = subprocess.run(
        [_SEATRIAL, *arguments], cwd=folder, stderr=subprocess.STDOUT, check=False
    )
    if (done.returncode != 0) is not fails:
        raise SystemExit(f"the demo failed: exit code {done.returncode}")


def _until_counted(project: Path) -> None:
    """A moment after a run has ended, staging's cell signs what it counted; wait for that."""

    def counted() -> bool:
        planned = subprocess.run(
            [_SEATRIAL, "promote", "--dry-run", "--json"],
            cwd=project,
            capture_output=True,
            check=False,
        )
        gates = json.loads(planned.stdout)["gates"]
        return all(gate["standing"] == "met" for gate in gates if gate["gate"] == "soak")

    _wait("staging's evidence", counted)


def _kill_in_the_middle(project: Path) -> None:
    cell = _Cell(project)
    runs = [cell.start(number) for number in range(_RUNS)]
    click.echo(f"{len(runs)} runs are accepted: each is on disk")
    os.kill(_process_of(project / ".seatrial" / "production"), signal.SIGKILL)
    click.echo("production's cell is killed; its supervisor starts it again")
    _wait("the cell", cell.serves)
    _wait("the runs", lambda: all(cell.run(run)["ended"] for run in runs))
    ended = Counter(cell.run(run)["state"] for run in runs)
    click.echo(f"of {len(runs)}: {', '.join(f'{count} {state}' for state, count in ended.items())}")
    if ended != Counter(succeeded=_RUNS):
        raise SystemExit("the demo failed: an accepted run was lost")


class _Cell:
    """Production's front door, by its API."""

    def __init__(self, project: Path) -> None:
        access = json.loads((project / ".seatrial" / "access.json").read_text())
        there = access["environments"]["production"]
        self._port = int(there["url"].rpartition(":")[2])
        self._token = there["token"]

    def start(self, number: int) -> str:
        body = {"input": f"parcel {number}", "mode": "async"}
        run: str = self._ask("/v1/agents/support/runs", body)["id"]
        return run

    def run(self, run: str) -> dict[str, Any]:
        return self._ask(f"/v1/runs/{run}")

    def serves(self) -> bool:
        try:
            self._ask("/v1/status")
        except OSError:
            return False
        return True

    def _ask(self, path: str, body: object = None) -> dict[str, Any]:
        data = None if body is None else json.dumps(body)
        headers = {"authorization": f"Bearer {self._token}", "content-type": "application/json"}
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=30)
        with contextlib.closing(connection):
            connection.request("GET" if body is None else "POST", path, data, headers)
            answer = connection.getresponse()
            if answer.status >= 400:
                raise SystemExit(f"the demo failed: {answer.status} {answer.read().decode()}")
            found: dict[str, Any] = json.load(answer)
        return found


def _process_of(folder: Path) -> int:
    """The process that runs on the settings of `folder`."""
    wanted = str(folder / "settings.toml").encode()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if wanted in (entry / "cmdline").read_bytes().split(b"\0"):
                    return int(entry.name)
            except OSError:
                continue
    raise SystemExit(f"the demo failed: no process runs on {folder}")


def _wait(what: str, there: Callable[[], bool]) -> None:
    last = time.monotonic() + _PATIENCE
    while not there():
        if time.monotonic() > last:
            raise SystemExit(f"the demo failed: {what} did not come")
        time.sleep(0.1)


if __name__ == "__main__":
    main()
