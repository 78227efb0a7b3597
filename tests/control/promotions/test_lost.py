"""Reports in any order, some twice, some never: control comes to what a simple model says."""

import random
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seatrial.contract.evidence.statements import Step, Verb
from seatrial.contract.switch.api import GenerationRow, GenerationState
from seatrial.kit.clock import VirtualClock
from seatrial.kit.database.database import Database
from tests.contract.making import release
from tests.control.promotions.line import EUROPE, Cell, Line, proposal_of, wait

RELEASES = tuple(release(prompt=prompt) for prompt in ("one", "two", "three"))
Message = tuple[str, int, Step, str]
"""Cell, generation, step, and the envelope that says so."""


class Twin:
    """What must become of each generation, by counting alone."""

    def __init__(self, cells: Sequence[Cell]) -> None:
        self.current = {cell.name: 0 for cell in cells}
        self.fate: dict[int, GenerationState] = {}
        self._prepared: dict[int, set[str]] = {}

    def hears(self, cell: str, about: int, step: Step) -> None:
        if step is Step.COMMITTED and self.fate[about] is GenerationState.COMMITTED:
            self.current[cell] = max(self.current[cell], about)
        if self.fate[about] is not GenerationState.PROPOSED:
            return
        if step is Step.REFUSED:
            self.fate[about] = GenerationState.ABANDONED
        elif step is Step.PREPARED:
            self._prepared.setdefault(about, set()).add(cell)
            if self._prepared[about] == self.current.keys():
                self.fate[about] = GenerationState.COMMITTED

    @property
    def newest(self) -> int | None:
        done = [each for each, fate in self.fate.items() if fate is GenerationState.COMMITTED]
        return max(done, default=None)


def spoken(chance: random.Random, cells: Sequence[Cell], row: GenerationRow) -> list[Message]:
    """What the cells say of a generation, each thing not at all, once or twice."""
    return [
        (cell.name, row.generation, step, cell.says(row, step))
        for cell in cells
        for step in Step
        if step is not Step.REFUSED or chance.random() < 0.2
        for _ in range(chance.choice([0, 1, 1, 2]))
    ]


async def end_of(line: Line, row: GenerationRow, twin: Twin) -> None:
    """Let patience end for what is still under way."""
    if twin.fate[row.generation] is GenerationState.PROPOSED:
        assert isinstance(line.clock, VirtualClock)
        line.clock.advance(120)
        assert await line.promotions.tick() == 1
        twin.fate[row.generation] = GenerationState.ABANDONED


async def compare(line: Line, twin: Twin) -> None:
    """Control and the model say the same."""
    rows = await line.promotions.generations("production", 9)
    assert {each.generation: each.state for each in rows} == twin.fate
    status = (await line.promotions.status()).environments[1]
    assert {each.cell: each.current for each in status.cells} == twin.current
    told = await line.desired("production", current=twin.newest or 0)
    newest = None if told.committed is None else proposal_of(told.committed)
    assert newest == twin.newest


async def play(line: Line, chance: random.Random) -> None:
    cells = [line.cells["production"], line.cells["production-eu"]]
    twin = Twin(cells)
    channel: list[Message] = []
    for each in RELEASES:
        await line.deployed(each)
        row = await line.proposed("production", Verb.PROMOTE)
        twin.fate[row.generation] = GenerationState.PROPOSED
        channel += spoken(chance, cells, row)
        chance.shuffle(channel)
        for _ in range(chance.randrange(len(channel) + 1)):
            cell, about, step, envelope = channel.pop()
            await line.promotions.report(envelope, cell)
            twin.hears(cell, about, step)
        await end_of(line, row, twin)
        await compare(line, twin)


@given(seed=st.integers(0, 2**32))
@settings(max_examples=6)
def test_lost_repeated_and_reordered_reports_come_to_what_the_model_says(
    tmp_path_factory: pytest.TempPathFactory, seed: int
) -> None:
    async def main(database: Database, folder: Path) -> None:
        line = await Line(database, folder, cells=EUROPE).start()
        await play(line, random.Random(seed))  # noqa: S311 - a test's dice

    folder = tmp_path_factory.mktemp("line")
    with Database.open(f"sqlite:///{folder}/test.db") as database:
        wait(main(database, folder))


def test_the_same_on_postgresql(postgres_url: str, tmp_path: Path) -> None:
    async def main(database: Database) -> None:
        line = await Line(database, tmp_path, cells=EUROPE).start()
        await play(line, random.Random(7))  # noqa: S311 - a test's dice

    with Database.open(postgres_url) as database:
        wait(main(database))
