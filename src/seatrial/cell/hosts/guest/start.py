"""From a fresh interpreter to a served agent."""

import fcntl
import json
import os
import site
import socket
import sys
from typing import Any, BinaryIO, Final

from . import confinement
from .calls import Calls, seed_all
from .confinement import Cell
from .entry import load, put_on_path
from .failures import GuestError
from .functions import Functions
from .serving import Readiness, detach_children, reply, serve

CONTRACT: Final = 1
_FD: Final = "SEATRIAL_HOST_FD"
_OUT_OF_THE_WAY: Final = 200  # above what programs count through when they close or try descriptors


def start(told: str) -> None:
    """Confine this process, import the agent, and serve it until the cell is gone."""
    cell = Cell(**json.loads(told))
    if not cell.entry:  # it is only to be told how far confinement goes here
        print(json.dumps(confinement.confine(cell)))  # noqa: T201 - read by whoever asked
        return
    connection = _connection()
    isolation = confinement.confine(cell)
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    detach_children(connection)
    reader = connection.makefile("rb")
    try:
        calls = _loaded(cell, isolation, reader)
    except GuestError as error:
        serve(connection, reader, Readiness(status=500, body={"error": error.told()}), _refuse)
    else:
        body = {"contract": CONTRACT, "kind": calls.kind, "isolation": isolation}
        if calls.tools:
            body["tools"] = list(calls.tools)
        serve(connection, reader, Readiness(status=200, body=body), calls.run)
    os._exit(0)  # not the agent's exit handlers: they could hold the process for ever


def _connection() -> socket.socket:
    given = int(os.environ.pop(_FD))  # lint: SEA004 because this is a program of its own
    moved = fcntl.fcntl(given, fcntl.F_DUPFD_CLOEXEC, _OUT_OF_THE_WAY)
    os.close(given)
    return socket.socket(fileno=moved)


def _loaded(cell: Cell, isolation: dict[str, Any], reader: BinaryIO) -> Calls | Functions:
    if cell.require_isolation and isolation["level"] != confinement.ISOLATED:
        missing = ", ".join(isolation["missing"])
        raise GuestError("isolation_missing", f"this machine lacks {missing}")
    os.chdir(cell.bundle)
    sys.argv = [cell.entry.partition(":")[0]]
    # Only now: the `.pth` files of packages are code too.
    site.main()
    put_on_path(cell.bundle)
    seed_all(0)  # names coined on import are the same in every process of a release
    if cell.functions:
        return Functions(cell.bundle, lambda: reply(reader))
    return Calls(load(cell.entry, cell.bundle), cell.bundle)


def _refuse(_request: dict[str, Any], _emit: object) -> bytes:
    raise GuestError("not_ready", "this host never became ready")
