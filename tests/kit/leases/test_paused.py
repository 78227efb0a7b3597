"""A leader stopped by SIGSTOP for longer than its lease, on PostgreSQL."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from seatrial.kit.clock import SystemClock
from seatrial.kit.database.database import Database
from seatrial.kit.leases.service import Lease
from tests.kit.leases.looped import in_a_loop
from tests.kit.leases.tables import NAME, act, deeds, make

ROOT = Path(__file__).resolve().parents[3]


class Child:
    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process

    def told(self, order: str = "") -> str:
        """The next line it says, after `order`."""
        if order:
            self.order(order)
        assert self.process.stdout
        return self.process.stdout.readline().strip()

    def order(self, order: str) -> None:
        assert self.process.stdin
        self.process.stdin.write(f"{order}\n")
        self.process.stdin.flush()


@pytest.fixture
def database(postgres_url: str) -> Iterator[Database]:
    with Database.open(postgres_url) as opened:
        yield make(opened)


@pytest.fixture
def child(postgres_url: str, database: Database) -> Iterator[Child]:
    assert not database.read_only
    with subprocess.Popen(
        [sys.executable, "-m", "tests.kit.leases.child", postgres_url],
        cwd=ROOT,
        env=dict(os.environ),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield Child(process)
        finally:
            process.kill()


async def taken_over(database: Database) -> int:
    other = Lease(database, NAME, "other", SystemClock())
    while (epoch := await other.acquire()) is None:  # noqa: ASYNC110 - as a real one would
        await asyncio.sleep(0.02)
    return epoch


@in_a_loop
async def test_woken_after_its_lease_it_writes_nothing(database: Database, child: Child) -> None:
    assert child.told() == "leads 1"
    assert child.told("act") == "done"
    child.process.send_signal(signal.SIGSTOP)
    child.order("act")  # decided under epoch 1, done under epoch 2
    assert await taken_over(database) == 2
    await database.write(lambda connection: act(connection, "other", 2))
    child.process.send_signal(signal.SIGCONT)
    assert child.told() == "lease_lost"
    assert child.told("count") == "False"
    assert await database.read(deeds) == [("child", 1), ("other", 2)]


@in_a_loop
async def test_stopped_between_fence_and_commit_it_holds_up_its_heir_and_then_writes_nothing(
    database: Database, child: Child
) -> None:
    """The heir waits for the row; the server ends the stopped one's transaction (`Limits.idle`)."""
    assert child.told() == "leads 1"
    assert child.told("pause") == "inside"
    child.process.send_signal(signal.SIGSTOP)
    assert await taken_over(database) == 2
    await database.write(lambda connection: act(connection, "other", 2))
    child.process.send_signal(signal.SIGCONT)
    assert child.told("go on") == "database_timed_out"
    assert await database.read(deeds) == [("other", 2)]
