"""What recording a call costs: two transactions, with 2 kB of request and of answer.

The floor is two bare commits of one small row each, of the same durability. A read is lazy; an
irreversible write syncs its intent and its result, each before it goes on.
"""

import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

import uvloop
from sqlalchemy import Column, Table, Text

from bench.harness import Comparison, Contender
from bench.held import fenced, laid
from bench.work import Batch, Work
from seatrial.cell.journal.domain.keys import Call, Dialect
from seatrial.cell.journal.domain.records import Body
from seatrial.cell.journal.domain.rows import Effect, Kind, RowState
from seatrial.cell.journal.service.books import Books
from seatrial.cell.journal.service.writing import Surroundings
from seatrial.cell.journal.store.tables import HISTORY
from seatrial.kit.clock import SystemClock
from seatrial.kit.database.connection import Connection, Durability, Isolation
from seatrial.kit.database.database import Database
from seatrial.kit.database.dialects import Int64, metadata

_REQUEST: Final = b'{"messages":[{"content":"%b","role":"user"}],"model":"m","n":%d}'
_TEXT: Final = " ".join(f"word{number % 97}" for number in range(290)).encode()
_ANSWER: Final = Body(content=b'{"choices":[{"message":{"content":"%b"}}]}' % _TEXT, status=200)
_METADATA: Final = metadata()
_NOTE: Final = Table(
    "note", _METADATA, Column("id", Int64, primary_key=True), Column("text", Text, nullable=False)
)
_One = Callable[[int], Awaitable[None]]


def commits_lazy_one() -> Iterator[Work]:
    yield from _work(Durability.LAZY, None, callers=1, calls=2_000)


def commits_lazy_many() -> Iterator[Work]:
    yield from _work(Durability.LAZY, None, callers=32, calls=6_400)


def commits_full_one() -> Iterator[Work]:
    yield from _work(Durability.FULL, None, callers=1, calls=300)


def commits_full_many() -> Iterator[Work]:
    yield from _work(Durability.FULL, None, callers=32, calls=3_200)


def read_one() -> Iterator[Work]:
    yield from _work(Durability.LAZY, Effect.READ, callers=1, calls=2_000)


def read_many() -> Iterator[Work]:
    yield from _work(Durability.LAZY, Effect.READ, callers=32, calls=6_400)


def write_one() -> Iterator[Work]:
    yield from _work(Durability.FULL, Effect.IRREVERSIBLE, callers=1, calls=300)


def write_many() -> Iterator[Work]:
    yield from _work(Durability.FULL, Effect.IRREVERSIBLE, callers=32, calls=3_200)


def _work(
    durability: Durability, effect: Effect | None, *, callers: int, calls: int
) -> Iterator[Work]:
    with tempfile.TemporaryDirectory(prefix="sea-bench-") as folder:

        def batch() -> Batch:
            path = Path(folder) / f"{time.monotonic_ns()}.db"
            empty = laid(path, [HISTORY], "run_a", _METADATA)
            with Database.open(f"sqlite:///{path}") as database:
                done = uvloop.run(_batch(database, durability, effect, callers, calls))
            return replace(done, kept_bytes=path.stat().st_size - empty)

        yield batch


async def _batch(
    database: Database, durability: Durability, effect: Effect | None, callers: int, calls: int
) -> Batch:
    one = _bare(database, durability) if effect is None else await _recorded(database, effect)
    latencies_us: list[float] = []

    async def caller(first: int) -> None:
        for number in range(first, calls, callers):
            began = time.perf_counter()
            await one(number)
            latencies_us.append((time.perf_counter() - began) * 1e6)

    await asyncio.gather(*(caller(first) for first in range(callers)))
    return Batch(calls, latencies_us=latencies_us)


def _bare(database: Database, durability: Durability) -> _One:
    async def one(number: int) -> None:
        for half in (0, 1):
            row = {"id": number * 2 + half, "text": "x"}

            def use_case(connection: Connection, row: dict[str, object] = row) -> None:
                connection.execute(_NOTE.insert(), row)

            await database.write(
                use_case, durability=durability, isolation=Isolation.READ_COMMITTED
            )

    return one


async def _recorded(database: Database, effect: Effect) -> _One:
    books = Books(Surroundings(database=database, fence=fenced, clock=SystemClock()))
    attempt = await books.of("run_a", 1)
    kind = Kind.MODEL if effect is Effect.READ else Kind.ACTION
    dialect = Dialect.OPENAI_CHAT if effect is Effect.READ else Dialect.ACTION

    async def one(number: int) -> None:
        body = _REQUEST % (_TEXT, number)
        call = Call(kind=kind, dialect=dialect, route="POST /v1/x", name="m", body=body)
        with await attempt.arrive(call, effect) as passage:
            await passage.begin()
            await passage.settle(RowState.DONE, _ANSWER)
            passage.delivered()

    return one


def _comparison(name: str, what: str, floor: str, ours: str) -> Comparison:
    suffix = ours.rpartition("_")[2]
    durability = floor.split("_")[1]
    return Comparison(
        name=f"journal-{name}",
        question=f"What does it cost to record {what}? (SQLite, request and answer of 2 kB; DBOS "
        "records the answer alone.)",
        operation="call",
        contenders=(
            Contender(name="two bare commits", target=f"bench.journal:{floor}"),
            Contender(name="recorded", target=f"bench.journal:{ours}"),
            Contender(
                name="a DBOS step",
                target=f"bench.peers.dbos_steps:steps_{durability}_{suffix}",
                peer="dbos",
            ),
        ),
    )


COMPARISONS = (
    _comparison("read-one", "a read, one after the other", "commits_lazy_one", "read_one"),
    _comparison("read-many", "reads of 32 callers", "commits_lazy_many", "read_many"),
    _comparison("write-one", "an irreversible write", "commits_full_one", "write_one"),
    _comparison("write-many", "such writes of 32 callers", "commits_full_many", "write_many"),
)
