"""Flips against admissions: once a flip is committed, nobody is admitted on what was before."""

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import pytest
from sqlalchemy import Column, Table, insert, select, text

from seatrial.cell.switch import store
from seatrial.cell.switch.service.admission import admitted, begin
from seatrial.contract.releases.closure import Closure
from seatrial.kit.database.connection import Connection, Isolation
from seatrial.kit.database.database import Database
from seatrial.kit.database.dialects import Int64, metadata
from seatrial.kit.database.migrations import migrate_now
from tests.cell.switch.test_admission import AT, EMPTY, closure

METADATA: Final = metadata()
RUN: Final = Table(
    "admitted_run",
    METADATA,
    Column("id", Int64, primary_key=True),
    Column("generation", Int64, nullable=False),
    Column("release", Int64, nullable=False),
)
FLIPS: Final = 12
WORKERS: Final = 8


def ready(database: Database) -> None:
    migrate_now(database, [store.HISTORY])
    database.alter_now(METADATA.create_all)
    database.write_now(lambda connection: begin(connection, EMPTY, AT))
    flip(database, 1)


def content(generation: int) -> Closure:
    return closure(support=generation)


def flip(database: Database, generation: int) -> int:
    """Flip; how many runs there were when nobody else could be admitted."""

    def act(connection: Connection) -> int:
        store.shut(connection)
        store.activate(connection, generation, content(generation), AT)
        return len(runs(connection))

    return database.write_now(act, isolation=Isolation.READ_COMMITTED)


def admit(connection: Connection) -> int:
    found = admitted(connection, "support")
    number = int(found.release_name.removeprefix("support@"))
    connection.execute(insert(RUN).values(generation=found.generation, release=number))
    return found.generation


def runs(connection: Connection) -> list[tuple[int, int]]:
    rows = connection.execute(select(RUN.c.generation, RUN.c.release).order_by(RUN.c.id))
    return [(row.generation, row.release) for row in rows]


@pytest.mark.parametrize("isolation", Isolation)
def test_after_a_flip_nobody_is_admitted_on_the_old_closure(
    database: Database, isolation: Isolation
) -> None:
    ready(database)
    in_force = 1
    ended = threading.Event()

    def work() -> list[tuple[int, int]]:
        seen = []
        while not ended.is_set():
            least = in_force
            seen.append((least, database.write_now(admit, isolation=isolation)))
        return seen

    with ThreadPoolExecutor(WORKERS) as pool:
        workers = [pool.submit(work) for _ in range(WORKERS)]
        try:
            for generation in range(2, FLIPS + 2):
                flip(database, generation)
                in_force = generation  # committed: whoever reads this is admitted on it or later
        finally:
            ended.set()
        seen = [pair for worker in workers for pair in worker.result()]
    assert len({generation for _, generation in seen}) > FLIPS // 2
    assert all(generation >= least for least, generation in seen)
    assert all(generation == number for generation, number in database.read_now(runs))


def waiters(connection: Connection) -> int:
    """How many wait for an advisory lock of this database."""
    count = (
        "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND database ="
        " (SELECT oid FROM pg_database WHERE datname = current_database())"
    )
    return int(connection.execute(text(count)).scalar_one())


@pytest.mark.parametrize("isolation", Isolation)
def test_who_waited_for_a_flip_is_admitted_on_what_it_brought(
    postgres_url: str, isolation: Isolation
) -> None:
    """A transaction of one snapshot takes it before the flip it waits for: it must begin again."""
    with Database.open(postgres_url) as database, Database.open(postgres_url) as other:
        ready(database)
        inside, go_on = threading.Event(), threading.Event()

        def slow(connection: Connection) -> None:
            store.shut(connection)
            store.activate(connection, 2, content(2), AT)
            inside.set()
            go_on.wait(10)

        with ThreadPoolExecutor(2) as pool:
            flipping = pool.submit(
                lambda: other.write_now(slow, isolation=Isolation.READ_COMMITTED)
            )
            assert inside.wait(10)
            waiting = pool.submit(lambda: database.write_now(admit, isolation=isolation))
            while not other.read_now(waiters):  # until it stands in line
                assert not waiting.done()
            go_on.set()
            flipping.result(10)
            assert waiting.result(10) == 2


def test_admissions_do_not_wait_for_each_other_and_a_flip_waits_for_them(
    postgres_url: str,
) -> None:
    with Database.open(postgres_url) as first, Database.open(postgres_url) as second:
        ready(first)
        inside, go_on = threading.Event(), threading.Event()

        def slow(connection: Connection) -> int:
            generation = admit(connection)
            inside.set()
            go_on.wait(10)
            return generation

        with ThreadPoolExecutor(3) as pool:
            lingering = pool.submit(
                lambda: first.write_now(slow, isolation=Isolation.READ_COMMITTED)
            )
            assert inside.wait(10)
            assert second.write_now(admit, isolation=Isolation.READ_COMMITTED) == 1
            assert second.write_now(admit) == 1
            flipping = pool.submit(lambda: flip(second, 2))
            with pytest.raises(TimeoutError):
                flipping.result(0.2)
            go_on.set()
            assert lingering.result(10) == 1
            assert flipping.result(10) == 3
            assert second.write_now(admit) == 2
