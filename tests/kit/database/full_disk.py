"""Lets the disk run full under a writing process, makes room again, and looks at what is there.

    python -m tests.kit.database.full_disk LOOPS

Prints its figures as JSON. A limit on file size stands for the full disk: to a program both are a
write that is refused. It is a process of its own, because the limit holds for the whole of it.
"""

import asyncio
import json
import random
import resource
import sqlite3
import sys
import tempfile
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from sqlalchemy import Column, LargeBinary, Table, Text, func, insert, select

from seatrial.kit.database.connection import Connection, Durability
from seatrial.kit.database.database import Database
from seatrial.kit.database.dialects import metadata
from seatrial.kit.database.errors import DatabaseFull

_METADATA: Final = metadata()
_ROW: Final = Table(
    "row",
    _METADATA,
    Column("name", Text, primary_key=True),
    Column("body", LargeBinary, nullable=False),
)
_SMALL: Final = 1_000  # bytes
_LARGE: Final = 8_000_000  # beyond what the connection keeps in memory: written before the commit
_AT_ONCE: Final = 20


@dataclass(kw_only=True)
class Figures:
    """What happened over all loops."""

    acknowledged: int = 0
    refused: int = 0
    writes_beside_a_refused_one: int = 0


def _put(name: str, size: int) -> Callable[[Connection], str]:
    def use_case(connection: Connection) -> str:
        connection.execute(insert(_ROW), {"name": name, "body": b"x" * size})
        return name

    return use_case


def _count(connection: Connection) -> int:
    return connection.execute(select(func.count()).select_from(_ROW)).scalar_one()


class Disk:
    """The limit."""

    def __init__(self) -> None:
        self._before = resource.getrlimit(resource.RLIMIT_FSIZE)

    def holds_at_most(self, size: int) -> None:
        """No file may grow beyond `size` bytes."""
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, self._before[1]))

    def has_room(self) -> None:
        """As before."""
        resource.setrlimit(resource.RLIMIT_FSIZE, self._before)


async def _fill_and_make_room(
    database: Database, loop: int, rng: random.Random, figures: Figures
) -> set[str]:
    """Write until some writes are refused, look, make room, write again; the names kept."""
    disk, kept, refused, batch = Disk(), set[str](), 0, 0
    disk.holds_at_most(rng.randrange(200_000, 6_000_000))
    while not refused:
        batch += 1
        sizes = [rng.choice((_SMALL, 50 * _SMALL)) for _ in range(_AT_ONCE)]
        if rng.random() < 0.2:
            sizes[rng.randrange(_AT_ONCE)] = _LARGE
        outcomes = await asyncio.gather(
            *(
                database.write(
                    _put(f"{loop}-{batch}-{n}", size), durability=rng.choice(list(Durability))
                )
                for n, size in enumerate(sizes)
            ),
            return_exceptions=True,
        )
        well = {outcome for outcome in outcomes if isinstance(outcome, str)}
        refused = sum(isinstance(outcome, DatabaseFull) for outcome in outcomes)
        assert len(well) + refused == _AT_ONCE, outcomes
        kept |= well
        if refused:
            figures.writes_beside_a_refused_one += len(well)
    figures.refused += refused
    there = await database.read(_count)
    assert there == len(kept), f"{there} rows, {len(kept)} acknowledged"
    disk.has_room()
    kept.add(await database.write(_put(f"{loop}-after", _SMALL)))
    return kept


def main(loops: int) -> Figures:
    """Fill the disk so many times; raises at the first promise that is broken."""
    figures, rng = Figures(), random.Random()  # noqa: S311 - chance, no secret
    with tempfile.TemporaryDirectory(prefix="sea-full-") as directory:
        for loop in range(loops):
            path = Path(directory) / f"{loop}.db"
            with Database.open(f"sqlite:///{path}") as database:
                database.alter_now(_METADATA.create_all)
                kept = asyncio.run(_fill_and_make_room(database, loop, rng, figures))
            figures.acknowledged += len(kept)
            with closing(sqlite3.connect(path)) as raw:
                assert raw.execute("PRAGMA integrity_check").fetchone() == ("ok",)
                assert {name for (name,) in raw.execute("SELECT name FROM row")} == kept
            path.unlink()
    return figures


if __name__ == "__main__":
    sys.stdout.write(json.dumps(asdict(main(int(sys.argv[1])))))
