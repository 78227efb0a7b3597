"""What this process gives up, for good, before any line of the agent or its packages runs."""

import contextlib
import os
import resource
import signal
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from . import landlock, seccomp
from .linux import die_with_parent, drop_capabilities, forbid_new_privileges

ISOLATED: Final = "L1"
NOT_ISOLATED: Final = "L0"
_NEEDED_LANDLOCK: Final = 4  # the first that knows TCP ports
_SIGNALS_LANDLOCK: Final = 6
_LIBRARIES: Final = (
    *("/lib", "/lib32", "/lib64", "/usr/lib", "/usr/lib32", "/usr/lib64", "/usr/libexec"),
    *("/usr/local/lib", "/usr/local/lib64"),
)
_READABLE: Final = (
    *("/usr/share/zoneinfo", "/usr/share/ca-certificates", "/usr/local/share/ca-certificates"),
    *("/usr/share/locale", "/etc/ssl", "/etc/pki", "/etc/ca-certificates", "/etc/localtime"),
    *("/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d", "/etc/hosts"),
    *("/etc/resolv.conf", "/etc/nsswitch.conf", "/etc/host.conf", "/etc/gai.conf"),
    *(
        "/etc/mime.types",
        "/etc/os-release",
        "/etc/services",
        "/etc/protocols",
        "/proc/cpuinfo",
        "/proc/meminfo",
        "/sys/devices/system/cpu",
    ),
)
_DEVICES: Final = ("/dev/null", "/dev/zero", "/dev/full")
_RANDOM: Final = ("/dev/urandom", "/dev/random")
_BROAD: Final = frozenset({"/", "/usr", "/usr/local"})  # their libraries are listed above


@dataclass(frozen=True, kw_only=True)
class Cell:
    """What the parent wrote down for this process.

    Attributes:
        entry: `path/to/file.py:object`.
        bundle: the folder of the agent's source.
        venv: the folder of its virtual environment.
        scratch: the folder it may write to.
        door_port: the TCP port it may connect to; None for none.
        parent: the cell's process id; 0 if it must not be checked.
        require_isolation: whether to refuse service below `L1`.
        memory_bytes: of data; 0 for no limit.
        open_files: descriptors at once.
        file_bytes: the largest file it may write.
        child_processes: whether it may start any.
        functions: it serves functions of the release, and not its entry.
    """

    entry: str
    bundle: str
    venv: str
    scratch: str
    door_port: int | None
    parent: int
    require_isolation: bool
    memory_bytes: int
    open_files: int
    file_bytes: int
    child_processes: bool
    functions: bool = False


def confine(cell: Cell) -> dict[str, Any]:
    """Give everything up that `cell` does not list, and tell how far that went."""
    _die_with(cell.parent)
    os.umask(0o077)
    _offer_to_die()
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_NOFILE, cell.open_files)
    _limit(resource.RLIMIT_FSIZE, cell.file_bytes)
    if cell.memory_bytes:
        _limit(resource.RLIMIT_DATA, cell.memory_bytes)
    missing: list[str] = []
    if not forbid_new_privileges():
        missing.append("no_new_privs")
    if not drop_capabilities():
        missing.append("dropped capabilities")
    abi = landlock.version()
    missing += _restrict(cell, abi)
    refused = seccomp.install(child_processes=cell.child_processes)
    if refused is not None:
        missing.append(refused)
    reached = abi >= _NEEDED_LANDLOCK and not {"no_new_privs", "landlock"} & set(missing)
    return {
        "level": ISOLATED if reached else NOT_ISOLATED,
        "landlock": abi,
        "seccomp": refused is None,
        "missing": missing,
    }


def _die_with(parent: int) -> None:
    die_with_parent(signal.SIGKILL)
    if parent and os.getppid() != parent:  # it died before we asked
        os._exit(0)


def _offer_to_die() -> None:
    """When the machine's memory runs out, let the kernel take this process before the cell."""
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("500", "ascii")


def _limit(kind: int, wanted: int) -> None:
    _, hard = resource.getrlimit(kind)
    bound = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(kind, (bound, bound))


def _restrict(cell: Cell, abi: int) -> list[str]:
    if abi == 0:
        return ["landlock"]
    try:
        landlock.restrict(_rules(cell), cell.door_port)
    except OSError as error:
        return ["landlock", f"landlock: {error.strerror}"]
    gaps = []
    if abi < _NEEDED_LANDLOCK:
        gaps.append("TCP ports (Landlock 4)")
    if abi < _SIGNALS_LANDLOCK:
        gaps.append("signals (Landlock 6)")
    return gaps


def _rules(cell: Cell) -> list[tuple[str, int]]:
    return [
        *((path, landlock.RUN) for path in (*_interpreter(), cell.venv, *_LIBRARIES)),
        *((path, landlock.READ) for path in (cell.bundle, *_READABLE, *_RANDOM)),
        *((path, landlock.DEVICE) for path in _DEVICES),
        (cell.scratch, landlock.KEEP),
        ("/proc/self", landlock.READ),
    ]


def _interpreter() -> list[str]:
    """The interpreter's own folders; of a shared prefix such as /usr no more than its program."""
    prefixes = {sys.base_prefix, sys.base_exec_prefix} - _BROAD
    program = os.path.realpath(sys.executable)
    paths = [sysconfig.get_path(name) for name in ("stdlib", "platstdlib")]
    return [*sorted(prefixes), program, *(path for path in paths if path)]
