"""Generated agents over the real service and a real database, in virtual time.

The engine beside this file tries the rule; this one tries who carries it out: claims and waits,
intents and results in transactions, callers that go away, attempts that end in the middle.
"""

import asyncio
import random
from collections import Counter
from typing import Any

import pytest

from seatrial.cell.journal.domain.matching import (
    Finished,
    NeedsPerson,
    Park,
)
from seatrial.cell.journal.domain.rows import Effect
from seatrial.cell.journal.service.books import Books
from seatrial.cell.journal.service.writing import Surroundings
from seatrial.cell.journal.store import records as store
from seatrial.kit.clock import VirtualClock, run_virtually
from seatrial.kit.database.connection import Connection
from seatrial.kit.database.database import Database
from seatrial.kit.database.migrations import migrate_now
from tests.cell.journal.direct import direct
from tests.cell.journal.passing import TASTE, Agent, people
from tests.cell.journal.programs import Step, program
from tests.cell.journal.test_retention import NOON
from tests.cell.journal.world import World


async def _live(
    database: Database, clock: VirtualClock, agent: Step, rng: random.Random
) -> tuple[object, list[Any], World, Counter[int]]:
    world, number, asked = World(), 0, Counter[int]()
    deaths = [rng.random() * 2 for _ in range(rng.randrange(4))]

    def stands(connection: Connection, run: str, attempt: int) -> bool:
        del connection, run
        return attempt == number

    books = Books(Surroundings(database=database, fence=stands, clock=clock))
    for number in range(1, 60):
        running = Agent(await books.open("run_a", number), world, rng, clock)
        limit = deaths.pop(0) if deaths else None
        try:
            ending, seen = await asyncio.wait_for(running.run(agent), limit)
        except TimeoutError:
            continue
        finally:
            asked.update(running.asked)
            await running.die()
        if isinstance(ending, Finished):
            return ending, seen, world, asked
        assert isinstance(ending, NeedsPerson | Park)
        await people(database, clock, world, asked)
    raise AssertionError("it never ends")


@pytest.mark.parametrize("seed", range(40))
def test_what_carries_out_the_rule_keeps_its_promises(sqlite_url: str, seed: int) -> None:
    _try(sqlite_url, seed)


@pytest.mark.parametrize("seed", range(40, 50))
def test_and_on_postgresql_too(postgres_url: str, seed: int) -> None:
    _try(postgres_url, seed)


def _try(url: str, seed: int) -> None:
    rng, clock = random.Random(seed), VirtualClock(NOON)  # noqa: S311
    agent = program(rng, TASTE)
    there = World()
    said = direct(agent, there)
    with Database.open(url, clock=clock, blocking=True) as database:
        migrate_now(database, [store.HISTORY])
        _, seen, world, asked = run_virtually(clock, _live(database, clock, agent, rng))
        recorded = database.read_now(lambda connection: store.rows(connection, "run_a"))
    assert seen == said
    assert _ledger(world) == _ledger(there)
    rows = [it.row for it in recorded]
    assert all(row.settled for row in rows if row.binds)
    irreversible = {row.seq for row in rows if row.effect is Effect.IRREVERSIBLE}
    assert max(asked.values(), default=0) <= 1
    assert set(asked) <= irreversible


def _ledger(world: World) -> Counter[Any]:
    return Counter((deed.account, deed.effect, deed.name) for deed in world.deeds)
