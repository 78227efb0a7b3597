import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
PATIENCE = 20.0  # seconds; only a broken test waits so long


class _Child:
    def __init__(self, process: subprocess.Popen[str], address: str) -> None:
        self.process = process
        self.address = address

    def connect(self) -> socket.socket:
        if self.address.startswith("unix:"):
            client = socket.socket(socket.AF_UNIX)
            client.settimeout(PATIENCE)
            client.connect(self.address.removeprefix("unix:"))
            return client
        host, _, port = self.address.removeprefix("http://").rpartition(":")
        return socket.create_connection((host, int(port)), timeout=PATIENCE)

    def ask(self, path: str) -> socket.socket:
        client = self.connect()
        client.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        return client

    def begun(self, path: str) -> socket.socket:
        """A request whose answer has begun."""
        client = self.ask(path)
        _until(client, b"begun")
        return client

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def ended(self) -> tuple[int, list[dict[str, object]]]:
        """Its exit code and log; nothing else may have been printed."""
        out, err = self.process.communicate(timeout=PATIENCE)
        assert out == ""
        return self.process.returncode, [json.loads(line) for line in err.splitlines()]


def _until(client: socket.socket, mark: bytes) -> bytes:
    seen = b""
    while mark not in seen:
        part = client.recv(4096)
        assert part, f"{seen!r} ends without {mark!r}"
        seen += part
    return seen


def _rest(client: socket.socket) -> bytes:
    parts = []
    with closing(client):
        while part := client.recv(4096):
            parts.append(part)
    return b"".join(parts)


@contextmanager
def _child(
    *, grace: float = PATIENCE, notice: float = 0.0, path: Path | None = None
) -> Iterator[_Child]:
    command = [sys.executable, "-m", "tests.kit.http.child", str(grace), str(notice)]
    with subprocess.Popen(
        [*command, *([str(path)] if path else [])],
        cwd=ROOT,
        env=dict(os.environ),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout
            child = _Child(process, process.stdout.readline().strip())
            yield child
        finally:
            process.kill()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_lets_requests_in_flight_finish(number: signal.Signals) -> None:
    with _child() as child:
        slow, stream = child.begun("/slow"), child.begun("/stream")
        child.signal(number)
        assert _rest(slow).endswith(b"finished\r\n0\r\n\r\n")
        assert _rest(stream).endswith(b"0\r\n\r\n")
        code, log = child.ended()
    assert code == 0
    assert [line["message"] for line in log] == [
        f"listening on {child.address}",
        f"{number.name}: finishing what is in flight",
    ]


def test_what_does_not_finish_is_cut_and_the_exit_code_says_so() -> None:
    with _child(grace=0.1) as child:
        endless = child.begun("/endless")
        child.signal(signal.SIGTERM)
        assert not _rest(endless).endswith(b"0\r\n\r\n")
        code, log = child.ended()
    assert code == 1
    assert log[-1]["message"] == "requests cancelled at shutdown: 1"


@pytest.mark.parametrize("path", ["/endless", "/blocking"])
def test_a_second_signal_ends_the_process_at_once(path: str) -> None:
    with _child() as child:
        client = child.begun(path)
        # Two that come close together count as one: knock until it is over.
        for _ in range(int(PATIENCE / 0.05)):
            child.signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.process.wait(timeout=0.05)
                break
        assert child.process.returncode == -signal.SIGTERM
        client.close()


def test_readiness_says_no_before_the_sockets_close() -> None:
    with _child(notice=0.5) as child:
        stream = child.begun("/stream")
        with child.ask("/ready") as client:
            _until(client, b'"serving"')
        child.signal(signal.SIGTERM)
        _until(stream, b"0\r\n\r\n")  # its end: draining has begun
        stream.close()
        with child.ask("/ready") as client:
            assert _until(client, b'"draining"').startswith(b"HTTP/1.1 503")
        assert child.ended()[0] == 0


def test_after_a_kill_the_same_unix_socket_serves_again() -> None:
    with tempfile.TemporaryDirectory(prefix="sea") as folder:
        path = Path(folder) / "s"
        with _child(path=path) as child:
            child.ask("/hello").close()
            child.signal(signal.SIGKILL)
            child.process.wait(timeout=PATIENCE)
        assert path.exists()
        with _child(path=path) as child:
            with child.ask("/hello") as client:
                _until(client, b"hello")
            child.signal(signal.SIGTERM)
            assert child.ended()[0] == 0
        assert not path.exists()
