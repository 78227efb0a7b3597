"""System calls that a file and port rule cannot see: refused by a filter of the kernel.

What it closes: UDP, raw, netlink and Unix sockets (a Unix socket of a database is a door without a
port), Multipath TCP and TCP Fast Open (Landlock sees neither), listening, changed modes and
attributes of files (Landlock leaves them alone), other processes' memory and limits, System V
memory, namespaces, mounts, kernel modules, keys, BPF, io_uring, and leaving the process group.
"""

import ctypes
import errno
import platform
import struct
from collections.abc import Iterable, Iterator
from typing import Final

from .linux import LIBC, prctl

_ARCHITECTURES: Final = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_COLUMN: Final = {"x86_64": 0, "aarch64": 1}
_SET_SECCOMP, _FILTER = 22, 2
_LOAD, _JUMP_EQUAL, _JUMP_AT_LEAST, _JUMP_ANY_BIT, _AND, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x54, 6
_KILL, _ERRNO, _ALLOW = 0x80000000, 0x00050000, 0x7FFF0000
_NUMBER, _ARCH, _ARGUMENTS = 0, 4, 16  # offsets in `struct seccomp_data`
_X32: Final = 0x40000000  # a second numbering of system calls on x86_64

# name: number on x86_64, on aarch64; None where there is none
_NUMBERS: Final[dict[str, tuple[int | None, int | None]]] = {
    "socket": (41, 198),
    "socketpair": (53, 199),
    "listen": (50, 201),
    "sendto": (44, 206),
    "sendmsg": (46, 211),
    "sendmmsg": (307, 269),
    "clone": (56, 220),
    "clone3": (435, 435),
    "fork": (57, None),
    "vfork": (58, None),
    "prctl": (157, 167),
    "prlimit64": (302, 261),
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "process_madvise": (440, 440),
    "pidfd_getfd": (438, 438),
    "kcmp": (312, 272),
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fspick": (433, 433),
    "mount_setattr": (442, 442),
    "open_by_handle_at": (304, 265),
    "unshare": (272, 97),
    "setns": (308, 268),
    "setsid": (112, 157),
    "setpgid": (109, 154),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "keyctl": (250, 219),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "kexec_load": (246, 104),
    "kexec_file_load": (320, 294),
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "delete_module": (176, 106),
    "reboot": (169, 142),
    "swapon": (167, 224),
    "swapoff": (168, 225),
    "acct": (163, 89),
    "quotactl": (179, 60),
    "syslog": (103, 116),
    "iopl": (172, None),
    "ioperm": (173, None),
    "clock_settime": (227, 112),
    "settimeofday": (164, 170),
    "adjtimex": (159, 171),
    "clock_adjtime": (305, 266),
    "sethostname": (170, 161),
    "setdomainname": (171, 162),
    "shmget": (29, 194),
    "shmat": (30, 196),
    "shmctl": (31, 195),
    "semget": (64, 190),
    "semctl": (66, 191),
    "semop": (65, 193),
    "semtimedop": (220, 192),
    "msgget": (68, 186),
    "msgctl": (71, 187),
    "msgrcv": (70, 188),
    "msgsnd": (69, 189),
    "mq_open": (240, 180),
    "mq_unlink": (241, 181),
    "chown": (92, None),
    "lchown": (94, None),
    "fchown": (93, 55),
    "fchownat": (260, 54),
    "setxattr": (188, 5),
    "lsetxattr": (189, 6),
    "fsetxattr": (190, 7),
    "removexattr": (197, 14),
    "lremovexattr": (198, 15),
    "fremovexattr": (199, 16),
    "setxattrat": (463, 463),
    "removexattrat": (466, 466),
    "file_setattr": (469, 469),
    "chmod": (90, None),
    "fchmod": (91, 52),
    "fchmodat": (268, 53),
    "fchmodat2": (452, 452),
    "utime": (132, None),
    "utimes": (235, None),
    "futimesat": (261, None),
    "utimensat": (280, 88),
}
_JUDGED: Final = frozenset(  # by their arguments
    {"socket", "socketpair", "sendto", "sendmsg", "sendmmsg", "clone", "prctl", "prlimit64"}
)
_SPAWNS: Final = frozenset({"fork", "vfork"})
# Programs copy modes and times along with files and give up when that fails. In a scratch folder
# neither means anything, so these answer as if done.
_PRETENDED: Final = frozenset(
    {
        *("chmod", "fchmod", "fchmodat", "fchmodat2"),
        *("utime", "utimes", "futimesat", "utimensat"),
    }
)
_NEW_NAMESPACES: Final = 0x7E020000
_AS_THREAD: Final = 0x00010000
_FAST_OPEN: Final = 0x20000000
_STREAM, _SEQUENCED, _KIND_BITS = 1, 5, 0xF
_INTERNET: Final = (2, 10)  # AF_INET, AF_INET6
_TCP: Final = (0, 6)
_SET_PARENT_DEATH_SIGNAL: Final = 1

_Instruction = tuple[int, int, int, int]


def install(*, child_processes: bool) -> str | None:
    """Put the filter on this thread and all that it starts; None if done, else why not."""
    machine = platform.machine()
    if machine not in _ARCHITECTURES:
        return f"no system call filter for {machine}"
    code = b"".join(
        struct.pack("=HBBI", *instruction)
        for instruction in _program(machine, child_processes=child_processes)
    )
    buffer = ctypes.create_string_buffer(code, len(code))
    header = ctypes.create_string_buffer(
        struct.pack("@HP", len(code) // 8, ctypes.addressof(buffer))
    )
    if LIBC is None or not prctl(_SET_SECCOMP, _FILTER, ctypes.addressof(header)):
        return f"system call filter refused: {errno.errorcode.get(ctypes.get_errno(), 'error')}"
    return None


def _program(machine: str, *, child_processes: bool) -> Iterator[_Instruction]:
    yield _LOAD, 0, 0, _ARCH
    yield _JUMP_EQUAL, 1, 0, _ARCHITECTURES[machine]
    yield _RETURN, 0, 0, _KILL
    yield _LOAD, 0, 0, _NUMBER
    if machine == "x86_64":
        yield _JUMP_AT_LEAST, 0, 1, _X32
        yield _RETURN, 0, 0, _KILL
    for name, numbers in _NUMBERS.items():
        number = numbers[_COLUMN[machine]]
        if number is None or (name in _SPAWNS and child_processes):
            continue
        verdict = list(_verdict(name, child_processes=child_processes))
        yield _JUMP_EQUAL, 0, len(verdict), number
        yield from verdict
    yield _RETURN, 0, 0, _ALLOW


def _verdict(name: str, *, child_processes: bool) -> Iterator[_Instruction]:
    if name not in _JUDGED:
        yield _RETURN, 0, 0, _ERRNO | _answer(name)
    elif name == "socket":
        yield from _unless(_one_of(0, _INTERNET), errno.EACCES)
        yield from _unless(_one_of(1, (_STREAM,), mask=_KIND_BITS), errno.EACCES)
        yield from _unless(_one_of(2, _TCP), errno.EACCES)
        yield _RETURN, 0, 0, _ALLOW
    elif name == "socketpair":  # a pair of datagram sockets could be connected to a name
        yield from _unless(_one_of(1, (_STREAM, _SEQUENCED), mask=_KIND_BITS), errno.EACCES)
        yield _RETURN, 0, 0, _ALLOW
    elif name == "clone":
        yield from _if_any_bit(0, _NEW_NAMESPACES, errno.EPERM)
        if not child_processes:
            yield from (_load(0), (_JUMP_ANY_BIT, 1, 0, _AS_THREAD))
            yield _RETURN, 0, 0, _ERRNO | errno.EPERM
        yield _RETURN, 0, 0, _ALLOW
    elif name == "prctl":
        yield from (_load(0), (_JUMP_EQUAL, 0, 1, _SET_PARENT_DEATH_SIGNAL))
        yield from ((_RETURN, 0, 0, _ERRNO | errno.EPERM), (_RETURN, 0, 0, _ALLOW))
    elif name == "prlimit64":
        yield from _unless(_one_of(0, (0,)), errno.EPERM)
        yield _RETURN, 0, 0, _ALLOW
    else:
        yield from _if_any_bit(2 if name == "sendmsg" else 3, _FAST_OPEN, errno.EACCES)
        yield _RETURN, 0, 0, _ALLOW


def _answer(name: str) -> int:
    if name in _PRETENDED:
        return 0
    if name == "clone3":  # its flags lie in memory, where a filter cannot look; libc has a way back
        return errno.ENOSYS
    return errno.EACCES if name == "listen" else errno.EPERM


def _load(argument: int) -> _Instruction:
    return _LOAD, 0, 0, _ARGUMENTS + 8 * argument  # the low half; both machines store it first


def _one_of(
    argument: int, allowed: Iterable[int], mask: int | None = None
) -> tuple[list[_Instruction], list[int]]:
    loading = [_load(argument)]
    if mask is not None:
        loading.append((_AND, 0, 0, mask))
    return loading, list(allowed)


def _unless(allowed: tuple[list[_Instruction], list[int]], refusal: int) -> Iterator[_Instruction]:
    loading, values = allowed
    yield from loading
    for index, value in enumerate(values):
        yield _JUMP_EQUAL, len(values) - index, 0, value
    yield _RETURN, 0, 0, _ERRNO | refusal


def _if_any_bit(argument: int, bits: int, refusal: int) -> Iterator[_Instruction]:
    yield _load(argument)
    yield _JUMP_ANY_BIT, 0, 1, bits
    yield _RETURN, 0, 0, _ERRNO | refusal
