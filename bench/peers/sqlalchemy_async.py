"""SQLAlchemy's asynchronous engine on aiosqlite: each caller its own transaction."""

import asyncio
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Iterator

from sqlalchemy import (
    Column,
    Connection,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    event,
    insert,
    select,
)
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from bench.work import Batch, Work

_TIMES = 2_000
_BODY = b"x" * 1_000
_METADATA = MetaData()
_ROW = Table(
    "row",
    _METADATA,
    Column("id", Integer, primary_key=True),
    Column("key", Text, index=True),
    Column("body", LargeBinary),
)


def lazy_1() -> Iterator[Work]:
    yield from _work("NORMAL", 1)


def full_1() -> Iterator[Work]:
    yield from _work("FULL", 1)


def lazy_50() -> Iterator[Work]:
    yield from _work("NORMAL", 50)


def full_50() -> Iterator[Work]:
    yield from _work("FULL", 50)


def _work(synchronous: str, callers: int) -> Iterator[Work]:
    directory = tempfile.mkdtemp(prefix="sea-bench-")
    with asyncio.Runner() as runner:
        # One connection: more of them would only wait for each other's lock.
        engine = create_async_engine(
            f"sqlite+aiosqlite:///{directory}/x.db", pool_size=1, max_overflow=0
        )

        @event.listens_for(engine.sync_engine, "connect")
        def connected(connection: sqlite3.Connection, _: object) -> None:
            connection.isolation_level = None
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute(f"PRAGMA synchronous = {synchronous}")

        @event.listens_for(engine.sync_engine, "begin")
        def begun(connection: Connection) -> None:
            connection.exec_driver_sql("BEGIN IMMEDIATE")

        runner.run(_make(engine))
        yield lambda: runner.run(_all(engine, callers))
        runner.run(engine.dispose())
    shutil.rmtree(directory)


async def _make(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        await connection.run_sync(_METADATA.create_all)


async def _all(engine: AsyncEngine, callers: int) -> Batch:
    latencies: list[float] = []

    async def caller(number: int) -> None:
        for time_ in range(_TIMES // callers):
            started = time.perf_counter()
            key = f"{number}-{time_}"
            async with engine.begin() as connection:
                await connection.execute(select(_ROW.c.id).where(_ROW.c.key == key))
                await connection.execute(insert(_ROW), {"key": key, "body": _BODY})
            latencies.append((time.perf_counter() - started) * 1e6)

    await asyncio.gather(*(caller(number) for number in range(callers)))
    return Batch(len(latencies), latencies_us=latencies)
