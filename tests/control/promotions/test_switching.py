"""The rule of the switch: never half a decision, never two, whatever comes in whatever order."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from seatrial.contract.evidence.statements import Step, Verb
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
    Count,
    Decision,
    EnvironmentState,
    Event,
    Excluded,
    Ordered,
    Propose,
    Proposed,
    Reported,
    Tick,
    decide,
    evolved,
    waypoint,
)
from seatrial.kit.crypto.digests import Digest
from seatrial.kit.errors import SeatrialError

NOW = datetime(2026, 11, 26, tzinfo=UTC)
CELLS = frozenset({"eu", "us", "asia"})
CLOSURES = tuple(Digest.of(bytes([number])) for number in range(4))
EMPTY = EnvironmentState(environment="production", closure=CLOSURES[0])


def ordered(
    closure: Digest = CLOSURES[1],
    *,
    base: Digest = CLOSURES[0],
    verb: Verb = Verb.PROMOTE,
    exclude: Sequence[str] = (),
    at: datetime = NOW,
    cells: frozenset[str] = CELLS,
) -> Ordered:
    return Ordered(
        verb=verb, base=base, closure=closure, cells=cells, exclude=frozenset(exclude), at=at
    )


def reported(cell: str, step: Step = Step.PREPARED, generation: int = 1) -> Reported:
    return Reported(
        cell=cell, generation=generation, closure=CLOSURES[1], step=step, reason="no", at=NOW
    )


def after(state: EnvironmentState, *events: Event) -> EnvironmentState:
    for event in events:
        for decision in decide(state, event):
            state = evolved(state, decision)
    return state


UNDER_WAY = after(EMPTY, ordered())


# --- Each refusal -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "event", "refusal"),
    [
        (UNDER_WAY, ordered(CLOSURES[2]), SwitchUnderWay),
        (UNDER_WAY, ordered(verb=Verb.DEPLOY), SwitchUnderWay),
        (EMPTY, ordered(base=CLOSURES[2]), OrderStale),
        (EMPTY, ordered(CLOSURES[0]), NothingToChange),
        (EMPTY, ordered(exclude=["mars"]), CellUnknown),
        (EMPTY, ordered(exclude=sorted(CELLS)), NoCell),
        (EMPTY, ordered(cells=frozenset()), NoCell),
        (EMPTY, Excluded(cell="eu", generation=1, at=NOW), GenerationUnknown),
        (UNDER_WAY, Excluded(cell="eu", generation=2, at=NOW), GenerationUnknown),
        (UNDER_WAY, Excluded(cell="eu", generation=0, at=NOW), GenerationUnknown),
        (UNDER_WAY, Excluded(cell="mars", generation=1, at=NOW), CellUnknown),
        (
            after(UNDER_WAY, *map(reported, CELLS)),
            Excluded(cell="eu", generation=1, at=NOW),
            GenerationSettled,
        ),
    ],
)
def test_what_cannot_be_is_refused_by_name(
    state: EnvironmentState, event: Event, refusal: type[SeatrialError]
) -> None:
    with pytest.raises(refusal):
        decide(state, event)


def test_the_last_required_cell_cannot_be_left_out() -> None:
    state = after(UNDER_WAY, *(Excluded(cell=cell, generation=1, at=NOW) for cell in ("eu", "us")))
    with pytest.raises(NoCell):
        decide(state, Excluded(cell="asia", generation=1, at=NOW))


# --- What follows -----------------------------------------------------------------------------


def test_the_last_prepared_commits_and_nothing_before_it() -> None:
    state = after(UNDER_WAY, reported("eu"), reported("us"))
    assert state.current == 0
    assert decide(state, reported("asia")) == (
        Count(generation=1, cell="asia"),
        Commit(generation=1, closure=CLOSURES[1], prepared=CELLS, excluded=frozenset()),
    )


def test_leaving_out_the_one_that_is_missing_commits() -> None:
    state = after(UNDER_WAY, reported("eu"), reported("us"))
    *_, last = decide(state, Excluded(cell="asia", generation=1, at=NOW))
    assert last == Commit(
        generation=1,
        closure=CLOSURES[1],
        prepared=frozenset({"eu", "us"}),
        excluded=frozenset({"asia"}),
    )


def test_one_refusal_of_a_required_cell_abandons_with_its_reason() -> None:
    (abandon,) = decide(UNDER_WAY, reported("eu", Step.REFUSED))
    assert isinstance(abandon, Abandon)
    assert "eu refused it: no" in abandon.reason


def test_a_cell_that_was_left_out_decides_nothing_any_more() -> None:
    state = after(EMPTY, ordered(exclude=["eu"]))
    assert decide(state, reported("eu", Step.REFUSED)) == ()
    assert decide(state, reported("eu")) == ()
    assert decide(state, Excluded(cell="eu", generation=1, at=NOW)) == ()


def test_a_report_about_another_closure_counts_for_nothing() -> None:
    other = Reported(cell="eu", generation=1, closure=CLOSURES[2], step=Step.PREPARED, at=NOW)
    assert decide(UNDER_WAY, other) == ()


def test_the_deadline_abandons_and_names_who_is_missing() -> None:
    state = after(UNDER_WAY, reported("eu"))
    assert decide(state, Tick(now=NOW + timedelta(seconds=119))) == ()
    (abandon,) = decide(state, Tick(now=NOW + timedelta(seconds=120)))
    assert isinstance(abandon, Abandon)
    assert abandon.cells == {"asia", "us"}
    assert "asia, us" in abandon.reason


def test_what_is_overdue_is_not_committed_before_anybody_looks_at_the_time() -> None:
    late = NOW + timedelta(seconds=120)
    state = after(UNDER_WAY, reported("eu"), reported("us"))
    (abandon,) = decide(state, replace(reported("asia"), at=late))
    assert isinstance(abandon, Abandon)
    assert abandon.cells == {"asia"}
    (abandon,) = decide(state, Excluded(cell="asia", generation=1, at=late))
    assert isinstance(abandon, Abandon)


def test_a_rollback_replaces_what_is_only_proposed() -> None:
    abandon, propose = decide(UNDER_WAY, ordered(CLOSURES[2], verb=Verb.ROLLBACK))
    assert isinstance(abandon, Abandon)
    assert isinstance(propose, Propose)
    assert (abandon.generation, propose.generation, propose.previous) == (1, 2, 0)


def test_the_same_rollback_again_does_not_begin_anew() -> None:
    state = after(EMPTY, ordered(CLOSURES[2], verb=Verb.ROLLBACK))
    with pytest.raises(SwitchUnderWay):
        decide(state, ordered(CLOSURES[2], verb=Verb.ROLLBACK))


def test_an_order_takes_the_place_of_one_that_is_overdue() -> None:
    late = NOW + timedelta(seconds=120)
    abandon, propose = decide(UNDER_WAY, ordered(CLOSURES[2], at=late))
    assert isinstance(abandon, Abandon)
    assert isinstance(propose, Propose)
    assert propose.generation == 2


# --- Against a model --------------------------------------------------------------------------

_CELL = st.sampled_from(sorted(CELLS))
_CLOSURE = st.sampled_from(CLOSURES)
_VERB = st.sampled_from(Verb)


class Switching(RuleBasedStateMachine):
    """Any events in any order, repeated and late, beside a model that only counts."""

    def __init__(self) -> None:
        super().__init__()
        self.state = EMPTY
        self.now = NOW
        self.numbers: list[int] = []
        self.fate: dict[int, str] = {}
        self.said: dict[int, set[str]] = {}
        self.needed: dict[int, set[str]] = {}
        self.left: dict[int, set[str]] = {}
        self.closure: dict[int, Digest] = {0: CLOSURES[0]}

    def _take(self, decisions: tuple[Decision, ...]) -> None:
        for decision in decisions:
            match decision:
                case Propose():
                    self.numbers.append(decision.generation)
                    assert decision.base == self.closure[self.state.current]
                    self.needed[decision.generation] = set(decision.required)
                    self.closure[decision.generation] = decision.closure
                case Commit():
                    assert decision.generation not in self.fate
                    self.fate[decision.generation] = "committed"
                    required = self.needed[decision.generation]
                    left = self.left.get(decision.generation, set())
                    assert required - left <= self.said[decision.generation]
                    assert set(decision.prepared) == required - left
                    assert decision.prepared
                    assert self.state.proposed is not None
                    assert self.now < self.state.proposed.deadline
                case Abandon():
                    assert decision.generation not in self.fate
                    self.fate[decision.generation] = "abandoned"
            self.state = evolved(self.state, decision)

    @rule(
        closure=_CLOSURE,
        base=_CLOSURE,
        verb=_VERB,
        exclude=st.frozensets(_CELL),
        honest=st.booleans(),
    )
    def order(
        self, closure: Digest, base: Digest, verb: Verb, exclude: frozenset[str], honest: bool
    ) -> None:
        event = ordered(
            closure,
            base=self.state.closure if honest else base,
            verb=verb,
            exclude=sorted(exclude),
            at=self.now,
        )
        before = self.state
        try:
            decisions = decide(before, event)
        except (SwitchUnderWay, OrderStale, NothingToChange, NoCell):
            return
        assert any(isinstance(each, Propose) for each in decisions)
        assert event.base == before.closure
        self._take(decisions)

    @precondition(lambda self: self.numbers)
    @rule(cell=_CELL, step=st.sampled_from(Step), back=st.integers(0, 3), lie=st.booleans())
    def report(self, cell: str, step: Step, back: int, lie: bool) -> None:
        generation = self.numbers[max(0, len(self.numbers) - 1 - back)]
        truth = self.closure[generation]
        closure = next(each for each in CLOSURES if (each == truth) is not lie)
        if step is Step.PREPARED and not lie:
            self.said.setdefault(generation, set()).add(cell)
        event = Reported(cell=cell, generation=generation, closure=closure, step=step, at=self.now)
        first = decide(self.state, event)
        self._take(first)
        assert decide(self.state, event) == ()  # repeated, it does nothing

    @precondition(lambda self: self.state.proposed)
    @rule(cell=_CELL)
    def exclude(self, cell: str) -> None:
        under_way = self.state.proposed
        assert under_way is not None
        event = Excluded(cell=cell, generation=under_way.generation, at=self.now)
        try:
            decisions = decide(self.state, event)
        except (NoCell, CellUnknown):
            return
        if cell in under_way.required:
            self.left.setdefault(under_way.generation, set()).add(cell)
        self._take(decisions)

    @rule(seconds=st.sampled_from([1, 60, 121]))
    def tick(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)
        self._take(decide(self.state, Tick(now=self.now)))
        assert decide(self.state, Tick(now=self.now)) == ()

    @invariant()
    def numbers_rise_and_every_generation_has_one_fate(self) -> None:
        assert self.numbers == sorted(set(self.numbers))
        assert self.state.newest == (self.numbers[-1] if self.numbers else 0)
        open_ones = [number for number in self.numbers if number not in self.fate]
        under_way = self.state.proposed
        assert open_ones == ([] if under_way is None else [under_way.generation])
        committed = [number for number, fate in self.fate.items() if fate == "committed"]
        assert self.state.current == max(committed, default=0)
        assert self.state.closure == self.closure[self.state.current]
        if under_way is not None:
            assert under_way.missing
            assert not under_way.required & under_way.excluded


TestSwitching = Switching.TestCase
TestSwitching.settings = settings(max_examples=60, stateful_step_count=40)


_STATES = st.builds(
    EnvironmentState,
    environment=st.just("production"),
    newest=st.integers(0, 5),
    current=st.integers(0, 5),
    closure=_CLOSURE,
    proposed=st.none()
    | st.builds(
        Proposed,
        generation=st.integers(0, 5),
        closure=_CLOSURE,
        verb=_VERB,
        required=st.frozensets(_CELL),
        prepared=st.frozensets(_CELL),
        excluded=st.frozensets(_CELL),
        deadline=st.just(NOW),
    ),
)
_EVENTS = st.one_of(
    st.builds(
        Ordered,
        verb=_VERB,
        base=_CLOSURE,
        closure=_CLOSURE,
        cells=st.frozensets(_CELL),
        exclude=st.frozensets(_CELL),
        at=st.just(NOW),
    ),
    st.builds(
        Reported,
        cell=_CELL,
        generation=st.integers(-1, 6),
        closure=_CLOSURE,
        step=st.sampled_from(Step),
        at=st.just(NOW),
    ),
    st.builds(Excluded, cell=_CELL, generation=st.integers(-1, 6), at=st.just(NOW)),
    st.builds(Tick, now=st.just(NOW)),
)


@given(state=_STATES, event=_EVENTS)
def test_the_rule_is_total_even_over_states_that_cannot_be(
    state: EnvironmentState, event: Event
) -> None:
    try:
        decisions = decide(state, event)
    except SeatrialError:
        return
    for decision in decisions:
        state = evolved(state, decision)


# --- Where a cell that lags goes next ---------------------------------------------------------

_COMMITTED = st.lists(st.integers(1, 200), min_size=1, max_size=60, unique=True).map(sorted)


@given(committed=_COMMITTED, current=st.integers(0, 200), taken=st.sets(st.integers(1, 200)))
def test_a_cell_that_lags_arrives_and_never_goes_back(
    committed: list[int], current: int, taken: set[int]
) -> None:
    visited = []
    while current < committed[-1]:
        to = waypoint(current, committed, taken.__contains__)
        assert to in committed
        assert to > current
        step = next(each for each in committed if each > current)
        assert to == step or (to == committed[-1] and to in taken)
        visited.append(to)
        current = to
    assert waypoint(current, committed, taken.__contains__) == committed[-1]


def test_a_cell_that_can_take_the_newest_skips_what_was_replaced() -> None:
    assert waypoint(3, range(1, 100), lambda each: each == 99) == 99
    assert waypoint(3, range(1, 100), lambda each: each in {50, 98}) == 4
