"""What a transaction costs: select by an index, insert 1 kB, commit."""

import asyncio
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import psycopg
from sqlalchemy import Column, LargeBinary, Table, Text, bindparam, insert, select

from bench.harness import Comparison, Contender
from bench.work import Batch, Work
from seatrial.kit.database.connection import Connection, Durability
from seatrial.kit.database.database import Database
from seatrial.kit.database.dialects import Int64, metadata
from tests.servers import postgres

_TIMES = 2_000
_WORKERS = 8  # connections, as `Limits.writers`
_BODY = b"x" * 1_000
_METADATA = metadata()
_ROW = Table(
    "row",
    _METADATA,
    Column("id", Int64, primary_key=True),
    Column("key", Text, index=True),
    Column("body", LargeBinary),
)
_BY_KEY = select(_ROW.c.id).where(_ROW.c.key == bindparam("key"))
_NEW = insert(_ROW)
_SELECT_SQL = "SELECT id FROM row WHERE key = "
_INSERT_SQL = "INSERT INTO row (key, body) VALUES "


def sqlite3_lazy() -> Iterator[Work]:
    yield from _sqlite3("NORMAL")


def sqlite3_full() -> Iterator[Work]:
    yield from _sqlite3("FULL")


def ours_lazy_1() -> Iterator[Work]:
    yield from _ours_on_sqlite(Durability.LAZY, 1)


def ours_full_1() -> Iterator[Work]:
    yield from _ours_on_sqlite(Durability.FULL, 1)


def ours_lazy_50() -> Iterator[Work]:
    yield from _ours_on_sqlite(Durability.LAZY, 50)


def ours_full_50() -> Iterator[Work]:
    yield from _ours_on_sqlite(Durability.FULL, 50)


def ours_read_1() -> Iterator[Work]:
    with _sqlite_url() as url, Database.open(url) as database:
        database.alter_now(_METADATA.create_all)
        with asyncio.Runner() as runner:
            yield lambda: runner.run(_by_callers(1, lambda key: database.read(_looking(key))))


def sqlite3_read() -> Iterator[Work]:
    with _raw_file("NORMAL") as raw:

        def once(key: str) -> None:
            raw.execute("BEGIN")
            raw.execute(f"{_SELECT_SQL} ?", (key,)).fetchone()
            raw.execute("ROLLBACK")

        yield lambda: _one_by_one(once)


def psycopg_lazy_1() -> Iterator[Work]:
    yield from _psycopg("off", 1)


def psycopg_full_1() -> Iterator[Work]:
    yield from _psycopg("on", 1)


def psycopg_full_50() -> Iterator[Work]:
    yield from _psycopg("on", 50)


def ours_postgres_lazy_1() -> Iterator[Work]:
    yield from _ours_on_postgres(Durability.LAZY, 1)


def ours_postgres_full_1() -> Iterator[Work]:
    yield from _ours_on_postgres(Durability.FULL, 1)


def ours_postgres_full_50() -> Iterator[Work]:
    yield from _ours_on_postgres(Durability.FULL, 50)


@contextmanager
def _sqlite_url() -> Iterator[str]:
    directory = tempfile.mkdtemp(prefix="sea-bench-")
    try:
        yield f"sqlite:///{directory}/x.db"
    finally:
        shutil.rmtree(directory)


@contextmanager
def _raw_file(synchronous: str) -> Iterator[sqlite3.Connection]:
    with _sqlite_url() as url:
        with Database.open(url) as database:
            database.alter_now(_METADATA.create_all)
        raw = sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)
        raw.execute("PRAGMA journal_mode = WAL")
        raw.execute(f"PRAGMA synchronous = {synchronous}")
        yield raw
        raw.close()


def _sqlite3(synchronous: str) -> Iterator[Work]:
    """The bare floor: no threads, no callers, one transaction after the other."""
    with _raw_file(synchronous) as raw:

        def once(key: str) -> None:
            raw.execute("BEGIN IMMEDIATE")
            raw.execute(f"{_SELECT_SQL} ?", (key,)).fetchone()
            raw.execute(f"{_INSERT_SQL} (?, ?)", (key, _BODY))
            raw.execute("COMMIT")

        yield lambda: _one_by_one(once)


def _one_by_one(once: Callable[[str], None]) -> Batch:
    latencies = []
    for number in range(_TIMES):
        started = time.perf_counter()
        once(f"{number}")
        latencies.append((time.perf_counter() - started) * 1e6)
    return Batch(_TIMES, latencies_us=latencies)


def _looking(key: str) -> Callable[[Connection], object]:
    return lambda connection: connection.execute(_BY_KEY, {"key": key}).first()


def _putting(key: str) -> Callable[[Connection], None]:
    def use_case(connection: Connection) -> None:
        connection.execute(_BY_KEY, {"key": key}).first()
        connection.execute(_NEW, {"key": key, "body": _BODY})

    return use_case


def _ours_on_sqlite(durability: Durability, callers: int) -> Iterator[Work]:
    with _sqlite_url() as url:
        yield from _ours(url, durability, callers)


def _ours_on_postgres(durability: Durability, callers: int) -> Iterator[Work]:
    with postgres.private("bench") as server, server.database() as name:
        yield from _ours(server.url(name), durability, callers)


def _ours(url: str, durability: Durability, callers: int) -> Iterator[Work]:
    with Database.open(url) as database, asyncio.Runner() as runner:
        database.alter_now(_METADATA.create_all)

        def write(key: str) -> Coroutine[Any, Any, None]:
            return database.write(_putting(key), durability=durability)

        yield lambda: runner.run(_by_callers(callers, write))


def _psycopg(synchronous_commit: str, callers: int) -> Iterator[Work]:
    """The bare floor: as many threads as connections, each repeating what met another."""
    workers = min(callers, _WORKERS)
    with (
        postgres.private("bench") as server,
        server.database() as name,
        ThreadPoolExecutor(workers) as threads,
    ):
        url = server.url(name)
        with Database.open(url) as database:
            database.alter_now(_METADATA.create_all)
        setting = f"-c synchronous_commit={synchronous_commit}"
        connections = [
            psycopg.connect(url, autocommit=True, options=setting) for _ in range(workers)
        ]

        def all_of_them() -> Batch:
            share = _TIMES // workers
            batches = threads.map(lambda raw: _rounds(raw, share), connections)
            latencies = [latency for batch in batches for latency in batch]
            return Batch(len(latencies), latencies_us=latencies)

        yield all_of_them
        for connection in connections:
            connection.close()


def _rounds(raw: "psycopg.Connection[tuple[object, ...]]", times: int) -> list[float]:
    latencies = []
    for number in range(times):
        started = time.perf_counter()
        key = f"{raw.info.backend_pid}-{number}"
        while not _once(raw, key):
            pass
        latencies.append((time.perf_counter() - started) * 1e6)
    return latencies


def _once(raw: "psycopg.Connection[tuple[object, ...]]", key: str) -> bool:
    try:
        raw.execute("BEGIN ISOLATION LEVEL SERIALIZABLE")
        raw.execute(f"{_SELECT_SQL} %s", (key,)).fetchone()
        raw.execute(f"{_INSERT_SQL} (%s, %s)", (key, _BODY))
        raw.execute("COMMIT")
    except psycopg.errors.SerializationFailure:
        raw.execute("ROLLBACK")
        return False
    return True


async def _by_callers(callers: int, once: Callable[[str], Coroutine[Any, Any, object]]) -> Batch:
    latencies: list[float] = []

    async def caller(number: int) -> None:
        for time_ in range(_TIMES // callers):
            started = time.perf_counter()
            await once(f"{number}-{time_}")
            latencies.append((time.perf_counter() - started) * 1e6)

    await asyncio.gather(*(caller(number) for number in range(callers)))
    return Batch(len(latencies), latencies_us=latencies)


def _on_sqlite(durability: str, callers: int) -> Comparison:
    who = "one caller" if callers == 1 else f"{callers} callers"
    return Comparison(
        name=f"database-{durability}-{callers}",
        question=f"What does a {durability} write cost, for {who}, above bare SQLite?",
        operation="transaction",
        contenders=(
            Contender(name="sqlite3, one by one", target=f"bench.database:sqlite3_{durability}"),
            Contender(name="seatrial", target=f"bench.database:ours_{durability}_{callers}"),
            Contender(
                name="SQLAlchemy async, aiosqlite",
                target=f"bench.peers.sqlalchemy_async:{durability}_{callers}",
                peer="aiosqlite",
            ),
        ),
    )


def _on_postgres(durability: str, callers: int) -> Comparison:
    who = "one caller" if callers == 1 else f"{callers} callers"
    work = f"{durability}_{callers}"
    return Comparison(
        name=f"database-postgresql-{durability}-{callers}",
        question=f"What does a {durability} write cost, for {who}, above bare psycopg?",
        operation="transaction",
        contenders=(
            Contender(name="psycopg, threads", target=f"bench.database:psycopg_{work}"),
            Contender(name="seatrial", target=f"bench.database:ours_postgres_{work}"),
        ),
    )


COMPARISONS = (
    _on_sqlite("lazy", 1),
    _on_sqlite("lazy", 50),
    _on_sqlite("full", 1),
    _on_sqlite("full", 50),
    Comparison(
        name="database-read",
        question="What does a read cost, for one caller, above bare SQLite?",
        operation="read",
        contenders=(
            Contender(name="sqlite3, one by one", target="bench.database:sqlite3_read"),
            Contender(name="seatrial", target="bench.database:ours_read_1"),
        ),
    ),
    _on_postgres("lazy", 1),
    _on_postgres("full", 1),
    _on_postgres("full", 50),
)
