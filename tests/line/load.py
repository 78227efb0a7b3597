"""Callers who never rest, and what they saw: each run on one release, no refusal, never back."""

import asyncio
import contextlib
import itertools
import math
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from seatrial.kit.errors import SeatrialError
from tests.line.system import System

_CUT: Final = frozenset({"peer_unreachable", "answer_broken", "call_timed_out"})
"""What a caller sees of a process that dies; with its key it asks again."""

_PAUSE: Final = 0.2  # seconds before a caller asks again


@dataclass(frozen=True, kw_only=True)
class Seen:
    """One run as its caller saw it.

    Attributes:
        caller: number of the caller.
        order: position among the caller's runs.
    """

    caller: int
    order: int
    cell: str
    run: str
    release: str
    generation: int
    created: datetime
    state: str


@dataclass(kw_only=True)
class Load:
    """Callers of one agent in the cells of production.

    Attributes:
        system: what they call.
        cells: cells by name; each caller stays with one, and goes round its processes.
        callers: how many.
        data: the input.
        patient: whether a cut connection is an answer that they ask for again.
    """

    system: System
    cells: Sequence[str]
    callers: int = 50
    data: Any = None
    patient: bool = False
    agent: str = "support"
    seen: list[Seen] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    cut: int = 0
    _resting: bool = False

    @contextlib.asynccontextmanager
    async def going(self) -> AsyncIterator["Load"]:
        """They call until the block ends; then each ends the call that it has begun."""
        self._resting = False
        async with asyncio.TaskGroup() as tasks:
            for number in range(self.callers):
                tasks.create_task(self._calls(number))
            try:
                yield self
            finally:
                self._resting = True

    async def calls(self, more: int) -> None:
        """Return when `more` further calls have been answered."""
        wanted = len(self.seen) + more
        while len(self.seen) < wanted and not self.refused:  # noqa: ASYNC110 - a glance
            await asyncio.sleep(0.01)

    async def _calls(self, number: int) -> None:
        cell = self.cells[number % len(self.cells)]
        processes = itertools.cycle(range(len(self.system.cells[cell])))
        generation = 0
        for order in itertools.count():
            if self._resting or self.refused:
                return
            answer = await self._answered(number, order, cell, next(processes), generation)
            if answer is None:
                return
            generation = int(answer.header("seatrial-generation"))
            self._note(number, order, cell, answer)

    async def _answered(
        self, number: int, order: int, cell: str, process: int, generation: int
    ) -> Any:
        headers = (
            ("idempotency-key", f"{id(self)}-{number}-{order}"),
            ("seatrial-generation", str(generation)),
        )
        while True:
            try:
                return await self.system.run(
                    cell, self.agent, self.data, process=process, headers=headers
                )
            except SeatrialError as error:
                if not (self.patient and error.code in _CUT):
                    self.refused.append(f"{cell}: {error.code}: {error.message}")
                    return None
                self.cut += 1
                await asyncio.sleep(_PAUSE)

    def _note(self, number: int, order: int, cell: str, answer: Any) -> None:
        run = answer.value
        said = {
            answer.header("seatrial-release"),
            run["release"],
            (run["output"] or {}).get("release"),
        }
        if run["state"] != "succeeded" or len(said) != 1:
            self.refused.append(f"{cell}: {run}")
        self.seen.append(
            Seen(
                caller=number,
                order=order,
                cell=cell,
                run=run["id"],
                release=run["release"],
                generation=run["generation"],
                created=datetime.fromisoformat(run["created"]),
                state=run["state"],
            )
        )

    def check(self) -> None:
        """Raise unless nobody was refused, and no caller ever met an older generation again."""
        assert not self.refused, self.refused[:5]
        by_caller = defaultdict(list)
        for each in self.seen:
            by_caller[each.caller].append(each)
        for runs in by_caller.values():
            numbers = [each.generation for each in sorted(runs, key=lambda each: each.order)]
            assert numbers == sorted(numbers), numbers
        releases = defaultdict(set)
        for each in self.seen:
            releases[each.generation].add(each.release)
        assert all(len(found) == 1 for found in releases.values()), releases

    def delay(self, generation: int, ordered: datetime) -> float:
        """Seconds from `ordered` to the last run admitted, anywhere, before `generation`."""
        older = [each.created for each in self.seen if each.generation < generation]
        newer = [each.created for each in self.seen if each.generation >= generation]
        assert older, "nobody called before"
        assert newer, "nobody called after"
        return max(0.0, (max(older) - ordered).total_seconds())


def percentile(values: Sequence[float], share: float) -> float:
    """The nearest-rank percentile."""
    ranked = sorted(values)
    return ranked[max(0, math.ceil(share * len(ranked)) - 1)]
