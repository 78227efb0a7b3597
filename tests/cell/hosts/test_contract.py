"""The host contract at its bytes: what `docs/reference/host-contract.md` says, tried on a guest."""

import http.client
import json
import os
import socket
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from seatrial.cell.hosts import guest
from tests.cell.hosts.hosting import PATIENCE

AGENT = """
    import time
    def run(input):
        yield 'a'
        if input == 'fail': raise ValueError('no')
        yield 'b'
    """
RUN = {
    "run": "run_1",
    "attempt": 1,
    "agent": "support",
    "release": "sha256:0",
    "environment": "staging",
    "session": None,
    "history": [],
    "input": "x",
    "seed": 7,
    "deadline_seconds": None,
    "steps": None,
}


class Guest:
    def __init__(self, folder: Path, source: str) -> None:
        bundle = folder / "bundle"
        (folder / "scratch").mkdir()
        bundle.mkdir()
        (bundle / "agent.py").write_text(textwrap.dedent(source))
        self.socket, theirs = socket.socketpair()
        self.socket.settimeout(PATIENCE)
        told = {
            "entry": "agent.py:run",
            "bundle": str(bundle),
            "venv": sys.prefix,
            "scratch": str(folder / "scratch"),
            "door_port": None,
            "parent": os.getpid(),
            "require_isolation": False,
            "memory_bytes": 0,
            "open_files": 256,
            "file_bytes": 1 << 20,
            "child_processes": True,
        }
        self.process = subprocess.Popen(
            [
                sys.executable,
                "-P",
                "-s",
                "-S",
                "-B",
                str(Path(guest.__file__).parent),
                json.dumps(told),
            ],
            env={"SEATRIAL_HOST_FD": str(theirs.fileno())},
            pass_fds=(theirs.fileno(),),
            start_new_session=True,
        )
        theirs.close()

    def ask(self, head: str, body: bytes = b"") -> http.client.HTTPResponse:
        length = f"content-length: {len(body)}\r\n" if body else ""
        self.socket.sendall(f"{head} HTTP/1.1\r\nhost: agent\r\n{length}\r\n".encode() + body)
        return self.answer()

    def answer(self) -> http.client.HTTPResponse:
        answer = http.client.HTTPResponse(self.socket)
        answer.begin()
        return answer

    def run(self, **changes: Any) -> list[dict[str, Any]]:
        answer = self.ask("POST /runs", json.dumps({**RUN, **changes}).encode())
        assert answer.status == 200
        assert answer.headers["content-type"] == "application/x-ndjson"
        return [json.loads(line) for line in answer.read().splitlines()]


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Guest]:
    yield from started(tmp_path, AGENT)


def started(folder: Path, source: str) -> Iterator[Guest]:
    host = Guest(folder, source)
    yield host
    host.socket.close()
    assert host.process.wait(PATIENCE) == 0, "at the end of file it exits"


def test_ready_tells_contract_kind_and_isolation(host: Guest) -> None:
    answer = host.ask("GET /ready")
    told = json.loads(answer.read())
    assert answer.status == 200
    assert (told["contract"], told["kind"]) == (1, "generator")
    assert sorted(told["isolation"]) == ["landlock", "level", "missing", "seccomp"]


def test_a_run_streams_events_and_ends_with_one(host: Guest) -> None:
    chunks = [{"type": "chunk", "data": "a"}, {"type": "chunk", "data": "b"}]
    for _ in range(2):
        assert host.run() == [*chunks, {"type": "result", "output": "ab"}]
    *before, error = host.run(input="fail")
    assert before == chunks[:1]
    assert error.pop("trace").endswith("ValueError: no\n")
    assert error == {"type": "error", "code": "agent_raised", "message": "ValueError: no"}


def test_a_request_in_pieces_is_one_request(host: Guest) -> None:
    body = json.dumps(RUN).encode()
    data = b"POST /runs HTTP/1.1\r\ncontent-length: %d\r\n\r\n" % len(body) + body
    for at in range(0, len(data), 7):
        host.socket.sendall(data[at : at + 7])
    assert host.answer().read().endswith(b'"ab"}\n')


def test_another_path_is_refused_and_the_next_served(host: Guest) -> None:
    answer = host.ask("GET /else")
    assert answer.status == 404
    answer.read()
    assert len(host.run()) == 3


def test_a_host_that_cannot_serve_says_why(tmp_path: Path) -> None:
    for host in started(tmp_path, "1 / 0"):
        answer = host.ask("GET /ready")
        assert answer.status == 500
        error = json.loads(answer.read())["error"]
        assert error["code"] == "entry_broken"
        assert error["message"] == "ZeroDivisionError: division by zero"
        assert "agent.py" in error["trace"]
        refused = host.ask("POST /runs", json.dumps(RUN).encode())
        assert refused.status == 404
        refused.read()


@pytest.mark.parametrize(
    "garbage",
    [b"garbage\r\n\r\n", b"POST /runs HTTP/1.1\r\ncontent-length: -1\r\n\r\n", b"\0" * 70_000],
)
def test_a_cell_that_speaks_no_http_is_left(host: Guest, garbage: bytes) -> None:
    host.socket.sendall(garbage)
    assert host.process.wait(PATIENCE) == 0


def test_end_of_file_in_the_middle_of_a_request_ends_it(host: Guest) -> None:
    host.socket.sendall(b"POST /runs HTTP/1.1\r\ncontent-length: 1000\r\n\r\n{")
    host.socket.shutdown(socket.SHUT_WR)
    assert host.process.wait(PATIENCE) == 0
