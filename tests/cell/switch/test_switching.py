"""One cell against one control, on real databases, with real signatures."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest

from seatrial.cell.hosts.domain import EntryMissing, HostUnstartable
from seatrial.cell.switch import store
from seatrial.cell.switch.domain import (
    DesiredMalformed,
    DesiredMisdirected,
    KeyringForked,
    Why,
)
from seatrial.cell.switch.service.admission import admitted, begin, current, release_document
from seatrial.cell.switch.service.blobs import Blobs
from seatrial.cell.switch.service.preparing import Preparer
from seatrial.cell.switch.service.retention import forget, recall
from seatrial.cell.switch.service.steps import LEASE, revoke
from seatrial.cell.switch.service.switching import Myself, Switcher
from seatrial.contract.environments.profiles import rules_of
from seatrial.contract.environments.rules import Profile
from seatrial.contract.evidence.keyring import KeyringOlder, sign_keyring
from seatrial.contract.evidence.statements import Step, Verb
from seatrial.contract.switch.desired import Heard
from seatrial.kit.clock import VirtualClock
from seatrial.kit.crypto.digests import Digest
from seatrial.kit.crypto.dsse import EnvelopeUntrusted
from seatrial.kit.database.database import Database
from seatrial.kit.database.migrations import migrate_now
from seatrial.kit.failpoints import FailpointHit, arm
from seatrial.kit.leases import store as leases
from seatrial.kit.leases.domain import LeaseLost
from seatrial.kit.leases.service import Lease
from seatrial.kit.transparency import store as log
from seatrial.kit.transparency.service import every_entry, verify_log
from tests.cell.switch.seamarks import BUNDLE, FakeControl, FakeWarmer
from tests.contract.making import NOW, Crew, closure, release
from tests.kit.leases.looped import in_a_loop

ONE, TWO, THREE = (release(prompt=text) for text in ("one", "two", "three"))


@dataclass(kw_only=True)
class Cell:
    """A cell's switch, without its loops."""

    database: Database
    control: FakeControl
    warmer: FakeWarmer
    folder: Path
    clock: VirtualClock
    flips: int = 0
    epoch: int = 0

    def __post_init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        """Forget all that is in memory."""
        self.blobs = Blobs(self.folder / "blobs")
        self.preparer = Preparer(self.database, self.control, self.blobs, self.warmer, self.clock)
        myself = Myself(
            cell="production",
            environment="production",
            key=self.control.crew.production,
            roots=(self.control.crew.root.verify_key,),
        )
        self.switcher = Switcher(
            self.database, myself, self.control, self.preparer, self.clock, self._flipped
        )

    def _flipped(self) -> None:
        self.flips += 1

    async def lead(self) -> None:
        taken = await Lease(self.database, LEASE, "me", self.clock).acquire()
        assert taken is not None
        self.epoch = taken

    async def apply(self, text: str | None = None) -> bool:
        return await self.switcher.apply(text or self.control.text, self.epoch)

    async def follow(self) -> None:
        """Apply until control has nothing new."""
        for _ in range(20):
            before = self.control.text
            await self.apply(before)
            if self.control.text == before:
                return
        raise AssertionError("it does not come to rest")

    @property
    def generation(self) -> int:
        return self.database.read_now(current).generation

    @property
    def said(self) -> list[tuple[int, Step]]:
        return [(report.generation, report.step) for report in self.control.reports]

    @property
    def logged(self) -> list[str]:
        return [record.kind for record in self.database.read_now(lambda c: [*every_entry(c)])]


def ready(database: Database) -> Database:
    migrate_now(database, [leases.HISTORY, log.HISTORY, store.HISTORY])
    database.write_now(lambda connection: begin(connection, closure(), NOW))
    return database


Test = Callable[[Cell], Coroutine[Any, Any, None]]


@pytest.fixture
def cell(database: Database, tmp_path: Path) -> Cell:
    return Cell(
        database=ready(database),
        control=FakeControl(crew=Crew()),
        warmer=FakeWarmer(),
        folder=tmp_path,
        clock=VirtualClock(NOW),
    )


@pytest.fixture
def sqlite_cell(sqlite_url: str, tmp_path: Path) -> Any:
    """Where the database's kind plays no part."""
    with Database.open(sqlite_url) as database:
        yield Cell(
            database=ready(database),
            control=FakeControl(crew=Crew()),
            warmer=FakeWarmer(),
            folder=tmp_path,
            clock=VirtualClock(NOW),
        )


@in_a_loop
async def test_an_order_is_prepared_said_committed_and_put_in_force(cell: Cell) -> None:
    await cell.lead()
    cell.control.order(ONE)
    await cell.apply()
    assert cell.said == [(1, Step.PREPARED)]
    assert (cell.generation, cell.flips) == (0, 0)
    assert cell.warmer.warmed == [ONE.name]
    assert cell.blobs.path(Digest.of(BUNDLE)).read_bytes() == BUNDLE
    await cell.follow()
    assert cell.said == [(1, Step.PREPARED), (1, Step.COMMITTED)]
    assert (cell.generation, cell.flips) == (1, 1)
    found = await cell.database.write(lambda connection: admitted(connection, "support"))
    assert (found.generation, found.release, found.moved_at) == (1, ONE.name, 0)
    kept = await cell.database.read(lambda connection: release_document(connection, ONE.name))
    assert kept == ONE
    assert cell.logged == ["keyring.taken", "switch.prepared", "switch.flipped"]
    records = cell.database.read_now(lambda connection: [*every_entry(connection)])
    assert verify_log(records).head.size == 3


@in_a_loop
async def test_nothing_is_done_twice(cell: Cell) -> None:
    await cell.lead()
    cell.control.order(ONE)
    await cell.follow()
    for _ in range(3):
        await cell.apply()
    assert (len(cell.said), cell.flips, len(cell.logged)) == (2, 1, 3)


@in_a_loop
async def test_back_it_goes_without_control_network_or_build(cell: Cell) -> None:
    await cell.lead()
    for each in (ONE, TWO):
        cell.control.order(each)
        await cell.follow()
    cell.control.order(ONE, verb=Verb.ROLLBACK, evidence=())
    cell.control.releases.clear()
    cell.control.blobs.clear()
    await cell.follow()
    found = await cell.database.write(lambda connection: admitted(connection, "support"))
    assert (found.generation, found.release, found.moved_at) == (3, ONE.name, 3)
    cell.control.order(TWO)
    await cell.follow()
    again = await cell.database.write(lambda connection: admitted(connection, "support"))
    assert (again.generation, again.moved_at) == (4, 3)


@in_a_loop
async def test_what_fails_the_gates_is_refused_and_said(cell: Cell) -> None:
    await cell.lead()
    cell.control.order(ONE, evidence=())
    await cell.follow()
    assert cell.said == [(1, Step.REFUSED)]
    assert cell.control.reports[0].reason.startswith("gates_unmet: provenance (support)")
    assert cell.warmer.warmed == []
    assert cell.logged == ["keyring.taken", "switch.refused"]
    cell.control.order(ONE)
    await cell.follow()
    assert cell.generation == 2


@in_a_loop
async def test_what_is_refused_though_all_others_run_it_is_refused_once(cell: Cell) -> None:
    await cell.lead()
    cell.control.order(ONE, evidence=())
    cell.control.commit()
    for _ in range(3):
        await cell.apply()
    assert cell.logged == ["keyring.taken", "switch.refused"]
    assert cell.said == [(1, Step.REFUSED)]
    assert cell.switcher.trouble.startswith("gates_unmet")


@in_a_loop
async def test_documents_that_come_late_again_and_out_of_order_change_nothing(
    cell: Cell,
) -> None:
    await cell.lead()
    seen = [cell.control.text]
    for each in (ONE, TWO, THREE):
        cell.control.order(each)
        seen.append(cell.control.text)
        await cell.apply()
        seen.append(cell.control.text)
        await cell.follow()
        seen.append(cell.control.text)
    assert cell.generation == 3
    count = len(cell.logged)
    for text in [*reversed(seen), *seen, *seen[::2]]:
        await cell.apply(text)
        assert cell.generation == 3
    assert len(cell.logged) == count


@in_a_loop
async def test_a_committed_order_that_was_never_seen_proposed_is_caught_up_with(
    cell: Cell,
) -> None:
    await cell.lead()
    cell.control.commits = False
    cell.control.order(ONE)
    cell.control.commit()
    cell.control.order(TWO)
    cell.control.commit()
    await cell.follow()
    assert cell.generation == 2
    assert cell.said == [(2, Step.COMMITTED)]


@in_a_loop
async def test_what_is_called_committed_needs_the_commit_itself(cell: Cell) -> None:
    """Else one row of control's database, edited by hand, would switch a cell before the others."""
    await cell.lead()
    cell.control.commits = False
    cell.control.order(ONE)
    await cell.apply()
    cell.control.current, cell.control.proposed = 1, None
    for _ in range(2):
        with pytest.raises(DesiredMalformed, match="no commit"):
            await cell.apply()
    assert cell.generation == 0
    cell.control.commit_at[1] = NOW
    await cell.follow()
    assert cell.generation == 1


@in_a_loop
async def test_what_control_has_not_heard_is_said_again(cell: Cell) -> None:
    await cell.lead()
    cell.control.order(ONE)
    cell.control.refuses = True
    assert not await cell.apply()
    assert cell.said == []
    cell.control.refuses = False
    await cell.follow()
    assert cell.said == [(1, Step.PREPARED), (1, Step.COMMITTED)]
    cell.control.heard = Heard()
    await cell.apply()
    assert cell.said[2:] == [(1, Step.COMMITTED)]


@in_a_loop
async def test_two_keyrings_of_one_version_and_older_ones_are_refused(cell: Cell) -> None:
    await cell.lead()
    cell.control.version = 5
    await cell.apply()
    cell.control.version = 4
    with pytest.raises(KeyringOlder):
        await cell.apply()
    crew = cell.control.crew
    other = crew.keyring(5).model_copy(update={"people": ()})
    document = cell.control.desired_document().document()
    document["keyring"] = sign_keyring(other, crew.root).decode()
    with pytest.raises(KeyringForked):
        await cell.apply(orjson.dumps(document).decode())
    cell.restart()
    with pytest.raises(KeyringOlder):
        await cell.apply()


@in_a_loop
async def test_a_keyring_of_another_root_brings_nothing_in(cell: Cell) -> None:
    await cell.lead()
    cell.control.order(ONE)
    document = cell.control.desired_document().document()
    stranger = cell.control.crew.stranger
    document["keyring"] = sign_keyring(cell.control.crew.keyring(9), stranger).decode()
    with pytest.raises(EnvelopeUntrusted):
        await cell.apply(orjson.dumps(document).decode())
    assert (cell.generation, cell.logged, cell.said) == (0, [], [])


@in_a_loop
async def test_a_newer_keyring_takes_back_what_an_older_one_trusted(cell: Cell) -> None:
    await cell.lead()
    cell.control.order(ONE)
    crew = cell.control.crew
    document = cell.control.desired_document().document()
    ring = crew.keyring(2).model_copy(update={"control": (crew.stranger.id,)})
    document["keyring"] = sign_keyring(ring, crew.root).decode()
    await cell.apply(orjson.dumps(document).decode())
    assert (cell.generation, cell.said) == (0, [])
    assert cell.switcher.trouble.startswith(Why.SIGNATURE)


@pytest.mark.parametrize(
    "text", ["", "{", "null", "[]", "{}", '"x"', "[" * 100_000, '{"cell":"production"}', "\udcff"]
)
def test_what_is_no_document_is_refused_whole(sqlite_cell: Cell, text: str) -> None:
    async def run() -> None:
        await sqlite_cell.lead()
        with pytest.raises(DesiredMalformed):
            await sqlite_cell.switcher.apply(text, sqlite_cell.epoch)

    asyncio.run(run())
    assert sqlite_cell.logged == []


@in_a_loop
async def test_a_document_for_another_cell_is_refused(sqlite_cell: Cell) -> None:
    await sqlite_cell.lead()
    for field in ("cell", "environment"):
        document = sqlite_cell.control.desired_document().document() | {field: "staging"}
        with pytest.raises(DesiredMisdirected):
            await sqlite_cell.apply(orjson.dumps(document).decode())


@in_a_loop
async def test_a_release_or_blob_with_one_byte_changed_is_not_kept(cell: Cell) -> None:
    await cell.lead()
    cell.control.order(ONE)
    document = cell.control.releases[ONE.name]
    bodies = document["components"]
    bodies[1]["body"] = {"text": "Be rude."}
    await cell.follow()
    assert cell.control.reports[-1].reason.startswith("release_unusable: release_altered")
    assert cell.database.read_now(store.releases) == frozenset()
    cell.control.order(TWO)
    cell.control.blobs[Digest.of(BUNDLE)] = b"bundlE"
    assert not await cell.apply()
    assert not cell.blobs.has(Digest.of(BUNDLE))
    assert list((cell.folder / "blobs").iterdir()) == []
    cell.control.blobs[Digest.of(BUNDLE)] = BUNDLE
    await cell.follow()
    assert cell.generation == 2


@in_a_loop
async def test_a_host_that_can_never_start_refuses_and_one_that_may_is_tried_again(
    cell: Cell,
) -> None:
    await cell.lead()
    cell.warmer.failing[ONE.name] = EntryMissing(entry="a.py:b", reason="no such file")
    cell.control.order(ONE)
    await cell.follow()
    assert cell.control.reports[-1].reason.startswith("prepare_failed: entry_missing")
    cell.warmer.failing[ONE.name] = HostUnstartable(reason="no memory")
    cell.control.order(ONE)
    assert not await cell.apply()
    assert not await cell.apply()
    assert len(cell.said) == 1
    await cell.apply()
    assert cell.control.reports[-1].reason.startswith("prepare_failed: host_unstartable")


@in_a_loop
async def test_rules_that_demand_isolation_are_refused_where_there_is_none(cell: Cell) -> None:
    """Nothing becomes active that is not so already: what runs is what must be isolated."""
    await cell.lead()
    cell.warmer.isolates = False
    cell.control.order(ONE)
    await cell.follow()
    before = cell.control.closure_of(1)
    after = before.model_copy(update={"rules": rules_of(Profile.TEAM, "production")})
    for isolates in (False, True):
        cell.warmer.isolates = isolates
        present = cell.control.current
        order = cell.control.crew.order(
            after, before, cell.control.crew.releaser, verb=Verb.CONFIGURE, previous=present
        )
        made = cell.control.propose(after, Verb.CONFIGURE, [order])
        await cell.follow()
        assert (cell.generation == made) is isolates
    assert cell.control.reports[-3].reason.startswith("prepare_failed: isolation_missing")


@in_a_loop
async def test_what_is_committed_is_never_given_up(cell: Cell) -> None:
    await cell.lead()
    cell.warmer.failing[ONE.name] = HostUnstartable(reason="no memory")
    cell.control.order(ONE)
    cell.control.commit()
    for _ in range(6):
        assert not await cell.apply()
    cell.warmer.failing.clear()
    await cell.follow()
    assert cell.generation == 1


@in_a_loop
async def test_who_leads_no_longer_writes_nothing(cell: Cell) -> None:
    await cell.lead()
    cell.control.order(ONE)
    await cell.apply()
    stale = cell.epoch
    await cell.lead()
    with pytest.raises(LeaseLost):
        await cell.switcher.apply(cell.control.text, stale)
    assert cell.generation == 0
    await cell.follow()
    assert cell.generation == 1


@in_a_loop
async def test_what_is_revoked_between_the_two_steps_is_not_put_in_force(cell: Cell) -> None:
    await cell.lead()
    cell.control.order(ONE)
    await cell.apply()
    done = await cell.database.write(
        lambda connection: revoke(connection, ONE.name, "it lies", "Ada", NOW)
    )
    assert done
    await cell.apply()
    assert cell.generation == 0
    assert cell.control.reports[-1].step is Step.REFUSED
    assert cell.control.reports[-1].reason.startswith("release_revoked: support@1")
    assert not await cell.database.write(
        lambda connection: revoke(connection, ONE.name, "it lies", "Ada", NOW)
    )


@in_a_loop
async def test_a_revocation_moves_sessions_at_once(cell: Cell) -> None:
    await cell.lead()
    for each in (ONE, TWO):
        cell.control.order(each)
        await cell.follow()
    await cell.database.write(lambda c: revoke(c, ONE.name, "it lies", "Ada", NOW))
    found = await cell.database.write(lambda connection: admitted(connection, "support"))
    assert (found.generation, found.moved_at) == (2, 2)


POINTS = [
    "cell.keyring.before",
    "cell.keyring.after",
    "cell.prepare.before",
    "cell.prepare.judged",
    "cell.prepare.warmed",
    "cell.prepare.after",
    "cell.report.before",
    "cell.report.after",
    "cell.flip.before",
    "cell.flip.after",
]


@pytest.mark.parametrize("point", POINTS)
def test_from_every_point_of_the_protocol_it_goes_on_to_the_same_end(
    sqlite_cell: Cell, point: str
) -> None:
    async def run() -> None:
        await sqlite_cell.lead()
        sqlite_cell.control.order(ONE)
        hit = False
        for _ in range(3):
            arm(f"{point}=fail")
            try:
                await sqlite_cell.apply()
            except FailpointHit:
                hit = True
            finally:
                arm("")
            sqlite_cell.restart()
            if hit:
                break
        assert hit
        await sqlite_cell.follow()

    asyncio.run(run())
    assert sqlite_cell.generation == 1
    assert sqlite_cell.logged == ["keyring.taken", "switch.prepared", "switch.flipped"]


@in_a_loop
async def test_what_can_be_gone_back_to_is_kept_and_the_rest_is_not(cell: Cell) -> None:
    await cell.lead()
    for each in (ONE, TWO, THREE):
        cell.control.order(each)
        await cell.follow()
    few = cell.database.read_now(lambda connection: recall(connection, (), closures=1))
    assert few.releases == {TWO.name, THREE.name}
    assert few.blobs == {Digest.of(BUNDLE)}
    busy = cell.database.read_now(lambda c: recall(c, [ONE.name], closures=0))
    assert busy.releases == {ONE.name, THREE.name}
    cell.database.write_now(lambda connection: forget(connection, (), closures=1))
    assert cell.database.read_now(store.releases) == {TWO.name, THREE.name}
    now = NOW + timedelta(days=9_000)
    assert cell.blobs.clear(few.blobs, now.timestamp()) == 0
    assert cell.blobs.clear((), 0.0) == 0
    assert cell.blobs.clear((), now.timestamp()) == 1
