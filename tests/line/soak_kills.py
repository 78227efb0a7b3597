"""kill -9 at every named failpoint, of control and of a cell, beside callers, again and again."""

import asyncio
import contextlib
import random
import signal
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import pytest

from dev.soak import Soak
from seatrial.contract.evidence.statements import Verb
from seatrial.contract.switch.api import GenerationState, PlanRequest
from seatrial.contract.switch.requests import ExcludeRequest, RollbackRequest
from seatrial.kit.database.database import Database
from seatrial.kit.errors import SeatrialError
from seatrial.kit.http.client import AnswerBroken, CallTimedOut, PeerUnreachable
from seatrial.kit.transparency.service import every_entry, verify_log
from tests.line.failpoints import points
from tests.line.load import Load
from tests.line.processes import Process
from tests.line.system import Shape, System, system

_AGENT: Final = """
    import os, time, urllib.request

    if "{version}" == "broken" and os.environ["SEATRIAL_ENVIRONMENT"] == "production":
        raise RuntimeError("not here")

    def run(input, context):
        if input == "wait":
            wait()
        if input is None:
            time.sleep(1.0)
        return {"release": context.release, "version": "{version}"}

    def wait():
        asked = urllib.request.Request(
            os.environ["SEATRIAL_URL"] + "/v1/waits",
            b'{"seconds": 0}',
            {
                "authorization": "Bearer " + os.environ["SEATRIAL_TOKEN"],
                "content-type": "application/json",
            },
        )
        urllib.request.urlopen(asked).read()
    """
_SHARE: Final = 3  # of that many points one is died at in a short cut
_MOST: Final = 6  # rounds in which a point must be reached
_SLOTS: Final = 3
_CELLS: Final = ("production", "production-eu")
_GENERATION: Final = "/v1/environments/production/generations"
Provoke = Callable[["Kills"], Awaitable[None]]


@dataclass(kw_only=True)
class Kills:
    """A system that goes to and fro between two closures while its processes die.

    Attributes:
        line: the system.
        victims: those that die.
        left: points at which one has yet to die; the first is armed.
        target: version that shall be active next.
        closures: digest by version.
        armed: failpoints by process.
    """

    line: System
    victims: list[Process] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    target: str = "1"
    closures: dict[str, str] = field(default_factory=dict)
    armed: dict[str, str] = field(default_factory=dict)
    deaths: int = 0

    async def die_at(self, victims: Sequence[Process], names: Sequence[str]) -> None:
        """Let one of `victims` die at each of `names`, and find everything whole each time."""
        self.victims, self.left = [*victims], [*names]
        if not names:
            return
        for each in self.victims:
            each.kill()
            self._start(each)
        watching = asyncio.create_task(self._watch())
        rounds = 0
        try:
            while self.left:
                before = len(self.left)
                provoking = asyncio.ensure_future(_provoke(self.left[0])(self))
                await asyncio.wait({watching, provoking}, return_when=asyncio.FIRST_COMPLETED)
                if watching.done():
                    watching.result()
                await provoking
                rounds = rounds + 1 if len(self.left) == before else 0
                assert rounds < _MOST, f"nothing here reaches {self.left[0]}: see `_SPECIAL`"
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
        for each in self.victims:
            if self.armed[each.name]:
                each.kill()
                self._start(each)
        await self.line.until_ready(*self.victims)

    def _start(self, process: Process) -> None:
        self.armed[process.name] = f"{self.left[0]}=kill" if self.left else ""
        process.start(self.armed[process.name])

    async def to_and_fro(self) -> None:
        """One switch to the other closure, whatever dies meanwhile."""
        self.target = "1" if self.target == "2" else "2"
        while await self._active() != self.target:
            await self._ordered()
            await self.line.until_level()
        await self.at_rest()

    async def at_rest(self) -> None:
        """Every cell runs the same one of the two closures, whole; a run says so too."""
        await self.line.until_level()
        for name in _CELLS:
            for number in range(self.line.shape.processes):
                await self._says_target(name, number)

    async def _says_target(self, name: str, number: int) -> None:
        async def asked() -> Any:
            try:
                status = await self.line.cell(name, number).status()
                return status, (await self.line.run(name, process=number)).value
            except (AnswerBroken, CallTimedOut, PeerUnreachable):
                return None  # it is about to die, or has

        status, run = await self.line.until(asked, f"{name} to answer")
        assert status["closure"] == self.closures[self.target], (name, status)
        assert run["state"] == "succeeded", run
        assert run["output"]["version"] == self.target, run

    async def _ordered(self) -> None:
        try:
            if self.target == "2":
                await self.line.promote()
            else:
                await self.line.rollback()
        except SeatrialError:
            await asyncio.sleep(0.05)  # control died, or somebody was faster: it is asked again

    async def _active(self) -> str | None:
        async def told() -> str | None:
            try:
                row = (await self.line.row()).current
            except SeatrialError:
                return None
            return str(row.closure)

        closure = await self.line.until(told, "control to answer")
        return next((each for each, digest in self.closures.items() if digest == closure), None)

    async def _watch(self) -> None:
        while True:
            for each in self.victims:
                if each.alive:
                    continue
                assert each.status == -signal.SIGKILL, each.tail()
                self.deaths += 1
                if self.left:
                    self.left.pop(0)
                self._start(each)
                await self._legal()
            await asyncio.sleep(0.01)

    async def _legal(self) -> None:
        """Whatever just died: who lives runs one of the two closures, whole."""
        for name in _CELLS:
            for number, process in enumerate(self.line.cells[name]):
                if process in self.victims:
                    continue
                try:
                    status = await self.line.cell(name, number).status()
                except SeatrialError:
                    continue  # it was killed by the scenario itself
                assert status["closure"] in self.closures.values(), status


async def _go(kills: Kills) -> None:
    await kills.to_and_fro()


async def _refused(kills: Kills) -> None:
    """A release that no cell of production can start: all stays as it was."""
    line = kills.line
    await line.until_level()
    await line.deploy(_AGENT, version="broken")
    await line.soaked()
    with pytest.raises(SeatrialError) as refused:
        await line.promote()
    assert refused.value.code in _LOST | {"generation_abandoned"}, refused.value
    await line.until_level()
    await line.deploy(_AGENT, version="2")
    await kills.at_rest()


async def _crowded(kills: Kills) -> None:
    """More runs than there is room for, so that some wait to be claimed."""
    await kills.line.until_level()
    for _ in range(2 * _SLOTS):
        with contextlib.suppress(SeatrialError):
            await kills.line.run("production", data=None, mode="async")
    await kills.at_rest()


async def _parked(kills: Kills) -> None:
    """Runs that wait for a moment."""
    await kills.line.until_level()
    for _ in range(_SLOTS):
        with contextlib.suppress(SeatrialError):
            await kills.line.run("production", data="wait")
    await kills.at_rest()


async def _overdue(kills: Kills) -> None:
    """A cell is gone for longer than control waits."""
    line = kills.line
    await line.until_level()
    before = (await line.reached.control.generations("production", 1))[0].generation
    (gone,) = line.cells["production-eu"]
    gone.kill()

    async def abandoned() -> bool:
        try:
            rows = await line.reached.control.generations("production", 1)
            if rows[0].state is GenerationState.ABANDONED and rows[0].generation > before:
                return True
            if rows[0].state is not GenerationState.PROPOSED:
                await _proposed(line, "1" if kills.target == "2" else "2")
        except SeatrialError:
            await asyncio.sleep(0.05)
        return False

    await line.until(abandoned, "control to lose its patience")
    gone.start()
    await kills.at_rest()


async def _excluded(kills: Kills) -> None:
    """A cell is gone, and is left out by name; it follows when it is back."""
    line = kills.line
    (gone,) = line.cells["production-eu"]
    gone.kill()
    target = kills.target = "1" if kills.target == "2" else "2"

    async def carried() -> bool:
        try:
            row = await line.row()
            if row.current is not None and str(row.current.closure) == kills.closures[target]:
                return True
            if row.proposed is None:
                await _proposed(line, target)
                return False
            request = ExcludeRequest(cell="production-eu", reason="it is gone")
            path = f"{_GENERATION}/{row.proposed.generation}/exclude"
            await line.reached.control.peer.post(path, request.document())
        except SeatrialError:
            await asyncio.sleep(0.05)
        return False

    await line.until(carried, "the cell to be left out")
    gone.start()
    await kills.at_rest()


async def _proposed(line: System, target: str) -> None:
    if target == "2":
        await line.order("production", PlanRequest(verb=Verb.PROMOTE))
    else:
        await line.reached.control.rollback("production", RollbackRequest())


_LOST: Final = frozenset({"peer_unreachable", "answer_broken", "call_timed_out"})
_SPECIAL: Final[Mapping[str, Provoke]] = {
    "cell.refuse": _refused,
    "control.exclude": _excluded,
    "control.abandon": _refused,
    "control.tick": _overdue,
    "runs.claim": _crowded,
    "runs.park": _parked,
}
"""What leads to a point that promoting and going back do not pass, by the beginning of its name."""


def _provoke(name: str) -> Provoke:
    return next((does for start, does in _SPECIAL.items() if name.startswith(start)), _go)


def killed(loops: int, shape: Shape, seed: int = 0) -> Mapping[str, object]:
    """Die at every point, `loops` times, in an order that differs each time.

    With no loop, die at a third of them once: that is what `make test` has the time for.
    """
    return asyncio.run(_killed(loops, shape, random.Random(seed)))  # noqa: S311


async def _killed(loops: int, shape: Shape, chance: random.Random) -> Mapping[str, object]:
    async with system(shape) as line:
        kills = Kills(line=line)
        for version in ("1", "2"):
            await line.deploy(_AGENT, version=version)
            await line.soaked()
            await line.promote()
            kills.target = version
            kills.closures[version] = str((await line.row()).current.closure)
        await kills.at_rest()
        load = Load(system=line, cells=_CELLS, callers=4, patient=True)
        async with load.going():
            for _ in range(loops or 1):
                for processes, names in _plan(line, chance, 1 if loops else _SHARE):
                    late = [name for name in names if _provoke(name) is _overdue]
                    await kills.die_at(processes, [name for name in names if name not in late])
                    if late:
                        _let_wait(line, 1.0)
                        await kills.die_at(processes, late)
                        _let_wait(line, 120.0)
                        await _anew(line, processes)
                await kills.to_and_fro()
        load.check()
        codes = [each.end() for each in line.processes]
        assert codes == [0] * len(codes), line.tails()
        verified = {name: _verified(url) for name, url in line.databases.items()}
    return {
        "cells": len(_CELLS),
        "points": len(points()),
        "deaths": kills.deaths,
        "runs": len(load.seen),
        "asked again": load.cut,
        "log entries verified": sum(verified.values()),
    }


def _let_wait(line: System, seconds: float) -> None:
    for each in line.controls:
        each.tables["control"]["prepare_seconds"] = seconds


async def _anew(line: System, processes: Sequence[Process]) -> None:
    for each in processes:
        each.kill()
        each.start()
    await line.until_ready(*processes)


def _plan(line: System, chance: random.Random, share: int) -> list[tuple[list[Process], list[str]]]:
    names = [*points()]
    chance.shuffle(names)
    names = names[::share]
    control = [name for name in names if name.startswith("control.")]
    cell = [name for name in names if not name.startswith("control.")]
    return [(line.controls, control), (line.cells["production"], cell)]


def _verified(url: str) -> int:
    """Entries of a process group's log, each of them verified."""
    with Database.open(url) as database:
        records = database.read_now(lambda connection: tuple(every_entry(connection)))
    verify_log(records)
    return len(records)


def _soak(database: str) -> Soak:
    many = database == "postgresql"
    shape = Shape(
        production=2,
        database=database,
        processes=1,
        controls=2 if many else 1,
        cell={"runs": {"attempts": 20}, "hosts": {"slots": _SLOTS, "slots_per_release": _SLOTS}},
    )
    return Soak(
        name=f"kills-{database}",
        promise=(
            f"kill -9 at every named failpoint on {database}, beside callers: one whole closure "
            "in every cell afterwards, the next switch works, no run is lost or ends on another "
            "release, every log verifies."
        ),
        run=lambda loops: killed(loops, shape),
        full=10,
        short=0,
    )


SOAKS: Final = (_soak("sqlite"), _soak("postgresql"))
