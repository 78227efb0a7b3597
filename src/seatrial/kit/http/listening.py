"""Sockets to serve on, opened before anything else starts, with errors that say what to do."""

import contextlib
import errno
import os
import socket
import stat
from pathlib import Path
from typing import Final

from seatrial.kit.errors import Conflict, Invalid

LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})
"""Hosts that only this machine reaches."""
_LONGEST_PATH: Final = 103  # bytes of a Unix socket's path: macOS takes 103, Linux 107
_BACKLOG: Final = 2048  # connections that may wait to be accepted
_UNREAD: Final = 60_000  # milliseconds


class AddressInUse(Conflict):
    """Another program listens on {address}."""

    code = "address_in_use"
    cause = "One address can be served by one program; perhaps this one already runs."
    remedy = "Stop the other program, or set another `http.port` (0 takes a free one)."


class AddressUnusable(Invalid):
    """Cannot listen on {address}: {reason}."""

    code = "address_unusable"
    cause = "The address is not one of this machine, or this user may not use it."
    remedy = "Set `http.host` and `http.port` to an address of this machine and a port above 1023."


def listen(host: str, port: int) -> socket.socket:
    """A TCP socket that listens on `host` (name or address) and `port`; port 0 takes a free one.

    Clients may connect from now on; they wait until a server starts to accept.

    Raises:
        AddressInUse: another program holds it.
        AddressUnusable: it cannot be had.
    """
    address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    try:
        family, kind, protocol, _, target = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except (OSError, UnicodeError) as error:
        raise AddressUnusable(address=address, reason=_reason(error)) from None
    listener = socket.socket(family, kind, protocol)
    try:
        _prepare(listener)
        listener.bind(target)
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        raise _refused(address, error) from None
    return listener


def listen_unix(path: Path) -> socket.socket:
    """A Unix socket that listens at `path`, for its owner alone; a dead one there is replaced.

    Raises:
        AddressInUse: a living program listens there.
        AddressUnusable: something else is there, the path is too long, or may not be written.
    """
    address = f"unix:{path}"
    if len(os.fsencode(path)) > _LONGEST_PATH:
        raise AddressUnusable(address=address, reason=f"longer than {_LONGEST_PATH} bytes")
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.settimeout(0.0)
    try:
        _clear(path, address)
        listener.bind(str(path))
        path.chmod(0o600)  # nobody can connect before `listen`, so there is no open moment
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        raise _refused(address, error) from None
    except (Invalid, Conflict):
        listener.close()
        raise
    return listener


def address_of(listener: socket.socket) -> str:
    """Where clients find it: `http://127.0.0.1:8700`, or `unix:/run/seatrial/cell.sock`."""
    name = listener.getsockname()
    if listener.family == socket.AF_UNIX:
        return f"unix:{name}"
    host, port = name[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _prepare(listener: socket.socket) -> None:
    listener.settimeout(0.0)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    # Accepted sockets inherit both. A delayed small write costs 40 ms at the reader; a client that
    # stops reading is dropped by the kernel, buffers and all.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _UNREAD)


def _clear(path: Path, address: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        if not stat.S_ISSOCK(path.lstat().st_mode):
            raise AddressUnusable(address=address, reason="a file that is no socket is there")
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            probe.settimeout(1.0)
            try:
                probe.connect(str(path))
            except ConnectionRefusedError:
                path.unlink()  # its program died without tidying up
                return
        raise AddressInUse(address=address)


def _refused(address: str, error: OSError) -> Invalid | Conflict:
    if error.errno == errno.EADDRINUSE:
        return AddressInUse(address=address)
    return AddressUnusable(address=address, reason=_reason(error))


def _reason(error: OSError | UnicodeError) -> str:
    return getattr(error, "strerror", None) or str(error)
