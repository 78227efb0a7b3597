"""An agent's process on its author's machine: started, asked, ended, begun anew on a change."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from seatrial.cli.project import bundling
from seatrial.cli.project.domain import AgentProcessEnded, AgentRaised
from seatrial.cli.project.release import Project
from seatrial.cli.project.selection import Selection

_GUEST: Final = Path(__file__).with_name("guest.py")
_PASSED: Final = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "TZ", "SSL_CERT_FILE", "SSL_CERT_DIR")
_LARGEST: Final = 64 << 20  # bytes of one answer
_TALK: Final = 2  # standard error
_GRACE: Final = 1.0  # seconds for the process to go by itself


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One input for the agent, and what it may know of its run."""

    input: Any
    run: str
    environment: str
    session: str | None = None
    history: tuple[dict[str, Any], ...] = ()


class LocalAgent:
    """The process. It serves one input after the other, until it is closed."""

    def __init__(self, project: Project, python: Path, env: Mapping[str, str]) -> None:
        self._project = project
        self._ours, theirs = socket.socketpair()
        try:
            with theirs:
                self._child = subprocess.Popen(
                    [python, "-B", _GUEST, str(theirs.fileno()), project.manifest.agent.entry],
                    env=dict(env),
                    cwd=project.folder,
                    stdin=subprocess.DEVNULL,
                    stdout=_TALK,  # what it prints is talk; its output comes another way
                    pass_fds=(theirs.fileno(),),
                    start_new_session=True,
                )
        except OSError as error:
            self._ours.close()
            reason = f"{str(python)!r}: {error.strerror or error}"
            raise AgentProcessEnded(reason=reason) from None
        self._lines = self._ours.makefile("rb")
        self._started = False

    def run(self, sample: Sample, emit: Callable[[Any], None]) -> Any:  # noqa: ANN401 - any JSON
        """The output for `sample`; chunks go to `emit` as they come.

        Raises:
            AgentRaised: it failed, or cannot be imported.
            AgentProcessEnded: its process is gone.
        """
        if not self._started:
            self._take(self._next())
            self._started = True
        request = {"input": sample.input, "seed": 0, "context": self._context(sample)}
        try:
            self._ours.sendall(json.dumps(request).encode() + b"\n")
        except OSError:
            raise self._ended() from None
        while (event := self._take(self._next()))["type"] == "chunk":
            emit(event["data"])
        return event["output"]

    def close(self, grace: float = _GRACE) -> None:
        """End the process and all that it started, after `grace` seconds to go by itself."""
        self._lines.close()
        self._ours.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._child.wait(grace)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._child.pid, signal.SIGKILL)
        self._child.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close(_GRACE if kind is None else 0.0)

    def _context(self, sample: Sample) -> dict[str, Any]:
        limits = self._project.manifest.limits
        return {
            "run": sample.run,
            "attempt": 1,
            "session": sample.session,
            "history": list(sample.history),
            "agent": self._project.manifest.agent.name,
            "release": "local",
            "environment": sample.environment,
            "seed": 0,
            "deadline_seconds": limits.timeout_seconds,
            "steps": limits.steps,
        }

    def _next(self) -> dict[str, Any]:
        line = self._lines.readline(_LARGEST)
        if not line.endswith(b"\n"):
            raise self._ended()
        event: dict[str, Any] = json.loads(line)
        return event

    def _take(self, event: dict[str, Any]) -> dict[str, Any]:
        if event["type"] in {"broken", "error"}:
            raise AgentRaised(reason=event["message"]) from _Trace(event["trace"])
        return event

    def _ended(self) -> AgentProcessEnded:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._child.wait(_GRACE)
        code = self._child.poll()
        reason = "its connection is closed" if code is None else f"exit code {code}"
        if code is not None and code < 0:
            reason = f"killed by {signal.Signals(-code).name}"
        return AgentProcessEnded(reason=reason)


class _Trace(Exception):
    """The agent's own lines, for whoever shows them."""


def trace_of(error: BaseException) -> str:
    """The agent's own lines in an error of `LocalAgent.run`; empty where there are none."""
    return str(error.__cause__) if isinstance(error.__cause__, _Trace) else ""


def interpreter(project: Project, named: Path | None) -> Path:
    """The Python to run the agent on: named, else the project's own environment, else this one."""
    if named is not None:
        return named
    own = project.folder / ".venv" / "bin" / "python"
    return own if own.exists() else Path(sys.executable)


def environment(
    project: Project, surroundings: Mapping[str, str], name: str, *, secrets: bool
) -> dict[str, str]:
    """What the agent's process sees: no more than the manifest names.

    Args:
        project: whose.
        surroundings: of whoever runs it.
        name: the environment that the agent is told.
        secrets: hand over the variables that `[secrets]` names.
    """
    wanted = set(_PASSED)
    if secrets:
        wanted |= set(project.manifest.secrets.values())
    return {
        **{key: each for key, each in surroundings.items() if key in wanted},
        "PYTHONHASHSEED": "0",
        "PYTHONUTF8": "1",
        "PYTHONUNBUFFERED": "1",
        "SEATRIAL_ENVIRONMENT": name,
        "SEATRIAL_AGENT": project.manifest.agent.name,
        "SEATRIAL_RELEASE": "local",
    }


def door(url: str, token: str) -> dict[str, str]:
    """By which variables an agent finds models, prompts and tools: those of a cell's host."""
    return {
        "OPENAI_BASE_URL": f"{url}/v1",
        "OPENAI_API_KEY": token,
        "ANTHROPIC_BASE_URL": url,
        "ANTHROPIC_API_KEY": token,
        "SEATRIAL_URL": url,
        "SEATRIAL_TOKEN": token,
        "SEATRIAL_MCP_URL": f"{url}/mcp",
    }


def stamps(project: Project) -> frozenset[tuple[str, int, int]]:
    """Path, size and time of each file: unequal as soon as one was saved."""
    chosen = project.manifest.bundle
    selection = Selection(include=chosen.include, exclude=chosen.exclude)
    return frozenset(_stamped(bundling.files(project.folder, selection)))


def _stamped(found: tuple[bundling.Found, ...]) -> Iterator[tuple[str, int, int]]:
    for each in found:
        with contextlib.suppress(OSError):  # saved by an editor this very moment
            status = each.place.stat()
            yield each.path, status.st_size, status.st_mtime_ns
