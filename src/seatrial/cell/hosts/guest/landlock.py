"""Landlock: from here on the files and TCP ports that are listed, and nothing else.

Needs no root and no program; a process cannot take it off, and its children inherit it.
"""

import ctypes
import errno
import os
import stat
import struct
from collections.abc import Iterable
from typing import Final

from .linux import system_call

_CREATE, _ADD, _RESTRICT = 444, 445, 446
_ASK_VERSION: Final = 1
_BENEATH, _PORT = 1, 2

EXECUTE: Final = 1 << 0
WRITE_FILE: Final = 1 << 1
READ_FILE: Final = 1 << 2
READ_DIR: Final = 1 << 3
_MAKE_CHAR, _MAKE_BLOCK, _REFER, _TRUNCATE, _IOCTL = 1 << 6, 1 << 11, 1 << 13, 1 << 14, 1 << 15
_OF_FILES: Final = EXECUTE | WRITE_FILE | READ_FILE | _TRUNCATE | _IOCTL
_BIND, _CONNECT = 1, 2
_SCOPE_ABSTRACT_SOCKETS, _SCOPE_SIGNALS = 1, 2

READ: Final = READ_FILE | READ_DIR
RUN: Final = READ | EXECUTE
KEEP: Final = ((1 << 15) - 1) & ~(EXECUTE | _MAKE_CHAR | _MAKE_BLOCK)  # all but programs, devices
DEVICE: Final = READ_FILE | WRITE_FILE


def version() -> int:
    """The kernel's Landlock version; 0 where it has none or may not be asked."""
    found = system_call(_CREATE, None, ctypes.c_size_t(0), ctypes.c_uint32(_ASK_VERSION))
    return max(found, 0)


def restrict(rules: Iterable[tuple[str, int]], port: int | None) -> None:
    """Allow the paths of `rules` with their rights, TCP to `port` if the kernel can, no more.

    Args:
        rules: a path and rights each; one that does not exist is left out.
        port: the one port to connect to, on any address; None for no network.

    Raises:
        OSError: the kernel refused.
    """
    abi = version()
    files = _handled(abi)
    net = _BIND | _CONNECT if abi >= 4 else 0
    scoped = _SCOPE_ABSTRACT_SOCKETS | _SCOPE_SIGNALS if abi >= 6 else 0
    attributes = struct.pack("=QQQ", files, net, scoped)[: 24 if abi >= 6 else 16 if net else 8]
    ruleset = _checked(
        system_call(_CREATE, attributes, ctypes.c_size_t(len(attributes)), ctypes.c_uint32(0))
    )
    try:
        for path, rights in rules:
            _allow_path(ruleset, path, rights & files)
        if port is not None and net:
            _add(ruleset, _PORT, struct.pack("=QQ", _CONNECT, port))
        _checked(system_call(_RESTRICT, ctypes.c_int(ruleset), ctypes.c_uint32(0)))
    finally:
        os.close(ruleset)


def _handled(abi: int) -> int:
    rights = (1 << 13) - 1
    for since, right in ((2, _REFER), (3, _TRUNCATE), (5, _IOCTL)):
        if abi >= since:
            rights |= right
    return rights


def _allow_path(ruleset: int, path: str, rights: int) -> None:
    try:
        place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError as error:
        if error.errno in {errno.ENOENT, errno.ENOTDIR, errno.EACCES}:
            return
        raise
    try:
        if not stat.S_ISDIR(os.fstat(place).st_mode):
            rights &= _OF_FILES
        _add(ruleset, _BENEATH, struct.pack("=Qi", rights, place))
    finally:
        os.close(place)


def _add(ruleset: int, kind: int, rule: bytes) -> None:
    _checked(system_call(_ADD, ctypes.c_int(ruleset), ctypes.c_int(kind), rule, ctypes.c_uint32(0)))


def _checked(result: int) -> int:
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), "landlock")
    return result
