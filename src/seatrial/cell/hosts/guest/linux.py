"""Calls of the Linux kernel that Python does not offer; each answers no on another system."""

import ctypes
import sys
from typing import Final

LIBC: Final = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None

_SET_PARENT_DEATH_SIGNAL: Final = 1
_CAPABILITY_BOUND_DROP: Final = 24
_SET_NO_NEW_PRIVILEGES: Final = 38
_CAPABILITY_AMBIENT: Final = 47
_CLEAR_ALL: Final = 4
_CAPABILITY_VERSION: Final = 0x20080522
_MOST_CAPABILITIES: Final = 64


def prctl(option: int, *arguments: int) -> bool:
    """Whether `prctl(option, …)` succeeded."""
    if LIBC is None:
        return False
    words = [ctypes.c_ulong(word) for word in (*arguments, 0, 0, 0, 0)[:4]]
    return LIBC.prctl(ctypes.c_int(option), *words) == 0  # type: ignore[no-any-return]


def system_call(number: int, *arguments: object) -> int:
    """The result of a system call: -1 with `ctypes.get_errno()` where it failed."""
    if LIBC is None:
        return -1
    return LIBC.syscall(ctypes.c_long(number), *arguments)  # type: ignore[no-any-return]


def die_with_parent(signal: int) -> bool:
    """Ask for `signal` when the parent is gone."""
    return prctl(_SET_PARENT_DEATH_SIGNAL, signal)


def forbid_new_privileges() -> bool:
    """No program that is started from now on gains rights, whatever its owner and mode."""
    return prctl(_SET_NO_NEW_PRIVILEGES, 1)


def drop_capabilities() -> bool:
    """Give up every capability for good, so that being root means owning files, and no more."""
    if LIBC is None:
        return False
    for capability in range(_MOST_CAPABILITIES):
        prctl(_CAPABILITY_BOUND_DROP, capability)  # an ordinary user may not, and has none
    prctl(_CAPABILITY_AMBIENT, _CLEAR_ALL)
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION, 0)
    return LIBC.capset(header, (ctypes.c_uint32 * 6)()) == 0  # type: ignore[no-any-return]
