import asyncio
import contextvars
import threading
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import insert, select, text

from seatrial.kit.clock import VirtualClock, run_virtually
from seatrial.kit.database.connection import Connection, Durability, Isolation
from seatrial.kit.database.database import Database
from seatrial.kit.database.errors import DatabaseBusy, DatabaseClosed, IntegrityViolated
from seatrial.kit.database.lanes import Limits
from tests.kit.database import tables
from tests.kit.database.usecases import Blocker, Wrong, failing_after, putting
from tests.servers import running


@pytest.fixture
def shop(database: Database) -> Database:
    return tables.make(database)


def test_what_a_use_case_returns_comes_out_once_it_is_committed(shop: Database) -> None:
    async def scenario() -> None:
        assert await shop.write(putting("a")) == "a"
        assert await shop.read(tables.names) == ["a"]

    asyncio.run(scenario())


def test_the_blocking_twins_do_the_same(shop: Database) -> None:
    assert shop.write_now(putting("a")) == "a"
    assert shop.read_now(tables.names) == ["a"]


def test_a_use_case_that_raises_leaves_nothing(shop: Database) -> None:
    with pytest.raises(Wrong, match="a"):
        shop.write_now(failing_after("a"))
    assert shop.read_now(tables.names) == []


@pytest.mark.parametrize("durability", Durability)
@pytest.mark.parametrize("isolation", Isolation)
def test_every_durability_and_isolation_commits(
    shop: Database, durability: Durability, isolation: Isolation
) -> None:
    shop.write_now(putting("a"), durability=durability, isolation=isolation)
    assert shop.read_now(tables.names) == ["a"]


def test_one_that_raises_harms_no_neighbour(shop: Database) -> None:
    async def scenario() -> list[Any]:
        return await asyncio.gather(
            *(shop.write(putting(f"{n:02}")) for n in range(20)),
            *(shop.write(failing_after(f"x{n}")) for n in range(5)),
            *(shop.write(putting(f"{n:02}")) for n in range(20, 40)),
            return_exceptions=True,
        )

    outcomes = asyncio.run(scenario())
    assert sum(isinstance(outcome, Wrong) for outcome in outcomes) == 5
    assert shop.read_now(tables.names) == [f"{n:02}" for n in range(40)]


def test_a_constraint_that_is_checked_at_commit_harms_no_neighbour(shop: Database) -> None:
    def orphan(connection: Connection) -> None:
        connection.execute(insert(tables.PET).values(vet=404))

    async def scenario() -> None:
        first, second, third = await asyncio.gather(
            shop.write(putting("a")),
            shop.write(orphan),
            shop.write(putting("b")),
            return_exceptions=True,
        )
        assert (first, third) == ("a", "b")
        assert isinstance(second, IntegrityViolated)

    asyncio.run(scenario())
    assert shop.read_now(tables.names) == ["a", "b"]


def test_no_update_is_lost(shop: Database) -> None:
    count = 60
    shop.write_now(putting("n"))

    async def scenario() -> list[int]:
        return await asyncio.gather(*(shop.write(tables.increment) for _ in range(count)))

    assert sorted(asyncio.run(scenario())) == list(range(1, count + 1))
    assert shop.read_now(lambda c: tables.value(c, "n")) == count


def test_a_read_sees_one_snapshot(shop: Database) -> None:
    def twice(connection: Connection) -> tuple[list[str], list[str]]:
        before = tables.names(connection)
        other = threading.Thread(target=shop.write_now, args=(putting("later"),))
        other.start()
        other.join()
        return before, tables.names(connection)

    before, after = shop.read_now(twice)
    assert before == after == []
    assert shop.read_now(tables.names) == ["later"]


def test_a_write_waits_for_no_reader(shop: Database) -> None:
    reading, written = threading.Event(), threading.Event()

    def slowly(connection: Connection) -> list[str]:
        tables.names(connection)
        reading.set()
        assert written.wait(30)
        return tables.names(connection)

    async def scenario() -> list[str]:
        reader = asyncio.create_task(shop.read(slowly))
        await asyncio.to_thread(reading.wait, 30)
        await shop.write(putting("a"))
        written.set()
        return await reader

    assert asyncio.run(scenario()) == []


def test_a_use_case_that_reads_may_not_write(shop: Database) -> None:
    with pytest.raises(RuntimeError, match="may not write"):
        shop.read_now(putting("a"))
    assert shop.read_now(tables.names) == []


def test_a_cancelled_caller_leaves_all_or_nothing(shop: Database) -> None:
    blocker = Blocker()

    def two_steps(connection: Connection) -> None:
        tables.put(connection, "first", 0)
        blocker(connection)
        tables.put(connection, "second", 0)

    async def scenario() -> None:
        task = asyncio.create_task(shop.write(two_steps))
        await asyncio.to_thread(blocker.began.wait, 30)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        blocker.go_on.set()
        await shop.write(putting("third"))

    asyncio.run(scenario())
    assert shop.read_now(tables.names) == ["first", "second", "third"]


def test_a_caller_cancelled_while_it_waits_has_done_nothing(sqlite_url: str) -> None:
    blocker = Blocker()
    with Database.open(sqlite_url, limits=Limits(group=1)) as database:
        tables.make(database)

        async def scenario() -> None:
            first = asyncio.create_task(database.write(blocker))
            second = asyncio.create_task(database.write(putting("a")))
            await asyncio.sleep(0)
            second.cancel()
            with pytest.raises(asyncio.CancelledError):
                await second
            blocker.go_on.set()
            await first

        asyncio.run(scenario())
        assert database.read_now(tables.names) == []


def test_close_finishes_what_waits(database_url: str) -> None:
    async def scenario() -> list[Any]:
        database = Database.open(database_url)
        tables.make(database)
        writes = [asyncio.create_task(database.write(putting(f"{n:03}"))) for n in range(100)]
        await asyncio.sleep(0)
        await database.close()
        return await asyncio.gather(*writes)

    assert len(asyncio.run(scenario())) == 100
    with Database.open(database_url) as again:
        assert len(again.read_now(tables.names)) == 100


def test_close_finishes_what_waits_behind_a_use_case_that_runs(database_url: str) -> None:
    blocker = Blocker()

    async def scenario() -> None:
        database = Database.open(database_url)
        tables.make(database)
        first = asyncio.create_task(database.write(blocker))
        await asyncio.to_thread(blocker.began.wait, 30)
        writes = [asyncio.create_task(database.write(putting(f"{n}"))) for n in range(9)]
        await asyncio.sleep(0)
        closing = asyncio.create_task(database.close())
        lane = database._lanes.writes
        assert lane is not None
        await asyncio.to_thread(running.wait_until, lambda: lane._closed, "the lane to close")
        blocker.go_on.set()
        await closing
        await asyncio.gather(first, *writes)

    asyncio.run(scenario())
    with Database.open(database_url) as again:
        assert len(again.read_now(tables.names)) == 9


@pytest.mark.parametrize("name", ["queue", "group", "readers", "writers", "attempts"])
def test_limits_that_would_stop_everything_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match=name):
        Limits(**{name: 0})


def test_a_closed_database_refuses(shop: Database) -> None:
    shop.close_now()
    shop.close_now()
    for use in (shop.write_now, shop.read_now):
        with pytest.raises(DatabaseClosed):
            use(tables.names)
    with pytest.raises(DatabaseClosed):
        asyncio.run(shop.write(putting("a")))


@pytest.mark.parametrize("outer", ["write_now", "read_now"])
@pytest.mark.parametrize("inner", ["write_now", "read_now"])
def test_a_use_case_may_not_use_the_database_again(shop: Database, outer: str, inner: str) -> None:
    with pytest.raises(RuntimeError, match="but for its own connection"):
        getattr(shop, outer)(lambda _: getattr(shop, inner)(tables.names))


def test_a_use_case_may_not_hand_out_what_ends_with_its_transaction(shop: Database) -> None:
    with pytest.raises(TypeError, match="CursorResult"):
        shop.read_now(lambda connection: connection.execute(select(tables.COUNTER)))

    async def not_a_use_case(_: Connection) -> None:
        """Awaits nothing."""

    with pytest.raises(TypeError, match="coroutine"):
        shop.read_now(not_a_use_case)  # type: ignore[unused-coroutine] # nothing comes of it


def test_stop_iteration_reaches_the_caller_as_an_error(shop: Database) -> None:
    with pytest.raises(RuntimeError, match="StopIteration"):
        asyncio.run(shop.read(lambda _: next(iter(()))))


def test_a_use_case_runs_in_its_callers_context(shop: Database) -> None:
    request: contextvars.ContextVar[str] = contextvars.ContextVar("request")

    async def one(name: str) -> str:
        request.set(name)
        return await shop.write(lambda _: request.get())

    async def scenario() -> None:
        assert list(await asyncio.gather(one("a"), one("b"), one("c"))) == ["a", "b", "c"]

    asyncio.run(scenario())


def test_a_full_queue_refuses_at_once(database_url: str) -> None:
    blocker = Blocker()
    limits = Limits(queue=3, group=1, writers=1)
    with Database.open(database_url, limits=limits) as database:
        tables.make(database)

        async def scenario() -> None:
            first = asyncio.create_task(database.write(blocker))
            await asyncio.to_thread(blocker.began.wait, 30)
            waiting = [asyncio.create_task(database.write(putting(n))) for n in "abc"]
            await asyncio.sleep(0)
            assert database.figures.waiting_writes == 3
            with pytest.raises(DatabaseBusy, match="3 others wait"):
                await database.write(putting("d"))
            blocker.go_on.set()
            await asyncio.gather(first, *waiting)

        asyncio.run(scenario())
        assert database.read_now(tables.names) == ["a", "b", "c"]
        assert database.figures.refused == 1


def test_who_waits_too_long_is_refused_and_has_done_nothing(database_url: str) -> None:
    blocker = Blocker()
    limits = Limits(patience=0.5, group=1, writers=1)
    tables.prepare(database_url)
    with Database.open(database_url, limits=limits) as database:

        async def scenario() -> None:
            first = asyncio.create_task(database.write(blocker))
            await asyncio.to_thread(blocker.began.wait, 30)
            second = asyncio.create_task(database.write(putting("a")))
            await asyncio.sleep(0.6)
            blocker.go_on.set()
            await first
            with pytest.raises(DatabaseBusy, match="too long"):
                await second

        asyncio.run(scenario())
    with Database.open(database_url) as again:
        assert again.read_now(tables.names) == []


def test_an_event_loop_that_has_ended_stops_nothing(shop: Database) -> None:
    blocker = Blocker()

    async def scenario() -> None:
        task = asyncio.create_task(shop.write(blocker))
        await asyncio.to_thread(blocker.began.wait, 30)
        assert not task.done()

    asyncio.run(scenario())
    blocker.go_on.set()
    assert shop.write_now(putting("a")) == "a"


def test_virtual_time_does_not_run_ahead_of_the_database(database_url: str) -> None:
    clock = VirtualClock(datetime(2026, 3, 1, tzinfo=UTC))
    with Database.open(database_url, clock=clock, blocking=True) as database:
        tables.make(database)

        async def scenario() -> float:
            week = asyncio.create_task(clock.sleep(7 * 86_400))
            await asyncio.sleep(0)
            for name in "abc":
                await database.write(putting(name))
            assert await database.read(tables.names) == ["a", "b", "c"]
            elapsed = clock.steady()
            await week
            await database.ping()
            await database.close()
            return elapsed

        assert run_virtually(clock, scenario()) == 0.0


def test_two_event_loops_may_share_a_database(shop: Database) -> None:
    names = [f"{loop}{n}" for loop in "ab" for n in range(20)]

    async def scenario(loop: str) -> None:
        await asyncio.gather(*(shop.write(putting(f"{loop}{n}")) for n in range(20)))

    threads = [
        threading.Thread(target=lambda loop=loop: asyncio.run(scenario(loop))) for loop in "ab"
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert shop.read_now(tables.names) == sorted(names)


def test_what_is_read_only_refuses_to_write(database_url: str) -> None:
    with Database.open(database_url) as owner:
        tables.make(owner)
        owner.write_now(putting("a"))
        with Database.open(database_url, read_only=True) as reader:
            assert reader.read_only
            assert reader.read_now(tables.names) == ["a"]
            owner.write_now(putting("b"))
            assert reader.read_now(tables.names) == ["a", "b"]
            for refused in (reader.write_now, reader.alter_now):
                with pytest.raises(RuntimeError, match="read only"):
                    refused(putting("c"))


def test_figures_tell_what_was_done(shop: Database) -> None:
    before = shop.figures
    shop.write_now(putting("a"))
    shop.read_now(tables.names)
    with pytest.raises(Wrong):
        shop.write_now(failing_after("b"))
    after = shop.figures
    assert after.writes - before.writes == 1
    assert after.commits - before.commits == 1
    assert after.reads - before.reads == 1
    assert after.undone - before.undone == 1
    assert after.waiting_reads == after.waiting_writes == 0


def test_ping_tells_how_long_an_answer_takes(shop: Database) -> None:
    assert 0 < asyncio.run(shop.ping()) < 30


def test_a_defect_of_a_statement_stays_what_it_is_and_shows_no_values(shop: Database) -> None:
    with pytest.raises(Exception, match="no_such_table") as caught:
        shop.write_now(
            lambda c: c.execute(text("SELECT * FROM no_such_table WHERE x = :x"), {"x": "hush"})
        )
    assert "hush" not in str(caught.value)
