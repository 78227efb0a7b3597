"""Kills cells with SIGKILL while they run generated agents, and counts what happened outside.

    python -m tests.cell.journal.kill_passages sqlite|postgresql LOOPS

Each loop is one run. Its agent, its clients and its cell live in a child that kills itself at one
of the points that `passing` names, chosen so that all are met; the next child takes the run over.
Effects go to a ledger of their own, which no cell can take back. Prints its figures as JSON.
"""

import asyncio
import json
import os
import random
import signal
import sys
import tempfile
import traceback
from collections import Counter
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, NoReturn

from sqlalchemy import Column, Table, Text, select, update

from seatrial.cell.journal.domain.matching import Finished, NeedsPerson, Park
from seatrial.cell.journal.domain.records import Bounds
from seatrial.cell.journal.domain.rows import Effect, RowState
from seatrial.cell.journal.service.books import Books
from seatrial.cell.journal.service.writing import Surroundings
from seatrial.cell.journal.store import records as store
from seatrial.kit.clock import SystemClock
from seatrial.kit.database.connection import Connection
from seatrial.kit.database.database import Database
from seatrial.kit.database.dialects import Int64, metadata
from seatrial.kit.database.migrations import migrate_now
from tests.cell.journal.direct import direct
from tests.cell.journal.passing import TASTE, Agent, people
from tests.cell.journal.programs import Step, calls, program
from tests.cell.journal.world import Deed, Told, World
from tests.servers import postgres

_MOST_LIVES: Final = 60
_POINTS: Final = 7  # that one call passes
_BOUNDS: Final = Bounds(patience=0.2, quiet=1.0)

_METADATA: Final = metadata()
_HOLDER: Final = Table(
    "holder",
    _METADATA,
    Column("run", Text, primary_key=True),
    Column("attempt", Int64, nullable=False),
)


@dataclass(kw_only=True)
class Figures:
    """What happened over all loops."""

    runs: int = 0
    kills: int = 0
    effects: int = 0
    twice: int = 0
    lost: int = 0
    unknown: int = 0


class FileWorld(World):
    """A world that outlives whoever acts on it."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path
        for line in path.read_text().splitlines() if path.exists() else ():
            deed, told = json.loads(line)
            told = Told(state=RowState(told["state"]), text=told["text"])
            if told.state is RowState.DONE:
                self.deeds.append(Deed(**{**deed, "effect": Effect(deed["effect"])}))
            self._told[deed["key"]] = told

    def write(self, deed: Deed) -> Told:
        """See `World`: in one write, before anybody is told."""
        known = self.happened(deed.key) if deed.effect is Effect.IDEMPOTENT else None
        if known is not None:
            return known
        told = super().write(deed)
        line = json.dumps([asdict(deed), asdict(told)]) + "\n"
        file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.write(file, line.encode())
        os.close(file)
        return told


def _holds(connection: Connection, run: str, attempt: int) -> bool:
    asked = select(_HOLDER.c.attempt).where(_HOLDER.c.run == run).with_for_update(read=True)
    return bool(connection.execute(asked).scalar() == attempt)


def _claim(connection: Connection, attempt: int) -> None:
    connection.execute(update(_HOLDER).values(attempt=attempt))


def _hold(connection: Connection) -> None:
    connection.execute(_HOLDER.insert(), {"run": "run_a", "attempt": 0})


async def life(url: str, folder: Path, agent: Step, attempt: int, end: int | None) -> None:
    """One attempt at the run; it dies at the `end`-th point, or at none."""
    rng = random.Random(f"{folder}{attempt}")  # noqa: S311
    reached = 0

    def reach(_: str) -> None:
        nonlocal reached
        reached += 1
        if reached == end:
            os.kill(os.getpid(), signal.SIGKILL)

    world, clock = FileWorld(folder / "ledger"), SystemClock()
    with Database.open(url) as database:
        around = Surroundings(database=database, fence=_holds, clock=clock, bounds=_BOUNDS)
        books = Books(around)
        await database.write(lambda connection: _claim(connection, attempt))
        await people(database, clock, world, Counter())
        running = Agent(
            await books.open("run_a", attempt), world, rng, clock, pause=0.001, reach=reach
        )
        ending, seen = await asyncio.wait_for(running.run(agent), 20)
        await running.die()
        rows = await database.read(lambda connection: store.rows(connection, "run_a"))
    unknown = sum(it.row.state is RowState.UNKNOWN for it in rows)
    _say(folder / "asked", f"{unknown}\n")
    if isinstance(ending, Finished):
        assert all(it.row.settled for it in rows if it.row.binds)
        (folder / "said").write_text(json.dumps(seen))
    else:
        assert isinstance(ending, NeedsPerson | Park), ending


def _say(path: Path, line: str) -> None:
    with path.open("a") as file:
        file.write(line)


def _child(url: str, folder: Path, agent: Step, attempt: int, end: int | None) -> NoReturn:
    try:
        asyncio.run(life(url, folder, agent, attempt, end))
    except BaseException:  # noqa: BLE001 - the parent reads it
        (folder / "broken").write_text(traceback.format_exc())
        os._exit(1)
    os._exit(0)


def in_a_child(url: str, folder: Path, agent: Step, attempt: int, end: int | None) -> bool:
    """Live once in a process that is forked; whether it was killed."""
    child = os.fork()
    if child == 0:
        _child(url, folder, agent, attempt, end)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])


def prepare(database: Database) -> None:
    """Make the tables, with a run that nobody holds."""
    migrate_now(database, [store.HISTORY])
    database.alter_now(_METADATA.create_all)
    database.write_now(_hold)


def _one_run(url: str, folder: Path, seed: int, figures: Figures) -> None:
    rng = random.Random(seed)  # noqa: S311
    agent = program(rng, TASTE)
    there = World()
    said: Any = json.loads(json.dumps(direct(agent, there)))
    with Database.open(url) as database:
        prepare(database)
    deaths = [rng.randrange(1, _POINTS * calls(agent) + 2) for _ in range(1 + rng.randrange(4))]
    for attempt in range(1, _MOST_LIVES):
        end = deaths.pop(0) if deaths else None
        figures.kills += in_a_child(url, folder, agent, attempt, end)
        assert not (folder / "broken").exists(), (seed, (folder / "broken").read_text())
        if (folder / "said").exists():
            break
    world = FileWorld(folder / "ledger")
    figures.runs += 1
    figures.effects += len(world.deeds)
    figures.twice += len(world.deeds) - len({deed.key for deed in world.deeds})
    figures.lost += sum((counted(there) - counted(world)).values())
    assert figures.twice == figures.lost == 0, (seed, world.deeds)
    assert counted(world) == counted(there), seed
    assert json.loads((folder / "said").read_text()) == said, seed
    asked = (folder / "asked").read_text().split()
    figures.unknown += sum(map(int, asked))


def counted(world: World) -> Counter[tuple[str, str, int]]:
    """How often each effect happened."""
    return Counter((deed.account, str(deed.effect), deed.name) for deed in world.deeds)


def main(kind: str, loops: int) -> Figures:
    """Run on databases of `kind`."""
    figures = Figures()
    with ExitStack() as stack:
        server = None if kind == "sqlite" else stack.enter_context(postgres.private("passages"))
        for seed in range(loops):
            with tempfile.TemporaryDirectory(prefix="sea-passages-") as name, ExitStack() as once:
                url = f"sqlite:///{name}/x.db"
                if server is not None:
                    url = server.url(once.enter_context(server.database()))
                _one_run(url, Path(name), seed, figures)
    return figures


if __name__ == "__main__":
    sys.stdout.write(json.dumps(asdict(main(sys.argv[1], int(sys.argv[2])))))
