"""Bare DBOS workflows: of one step, over and over, and of many steps.

The first are the peer of `bench.runs`, the second of `bench.journal`.

DBOS's packages and the standard library only. PostgreSQL is started by our own interpreter.
"""

import asyncio
import contextlib
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from bench.work import Batch, Work

_ROOT: Final = Path(__file__).resolve().parents[2]
_INPUT: Final = {"question": "Where is my order?", "customer": "c-1042"}
_ANSWER: Final = " ".join(f"word{number % 97}" for number in range(290))
_ONE: Final = {"callers": 1, "times": 200}
_MANY: Final = {"callers": 50, "times": 1_000}
_SERVER: Final = """
import sys
from tests.servers import postgres
with postgres.private("dbos") as server, server.database() as name:
    print(server.url(name), flush=True)
    sys.stdin.read()
"""


def sqlite_one() -> Iterator[Work]:
    yield from _on_sqlite(**_ONE)


def sqlite_many() -> Iterator[Work]:
    yield from _on_sqlite(**_MANY)


def postgres_one() -> Iterator[Work]:
    yield from _on_postgres(**_ONE)


def postgres_many() -> Iterator[Work]:
    yield from _on_postgres(**_MANY)


def steps_lazy_one() -> Iterator[Work]:
    yield from _steps("NORMAL", callers=1, times=500)


def steps_lazy_many() -> Iterator[Work]:
    yield from _steps("NORMAL", callers=32, times=50)


def steps_full_one() -> Iterator[Work]:
    yield from _steps("FULL", callers=1, times=200)


def steps_full_many() -> Iterator[Work]:
    yield from _steps("FULL", callers=32, times=25)


def _on_sqlite(callers: int, times: int) -> Iterator[Work]:
    with _sqlite("NORMAL") as (config, _path):
        yield from _workflows(config, callers, times)


@contextlib.contextmanager
def _sqlite(synchronous: str) -> Iterator[tuple[dict[str, Any], Path]]:
    """DBOS on a file that is tuned as ours is, and the file."""
    import sqlalchemy  # noqa: PLC0415 - the peer's

    with tempfile.TemporaryDirectory(prefix="sea-bench-") as folder:
        path = Path(folder) / "dbos.sqlite"
        url = f"sqlite:///{path}"
        engine = sqlalchemy.create_engine(url, pool_size=1, max_overflow=0)

        @sqlalchemy.event.listens_for(engine, "connect")
        def tuned(raw: sqlite3.Connection, _record: object) -> None:
            raw.execute("PRAGMA journal_mode = WAL")
            raw.execute(f"PRAGMA synchronous = {synchronous}")
            raw.execute("PRAGMA busy_timeout = 30000")

        yield {"system_database_url": url, "system_database_engine": engine}, path


def _on_postgres(callers: int, times: int) -> Iterator[Work]:
    with _server() as url:
        config = {"system_database_url": url.replace("postgresql://", "postgresql+psycopg://")}
        yield from _workflows(config, callers, times)


@contextlib.contextmanager
def _server() -> Iterator[str]:
    with subprocess.Popen(
        [_ROOT / ".venv" / "bin" / "python", "-c", _SERVER],
        cwd=_ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        yield process.stdout.readline().strip()
        process.stdin.close()


def _steps(synchronous: str, callers: int, times: int) -> Iterator[Work]:
    """`callers` workflows at once, each of `times` steps in a row that return 2 kB."""
    from dbos import DBOS  # type: ignore[import-not-found] # noqa: PLC0415 - the peer's

    with _sqlite(synchronous) as (config, path):
        settings = {"name": "bench", "log_level": "ERROR", "application_version": "1", **config}
        DBOS(config=settings)
        latencies: list[float] = []

        @DBOS.step()  # type: ignore[untyped-decorator] # the peer's
        async def answer(_number: int) -> str:
            return _ANSWER

        @DBOS.workflow()  # type: ignore[untyped-decorator] # the peer's
        async def run() -> None:
            for number in range(times):
                begun = time.perf_counter()
                assert await answer(number) == _ANSWER
                latencies.append((time.perf_counter() - begun) * 1e6)

        async def all_runs() -> None:
            await asyncio.gather(*(run() for _ in range(callers)))

        DBOS.launch()
        with asyncio.Runner() as runner:

            def batch() -> Batch:
                latencies.clear()
                before = _size(path)
                runner.run(all_runs())
                return Batch(
                    callers * times, latencies_us=list(latencies), kept_bytes=_size(path) - before
                )

            yield batch
        DBOS.destroy()
        sys.stdout.flush()


def _size(path: Path) -> int:
    """Bytes of an SQLite file once its log is in it."""
    with contextlib.closing(sqlite3.connect(path)) as raw:
        raw.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return path.stat().st_size


def _workflows(config: dict[str, Any], callers: int, times: int) -> Iterator[Work]:
    from dbos import DBOS  # noqa: PLC0415 - the peer's

    settings = {"name": "bench", "log_level": "ERROR", "application_version": "1", **config}
    DBOS(config=settings)

    @DBOS.step()  # type: ignore[untyped-decorator] # the peer's
    async def echo(value: Any) -> Any:  # noqa: ANN401 - any JSON value
        return value

    @DBOS.workflow()  # type: ignore[untyped-decorator] # the peer's
    async def run(value: Any) -> Any:  # noqa: ANN401 - any JSON value
        return await echo(value)

    DBOS.launch()
    latencies: list[float] = []

    async def caller() -> None:
        for _ in range(times // callers):
            begun = time.perf_counter()
            assert await run(_INPUT) == _INPUT
            latencies.append((time.perf_counter() - begun) * 1e6)

    async def all_callers() -> None:
        await asyncio.gather(*(caller() for _ in range(callers)))

    with asyncio.Runner() as runner:

        def batch() -> Batch:
            latencies.clear()
            runner.run(all_callers())
            return Batch(len(latencies), latencies_us=list(latencies))

        yield batch
    DBOS.destroy()
    sys.stdout.flush()
