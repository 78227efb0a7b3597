"""What runs cost that wait, and how long one takes from its event to its end."""

import asyncio
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, Final

import uvloop
from sqlalchemy import text

from bench.child import peak_mib
from bench.harness import Comparison, Contender
from bench.work import Batch, Work
from seatrial.cell.runs.domain.values import Bounds
from seatrial.contract.runs.states import RunState
from seatrial.kit.database.connection import Connection
from seatrial.kit.database.database import Database
from tests.cell.runs.stage import asked
from tests.cell.runs.waiting_stage import Hand, WaitingStage

_WOKEN: Final = 200
_COPIES: Final = (
    "INSERT INTO run SELECT {columns} FROM run WHERE id NOT LIKE '%-%'",
    "INSERT INTO recorded_call SELECT {columns} FROM recorded_call WHERE run NOT LIKE '%-%'",
)


def alone() -> Iterator[Work]:
    yield from _waking(others=0)


def among_ten_thousand() -> Iterator[Work]:
    yield from _waking(others=10_000)


def _waking(others: int) -> Iterator[Work]:
    with tempfile.TemporaryDirectory(prefix="sea-bench-") as folder:
        yield partial(_batch, Path(folder), others)


def _batch(folder: Path, others: int) -> Batch:
    with Database.open(f"sqlite:///{folder / str(time.monotonic_ns())}") as database:
        return uvloop.run(_woken(database, others))


async def _woken(database: Database, others: int) -> Batch:
    async def agent(hand: Hand) -> Any:  # noqa: ANN401 - any JSON value
        return await hand.wait(event="go")

    stage = WaitingStage(database, agent=agent, bounds=Bounds(poll=0.25))
    latencies_us: list[float] = []
    async with stage.working() as runs:
        waiting = [(await runs.accept(asked())).run for _ in range(_WOKEN)]
        for run in waiting:
            while (await runs.get(run.id)).state is not RunState.WAITING:  # noqa: ASYNC110 - a row
                await asyncio.sleep(0.002)
        for copy in range(others // _WOKEN):
            await database.write(partial(_copied, copy=copy))
        for run in waiting:
            follower = runs._feeds.open(run.id, end_only=True)  # noqa: SLF001 - no start is measured
            began = time.perf_counter()
            told = await runs.tell_event(run.id, "go", 1)
            ended = await runs.ended(told, follower, 30)
            latencies_us.append((time.perf_counter() - began) * 1e6)
            assert ended.state is RunState.SUCCEEDED
    return Batch(_WOKEN, latencies_us=latencies_us, other_peak_mib=peak_mib())


def _copied(connection: Connection, copy: int) -> None:
    """The waiting runs once more, under other names."""
    for statement, table in zip(_COPIES, ("run", "recorded_call"), strict=True):
        names = [row[1] for row in connection.execute(text(f"PRAGMA table_info({table})"))]
        own = "id" if table == "run" else "run"
        columns = ", ".join(f"{own} || '-{copy}'" if name == own else name for name in names)
        connection.execute(text(statement.format(columns=columns)))


COMPARISONS = (
    Comparison(
        name="waiting",
        question="How long does a run take from its event to its end, and what do ten thousand "
        "others cost that wait meanwhile? (SQLite, agents without a process. The segment that "
        "ends and the one that begins are in it; the peak is of the whole process.)",
        operation="wake",
        contenders=(
            Contender(name="nobody else waits", target="bench.waiting:alone"),
            Contender(name="10,000 wait", target="bench.waiting:among_ten_thousand"),
        ),
    ),
)
