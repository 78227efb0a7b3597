"""Lost power under a cell's database: what reached the disk is what had been synchronised.

    python -m tests.cell.journal.power CUTS

An agent's run is traced with strace: every write to the database's files in order, with its bytes,
and every fsync. Then power is cut at moments spread evenly over that order. What a file holds then
is all that was written before its last finished fsync, and of what came later nothing, everything,
a first part, or single sectors as chance has it. The effects stand: they are in other people's
systems. The next life goes on from there, and must come to the end that a run without a cut has.
Prints its figures as JSON.
"""

import ast
import asyncio
import json
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final

from seatrial.kit.database.database import Database
from tests.cell.journal.direct import direct
from tests.cell.journal.kill_passages import (
    FileWorld,
    counted,
    in_a_child,
    life,
    prepare,
)
from tests.cell.journal.passing import TASTE
from tests.cell.journal.programs import Step, program
from tests.cell.journal.world import World

STRACE: Final = "strace"
CUTS_A_RUN: Final = 10
_MOST_LIVES: Final = 20
_SECTOR: Final = 512
_LEDGER: Final = "ledger"
_KEPT: Final = ("x.db", "x.db-wal", _LEDGER)
_TRACED: Final = "trace=pwrite64,write,fsync,fdatasync,ftruncate,unlink"
_CALL: Final = re.compile(
    r"^(?P<thread>\d+) +(?P<name>\w+)\((?:\d+<(?P<path>[^>]*)>|\"(?P<gone>[^\"]*)\")(?P<rest>.*)$"
)
_RESUMED: Final = re.compile(r"^(?P<thread>\d+) +<\.\.\. (?P<name>f\w*sync) resumed>")


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


@dataclass(frozen=True, kw_only=True)
class Event:
    """Something that happened to a file.

    Attributes:
        file: its name.
        kind: `write`, `sync`, `cut` to a length, or `gone`.
        at: where it is written, or the length; -1 for its end.
        data: what is written.
    """

    file: str
    kind: str
    at: int = 0
    data: bytes = b""


@dataclass(kw_only=True)
class Disk:
    """Files as they are, and as they are sure to be."""

    sure: dict[str, bytes]
    later: dict[str, list[Event]] = field(default_factory=dict)

    def happen(self, event: Event) -> None:
        """Note an event."""
        self.later.setdefault(event.file, []).append(event)
        if event.kind == "sync" or event.file == _LEDGER:
            self.sure[event.file] = _done(
                self.sure.get(event.file, b""), self.later.pop(event.file)
            )

    def left(self, rng: random.Random) -> tuple[dict[str, bytes], int]:
        """What a machine finds that comes up again, and how many writes had not been sure."""
        found = dict(self.sure)
        for name, events in self.later.items():
            found[name] = _done(found.get(name, b""), _survived(events, rng))
        return found, sum(map(len, self.later.values()))


def _survived(events: Sequence[Event], rng: random.Random) -> list[Event]:
    """Which of the events that nobody waited for came to the disk."""
    match rng.randrange(4):
        case 0:
            return []
        case 1:
            return [*events]
        case 2:
            return [*events[: rng.randrange(len(events) + 1)]]
    sectors = [part for event in events for part in _sectors(event)]
    return [part for part in sectors if rng.random() < 0.5]


def _sectors(event: Event) -> Iterator[Event]:
    if event.kind != "write":
        yield event
        return
    for start in range(0, len(event.data), _SECTOR):
        part = event.data[start : start + _SECTOR]
        yield Event(file=event.file, kind="write", at=event.at + start, data=part)


def _done(content: bytes, events: Sequence[Event]) -> bytes:
    held = bytearray(content)
    for event in events:
        if event.kind == "gone":
            held.clear()
        elif event.kind == "cut":
            held[event.at :] = bytes(max(0, event.at - len(held)))
        elif event.kind == "write":
            at = len(held) if event.at < 0 else event.at
            held.extend(bytes(max(0, at - len(held))))
            held[at : at + len(event.data)] = event.data
    return bytes(held)


def _events(log: Path, folder: Path) -> Iterator[Event]:
    """What strace saw of the files in `folder`; a sync counts once it has returned."""
    waiting: dict[str, str] = {}
    for line in log.read_text().splitlines():
        if resumed := _RESUMED.match(line):
            yield Event(file=waiting.pop(resumed["thread"]), kind="sync")
            continue
        call = _CALL.match(line)
        if call is None:
            continue
        path = Path(call["path"] or call["gone"] or "")
        if path.parent != folder or path.name not in _KEPT:
            continue
        name, rest = path.name, call["rest"]
        if call["name"] in {"fsync", "fdatasync"}:
            if "unfinished" in rest:
                waiting[call["thread"]] = name
            else:
                yield Event(file=name, kind="sync")
        elif call["name"] == "unlink":
            yield Event(file=name, kind="gone")
        elif call["name"] == "ftruncate":
            yield Event(file=name, kind="cut", at=int(re.findall(r"\d+", rest)[0]))
        else:
            text, _, numbers = rest.removeprefix(", ").rpartition('", ')
            data = ast.literal_eval(f'b{text}"')
            at = re.findall(r"\d+", numbers)[1] if call["name"] == "pwrite64" else "-1"
            yield Event(file=name, kind="write", at=int(at), data=data)


def _traced(folder: Path, seed: int) -> list[Event]:
    """The events of a whole run that nobody disturbed."""
    log = folder / "strace.log"
    command = [
        STRACE, "-f", "-y", "-x", "-s", str(1 << 20), "-e", _TRACED, "-o", str(log),
        sys.executable, "-m", "tests.cell.journal.power", "--life", str(folder), str(seed),
    ]  # fmt: skip
    subprocess.run(command, check=True, timeout=300)
    return [*_events(log, folder)]


def _cut(folder: Path, disk: dict[str, bytes], seed: int, cut: int) -> FileWorld:
    """Go on from what is on `disk`, to the end; the world then."""
    agent = _agent(seed)
    for name, content in disk.items():
        (folder / name).write_bytes(content)
    for attempt in range(2, _MOST_LIVES):
        in_a_child(f"sqlite:///{folder}/x.db", folder, agent, attempt, None)
        assert not (folder / "broken").exists(), (seed, cut, (folder / "broken").read_text())
        if (folder / "said").exists():
            return FileWorld(folder / _LEDGER)
    raise AssertionError(f"seed {seed}, cut {cut}: the run does not end")


def _agent(seed: int) -> Step:
    return program(random.Random(seed), TASTE)  # noqa: S311


def _one_run(folder: Path, seed: int, cuts: int, figures: Figures) -> None:
    rng = random.Random(seed)  # noqa: S311
    there = World()
    said = json.loads(json.dumps(direct(_agent(seed), there)))
    first = folder / "first"
    first.mkdir()
    url = f"sqlite:///{first}/x.db"
    with Database.open(url) as database:
        prepare(database)
    sure = {name: (first / name).read_bytes() for name in _KEPT if (first / name).exists()}
    events = _traced(first, seed)
    figures.runs += 1
    places = [int((n + rng.random()) * len(events) / cuts) for n in range(cuts)]
    for cut in places:
        disk = Disk(sure=dict(sure))
        for event in events[:cut]:
            disk.happen(event)
        image, unsure = disk.left(rng)
        figures.cuts += 1
        figures.unsynchronised += unsure
        again = folder / f"cut{cut}"
        again.mkdir(exist_ok=True)
        world = _cut(again, image, seed, cut)
        keys = [deed.key for deed in world.deeds]
        figures.effects += len(keys)
        figures.twice += len(keys) - len(set(keys))
        figures.lost += sum((counted(there) - counted(world)).values())
        figures.unknown += sum(map(int, (again / "asked").read_text().split()))
        assert counted(world) == counted(there), (seed, cut, world.deeds)
        assert json.loads((again / "said").read_text()) == said, (seed, cut)
        shutil.rmtree(again)


def main(cuts: int) -> Figures:
    """Cut power so many times, ten times in a run."""
    figures = Figures()
    for seed in range(-(-cuts // CUTS_A_RUN)):
        with tempfile.TemporaryDirectory(prefix="sea-power-") as name:
            _one_run(Path(name), seed, min(CUTS_A_RUN, cuts - figures.cuts), figures)
    return figures


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["--life", place, number]:
            asyncio.run(life(f"sqlite:///{place}/x.db", Path(place), _agent(int(number)), 1, None))
            os._exit(0)
        case [number]:
            sys.stdout.write(json.dumps(asdict(main(int(number)))))
        case _:
            raise SystemExit(__doc__)
