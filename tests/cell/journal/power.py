"""Lost power under a cell's database: what reached the disk is what had been synchronised.

    python -m tests.cell.journal.power sqlite|postgresql|lazy CUTS

An agent's run is traced with strace, and with it the database's server: every write to the
database's files in order, with its bytes, and every fsync. Then power is cut at moments spread
evenly over that order. What a file holds then is all that was written before its last finished
fsync, and of what came later nothing, everything, a first part, or single sectors as chance has it.
The effects stand: they are in other people's systems. The next life goes on from there, and must
come to the end that a run without a cut has. Prints its figures as JSON.
"""

import asyncio
import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import psycopg

from tests.cell.journal.direct import direct
from tests.cell.journal.disk import LEDGER, Disk, Event, traced
from tests.cell.journal.kill_passages import FileWorld, counted, in_a_child, life
from tests.cell.journal.machines import Machine, machine
from tests.cell.journal.passing import TASTE
from tests.cell.journal.programs import Step, program
from tests.cell.journal.world import World
from tests.servers import running

CUTS_A_RUN: Final = 10
_MOST_LIVES: Final = 20


@dataclass(kw_only=True)
class Figures:
    """What happened over all cuts."""

    runs: int = 0
    cuts: int = 0
    unsynchronised: int = 0
    effects: int = 0
    twice: int = 0
    lost: int = 0
    unknown: int = 0


def _agent(seed: int) -> Step:
    return program(random.Random(seed), TASTE)  # noqa: S311


def _traced(place: Machine, folder: Path, files: Mapping[Path, str], seed: int) -> list[Event]:
    """The events of a whole run that nobody disturbed."""
    log = folder / "strace.log"
    command = [sys.executable, "-m", "tests.cell.journal.power", "--life"]
    words = [place.url(folder), str(folder), str(seed), *place.command]
    events = traced([*command, *words], log, {**files, folder / LEDGER: LEDGER})
    place.look(log.read_text())
    return events


@contextlib.contextmanager
def _up(url: str, command: list[str]) -> Iterator[None]:
    """A server of one's own, for as long as this lasts: USER, then its command; or none."""
    if not command:
        yield
        return
    user = int(command[0])
    groups: tuple[int, ...] | None = () if os.geteuid() == 0 else None
    server = subprocess.Popen(
        command[1:], user=user, extra_groups=groups, cwd="/", stderr=subprocess.DEVNULL
    )
    try:
        running.wait_until(lambda: _answers(url), "PostgreSQL")
        yield
    finally:
        server.send_signal(signal.SIGQUIT)
        server.wait()


def _answers(url: str) -> bool:
    with contextlib.suppress(psycopg.OperationalError):
        psycopg.connect(url).close()
        return True
    return False


def _cut(
    place: Machine, folder: Path, image: Mapping[str, bytes], seed: int, cut: int
) -> FileWorld:
    """Go on from what is on the disk, to the end; the world then."""
    (folder / LEDGER).write_bytes(image.get(LEDGER, b""))
    with place.up_again(folder, image) as url:
        for attempt in range(2, _MOST_LIVES):
            in_a_child(url, folder, _agent(seed), attempt, None)
            assert not (folder / "broken").exists(), (seed, cut, (folder / "broken").read_text())
            if (folder / "said").exists():
                return FileWorld(folder / LEDGER)
    raise AssertionError(f"seed {seed}, cut {cut}: the run does not end")


def _one_run(place: Machine, folder: Path, seed: int, cuts: int, figures: Figures) -> None:
    rng = random.Random(seed)  # noqa: S311
    there = World()
    said = json.loads(json.dumps(direct(_agent(seed), there)))
    first = folder / "first"
    first.mkdir()
    files = place.fresh(first)
    sure = {name: path.read_bytes() for path, name in files.items() if path.exists()}
    events = _traced(place, first, files, seed)
    figures.runs += 1
    for number in range(cuts):
        cut = int((number + rng.random()) * len(events) / cuts)
        disk = Disk(sure={name: bytearray(content) for name, content in sure.items()})
        for event in events[:cut]:
            disk.happen(event)
        image, unsure = disk.left(rng)
        figures.cuts += 1
        figures.unsynchronised += unsure
        again = folder / f"cut{cut}"
        again.mkdir()
        world = _cut(place, again, image, seed, cut)
        keys = [deed.key for deed in world.deeds]
        figures.effects += len(keys)
        figures.twice += len(keys) - len(set(keys))
        figures.lost += sum((counted(there) - counted(world)).values())
        figures.unknown += sum(map(int, (again / "asked").read_text().split()))
        assert counted(world) == counted(there), (seed, cut, world.deeds)
        assert json.loads((again / "said").read_text()) == said, (seed, cut)
        shutil.rmtree(again)


def main(kind: str, cuts: int) -> Figures:
    """Cut power so many times, ten times in a run."""
    figures = Figures()
    with machine(kind) as place:
        for seed in range(-(-cuts // CUTS_A_RUN)):
            with tempfile.TemporaryDirectory(prefix="sea-power-") as name:
                left = min(CUTS_A_RUN, cuts - figures.cuts)
                _one_run(place, Path(name), seed, left, figures)
    return figures


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["--life", url, place, number, *command]:
            with _up(url, command):
                asyncio.run(life(url, Path(place), _agent(int(number)), 1, None))
            os._exit(0)
        case [kind, number]:
            sys.stdout.write(json.dumps(asdict(main(kind, int(number)))))
        case _:
            raise SystemExit(__doc__)
