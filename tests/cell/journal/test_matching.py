"""The rule of matching, held against runs that nothing befell."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seatrial.cell.journal.domain.book import Book
from seatrial.cell.journal.domain.matching import decide, finish
from seatrial.cell.journal.domain.rows import Arrival, Effect, Facts, Kind, Mode, Row, RowState
from tests.cell.journal.agents import AGENTS
from tests.cell.journal.engine import REAL, Death, Fate, live
from tests.cell.journal.examples import EXAMPLES
from tests.cell.journal.programs import Taste, program
from tests.cell.journal.promises import FAITHFUL, STRAYING, faithful, fate, one_case, straying

CHANCE = st.randoms(use_true_random=False)
SMALL = Taste(size=3)


@given(CHANCE)
@settings(max_examples=200)
def test_a_run_keeps_every_promise_in_every_mode_whatever_it_meets(rng: random.Random) -> None:
    one_case(rng)


@given(CHANCE)
@settings(max_examples=150)
def test_an_agent_that_does_the_same_again_ends_as_if_nothing_had_happened(
    rng: random.Random,
) -> None:
    faithful(program(rng, FAITHFUL), fate(rng))


@given(CHANCE)
@settings(max_examples=150)
def test_an_agent_that_does_something_else_writes_nothing_twice(rng: random.Random) -> None:
    straying(program(rng, STRAYING), fate(rng, resumes=True))


@pytest.mark.parametrize("death", list(Death))
@pytest.mark.parametrize("name", list(AGENTS))
def test_an_agent_may_die_at_every_step(name: str, death: Death) -> None:
    agent = AGENTS[name]
    first = live(agent, Fate(seed=1))
    for step in range(1, first.steps + 20):
        faithful(agent, Fate(seed=1, deaths=((step, death),)))


@given(CHANCE)
@settings(max_examples=6)
def test_an_agent_may_die_at_any_two_steps(rng: random.Random) -> None:
    agent, seed = program(rng, SMALL), rng.getrandbits(32)
    last = live(agent, Fate(seed=seed)).steps
    for first in range(1, last, 3):
        for second in range(1, last, 3):
            deaths = ((first, Death.KILL), (second, Death.POWER))
            faithful(agent, Fate(seed=seed, deaths=deaths))


@pytest.mark.parametrize("name", list(EXAMPLES))
def test_the_rule_by_example(name: str) -> None:
    EXAMPLES[name](REAL)


_ROWS = st.builds(
    Row,
    seq=st.integers(1, 6),
    attempt=st.just(1),
    kind=st.sampled_from(Kind),
    effect=st.sampled_from(Effect),
    key=st.sampled_from("ab"),
    occurrence=st.integers(1, 3),
    state=st.sampled_from(RowState),
    borrowed=st.booleans(),
)
_ARRIVALS = st.builds(
    Arrival,
    kind=st.sampled_from(Kind),
    effect=st.sampled_from(Effect),
    key=st.sampled_from("abc"),
    mask=st.sampled_from((None, "m")),
    retry=st.booleans(),
    waited=st.booleans(),
    shadowed=st.booleans(),
)
_FACTS = st.builds(Facts, mode=st.sampled_from(Mode), quiet=st.booleans(), diverged=st.booleans())


@given(st.lists(_ROWS, max_size=6, unique_by=lambda row: row.seq), st.lists(_ARRIVALS), _FACTS)
def test_the_rule_answers_whatever_it_is_asked(
    rows: list[Row], arrivals: list[Arrival], facts: Facts
) -> None:
    book = Book(attempt=2, rows=rows)
    book.learn_masks(lambda _: "m")
    for arrival in arrivals:
        decision = decide(book, arrival, facts)
        row = getattr(decision, "row", None)
        if row is not None:
            book.open(row, arrival)
        assert decision is not None
    assert finish(book) is not None
