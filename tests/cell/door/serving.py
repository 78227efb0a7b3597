"""`flags serve` in a process of its own, a file that editors change, and a plain HTTP client."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[3]
PATIENCE = 20.0  # seconds; only a broken test waits so long
BULK = "/ofrep/v1/evaluate/flags"

FLAGS: dict[str, Any] = {
    "$schema": "https://flagd.dev/schema/v0/flags.json",
    "metadata": {"flagSetId": "shop"},
    "flags": {
        "new-ui": {
            "state": "ENABLED",
            "variants": {"on": True, "off": False},
            "defaultVariant": "off",
            "targeting": {"if": [{"==": [{"var": "plan"}, "pro"]}, "on"]},
        },
        "greeting": {
            "state": "ENABLED",
            "variants": {"short": "Hi", "formal": "Grüß Gott"},
            "defaultVariant": "formal",
            "metadata": {"owner": "shop", "ticket": 7},
        },
        "retries": {"state": "ENABLED", "variants": {"few": 2}, "defaultVariant": "few"},
        "ratio": {
            "state": "ENABLED",
            "variants": {"one": 1, "half": 0.5},
            "defaultVariant": "one",
            "targeting": {"if": [{"==": [{"var": "plan"}, "pro"]}, "half", None]},
        },
        "limits": {
            "state": "ENABLED",
            "variants": {"wide": {"calls": 10, "hosts": ["a", "b"]}},
            "defaultVariant": "wide",
        },
        "arm": {
            "state": "ENABLED",
            "variants": {"a": "A", "b": "B"},
            "defaultVariant": "a",
            "targeting": {"fractional": [["a", 50], ["b", 50]]},
        },
        "team/search v2": {"state": "ENABLED", "variants": {"x": "X"}, "defaultVariant": "x"},
        "left-to-code": {"state": "ENABLED", "variants": {"x": "X"}},
        "asleep": {"state": "DISABLED", "variants": {"x": True}, "defaultVariant": "x"},
        "broken": {"state": "ENABLED", "variants": {"x": True}, "defaultVariant": "y"},
    },
}


class Served:
    """A process that serves, and where."""

    def __init__(self, process: subprocess.Popen[str], url: str) -> None:
        self.process = process
        self.url = url
        host, _, port = url.removeprefix("http://").rpartition(":")
        self._address = (host, int(port))
        self._listeners: list[Listener] = []

    def ask(
        self,
        path: str = BULK,
        body: object = None,
        headers: Mapping[str, str] | None = None,
        method: str = "POST",
    ) -> tuple[int, dict[str, str], Any]:
        """Status, headers and JSON (else bytes) of one answer; `body` may be raw bytes."""
        sent = body if isinstance(body, bytes) else json.dumps({} if body is None else body)
        with closing(http.client.HTTPConnection(*self._address, timeout=PATIENCE)) as client:
            client.request(
                method, path, sent, {"content-type": "application/json", **(headers or {})}
            )
            answer = client.getresponse()
            raw = answer.read()
            named = {name.lower(): value for name, value in answer.getheaders()}
            kind = named.get("content-type", "")
            return answer.status, named, json.loads(raw) if "json" in kind else raw

    def listen(self, path: str, headers: str = "") -> "Listener":
        """Open an event stream."""
        client = socket.create_connection(self._address, timeout=PATIENCE)
        client.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n{headers}\r\n".encode())
        self._listeners.append(Listener(client))
        return self._listeners[-1]

    def logged(self, words: str) -> str:
        """The next line of the log that holds `words`."""
        assert self.process.stderr
        while line := self.process.stderr.readline():
            if words in line:
                return line
        raise AssertionError(f"the log ends without {words!r}")

    def close(self) -> None:
        """Hang up, and end the process the hard way."""
        for listener in self._listeners:
            listener.close()
        self.process.kill()

    def end(self) -> tuple[int, str]:
        """Its exit code after SIGTERM, and the rest of its log."""
        self.process.send_signal(signal.SIGTERM)
        _, rest = self.process.communicate(timeout=PATIENCE)
        return self.process.returncode, rest


class Listener:
    """One reader of server-sent events, at the level of bytes."""

    def __init__(self, client: socket.socket) -> None:
        self._client = client
        self._seen = b""

    def until(self, mark: bytes) -> bytes:
        """All that came since the last call, up to and with `mark`."""
        while mark not in self._seen:
            part = self._client.recv(4096)
            assert part, f"{self._seen!r} ends without {mark!r}"
            self._seen += part
        end = self._seen.index(mark) + len(mark)
        found, self._seen = self._seen[:end], self._seen[end:]
        return found

    def notice(self) -> tuple[dict[str, Any], str]:
        """The next notice, and its id."""
        self.until(b"data: ")
        lines = self.until(b"\n\n").decode().splitlines()
        return json.loads(lines[0]), lines[1].removeprefix("id: ")

    def close(self) -> None:
        self._client.close()


@contextmanager
def serving(file: Path, *options: str) -> Iterator[Served]:
    """`flags serve FILE` on a free port."""
    command = [sys.executable, "-m", "tests.cell.door.command", "serve", str(file)]
    with subprocess.Popen(
        [*command, "--port", "0", "--json", "--fractional", "v2", *options],
        cwd=ROOT,
        env=dict(os.environ),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout
            line = process.stdout.readline()
            assert line, process.stderr and process.stderr.read()
            with closing(Served(process, json.loads(line)["url"])) as served:
                yield served
        finally:
            process.kill()


def written(folder: Path, flags: dict[str, Any] | None = None) -> Path:
    """A definition as a file."""
    file = folder / "flags.json"
    file.write_text(json.dumps(FLAGS if flags is None else flags))
    return file


def edited(**changes: Any) -> dict[str, Any]:
    """The definition with the named flags replaced."""
    return {**FLAGS, "flags": {**FLAGS["flags"], **changes}}
