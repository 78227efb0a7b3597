"""The long loops of this room."""

import asyncio
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from hypothesis import HealthCheck, given, settings

from dev.soak import Soak
from seatrial.kit.database.database import Database
from tests.kit.database import interleaving, tables
from tests.servers import postgres

_ROOT: Final = Path(__file__).resolve().parents[3]


def _apart(module: str, *arguments: str) -> Callable[[int], Mapping[str, Any]]:
    """Run a module of this folder in a process of its own, and take its figures."""

    def run(loops: int) -> Mapping[str, Any]:
        command = [sys.executable, "-m", f"tests.kit.database.{module}", *arguments, str(loops)]
        done = subprocess.run(command, check=False, cwd=_ROOT, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        figures: dict[str, Any] = json.loads(done.stdout)
        return {name.replace("_", " "): value for name, value in figures.items()}

    return run


@contextmanager
def _open(kind: str) -> Iterator[Database]:
    if kind == "sqlite":
        with (
            tempfile.TemporaryDirectory(prefix="sea-soak-") as directory,
            Database.open(f"sqlite:///{directory}/x.db") as database,
        ):
            yield tables.make(database)
        return
    server = postgres.shared()
    with server.database() as name, Database.open(server.url(name)) as database:
        yield tables.make(database)


def _interleaved(kind: str) -> Callable[[int], Mapping[str, Any]]:
    def run(loops: int) -> Mapping[str, Any]:
        with _open(kind) as database:

            @settings(
                max_examples=loops,
                deadline=None,
                database=None,
                suppress_health_check=list(HealthCheck),
            )
            @given(plans=interleaving.PLANS)
            def example(plans: list[interleaving.Plan]) -> None:
                interleaving.check(database, plans)

            example()
            figures = database.figures
            return {"committed": figures.writes, "undone": figures.undone,
                    "run again": figures.repeated}  # fmt: skip

    return run


def _incremented(kind: str) -> Callable[[int], Mapping[str, Any]]:
    def run(loops: int) -> Mapping[str, Any]:
        with _open(kind) as database:
            database.write_now(lambda c: tables.put(c, "n", 0))

            async def all_at_once() -> None:
                await asyncio.gather(*(database.write(tables.increment) for _ in range(loops)))

            asyncio.run(all_at_once())
            assert database.read_now(lambda c: tables.value(c, "n")) == loops
            return {"lost": 0, "run again": database.figures.repeated}

    return run


SOAKS: Final = (
    Soak(
        name="kill -9, SQLite",
        promise="a commit that was acknowledged outlives its process, whole",
        run=_apart("kill_loops", "sqlite"),
        full=1_000,
        short=20,
    ),
    Soak(
        name="kill -9, PostgreSQL",
        promise="a commit that was acknowledged outlives its process, and the server's, whole",
        run=_apart("kill_loops", "postgresql"),
        full=1_000,
        short=20,
    ),
    Soak(
        name="full disk, SQLite",
        promise="a write without room is refused, nothing else is lost, and writing resumes",
        run=_apart("full_disk"),
        full=300,
        short=5,
    ),
    Soak(
        name="interleaving, SQLite",
        promise="use cases at the same time do what they would do one by one",
        run=_interleaved("sqlite"),
        full=5_000,
        short=60,
    ),
    Soak(
        name="interleaving, PostgreSQL",
        promise="use cases at the same time do what they would do one by one",
        run=_interleaved("postgresql"),
        full=2_000,
        short=25,
    ),
    Soak(
        name="lost updates, SQLite",
        promise="of increments at the same time none is lost",
        run=_incremented("sqlite"),
        full=5_000,
        short=200,
    ),
    Soak(
        name="lost updates, PostgreSQL",
        promise="of increments at the same time none is lost",
        run=_incremented("postgresql"),
        full=5_000,
        short=100,
    ),
)
