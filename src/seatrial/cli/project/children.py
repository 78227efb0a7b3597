"""Programs that are started to build a project: git, uv, pip. What they say is kept and bounded."""

import contextlib
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from seatrial.cli.project.domain import BuildToolFailed, BuildToolSlow

_KEPT: Final = 20_000  # characters of what it said; the end, where the reason is
_PASSED: Final = (
    *("PATH", "HOME", "USER", "LOGNAME", "LANG", "LC_ALL", "TMPDIR", "TZ"),
    *("XDG_CONFIG_HOME", "XDG_CONFIG_DIRS", "XDG_CACHE_HOME", "XDG_DATA_HOME"),
    *("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "NETRC"),
    *("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"),
    *("http_proxy", "https_proxy", "all_proxy", "no_proxy"),
)


@dataclass(frozen=True, kw_only=True)
class Ended:
    """How a program ended.

    Attributes:
        code: 0 is success; negative: the signal that killed it.
        output: standard output.
        errors: the end of standard error.
    """

    code: int
    output: str
    errors: str

    @property
    def reason(self) -> str:
        """The last lines of what it said, in one."""
        lines = [line.strip() for line in self.errors.splitlines() if line.strip()]
        return " ".join(lines[-8:]) or f"it ended with {self.code} and said nothing"


def passed(surroundings: Mapping[str, str], *prefixes: str) -> dict[str, str]:
    """The variables that a build program may see: paths, proxies, and those with a prefix."""
    return {
        name: value
        for name, value in surroundings.items()
        if name in _PASSED or (prefixes and name.startswith(prefixes))
    }


def run(
    command: Sequence[str | Path],
    *,
    env: Mapping[str, str],
    folder: Path,
    text: str | None = None,
    seconds: float = 600.0,
) -> Ended:
    """Run a program to its end. Ctrl-C, or time, ends it with all that it started.

    Args:
        command: the program and its arguments.
        env: its whole environment.
        folder: where it runs.
        text: given to it on standard input.
        seconds: how long it may take.

    Raises:
        BuildToolFailed: it cannot be started.
        BuildToolSlow: it took too long.
    """
    tool = Path(command[0]).name
    try:
        child = subprocess.Popen(
            [str(part) for part in command],
            env=dict(env),
            cwd=folder,
            stdin=subprocess.DEVNULL if text is None else subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,
        )
    except OSError as error:
        raise BuildToolFailed(tool=tool, reason=error.strerror or str(error)) from None
    with child:
        try:
            output, errors = child.communicate(text, timeout=seconds)
        except subprocess.TimeoutExpired:
            raise BuildToolSlow(tool=tool, seconds=seconds) from None
        finally:
            _end(child)
    return Ended(code=child.returncode, output=output, errors=errors[-_KEPT:])


def _end(child: subprocess.Popen[str]) -> None:
    """Kill what is left of the program and its children; after a good end nothing is."""
    if child.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
