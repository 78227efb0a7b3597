"""Kills a committing process with SIGKILL, again and again, and looks at what it left.

    python -m tests.kit.database.kill_loops sqlite|postgresql LOOPS

Prints its figures as JSON. It is a process of its own, without threads, so that it may fork: a
child costs 5 ms that way, and 500 ms if it had to import everything.
"""

import asyncio
import itertools
import json
import os
import random
import signal
import sqlite3
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack, closing, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, NoReturn, Protocol

import psycopg
from sqlalchemy import Column, Table, Text, insert

from seatrial.kit.database.connection import Connection, Durability
from seatrial.kit.database.database import Database
from seatrial.kit.database.dialects import Int64, metadata, upsert
from seatrial.kit.database.errors import CommitUnknown
from tests.servers import postgres

WRITERS: Final = 8
_LONGEST_LIFE: Final = 0.03  # seconds of a child after its first commit
_ONE_IN: Final = 10  # children are killed before their first commit
_ONE_SERVER_IN: Final = 20  # loops is killed too
_FRESH_EVERY: Final = 50  # loops, so that looking at everything stays cheap

_METADATA: Final = metadata()
_HALF: Final = Table(
    "half",
    _METADATA,
    Column("name", Text, primary_key=True),
    Column("part", Int64, primary_key=True),
)
_TOTAL: Final = Table(
    "total",
    _METADATA,
    Column("writer", Text, primary_key=True),
    Column("count", Int64, nullable=False),
)
_HALVES: Final = "SELECT name, count(*) FROM half GROUP BY name"
_TOTALS: Final = "SELECT writer, count FROM total"

Found = tuple[dict[str, int], dict[str, int]]
"""Parts by name, and totals by writer."""


@dataclass(kw_only=True)
class Figures:
    """What happened over all loops."""

    acknowledged: int = 0
    lost: int = 0
    torn: int = 0
    killed_before_any: int = 0
    servers_killed: int = 0


class Ground(Protocol):
    """Where the children commit."""

    url: str

    def begin_anew(self) -> None:
        """Take an empty database."""
        ...

    def look(self) -> Found:
        """What is there; raises if the database is damaged."""
        ...

    def break_down(self) -> bool:
        """Kill the server and start it again, if there is one."""
        ...


class SqliteGround:
    """A file, looked at by SQLite itself."""

    def __init__(self, directory: Path) -> None:
        self._paths = (directory / f"{n}.db" for n in itertools.count())
        self._path = next(self._paths)
        self.url = ""

    def begin_anew(self) -> None:
        """See `Ground`."""
        self._path = next(self._paths)
        self.url = f"sqlite:///{self._path}"

    def look(self) -> Found:
        """See `Ground`."""
        with closing(sqlite3.connect(self._path)) as connection:
            (verdict,) = connection.execute("PRAGMA integrity_check").fetchone()
            assert verdict == "ok", verdict
            halves, totals = (connection.execute(sql).fetchall() for sql in (_HALVES, _TOTALS))
        return dict(halves), dict(totals)

    def break_down(self) -> bool:
        """See `Ground`."""
        return False


class PostgresGround:
    """A database on a server that is careful with its disk."""

    def __init__(self, server: postgres.PostgresServer, stack: ExitStack) -> None:
        self._server = server
        self._stack = stack
        self.url = ""

    def begin_anew(self) -> None:
        """See `Ground`."""
        self.url = self._server.url(self._stack.enter_context(self._server.database()))

    def look(self) -> Found:
        """See `Ground`."""
        with psycopg.connect(self.url) as connection:
            # One snapshot: the dead child's last commit may still be on its way.
            connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            return dict(connection.execute(_HALVES)), dict(connection.execute(_TOTALS))

    def break_down(self) -> bool:
        """See `Ground`."""
        self._server.kill()
        self._server.resume()
        return True


def run(ground: Ground, loops: int) -> Figures:
    """Go round so many times; raises at the first promise that is broken."""
    figures, rng, promised = Figures(), random.Random(), set[str]()  # noqa: S311 - chance, no secret
    for loop in range(loops):
        if loop % _FRESH_EVERY == 0:
            ground.begin_anew()
            promised.clear()
            with Database.open(ground.url) as database:
                database.alter_now(_METADATA.create_all)
        heard = _one_life(ground, loop, rng, figures)
        figures.acknowledged += len(heard)
        promised |= heard
        _check(ground.look(), promised, figures)
    return figures


def _one_life(ground: Ground, loop: int, rng: random.Random, figures: Figures) -> set[str]:
    """Start a child, kill it, and say which names it had acknowledged."""
    breaks_down = loop % _ONE_SERVER_IN == _ONE_SERVER_IN - 1
    # A server that dies may lose lazy commits, a client that dies may not.
    durability = Durability.LAZY if loop % 3 == 1 and not breaks_down else Durability.FULL
    listening, speaking = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(listening)
        _live(ground.url, str(loop), durability, speaking)
    os.close(speaking)
    heard = b""
    if loop % _ONE_IN == 0:
        figures.killed_before_any += 1
    else:
        heard += _hear(listening)
        if breaks_down and ground.break_down():
            figures.servers_killed += 1
            heard += _hear(listening, empty_first=True)  # it has found its way back
    time.sleep(rng.uniform(0, _LONGEST_LIFE))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    while chunk := os.read(listening, 65536):
        heard += chunk
    os.close(listening)
    return set(heard.decode().split())


def _hear(listening: int, *, empty_first: bool = False) -> bytes:
    heard = b""
    if empty_first:
        os.set_blocking(listening, False)
        with suppress(BlockingIOError):
            heard = os.read(listening, 1 << 20)
        os.set_blocking(listening, True)
    fresh = os.read(listening, 65536)
    assert fresh, "the child ended by itself"
    return heard + fresh


def _live(url: str, loop: str, durability: Durability, speaking: int) -> NoReturn:
    """The child: commit until killed, and say each name once its commit is acknowledged."""

    async def write(database: Database, writer: int) -> None:
        for number in itertools.count():
            name = f"{loop}-{writer}-{number}"
            try:
                await database.write(_pair(f"w{writer}", name), durability=durability)
            except CommitUnknown:
                continue
            os.write(speaking, f"{name}\n".encode())

    async def write_all() -> None:
        database = Database.open(url)
        await asyncio.gather(*(write(database, writer) for writer in range(WRITERS)))

    try:
        asyncio.run(write_all())
    finally:
        os._exit(1)


def _pair(writer: str, name: str) -> Callable[[Connection], None]:
    """Two rows and a count that belong together."""
    counted = upsert(_TOTAL).values(writer=writer, count=1)
    counted = counted.on_conflict_do_update(
        index_elements=[_TOTAL.c.writer], set_={"count": _TOTAL.c.count + 1}
    )

    def use_case(connection: Connection) -> None:
        connection.execute(insert(_HALF), {"name": name, "part": 1})
        connection.execute(counted)
        connection.execute(insert(_HALF), {"name": name, "part": 2})

    return use_case


def _check(found: Found, promised: set[str], figures: Figures) -> None:
    halves, totals = found
    figures.lost += len(promised - halves.keys())
    figures.torn += sum(parts != 2 for parts in halves.values())
    counted = Counter(f"w{name.split('-')[1]}" for name in halves)
    assert figures.lost == 0, f"acknowledged and lost: {sorted(promised - halves.keys())[:5]}"
    assert figures.torn == 0, "half a transaction"
    assert totals == counted, f"the totals {totals} do not fit the rows {counted}"


def main(kind: str, loops: int) -> Figures:
    """Run on a database of `kind`."""
    with ExitStack() as stack:
        if kind == "sqlite":
            directory = stack.enter_context(tempfile.TemporaryDirectory(prefix="sea-kill-"))
            return run(SqliteGround(Path(directory)), loops)
        server = stack.enter_context(postgres.private("kill"))
        return run(PostgresGround(server, stack), loops)


if __name__ == "__main__":
    sys.stdout.write(json.dumps(asdict(main(sys.argv[1], int(sys.argv[2])))))
