"""The journal's bounds on real databases."""

import asyncio
from collections.abc import Collection, Mapping
from datetime import UTC, datetime, timedelta

import pytest

from seatrial.cell.journal.domain.records import Body, JournalFull
from seatrial.cell.journal.domain.retention import Retention
from seatrial.cell.journal.service.sweeping import Sweeper
from seatrial.cell.journal.store import records as store
from seatrial.kit.clock import VirtualClock, run_virtually
from seatrial.kit.database.connection import Connection
from seatrial.kit.database.database import Database
from seatrial.kit.database.migrations import migrate_now

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


class Ends:
    """When runs ended, for a sweeper to ask."""

    def __init__(self, **known: datetime) -> None:
        self.known = known
        self.asked = 0

    def __call__(self, connection: Connection, runs: Collection[str]) -> Mapping[str, datetime]:
        del connection
        self.asked += 1
        return {run: self.known[run] for run in runs if run in self.known}


def _keep(database: Database, *runs: str, size: int = 10_000) -> None:
    migrate_now(database, [store.HISTORY])
    noise = bytes(number * number % 251 for number in range(size))

    def use_case(connection: Connection) -> None:
        for run in runs:
            store.keep(connection, run, 1, store.ANSWER, Body(content=noise))

    database.write_now(use_case)


def _held(database: Database) -> set[str]:
    return set(database.read_now(store.held))


def test_what_is_old_goes_and_what_has_not_ended_stays(database: Database) -> None:
    runs = [f"run_{number:03}" for number in range(130)]  # more than one transaction takes
    _keep(database, *runs, "run_open", size=10)
    ends = Ends(**dict.fromkeys(runs, NOON - timedelta(days=31)))
    found = asyncio.run(Sweeper(database, Retention(), ends, VirtualClock(NOON)).sweep())
    assert (len(found.drop), found.over) == (130, 0)
    assert _held(database) == {"run_open"}


def test_what_somebody_revived_meanwhile_stays(database: Database) -> None:
    _keep(database, "run_a")
    ends = Ends(run_a=NOON - timedelta(days=31))

    def revived(connection: Connection, runs: Collection[str]) -> Mapping[str, datetime]:
        return ends(connection, runs) if not ends.asked else {}

    asyncio.run(Sweeper(database, Retention(), revived, VirtualClock(NOON)).sweep())
    assert _held(database) == {"run_a"}


def test_new_runs_are_refused_while_open_ones_fill_the_journal(database: Database) -> None:
    _keep(database, "run_a", "run_b")
    small, ends = Retention(ceiling=10), Ends()
    sweeper = Sweeper(database, small, ends, VirtualClock(NOON))
    sweeper.refuse_full()
    assert asyncio.run(sweeper.sweep()).over > 0
    with pytest.raises(JournalFull) as caught:
        sweeper.refuse_full()
    assert "journal.max_gb" in caught.value.remedy
    ends.known |= {"run_a": NOON, "run_b": NOON}
    assert asyncio.run(sweeper.sweep()).over == 0
    sweeper.refuse_full()
    assert _held(database) == set()


def test_it_goes_on_when_a_sweep_fails(sqlite_url: str) -> None:
    clock = VirtualClock(NOON)

    async def scenario(database: Database) -> None:
        failing = Ends(run_a=NOON - timedelta(days=31))

        def ends(connection: Connection, runs: Collection[str]) -> Mapping[str, datetime]:
            if not failing.asked:
                failing.asked += 1
                raise JournalFull(over=1, ceiling=1)  # any error of ours
            return failing(connection, runs)

        work = asyncio.ensure_future(Sweeper(database, Retention(), ends, clock).work())
        await clock.sleep(400)
        work.cancel()
        await asyncio.wait([work])

    with Database.open(sqlite_url, clock=clock, blocking=True) as database:
        _keep(database, "run_a")
        run_virtually(clock, scenario(database))
        assert _held(database) == set()
