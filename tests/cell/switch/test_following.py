"""A whole cell's switch against a control over HTTP, and what it survives."""

import asyncio
import contextlib
import random
import signal
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
import pytest

from seatrial.cell.switch import store
from seatrial.cell.switch.domain import Counts, Current, EnrolmentMismatched, Figures
from seatrial.cell.switch.service.admission import admitted, current
from seatrial.cell.switch.service.blobs import Blobs
from seatrial.cell.switch.service.cell import CellSwitch, Surroundings
from seatrial.cell.switch.service.enrolling import Application, known_enrolment, own_keys
from seatrial.contract.environments.rules import Profile
from seatrial.contract.evidence.statements import Step
from seatrial.kit.clock import SystemClock
from seatrial.kit.crypto.digests import Digest
from seatrial.kit.crypto.keyfiles import KeyFileExposed
from seatrial.kit.database.database import Database
from seatrial.kit.database.migrations import migrate_now
from seatrial.kit.http.by_aiohttp import aiohttp_client
from seatrial.kit.http.listening import listen
from seatrial.kit.http.server import Server
from seatrial.kit.leases import store as leases
from seatrial.kit.transparency import store as log
from seatrial.kit.transparency.service import every_entry, verify_log
from tests.cell.switch.seamarks import BUNDLE, FakeControl, FakeWarmer
from tests.cell.switch.served import Served, control_at, url_of
from tests.cell.switch.test_switching import POINTS
from tests.contract.making import Crew, release
from tests.kit.http.peers import PATIENCE
from tests.kit.leases.looped import in_a_loop

ONE, TWO = release(prompt="one"), release(prompt="two")
HISTORIES = [leases.HISTORY, log.HISTORY, store.HISTORY]


def token_file(control: FakeControl, folder: Path) -> Path:
    folder.mkdir(mode=0o700, exist_ok=True)
    path = folder / "enrolment.token"
    if not path.exists() and not (folder / "enrolment.json").exists():
        control.tokens.add(f"once-{folder.name}")
        path.write_text(f"once-{folder.name}\n")
        path.chmod(0o600)
    return path


async def until(met: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not met():  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0.01)


@dataclass(kw_only=True)
class Running:
    """A cell's switch in this process."""

    switch: CellSwitch
    database: Database
    warmer: FakeWarmer
    counts: dict[Digest, Counts] = field(default_factory=dict)
    flips: list[int] = field(default_factory=list)

    async def figures(self) -> Figures:
        return await self.switch.figures()

    async def until(self, met: Callable[[Figures], bool]) -> Figures:
        async with asyncio.timeout(PATIENCE):
            while True:
                figures = await self.figures()
                if met(figures):
                    return figures
                await asyncio.sleep(0.01)


@contextlib.asynccontextmanager
async def running(
    database: Database, control: FakeControl, url: str, folder: Path, holder: str = "one"
) -> AsyncIterator[Running]:
    token_file(control, folder)
    warmer, counts, flips = FakeWarmer(), dict[Digest, Counts](), list[int]()

    def flipped(now: Current) -> None:
        flips.append(now.generation)

    async with aiohttp_client() as client:
        around = Surroundings(
            database=database,
            client=client,
            blobs=Blobs(folder / "blobs"),
            warmer=warmer,
            count=lambda _connection, name: counts.get(name, Counts()),
            busy=lambda _connection: frozenset(),
            on_flip=flipped,
            clock=SystemClock(),
            chance=random.Random(1),  # noqa: S311 - of pauses
        )
        application = application_in(folder, url)
        roots = (control.crew.root.verify_key,)
        switch = CellSwitch(around, application, own_keys(folder), roots, holder=holder)
        switch.begin_now()
        task = asyncio.create_task(switch.run())
        try:
            yield Running(
                switch=switch, database=database, warmer=warmer, counts=counts, flips=flips
            )
            assert not task.done()
        finally:
            task.cancel()
            await asyncio.wait({task})


def application_in(folder: Path, url: str, **changes: Any) -> Application:
    given: dict[str, Any] = {
        "folder": folder,
        "token_file": folder / "enrolment.token",
        "control": url,
        "url": "http://production.localhost:1",
        "cell": "production",
        "environment": "production",
        "profile": Profile.SOLO,
    }
    return Application(**(given | changes))


@pytest.fixture
def control() -> FakeControl:
    return FakeControl(crew=Crew())


@pytest.fixture
def ready(database: Database) -> Database:
    migrate_now(database, HISTORIES)
    return database


@pytest.fixture
def sqlite_ready(sqlite_url: str) -> Any:
    with Database.open(sqlite_url) as database:
        migrate_now(database, HISTORIES)
        yield database


@in_a_loop
async def test_from_a_token_file_to_a_release_in_force_and_back(
    ready: Database, control: FakeControl, tmp_path: Path
) -> None:
    async with control_at(Served(control=control)) as server:
        folder = tmp_path / "cell"
        async with running(ready, control, url_of(server), folder) as cell:
            await cell.until(lambda figures: figures.leads and figures.keyring == 2)
            assert not (folder / "enrolment.token").exists()
            assert (folder / "enrolment.json").stat().st_mode & 0o777 == 0o600
            for each in (ONE, TWO):
                number = control.order(each)
                await cell.until(lambda figures, number=number: figures.generation == number)  # type: ignore[misc]
            await until(lambda: control.heard.current == 2)
            figures = await cell.figures()
            assert (figures.behind, figures.trouble, figures.enrolled) == (0, "", True)
            assert figures.control_seconds is not None
            await until(lambda: cell.flips[-1] == 2)  # told of levels; it may have missed the first
            assert cell.flips in ([0, 1, 2], [0, 2])
            # What was in force before stays warm, so that going back waits for nothing.
            await until(lambda: cell.warmer.kept == {ONE.name, TWO.name})
            found = await ready.write(lambda connection: admitted(connection, "support"))
            assert found.release == TWO.name


@in_a_loop
async def test_runs_are_counted_signed_and_posted_when_they_change(
    ready: Database, control: FakeControl, tmp_path: Path
) -> None:
    async with (
        control_at(Served(control=control)) as server,
        running(ready, control, url_of(server), tmp_path / "cell") as cell,
    ):
        control.order(ONE)
        await cell.until(lambda figures: figures.generation == 1)
        cell.counts[ONE.name] = Counts(succeeded=3, good=1, judged=2)
        cell.switch.changed()
        await until(lambda: any(facts.succeeded == 3 for _, facts in control.facts))
        control.refuses = True
        cell.counts[ONE.name] = Counts(succeeded=4, failed=1, good=1, judged=2)
        cell.switch.changed(ONE.name)
        await asyncio.sleep(0.3)
        control.refuses = False
        await until(lambda: control.facts[-1][1].failed == 1)
        sequences = [facts.sequence for _, facts in control.facts]
        assert sequences == sorted(set(sequences))
        assert {name for name, _ in control.facts} == {ONE.name}


@in_a_loop
async def test_with_control_gone_it_starts_and_serves_what_was_in_force(
    sqlite_ready: Database, control: FakeControl, tmp_path: Path
) -> None:
    folder = tmp_path / "cell"
    async with control_at(Served(control=control)) as server:
        url = url_of(server)
        async with running(sqlite_ready, control, url, folder) as cell:
            control.order(ONE)
            await cell.until(lambda figures: figures.generation == 1)
    async with running(sqlite_ready, control, url, folder) as cell:
        await until(lambda: cell.warmer.warmed == [ONE.name])
        assert cell.flips == [1]
        figures = await cell.until(lambda figures: figures.trouble != "")
        assert figures.trouble.startswith("peer_unreachable")
        found = await sqlite_ready.write(lambda connection: admitted(connection, "support"))
        assert found.release == ONE.name


@in_a_loop
async def test_a_commit_that_was_heard_is_carried_out_even_if_control_is_gone(
    sqlite_ready: Database, control: FakeControl, tmp_path: Path
) -> None:
    """It died between hearing of the commit and the flip; control died too."""
    folder = tmp_path / "cell"
    async with control_at(Served(control=control)) as server:
        url = url_of(server)
        async with running(sqlite_ready, control, url, folder) as cell:
            control.commits = False
            control.order(ONE)
            await until(lambda: control.heard.prepared == 1)
            await cell.until(lambda figures: figures.prepared == 1)
    control.commit()
    text = control.text
    await sqlite_ready.write(
        lambda connection: store.keep_desired(connection, text, SystemClock().now())
    )
    async with running(sqlite_ready, control, url, folder) as cell:
        await cell.until(lambda figures: figures.generation == 1)


@in_a_loop
async def test_what_another_version_kept_of_control_does_not_stop_the_cell(
    sqlite_ready: Database, control: FakeControl, tmp_path: Path
) -> None:
    at = SystemClock().now()
    await sqlite_ready.write(lambda connection: store.keep_desired(connection, '{"new": 1}', at))
    async with (
        control_at(Served(control=control)) as server,
        running(sqlite_ready, control, url_of(server), tmp_path / "cell") as cell,
    ):
        control.order(ONE)
        await cell.until(lambda figures: figures.generation == 1)


@in_a_loop
async def test_control_may_restart_at_any_time(
    sqlite_ready: Database, control: FakeControl, tmp_path: Path
) -> None:
    served = Served(control=control)
    async with control_at(served) as server:
        port = int(url_of(server).rpartition(":")[2])
        async with running(sqlite_ready, control, url_of(server), tmp_path / "cell") as cell:
            await cell.until(lambda figures: figures.keyring == 2)
            await server.stop(0.0)
            control.order(ONE)
            await cell.until(lambda figures: figures.trouble != "")
            async with control_again(Served(control=control), port):
                await cell.until(lambda figures: figures.generation == 1)
                await cell.until(lambda figures: figures.trouble == "")


@contextlib.asynccontextmanager
async def control_again(served: Served, port: int) -> AsyncIterator[None]:
    server = Server(served.app(), listen("127.0.0.1", port))
    await server.start()
    try:
        yield
    finally:
        served.lifetime.serve()
        served.lifetime.drain()
        await server.stop(0.0)


@pytest.mark.parametrize(
    "garbage",
    [b"{", b"null", b"[" * 5_000, b'{"cell": 1}', b"\xff\xfe", b'"' + b"x" * 1_000_000 + b'"'],
)
def test_whatever_control_answers_the_cell_lives_on(
    sqlite_ready: Database, control: FakeControl, tmp_path: Path, garbage: bytes
) -> None:
    async def run() -> None:
        served = Served(control=control)
        async with (
            control_at(served) as server,
            running(sqlite_ready, control, url_of(server), tmp_path / "cell") as cell,
        ):
            await cell.until(lambda figures: figures.keyring == 2)
            served.garbage = garbage
            control.order(ONE)
            await cell.until(lambda figures: figures.trouble.startswith("desired_malformed"))
            served.garbage = b""
            await cell.until(lambda figures: figures.generation == 1)

    asyncio.run(run())


@in_a_loop
async def test_a_control_that_never_stops_talking_is_not_asked_without_end(
    sqlite_ready: Database, control: FakeControl, tmp_path: Path
) -> None:
    async with (
        control_at(Served(control=control)) as server,
        running(sqlite_ready, control, url_of(server), tmp_path / "cell") as cell,
    ):
        await cell.until(lambda figures: figures.keyring == 2)
        before = control.asked
        for _ in range(100):
            control.tell()
            await asyncio.sleep(0.01)
        assert control.asked - before < 60
        control.order(ONE)
        await cell.until(lambda figures: figures.generation == 1)


@in_a_loop
async def test_a_newer_wish_cuts_a_long_preparation_short(
    sqlite_ready: Database, control: FakeControl, tmp_path: Path
) -> None:
    async with (
        control_at(Served(control=control)) as server,
        running(sqlite_ready, control, url_of(server), tmp_path / "cell") as cell,
    ):
        await cell.until(lambda figures: figures.keyring == 2)
        cell.warmer.hold = asyncio.Event()  # a build without end
        control.order(ONE)
        await until(lambda: cell.warmer.asked == [ONE.name])
        assert (tmp_path / "cell/blobs" / Digest.of(BUNDLE).hex).is_file()
        cell.warmer.hold = None
        control.order(TWO)
        await cell.until(lambda figures: figures.generation == 2)
        assert cell.warmer.warmed == [TWO.name]


@in_a_loop
async def test_of_two_processes_one_switches_and_both_are_told_and_warm(
    postgres_url: str, control: FakeControl, tmp_path: Path
) -> None:
    with Database.open(postgres_url) as first, Database.open(postgres_url) as second:
        migrate_now(first, HISTORIES)
        served = Served(control=control)
        async with (
            control_at(served) as server,
            running(first, control, url_of(server), tmp_path / "one", "one") as one,
            running(second, control, url_of(server), tmp_path / "two", "two") as two,
        ):
            control.order(ONE)
            await one.until(lambda figures: figures.generation == 1)
            await until(lambda: one.flips[-1:] == two.flips[-1:] == [1])
            await until(lambda: one.warmer.warmed == two.warmer.warmed == [ONE.name])
            leads = [(await each.figures()).leads for each in (one, two)]
            assert sorted(leads) == [False, True]
        kinds = [each.kind for each in first.read_now(lambda c: [*every_entry(c)])]
        assert kinds.count("switch.flipped") == 1


def test_an_enrolment_for_another_environment_is_refused(tmp_path: Path) -> None:
    (tmp_path / "enrolment.json").write_bytes(
        b'{"token":"t","cell":"staging","environment":"staging","region":"local"}'
    )
    with pytest.raises(KeyFileExposed):
        known_enrolment(application_in(tmp_path, "http://127.0.0.1:1"))
    (tmp_path / "enrolment.json").chmod(0o600)
    with pytest.raises(EnrolmentMismatched):
        known_enrolment(application_in(tmp_path, "http://127.0.0.1:1"))


async def child(
    database: str, control: FakeControl, url: str, folder: Path, points: str, holder: str = "child"
) -> Any:
    token_file(control, folder)
    order = {
        "database": database,
        "control": url,
        "folder": str(folder),
        "root": control.crew.root.verify_key.id,
        "holder": holder,
        "failpoints": points,
    }
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.cell.switch.child",
        orjson.dumps(order).decode(),
        env={"PYTHONPATH": "."},
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )


async def killed_at_each(points: list[str], url: str, control: FakeControl, folder: Path) -> None:
    """One process after the other, each killed at its point, over the same database."""
    async with control_at(Served(control=control)) as server:
        for point in points:
            control.order(TWO if control.current % 2 else ONE)
            dying = await child(url, control, url_of(server), folder, f"{point}=kill")
            async with asyncio.timeout(PATIENCE):
                assert await dying.wait() == -9
        last = await child(url, control, url_of(server), folder, "")
        try:
            await until(lambda: control.heard.current == control.last)
        finally:
            last.kill()
            await last.wait()


@in_a_loop
async def test_killed_at_any_point_it_ends_in_one_legal_state(
    database_url: str, control: FakeControl, tmp_path: Path
) -> None:
    points = [point for point in POINTS if not point.startswith("cell.keyring")]
    if database_url.startswith("postgresql"):
        points = ["cell.prepare.after", "cell.flip.before", "cell.flip.after"]
    await killed_at_each(points, database_url, control, tmp_path / "cell")
    with Database.open(database_url) as database:
        now = database.read_now(current)
        assert (now.generation, now.closure) == (
            control.last,
            control.closure_of(control.last),
        )
        records = database.read_now(lambda connection: [*every_entry(connection)])
        verify_log(records)
        flipped = [
            orjson.loads(each.body)["generation"]
            for each in records
            if each.kind == "switch.flipped"
        ]
        assert flipped == sorted(set(flipped))
        assert flipped[-1] == control.last
        steps = {report.step for report in control.reports}
        assert steps == {Step.PREPARED, Step.COMMITTED}


@in_a_loop
async def test_stopped_past_its_lease_and_woken_it_writes_nothing(
    postgres_url: str, control: FakeControl, tmp_path: Path
) -> None:
    async with control_at(Served(control=control)) as server:
        url = url_of(server)
        first = await child(
            postgres_url, control, url, tmp_path / "one", "cell.flip.before=stop", "one"
        )
        second = None
        try:
            await until(lambda: control.version == 2)
            control.order(ONE)
            await until(lambda: control.current == 1)  # it is about to flip, and stands still
            second = await child(postgres_url, control, url, tmp_path / "two", "", "two")
            await until(lambda: control.heard.current == 1)
            first.send_signal(signal.SIGCONT)
            control.order(TWO)
            await until(lambda: control.heard.current == 2)
        finally:
            for each in filter(None, (first, second)):
                each.kill()
                await each.wait()
    with Database.open(postgres_url) as database:
        records = database.read_now(lambda connection: [*every_entry(connection)])
        flips = [
            (orjson.loads(each.body)["generation"], each.actor)
            for each in records
            if each.kind == "switch.flipped"
        ]
        assert [generation for generation, _ in flips] == [1, 2]
        assert flips[0][1] == own_keys(tmp_path / "two").signing.id
