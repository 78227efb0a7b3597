"""What a caller hands in: a release as it is to be hosted, and how a cell hosts."""

import enum
import sys
from dataclasses import dataclass, field
from pathlib import Path

from seatrial.cell.hosts.domain import Limits
from seatrial.kit.crypto.digests import Digest


class Role(enum.StrEnum):
    """What a process of a release is for."""

    AGENT = "agent"
    FUNCTIONS = "functions"
    """Its functions are called by the cell. It has no way to any model, action or network."""


@dataclass(frozen=True, kw_only=True)
class HostPlan:
    """A release, and where its parts lie.

    Attributes:
        release: the digest of its manifest.
        agent: the agent's slug.
        environment: the cell's.
        entry: `path/to/file.py:object`.
        code: the bundle's digest.
        bundle: the bundle, a tar.
        lock: resolved requirements with hashes; empty for none.
        wheels: the folder of the wheels that the lock names; None where there are none.
        python: the interpreter's version, such as `3.11`.
        limits: of each process.
        role: what its processes are for; each has processes of its own.
    """

    release: Digest
    agent: str
    environment: str
    entry: str
    code: Digest
    bundle: Path
    lock: str = ""
    wheels: Path | None = None
    python: str = f"{sys.version_info.major}.{sys.version_info.minor}"
    limits: Limits = field(default_factory=Limits)
    role: Role = Role.AGENT

    @property
    def key(self) -> tuple[Digest, Role]:
        """Plans of the same are served by the same processes."""
        return self.release, self.role


@dataclass(frozen=True, kw_only=True)
class HostSettings:
    """How a cell hosts.

    Attributes:
        slots_per_release: processes of one release at most.
        slots: processes in all at most.
        idle_slots: processes of a kept release that stay up without work.
        idle_seconds: after so long without work any other process ends.
        ready_seconds: how long a process may take to import its agent.
        build_seconds: how long installing dependencies may take.
        grace_seconds: between asking a process to end and killing it.
        require_isolation: refuse to run agents below level `L1`.
    """

    slots_per_release: int = 8
    slots: int = 32
    idle_slots: int = 1
    idle_seconds: float = 300.0
    ready_seconds: float = 30.0
    build_seconds: float = 600.0
    grace_seconds: float = 0.5
    require_isolation: bool = False
