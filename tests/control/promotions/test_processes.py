"""Two processes of control on one PostgreSQL: one decides, the other sees it at once."""

import asyncio
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from seatrial.contract.environments.rules import Profile
from seatrial.contract.evidence.statements import Step, Verb
from seatrial.contract.switch.api import GenerationState, OrderAnswer
from seatrial.contract.switch.requests import ExcludeRequest, RollbackRequest
from seatrial.control.promotions.domain.refusals import SwitchUnderWay
from seatrial.control.promotions.domain.switching import Until
from seatrial.control.promotions.service import changes
from seatrial.control.promotions.service.ordering import LEASE
from seatrial.control.promotions.store import generations
from seatrial.kit import failpoints
from seatrial.kit.clock import SystemClock, VirtualClock
from seatrial.kit.database.connection import Connection, Isolation
from seatrial.kit.database.database import Database
from seatrial.kit.errors import SeatrialError
from seatrial.kit.failpoints import FailpointHit
from seatrial.kit.leases.domain import LeaseLost
from seatrial.kit.leases.service import Lease
from tests.contract.making import NOW, release
from tests.control.promotions.line import ADA, EUROPE, Line, wait

ONE, TWO = release(prompt="one"), release(prompt="two")
COMMITTED = Isolation.READ_COMMITTED
PATIENT = 30.0  # seconds; a test that gets there has failed


@dataclass(frozen=True, kw_only=True)
class Pair:
    """Two connections to one database."""

    first: Database
    second: Database
    folder: Path

    async def lines(self, *, real: bool = False) -> tuple[Line, Line]:
        """Two processes of one control."""
        clock = SystemClock() if real else VirtualClock(NOW)
        line = await Line(self.first, self.folder, cells=EUROPE, clock=clock).start()
        return line, line.beside(self.second)


@pytest.fixture
def pair(postgres_url: str, tmp_path: Path) -> Iterator[Pair]:
    with Database.open(postgres_url) as first, Database.open(postgres_url) as second:
        yield Pair(first=first, second=second, folder=tmp_path)


def test_reports_that_race_commit_once(pair: Pair) -> None:
    async def main() -> None:
        lines = await pair.lines()
        for each in (ONE, TWO):
            await lines[0].deployed(each)
            row = await lines[1].proposed("production", Verb.PROMOTE)
            cells = [lines[0].cells[name] for name in ("production", "production-eu")]
            said = [(cell, cell.says(row, Step.PREPARED)) for cell in cells]
            await asyncio.gather(
                *(
                    line.report(cell, words)
                    for _ in range(4)
                    for line in lines
                    for cell, words in said
                )
            )
            told = await lines[0].promotions.generation("production", row.generation)
            assert told.state is GenerationState.COMMITTED
            for cell in cells:
                await lines[1].report(cell, cell.says(row, Step.COMMITTED))
        committed = [each.subject for each in lines[0].log() if each.kind == "switch.committed"]
        assert committed == ["staging/1", "production/1", "staging/2", "production/2"]

    wait(main())


def test_of_orders_that_race_one_begins(pair: Pair) -> None:
    async def main() -> None:
        lines = await pair.lines()
        await lines[0].deployed(ONE)
        plan = await lines[0].plan("production", Verb.PROMOTE)
        requests = [lines[0].signed(plan) for _ in range(6)]
        outcomes = await asyncio.gather(
            *(
                line.promotions.order(request, "production", ADA)
                for request in requests
                for line in lines
            ),
            return_exceptions=True,
        )
        begun = [each for each in outcomes if isinstance(each, OrderAnswer)]
        assert len(begun) == 2  # one order, brought to both
        assert {each.generation.generation for each in begun if each.generation} == {1}
        refused = [each for each in outcomes if not isinstance(each, OrderAnswer)]
        assert {type(each) for each in refused} == {SwitchUnderWay}

    wait(main())


def test_everything_at_once_ends_in_one_legal_state(pair: Pair) -> None:
    """Orders, rollbacks, exclusions, reports and ticks in both processes: nobody is deadlocked."""

    async def main() -> None:
        lines = await pair.lines()
        await lines[0].promoted(ONE)
        await lines[0].deployed(TWO)
        promotions = [line.promotions for line in lines]
        unexpected: list[BaseException] = []

        async def tried(act: object) -> None:
            try:
                await act  # type: ignore[misc]
            except SeatrialError as error:
                if error.status >= 500:
                    unexpected.append(error)

        both = (lines[0].crew.author, lines[0].crew.releaser)  # nobody leaves `team` alone
        for turn in range(6):
            present = (await promotions[0].status()).environments[1].profile
            other = Profile.SOLO if present is Profile.TEAM else Profile.TEAM
            plan = await lines[0].plan("production", Verb.CONFIGURE, profile=other)
            row = (await promotions[0].generations("production", 1))[0]
            cells = [lines[0].cells[name] for name in ("production", "production-eu")]
            leave = ExcludeRequest(cell="production-eu", reason="race")
            acts = [
                act
                for service in promotions
                for act in (
                    service.order(lines[0].signed(plan, *both), "production", ADA),
                    service.rollback(RollbackRequest(to=turn), "production", ADA),
                    service.exclude(leave, "production", row.generation, ADA),
                    service.tick(),
                    *(service.report(c.says(row, Step.PREPARED), c.name) for c in cells),
                    *(service.report(c.says(row, Step.COMMITTED), c.name) for c in cells),
                    service.evidence(lines[0].cells["staging"].counts(TWO), "staging"),
                    service.desired("production", "production"),
                )
            ]
            await asyncio.gather(*map(tried, acts))
        assert unexpected == []
        rows = await promotions[1].generations("production", 50)
        assert len(rows) > 3
        numbers = [each.generation for each in rows]
        assert numbers == sorted(set(numbers), reverse=True)
        under_way = [each for each in rows if each.state is GenerationState.PROPOSED]
        assert len(under_way) <= 1
        log = [each for each in lines[0].log() if each.subject.startswith("production/")]
        settled = [
            each.subject for each in log if each.kind in {"switch.committed", "switch.abandoned"}
        ]
        assert len(settled) == len(set(settled)) == len(rows) - len(under_way)

    wait(main())


def test_what_one_process_decides_wakes_who_waits_at_the_other(pair: Pair) -> None:
    async def main() -> None:
        lines = await pair.lines(real=True)
        await lines[0].deployed(ONE)
        tag, _ = await lines[1].promotions.desired("production", "production")
        waiting = asyncio.create_task(
            lines[1].promotions.desired_after(tag, "production", "production", None, PATIENT)
        )
        tags = lines[1].promotions.tags("production", "production")
        assert await anext(tags) == tag
        row = await lines[0].proposed("production", Verb.PROMOTE)
        async with asyncio.timeout(PATIENT / 2):
            changed, _ = await waiting
            assert changed != tag
            assert await anext(tags) == changed
            until = asyncio.create_task(
                lines[1].promotions.wait("production", 1, Until.EVERYWHERE, PATIENT)
            )
            await lines[0].switched(row)
            told = await until
            assert told.state is GenerationState.COMMITTED
            assert {each.current for each in told.cells} == {1}
        await tags.aclose()  # type: ignore[attr-defined]

    wait(main())


def test_what_a_process_decides_wakes_its_own_without_a_look_at_the_database(
    sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(changes, "POLL", 1_000.0)

    async def main(database: Database) -> None:
        line = await Line(database, tmp_path, clock=SystemClock()).start()
        await line.deployed(ONE)
        tags = line.promotions.tags("production", "production")
        first = await anext(tags)
        async with asyncio.timeout(4):  # less than a cell's presence is noted after
            following = asyncio.ensure_future(anext(tags))
            await asyncio.sleep(0.1)  # the first look at the database is over
            await line.proposed("production", Verb.PROMOTE)
            assert await following != first
        await tags.aclose()  # type: ignore[attr-defined]

    with Database.open(sqlite_url) as database:
        wait(main(database))


def test_who_holds_an_environment_makes_others_wait(pair: Pair) -> None:
    """Else two cells' reports could each miss the other, and nothing would ever be committed."""

    async def main() -> None:
        line, _ = await pair.lines()
        await line.promoted(ONE)  # a row that is only being made would be waited for anyhow
        held, ended = threading.Event(), threading.Event()

        def holding(connection: Connection) -> None:
            generations.hold(connection, "production")
            held.set()
            assert ended.wait(PATIENT)

        def following(connection: Connection) -> bool:
            generations.hold(connection, "production")
            return ended.is_set()

        first = asyncio.create_task(pair.first.write(holding, isolation=COMMITTED))
        await asyncio.to_thread(held.wait, PATIENT)
        second = asyncio.create_task(pair.second.write(following, isolation=COMMITTED))
        await asyncio.wait({second}, timeout=0.3)
        ended.set()
        await first
        assert await second

    wait(main())


def test_a_leader_that_was_replaced_abandons_nothing(pair: Pair) -> None:
    async def main() -> None:
        first, second = await pair.lines()
        await first.deployed(ONE)
        await first.proposed("production", Verb.PROMOTE)
        assert isinstance(first.clock, VirtualClock)
        old = await Lease(pair.first, LEASE, "first", first.clock).acquire()
        new = await Lease(pair.second, LEASE, "first", first.clock).acquire()
        first.clock.advance(120)
        with pytest.raises(LeaseLost):
            await first.promotions.tick(old)
        row = await first.promotions.generation("production", 1)
        assert row.state is GenerationState.PROPOSED
        assert await second.promotions.tick(new) == 1

    wait(main())


@pytest.mark.parametrize(
    ("point", "happened"),
    [
        ("control.order.before", False),
        ("control.propose.before", False),
        ("control.order.after", True),
    ],
)
def test_an_order_whose_process_fails_is_whole_or_nothing(
    sqlite_url: str, tmp_path: Path, point: str, happened: bool
) -> None:
    async def main(database: Database) -> None:
        line = await Line(database, tmp_path).start()
        await line.deployed(ONE)
        request = line.signed(await line.plan("production", Verb.PROMOTE))
        with _failing(point), pytest.raises(FailpointHit):
            await line.promotions.order(request, "production", ADA)
        assert len(await line.promotions.generations("production", 9)) == happened
        again = await line.promotions.order(request, "production", ADA)
        assert again.generation is not None
        assert again.generation.generation == 1

    with Database.open(sqlite_url) as database:
        wait(main(database))


@pytest.mark.parametrize(
    ("point", "happened"),
    [
        ("control.report.before", False),
        ("control.commit.before", False),
        ("control.report.after", True),
    ],
)
def test_a_commit_whose_process_fails_is_whole_or_nothing(
    sqlite_url: str, tmp_path: Path, point: str, happened: bool
) -> None:
    async def main(database: Database) -> None:
        line = await Line(database, tmp_path).start()
        await line.deployed(ONE)
        row = await line.proposed("production", Verb.PROMOTE)
        cell = line.cells["production"]
        with _failing(point), pytest.raises(FailpointHit):
            await line.report(cell, cell.says(row, Step.PREPARED))
        told = await line.promotions.generation("production", 1)
        assert (told.state is GenerationState.COMMITTED) is happened
        assert (line.logged()[-1] == "switch.committed") is happened
        await line.report(cell, cell.says(row, Step.PREPARED))
        assert line.logged().count("switch.committed") == 2  # staging's, and this one

    with Database.open(sqlite_url) as database:
        wait(main(database))


class _failing:  # noqa: N801 - reads as what it does
    def __init__(self, point: str) -> None:
        self._point = point

    def __enter__(self) -> None:
        failpoints.arm(f"{self._point}=fail")

    def __exit__(self, *_: object) -> None:
        failpoints.arm("")
