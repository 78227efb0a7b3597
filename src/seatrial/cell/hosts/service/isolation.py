"""How far an agent process would be cut off on this machine, found out by cutting one off."""

import os
import subprocess
import sys
import tempfile
from typing import Any, Final

import orjson

from seatrial.cell.hosts.domain import HostUnstartable, Isolation
from seatrial.cell.hosts.service.commands import guest_command

_PATIENCE: Final = 10.0  # seconds


def isolation_here() -> Isolation:
    """What this machine offers: a process confines itself, tells how far it came, and ends.

    Takes about 50 ms; blocks.

    Raises:
        HostUnstartable: it could not be tried.
    """
    with tempfile.TemporaryDirectory() as folder:
        told = {
            "entry": "",
            "bundle": folder,
            "venv": sys.prefix,
            "scratch": folder,
            "door_port": None,
            "parent": 0,
            "require_isolation": False,
            "memory_bytes": 0,
            "open_files": 64,
            "file_bytes": 1 << 20,
            "child_processes": False,
        }
        try:
            done = subprocess.run(
                guest_command(sys.executable, told),
                capture_output=True,
                timeout=_PATIENCE,
                check=True,
                cwd=folder,
                env={"PATH": os.defpath},
            )
            return isolation_of(orjson.loads(done.stdout))
        except (OSError, subprocess.SubprocessError, ValueError, KeyError) as error:
            raise HostUnstartable(reason=str(error)) from error


def isolation_of(told: dict[str, Any]) -> Isolation:
    """The report of a guest as a value; what is wrong with it raises as it comes."""
    return Isolation(
        level=str(told["level"]),
        landlock=int(told["landlock"]),
        seccomp=bool(told["seccomp"]),
        missing=tuple(str(each) for each in told["missing"]),
    )
