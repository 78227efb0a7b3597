import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import update

from seatrial.kit.clock import Clock, SystemClock, VirtualClock
from seatrial.kit.database.database import Database
from seatrial.kit.database.dialects import now
from seatrial.kit.leases.domain import LeaseLost
from seatrial.kit.leases.service import Lease, fence
from seatrial.kit.leases.store import LEASE
from tests.kit.leases.looped import in_a_loop
from tests.kit.leases.tables import NAME, act, deeds, make

REAL = SystemClock()
START = datetime(2030, 1, 1, tzinfo=UTC)


def lease(database: Database, holder: str, clock: Clock = REAL) -> Lease:
    return Lease(database, NAME, holder, clock)


def run_out(database: Database) -> None:
    """Let the lease end by the database's time, which no test waits for."""
    past = update(LEASE).values(expires=now(timedelta(seconds=-1)))
    database.write_now(lambda connection: connection.execute(past).rowcount)


@pytest.fixture
def ready(database: Database) -> Database:
    return make(database)


@in_a_loop
async def test_the_first_gets_it_and_the_second_does_not(ready: Database) -> None:
    first, second = lease(ready, "a"), lease(ready, "b")
    assert await first.acquire() == 1
    assert await second.acquire() is None
    assert (first.held, second.held) == (True, False)
    with pytest.raises(LeaseLost):
        _ = second.epoch


@in_a_loop
async def test_of_many_who_stand_at_once_one_leads(ready: Database) -> None:
    taken = await asyncio.gather(*(lease(ready, f"h{n}").acquire() for n in range(12)))
    assert [epoch for epoch in taken if epoch is not None] == [1]


@in_a_loop
async def test_leases_of_other_names_are_others(ready: Database) -> None:
    assert await lease(ready, "a").acquire() == 1
    assert await Lease(ready, "other", "b", REAL).acquire() == 1


@in_a_loop
async def test_once_it_has_run_out_another_takes_over_under_a_new_epoch(ready: Database) -> None:
    first, second = lease(ready, "a"), lease(ready, "b")
    await first.acquire()
    run_out(ready)
    assert await second.acquire() == 2
    with pytest.raises(LeaseLost, match="'rollouts' is no longer held under epoch 1"):
        await first.renew()
    assert not first.held
    assert second.held


@in_a_loop
async def test_a_stale_epoch_writes_nothing(ready: Database) -> None:
    first, second = lease(ready, "a"), lease(ready, "b")
    await first.acquire()
    await ready.write(lambda connection: act(connection, "a", 1))
    run_out(ready)
    await second.acquire()
    with pytest.raises(LeaseLost):
        await ready.write(lambda connection: act(connection, "a", 1))
    await ready.write(lambda connection: act(connection, "b", 2))
    assert await ready.read(deeds) == [("a", 1), ("b", 2)]


@in_a_loop
async def test_nobody_holds_what_was_never_taken(ready: Database) -> None:
    with pytest.raises(LeaseLost):
        await ready.write(lambda connection: fence(connection, NAME, 1))


@in_a_loop
async def test_what_ran_out_and_nobody_took_is_still_its_holders(ready: Database) -> None:
    first = lease(ready, "a")
    await first.acquire()
    run_out(ready)
    await ready.write(lambda connection: act(connection, "a", 1))
    await first.renew()
    assert await lease(ready, "b").acquire() is None


@in_a_loop
async def test_released_it_is_free_at_once(ready: Database) -> None:
    first, second = lease(ready, "a"), lease(ready, "b")
    await first.acquire()
    await first.release()
    assert not first.held
    assert await second.acquire() == 2


@in_a_loop
async def test_a_late_release_does_not_end_anothers_lease(ready: Database) -> None:
    first = lease(ready, "a")
    await first.acquire()
    run_out(ready)
    await lease(ready, "b").acquire()
    await first.release()
    assert await lease(ready, "c").acquire() is None


@in_a_loop
async def test_a_restarted_holder_takes_its_own_back_and_fences_its_former_self(
    ready: Database,
) -> None:
    await lease(ready, "a").acquire()
    assert await lease(ready, "a").acquire() == 2
    with pytest.raises(LeaseLost):
        await ready.write(lambda connection: act(connection, "a", 1))


@in_a_loop
async def test_a_holder_that_counted_itself_out_does_not_come_back_under_its_epoch(
    ready: Database,
) -> None:
    clock = VirtualClock(START)
    first = lease(ready, "a", clock)
    await first.acquire()
    clock.advance(6.6)
    assert first.epoch == 1
    clock.advance(0.1)
    assert not first.held
    with pytest.raises(LeaseLost):
        await first.renew()


@pytest.mark.parametrize("jump", [-86_400.0, 86_400.0])
@in_a_loop
async def test_a_wall_clock_that_jumps_moves_no_lease(postgres_url: str, jump: float) -> None:
    """On PostgreSQL, where several machines compare: the lease lives in the server's time."""

    class Jumped(SystemClock):
        def now(self) -> datetime:
            return super().now() + timedelta(seconds=jump)

    with Database.open(postgres_url, clock=Jumped()) as database:
        make(database)
        first, second = lease(database, "a"), lease(database, "b", Jumped())
        await first.acquire()
        assert await second.acquire() is None
        await first.renew()
        assert first.held


@pytest.mark.parametrize("jump", [-86_400.0, 86_400.0])
@in_a_loop
async def test_on_sqlite_a_jump_takes_nothing_from_the_one_process(
    sqlite_url: str, jump: float
) -> None:
    class Jumping(SystemClock):
        ahead = 0.0

        def now(self) -> datetime:
            return super().now() + timedelta(seconds=self.ahead)

    clock = Jumping()
    with Database.open(sqlite_url, clock=clock) as database:
        make(database)
        first = lease(database, "a", clock)
        await first.acquire()
        clock.ahead = jump
        assert first.held
        await first.renew()
        await database.write(lambda connection: act(connection, "a", first.epoch))
        assert await lease(database, "a", clock).acquire() == 2


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(
    steps=st.lists(
        st.tuples(st.sampled_from("abc"), st.sampled_from(["take", "renew", "end", "act", "wait"])),
        max_size=20,
    )
)
def test_in_any_order_of_events_each_epoch_has_one_holder(
    ready: Database, steps: list[tuple[str, str]]
) -> None:
    """And deeds come in the order of epochs: whoever acts, nobody newer has acted before."""
    ready.write_now(lambda connection: connection.execute(LEASE.delete()).rowcount)
    holders = {holder: lease(ready, holder) for holder in "abc"}
    epochs: dict[int, str] = {}
    last = {"a": 0, "b": 0, "c": 0}
    done: list[int] = []

    async def one(holder: str, step: str) -> None:
        held = holders[holder]
        match step:
            case "take":
                epoch = await held.acquire()
                if epoch is not None:
                    assert epochs.setdefault(epoch, holder) == holder
                    last[holder] = epoch
            case "renew":
                await held.renew()
            case "end":
                await held.release()
            case "wait":
                run_out(ready)
            case _:
                epoch = last[holder]
                await ready.write(lambda connection: fence(connection, NAME, epoch))
                done.append(epoch)

    async def all_of_them() -> None:
        for holder, step in steps:
            try:
                await one(holder, step)
            except LeaseLost:
                continue

    asyncio.run(all_of_them())
    assert done == sorted(done)
    assert sorted(epochs) == list(range(1, len(epochs) + 1))
