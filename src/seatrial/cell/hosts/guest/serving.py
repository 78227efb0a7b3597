"""HTTP/1.1 on one connection, one request after the other: the host contract's own side."""

import json
import os
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, BinaryIO, Final

_LONGEST_LINE: Final = 65_536  # bytes
_LARGEST_BODY: Final = 64 << 20  # bytes
_MOST_HEADERS: Final = 100
_STREAM_HEAD: Final = (
    b"HTTP/1.1 200 OK\r\ncontent-type: application/x-ndjson\r\ntransfer-encoding: chunked\r\n\r\n"
)

Run = Callable[[dict[str, Any], Callable[[bytes], None]], bytes]


class Gone(Exception):
    """The other end is no more."""


@dataclass(frozen=True, kw_only=True)
class Readiness:
    """The answer to `GET /ready`.

    Attributes:
        status: 200, or 500 where this host cannot serve.
        body: what is told.
    """

    status: int
    body: dict[str, Any]


def reply(reader: BinaryIO) -> bytes:
    """What the cell answers to an event of the run in hand."""
    method, path, body = _request(reader)
    if (method, path) != ("POST", "/replies"):
        raise Gone
    return body


def serve(connection: socket.socket, reader: BinaryIO, readiness: Readiness, run: Run) -> None:
    """Answer until the other end closes."""
    try:
        while True:
            method, path, body = _request(reader)
            if (method, path) == ("GET", "/ready"):
                _answer(connection, readiness.status, readiness.body)
            elif (method, path) == ("POST", "/runs") and readiness.status == 200:
                _stream(connection, json.loads(body), run)
            else:
                _answer(connection, 404, {"error": {"code": "not_found", "message": path}})
    except (Gone, OSError, ValueError):
        return  # the cell ended or was cut off: nobody is left to tell


def detach_children(connection: socket.socket) -> None:
    """Keep the connection out of processes that the agent forks: one voice, one answer."""

    def detach() -> None:
        nowhere = os.open(os.devnull, os.O_RDWR)
        os.dup2(nowhere, connection.fileno(), inheritable=False)
        os.close(nowhere)

    os.register_at_fork(after_in_child=detach)


def _request(reader: BinaryIO) -> tuple[str, str, bytes]:
    line = reader.readline(_LONGEST_LINE)
    if not line:
        raise Gone
    method, path, _ = line.decode("latin-1").split(" ", 2)
    length = 0
    for _ in range(_MOST_HEADERS):
        header = reader.readline(_LONGEST_LINE)
        if header in {b"\r\n", b"\n"}:
            break
        name, _, value = header.partition(b":")
        if name.lower() == b"content-length":
            length = int(value)
    else:
        raise ValueError("too many headers")
    if not 0 <= length <= _LARGEST_BODY:
        raise ValueError(f"a body of {length} bytes")
    body = reader.read(length) if length else b""
    if len(body) < length:
        raise Gone
    return method, path, body


def _answer(connection: socket.socket, status: int, value: dict[str, Any]) -> None:
    body = json.dumps(value).encode()
    reason = {200: "OK", 404: "Not Found"}.get(status, "Internal Server Error")
    head = (
        f"HTTP/1.1 {status} {reason}\r\n"
        f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    connection.sendall(head.encode() + body)


def _stream(connection: socket.socket, request: dict[str, Any], run: Run) -> None:
    head = [_STREAM_HEAD]

    def emit(line: bytes) -> None:
        _send(connection, b"%s%x\r\n%s\r\n" % (head.pop() if head else b"", len(line), line))

    last = run(request, emit)
    started = head.pop() if head else b""
    _send(connection, b"%s%x\r\n%s\r\n0\r\n\r\n" % (started, len(last), last))


def _send(connection: socket.socket, data: bytes) -> None:
    try:
        connection.sendall(data)
    except OSError as error:
        raise Gone from error
