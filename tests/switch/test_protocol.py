"""Control and cells, each by its own rule, over a network that loses, repeats and reorders.

The rules are the real ones: `control.promotions.domain.decide` and `cell.switch.domain.decide`.
Only signatures and disks are left out: what is durable is a field here, and a cell may die between
any two of its steps. The model is as simple as the promise: a list of closures, and everybody who
runs number n runs the n-th of them.
"""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Final

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle as Bag
from hypothesis.stateful import (
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    rule,
)

from seatrial.cell.switch.domain import Examined, Flip, Prepare, Prepared, Standing, unsaid
from seatrial.cell.switch.domain import decide as cell_decides
from seatrial.contract.environments.profiles import rules_of
from seatrial.contract.environments.rules import Profile
from seatrial.contract.evidence.statements import Step, Verb
from seatrial.contract.releases.closure import Active, Closure
from seatrial.contract.switch.desired import Heard
from seatrial.control.promotions.domain.refusals import (
    CellUnknown,
    GenerationSettled,
    GenerationUnknown,
    NoCell,
    NothingToChange,
    OrderStale,
    SwitchUnderWay,
)
from seatrial.control.promotions.domain.switching import (
    Abandon,
    Commit,
    EnvironmentState,
    Excluded,
    Ordered,
    Propose,
    Reported,
    Tick,
    evolved,
    waypoint,
)
from seatrial.control.promotions.domain.switching import decide as control_decides
from seatrial.kit.crypto.digests import Digest

CELLS: Final = ("eu", "us", "ap")
START: Final = datetime(2026, 11, 26, tzinfo=UTC)
RULES: Final = rules_of(Profile.SOLO, "production")


def closure(number: int) -> Closure:
    """One of a few closures; 0 is the empty one."""
    if number == 0:
        return Closure(environment="production", agents={}, rules=RULES)
    active = Active(release=Digest.of(b"%d" % number), name=f"support@{number}")
    return Closure(environment="production", agents={"support": active}, rules=RULES)


@dataclass(frozen=True, kw_only=True)
class Generation:
    """What control has written down of one."""

    proposal: Propose
    closure: Closure
    committed: datetime | None = None

    def examined(self) -> Examined:
        return Examined(
            generation=self.proposal.generation,
            previous=self.proposal.previous,
            base=self.proposal.base,
            verb=self.proposal.verb,
            closure=self.closure,
            proposal=Digest.of(b"proposal %d" % self.proposal.generation),
            committed=self.committed,
        )


@dataclass(frozen=True, kw_only=True)
class Wish:
    """A desired document on its way to a cell."""

    cell: str
    committed: Examined | None
    proposed: Examined | None
    heard: Heard


@dataclass(frozen=True, kw_only=True)
class Word:
    """A report on its way to control."""

    event: Reported


@dataclass(kw_only=True)
class Cell:
    """What is durable in one cell, and what it has ever run."""

    standing: Standing
    ran: list[tuple[int, Digest]] = field(default_factory=list)


class SwitchMachine(RuleBasedStateMachine):
    """See the module."""

    network = Bag("network")

    @initialize(cells=st.integers(1, 3))
    def begin(self, cells: int) -> None:
        self.now = START
        self.names = CELLS[:cells]
        empty = closure(0)
        self.state = EnvironmentState(environment="production", closure=empty.digest)
        self.generations: dict[int, Generation] = {}
        self.committed: list[int] = []
        self.abandoned: set[int] = set()
        self.heard = {name: Heard() for name in self.names}
        self.ever_prepared: set[tuple[str, int]] = set()
        self.cells = {
            name: Cell(standing=Standing(cell=name, generation=0, closure=empty))
            for name in self.names
        }

    # --- Control -------------------------------------------------------------------------------

    def _take(self, event: Ordered | Reported | Excluded | Tick, wanted: Closure | None) -> None:
        for decision in control_decides(self.state, event):
            self.state = evolved(self.state, decision)
            match decision:
                case Propose():
                    assert decision.generation not in self.generations, "a number given twice"
                    assert wanted is not None
                    self.generations[decision.generation] = Generation(
                        proposal=decision, closure=wanted
                    )
                case Commit():
                    known = self.generations[decision.generation]
                    assert decision.generation not in self.abandoned
                    assert all(
                        (cell, decision.generation) in self.ever_prepared
                        for cell in known.proposal.required - decision.excluded
                    ), "committed without a required cell"
                    self.generations[decision.generation] = replace(known, committed=self.now)
                    self.committed.append(decision.generation)
                case Abandon():
                    assert decision.generation not in self.committed
                    self.abandoned.add(decision.generation)

    @rule(number=st.integers(0, 4), rolls_back=st.booleans(), stale=st.booleans())
    def order(self, number: int, *, rolls_back: bool, stale: bool) -> None:
        wanted = closure(number)
        event = Ordered(
            verb=Verb.ROLLBACK if rolls_back else Verb.PROMOTE,
            base=Digest.of(b"another") if stale else self.state.closure,
            closure=wanted.digest,
            cells=frozenset(self.names),
            at=self.now,
        )
        try:
            self._take(event, wanted)
        except (SwitchUnderWay, OrderStale, NothingToChange):
            return
        assert not stale

    @rule(data=st.data())
    def exclude(self, data: st.DataObject) -> None:
        cell = data.draw(st.sampled_from(self.names))
        try:
            self._take(Excluded(cell=cell, generation=self.state.newest, at=self.now), None)
        except (CellUnknown, GenerationSettled, GenerationUnknown, NoCell):
            return

    @rule(seconds=st.sampled_from([1, 60, 121]))
    def time_passes(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)
        self._take(Tick(now=self.now), None)

    def _wish(self, name: str) -> Wish:
        heard = self.heard[name]
        committed = None
        if self.committed:
            number = waypoint(heard.current, self.committed, lambda _: True)
            committed = self.generations[number].examined()
        under_way = self.state.proposed
        return Wish(
            cell=name,
            committed=committed,
            proposed=self.generations[under_way.generation].examined() if under_way else None,
            heard=heard,
        )

    @rule(target=network, data=st.data())
    def control_sends(self, data: st.DataObject) -> Wish:
        return self._wish(data.draw(st.sampled_from(self.names)))

    def _hear(self, word: Word) -> None:
        event = replace(word.event, at=self.now)
        heard = self.heard[event.cell]
        if event.step is Step.COMMITTED:
            self.heard[event.cell] = heard.model_copy(
                update={"current": max(heard.current, event.generation)}
            )
        elif event.step is Step.PREPARED:
            self.heard[event.cell] = heard.model_copy(update={"prepared": event.generation})
        self._take(event, None)

    # --- Cells ---------------------------------------------------------------------------------

    def _act(self, wish: Wish, *, dies_after: int) -> list[Word]:
        """One cell follows a wish for up to `dies_after` durable steps; what it says then."""
        cell = self.cells[wish.cell]
        for _ in range(dies_after):
            action = cell_decides(cell.standing, wish.committed, wish.proposed)
            match action:
                case Prepare(order=order):
                    ready = Prepared(
                        generation=order.generation,
                        closure=order.closure,
                        proposal=order.proposal,
                        at=self.now,
                    )
                    cell.standing = replace(cell.standing, prepared=ready)
                    self.ever_prepared.add((wish.cell, order.generation))
                case Flip(order=order):
                    self._flip(cell, order)
                case _:
                    break
        return [
            Word(
                event=Reported(
                    cell=wish.cell,
                    generation=each.generation,
                    closure=each.closure,
                    step=each.step,
                    reason=each.reason,
                    at=self.now,
                )
            )
            for each in unsaid(cell.standing, self.now, wish.heard)
        ]

    def _flip(self, cell: Cell, order: Examined) -> None:
        assert order.generation > cell.standing.generation, "a cell went back"
        assert order.committed is not None, "a cell flipped before the commit"
        assert order.generation in self.committed
        assert order.generation not in self.abandoned
        cell.ran.append((order.generation, order.closure.digest))
        cell.standing = replace(
            cell.standing, generation=order.generation, closure=order.closure, prepared=None
        )

    def _deliver(self, message: Wish | Word, steps: int) -> list[Word]:
        if isinstance(message, Word):
            self._hear(message)
            return []
        return self._act(message, dies_after=steps)

    @rule(target=network, message=network, steps=st.integers(0, 3))
    def arrives_and_may_come_again(self, message: Wish | Word, steps: int) -> object:
        return multiple(*self._deliver(message, steps))

    @rule(target=network, message=consumes(network), steps=st.integers(0, 3))
    def arrives(self, message: Wish | Word, steps: int) -> object:
        return multiple(*self._deliver(message, steps))

    @rule(message=consumes(network))
    def is_lost(self, message: Wish | Word) -> None:
        del message

    # --- The promise ---------------------------------------------------------------------------

    @invariant()
    def whoever_runs_a_generation_runs_the_same(self) -> None:
        for cell in getattr(self, "cells", {}).values():
            for number, digest in cell.ran:
                assert self.generations[number].closure.digest == digest
            numbers = [number for number, _ in cell.ran]
            assert numbers == sorted(set(numbers))

    @invariant()
    def commits_rise_and_nothing_else_is_in_force(self) -> None:
        if not hasattr(self, "committed"):
            return
        assert self.committed == sorted(set(self.committed))
        assert self.state.current == (self.committed[-1] if self.committed else 0)

    def teardown(self) -> None:
        """Once messages arrive, all cells come to what was committed last, however they stood."""
        if not hasattr(self, "cells"):
            return
        for _ in range(4 * len(self.generations) + 8):
            for name in self.names:
                for word in self._act(self._wish(name), dies_after=3):
                    self._hear(word)
        assert self.state.proposed is None, "nobody is missing, and it was not committed"
        assert {cell.standing.generation for cell in self.cells.values()} == {self.state.current}
        assert {cell.standing.closure.digest for cell in self.cells.values()} == {
            self.state.closure
        }


SwitchMachine.TestCase.settings = settings(max_examples=120, stateful_step_count=40)


class TestSwitch(SwitchMachine.TestCase):  # type: ignore[misc, valid-type]  # made by hypothesis
    """Runs the machine."""


@pytest.mark.parametrize("missed", [0, 1, 5, 40])
def test_a_cell_that_slept_is_led_to_the_newest_it_can_take(missed: int) -> None:
    committed = list(range(1, missed + 2))
    assert waypoint(0, committed, lambda _: True) == committed[-1]
    assert waypoint(0, committed, lambda _: False) == 1
