"""A cell against a model of what it may do, whatever is lost, repeated, reordered or killed."""

import asyncio
import contextlib
import tempfile
from collections.abc import Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from seatrial.cell.hosts.domain import HostUnstartable
from seatrial.cell.switch.domain import AgentUnknown, NothingActive
from seatrial.cell.switch.service.admission import admitted, current
from seatrial.cell.switch.service.steps import revoke
from seatrial.contract.evidence.statements import Verb
from seatrial.contract.releases.closure import Closure
from seatrial.kit.clock import VirtualClock
from seatrial.kit.database.database import Database
from seatrial.kit.errors import SeatrialError
from seatrial.kit.failpoints import FailpointHit, arm
from seatrial.kit.transparency.service import every_entry, verify_log
from tests.cell.switch.seamarks import FakeControl, FakeWarmer
from tests.cell.switch.test_switching import POINTS, Cell, ready
from tests.contract.making import NOW, Crew, closure, release

if TYPE_CHECKING:
    from seatrial.kit.crypto.digests import Digest

CREW = Crew()
RELEASES = [release(prompt=text) for text in ("one", "two", "three")]
any_release = st.sampled_from(RELEASES)


class Switch(RuleBasedStateMachine):
    """Control orders, honestly or not; messages and processes fare as they do."""

    @initialize()
    def begin(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        path = Path(self.folder.name)
        self.database = ready(Database.open(f"sqlite:///{path / 'cell.db'}"))
        self.control = FakeControl(crew=CREW)
        self.cell = Cell(
            database=self.database,
            control=self.control,
            warmer=FakeWarmer(),
            folder=path,
            clock=VirtualClock(NOW),
        )
        self.do(self.cell.lead())
        self.honest: dict[int, bool] = {}
        self.revoked: set[Digest] = set()
        self.history = [0]
        self.texts = [self.control.text]

    def do(self, work: Coroutine[Any, Any, Any]) -> None:
        asyncio.run(work)
        self.note()

    def note(self) -> None:
        """Remember what control says now, and where the cell stands now."""
        if hasattr(self, "texts"):
            self.texts.append(self.control.text)
            generation = self.cell.generation
            if generation != self.history[-1]:
                self.history.append(generation)

    @rule(wanted=any_release, honest=st.booleans())
    def order(self, wanted: Any, honest: bool) -> None:
        number = self.control.order(wanted, evidence=None if honest else ())
        self.honest[number] = honest
        self.note()

    @rule(wanted=any_release)
    def roll_back(self, wanted: Any) -> None:
        number = self.control.order(wanted, verb=Verb.ROLLBACK, evidence=())
        self.honest[number] = False
        self.note()

    @precondition(lambda self: self.control.proposed is not None)
    @rule()
    def commit_without_the_cell(self) -> None:
        self.control.commit()
        self.note()

    @rule()
    def sign_a_newer_keyring(self) -> None:
        self.control.version += 1
        self.note()

    @rule(gone=st.booleans())
    def break_or_mend_the_way_back(self, gone: bool) -> None:
        self.control.refuses = gone

    @rule(wanted=any_release, fails=st.booleans())
    def let_a_host_fail(self, wanted: Any, fails: bool) -> None:
        if fails:
            self.cell.warmer.failing[wanted.name] = HostUnstartable(reason="no memory")
        else:
            self.cell.warmer.failing.pop(wanted.name, None)

    @rule(wanted=any_release)
    def revoke_one(self, wanted: Any) -> None:
        self.revoked.add(wanted.name)
        self.database.write_now(lambda c: revoke(c, wanted.name, "it lies", "Ada", NOW))

    @rule()
    def restart(self) -> None:
        self.cell.restart()
        self.do(self.cell.lead())

    @rule(which=st.integers(0, 10_000))
    def an_old_document_comes(self, which: int) -> None:
        self.do(self.applied(self.texts[which % len(self.texts)]))

    @rule()
    def the_newest_document_comes(self) -> None:
        self.do(self.applied(self.control.text))

    @rule(point=st.sampled_from(POINTS))
    def it_dies_at(self, point: str) -> None:
        arm(f"{point}=fail")
        try:
            self.do(self.applied(self.control.text))
        finally:
            arm("")
        self.cell.restart()
        self.do(self.cell.lead())

    async def applied(self, text: str) -> None:
        with contextlib.suppress(FailpointHit, SeatrialError):
            await self.cell.apply(text)

    @rule()
    def all_goes_well_for_a_while(self) -> None:
        """Then the cell reaches what control committed, if it may."""
        self.control.refuses = False
        self.cell.warmer.failing.clear()
        for _ in range(4):
            self.do(self.applied(self.control.text))
        wanted = self.control.current
        if self.may(wanted):
            assert self.cell.generation == wanted, self.cell.switcher.trouble
        else:
            assert self.cell.generation < wanted

    def may(self, generation: int) -> bool:
        """Whether the model lets `generation` come into force, or it is."""
        if generation <= self.history[-1]:
            return True
        after = self.control.closure_of(generation)
        if any(active.release in self.revoked for active in after.agents.values()):
            return False
        verb = self.control.generations[generation][1]
        lived = [self.control.closure_of(known).agents for known in self.history]
        back = verb is Verb.ROLLBACK and after.agents in lived
        return self.honest[generation] or back

    @invariant()
    def what_is_in_force_was_committed_and_is_whole(self) -> None:
        if not hasattr(self, "history"):
            return
        now = self.database.read_now(current)
        assert now.generation == 0 or now.generation in self.control.commit_at
        assert now.closure == self.control.closure_of(now.generation)
        assert self.history == sorted(set(self.history))
        self.admits(now.generation, now.closure)

    def admits(self, generation: int, whole: Closure) -> None:
        try:
            found = self.database.write_now(lambda connection: admitted(connection, "support"))
        except (NothingActive, AgentUnknown):
            assert whole == closure()
        else:
            assert found.generation == generation
            assert found.release == whole.agents["support"].release

    def teardown(self) -> None:
        if not hasattr(self, "history"):
            return
        records = self.database.read_now(lambda connection: [*every_entry(connection)])
        verify_log(records)
        flips = [
            orjson.loads(each.body)["generation"]
            for each in records
            if each.kind == "switch.flipped"
        ]
        assert flips == self.history[1:]
        ready = {
            orjson.loads(each.body)["generation"]
            for each in records
            if each.kind == "switch.prepared"
        }
        assert set(flips) <= ready
        self.database.close_now()
        self.folder.cleanup()


Switch.TestCase.settings = settings(max_examples=25, stateful_step_count=25, deadline=None)
TestSwitch = Switch.TestCase
