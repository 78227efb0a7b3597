"""`Lease.run` in virtual time, on an SQLite file whose time is the same clock's."""

import asyncio
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from seatrial.kit.clock import VirtualClock, run_virtually
from seatrial.kit.database.connection import Connection
from seatrial.kit.database.database import Database
from seatrial.kit.database.errors import DatabaseClosed, DatabaseUnreachable
from seatrial.kit.leases.domain import LeaseLost
from seatrial.kit.leases.service import Lease, fence
from tests.kit.leases.tables import NAME, make


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock(datetime(2030, 1, 1, tzinfo=UTC))


@pytest.fixture
def database(sqlite_url: str, clock: VirtualClock) -> Iterator[Database]:
    with Database.open(sqlite_url, clock=clock, blocking=True) as opened:
        yield make(opened)


class Away:
    """A database that can be out of reach: an answer never comes, or a refusal does."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.silent = False
        self.refusing = False

    async def write(self, use_case: Callable[[Connection], Any], **terms: Any) -> Any:
        if self.silent:
            await asyncio.Event().wait()
        if self.refusing:
            raise DatabaseUnreachable(database="test", reason="it is away")
        return await self._database.write(use_case, **terms)


class Leader:
    """What a holder does: it notes when it began and when it was made to end."""

    def __init__(self, database: Database, holder: str, clock: VirtualClock) -> None:
        self.link = Away(database)
        self.lease = Lease(self.link, NAME, holder, clock)  # type: ignore[arg-type]
        self.clock = clock
        self.began: list[tuple[int, float]] = []
        self.ended: list[float] = []

    async def lead(self, epoch: int) -> None:
        self.began.append((epoch, self.clock.steady()))
        try:
            await asyncio.Event().wait()
        finally:
            self.ended.append(self.clock.steady())


def test_a_leader_leads_for_as_long_as_it_renews(database: Database, clock: VirtualClock) -> None:
    first, second = Leader(database, "a", clock), Leader(database, "b", clock)

    async def main() -> None:
        async with asyncio.TaskGroup() as group:
            one = group.create_task(first.lease.run(first.lead))
            await clock.sleep(0.5)
            two = group.create_task(second.lease.run(second.lead))
            await clock.sleep(3600)
            assert first.lease.held
            one.cancel()
            await clock.sleep(3.1)
            assert second.lease.held
            two.cancel()

    run_virtually(clock, main())
    assert first.began == [(1, 0.0)]
    assert first.ended == [3600.5]
    ((epoch, began),) = second.began
    assert epoch == 2
    assert 3600.5 <= began <= 3603.5, "a released lease is taken at the next attempt"


@pytest.mark.parametrize("how", ["silent", "refusing"])
def test_a_leader_cut_off_stops_before_the_other_starts(
    database: Database, clock: VirtualClock, how: str
) -> None:
    first, second = Leader(database, "a", clock), Leader(database, "b", clock)

    async def main() -> None:
        async with asyncio.TaskGroup() as group:
            one = group.create_task(first.lease.run(first.lead))
            await clock.sleep(0.5)
            two = group.create_task(second.lease.run(second.lead))
            await clock.sleep(9.0)  # renewed at 3, 6 and 9
            setattr(first.link, how, True)
            await clock.sleep(30)
            assert second.lease.held
            assert not first.lease.held
            one.cancel()
            two.cancel()

    run_virtually(clock, main())
    assert first.ended == [pytest.approx(9 + 10 * 2 / 3)]
    ((epoch, began),) = second.began
    assert epoch == 2
    assert 19 <= began <= 22


def test_a_leader_that_comes_back_in_time_goes_on(database: Database, clock: VirtualClock) -> None:
    first = Leader(database, "a", clock)

    async def main() -> None:
        one = asyncio.create_task(first.lease.run(first.lead))
        await clock.sleep(2)
        first.link.refusing = True  # the renewal at 3 fails, that at 6 does not
        await clock.sleep(2)
        first.link.refusing = False
        await clock.sleep(60)
        assert first.lease.held
        one.cancel()
        await asyncio.wait({one})

    run_virtually(clock, main())
    assert first.began == [(1, 0.0)]


def test_who_could_not_stand_stands_again(database: Database, clock: VirtualClock) -> None:
    first = Leader(database, "a", clock)
    first.link.refusing = True

    async def main() -> None:
        one = asyncio.create_task(first.lease.run(first.lead))
        await clock.sleep(20)
        assert first.began == []
        first.link.refusing = False
        await clock.sleep(4)
        assert first.lease.held
        one.cancel()
        await asyncio.wait({one})

    run_virtually(clock, main())


def test_while_a_leader_is_winding_down_nobody_else_leads(
    database: Database, clock: VirtualClock
) -> None:
    first, second = Leader(database, "a", clock), Leader(database, "b", clock)

    async def slow(_epoch: int) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await clock.sleep(60)
            first.ended.append(clock.steady())

    async def main() -> None:
        one = asyncio.create_task(first.lease.run(slow))
        await clock.sleep(1)
        two = asyncio.create_task(second.lease.run(second.lead))
        one.cancel()
        await clock.sleep(100)
        two.cancel()
        await asyncio.wait({one, two})

    run_virtually(clock, main())
    assert first.ended == [61.0]
    assert [epoch for epoch, began in second.began if began >= 61] == [2]


def test_work_that_is_fenced_off_stands_again(database: Database, clock: VirtualClock) -> None:
    lease = Lease(database, NAME, "a", clock)
    epochs: list[int] = []

    async def lead(epoch: int) -> None:
        epochs.append(epoch)
        if epoch == 1:
            await Lease(database, NAME, "a", clock).acquire()  # its twin, started by mistake
            await database.write(lambda connection: fence(connection, NAME, epoch))

    run_virtually(clock, lease.run(lead))
    assert epochs == [1, 3]


def test_work_that_is_done_ends_the_run_and_frees_the_lease(
    database: Database, clock: VirtualClock
) -> None:
    lease = Lease(database, NAME, "a", clock)

    async def lead(_epoch: int) -> None:
        await clock.sleep(20)

    async def main() -> int | None:
        await lease.run(lead)
        assert not lease.held
        return await Lease(database, NAME, "b", clock).acquire()

    assert run_virtually(clock, main()) == 2


@pytest.mark.parametrize(
    "error", [ValueError("a defect"), LeaseLost(name="another", epoch=1)], ids=["own", "foreign"]
)
def test_what_work_raises_comes_out(
    database: Database, clock: VirtualClock, error: Exception
) -> None:
    async def lead(_epoch: int) -> None:
        raise error

    with pytest.raises(type(error)) as caught:
        run_virtually(clock, Lease(database, NAME, "a", clock).run(lead))
    assert caught.value is error


def test_a_closed_database_ends_the_run(database: Database, clock: VirtualClock) -> None:
    leader = Leader(database, "a", clock)

    async def main() -> None:
        run = asyncio.create_task(leader.lease.run(leader.lead))
        await clock.sleep(1)
        await database.close()
        with pytest.raises(DatabaseClosed):
            await run
        with pytest.raises(DatabaseClosed):
            await leader.lease.run(leader.lead)

    run_virtually(clock, main())
    assert len(leader.ended) == 1
