"""The rules of runs, tried with values that nobody thought of."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.cell.hosts.domain import (
    BundleAltered,
    BundleMissing,
    EntryMissing,
    HostExited,
    HostOverflowed,
    RunTimedOut,
)
from seatrial.cell.runs.domain import rules
from seatrial.cell.runs.domain.refusals import (
    GenerationBehind,
    KeyReused,
    ReleaseAway,
    RunRefused,
    RunStateConflict,
)
from seatrial.cell.runs.domain.values import EventKind, Run, Session, Stretch
from seatrial.contract.runs.states import ENDED, Lane, RunState
from seatrial.kit.database.errors import DatabaseUnreachable
from seatrial.kit.errors import SeatrialError
from tests.cell.runs.stage import release

NOW = datetime(2026, 3, 1, tzinfo=UTC)
STATES = st.sampled_from(RunState)
CAUSES = st.sampled_from(rules.Cause)
TRIES = st.builds(rules.Tries, passing=st.integers(1, 20), own=st.integers(1, 20))
CHANCE = st.floats(0, 1, exclude_max=True)
PLACES = st.tuples(st.sampled_from(Lane), st.integers(0, 9))


@given(STATES, STATES)
def test_a_run_moves_only_as_the_table_allows(state: RunState, to: RunState) -> None:
    if to in rules.LEGAL[state]:
        rules.refuse_move("run_1", state, to, "moved")
    else:
        with pytest.raises(RunStateConflict):
            rules.refuse_move("run_1", state, to, "moved")


def test_what_succeeded_or_was_cancelled_stays_so_and_the_rest_can_end() -> None:
    assert not rules.LEGAL[RunState.SUCCEEDED]
    assert not rules.LEGAL[RunState.CANCELLED]
    for state in set(RunState) - ENDED:
        reached = {state}
        for _ in RunState:
            reached |= {to for known in reached for to in rules.LEGAL[known]}
        assert reached & ENDED


@given(CAUSES, TRIES, CHANCE)
def test_every_run_that_fails_again_and_again_comes_to_an_end(
    cause: rules.Cause, tries: rules.Tries, chance: float
) -> None:
    attempt, tried = 1, 1
    while (
        after := rules.after_failure(
            cause, attempt=attempt, tried=tried, tries=tries, chance=chance
        )
    ).pause is not None:
        assert 0 <= after.pause <= rules.LONGEST_PAUSE
        attempt += 1
        tried += not after.forgiven
    assert tried <= max(tries.passing, tries.own)
    passing = cause in {rules.Cause.PASSING, rules.Cause.AWAY}
    assert after.dead == (tried > 1 or passing)


@given(st.integers(1, 20), CHANCE)
def test_an_agents_own_failure_is_its_answer_unless_its_limits_say_how_often(
    attempts: int, chance: float
) -> None:
    unset, named = rules.Tries.of(None, 3), rules.Tries.of(attempts, 3)
    own = rules.Cause.OWN
    first = rules.after_failure(own, attempt=1, tried=1, tries=unset, chance=chance)
    assert (first.pause, first.dead) == (None, False)
    again = rules.after_failure(own, attempt=1, tried=1, tries=named, chance=chance)
    assert (again.pause is not None) == (attempts > 1)


@given(TRIES, CHANCE)
def test_what_would_come_again_is_not_tried_again(tries: rules.Tries, chance: float) -> None:
    lasting = rules.Cause.LASTING
    after = rules.after_failure(lasting, attempt=1, tried=1, tries=tries, chance=chance)
    assert (after.pause, after.dead) == (None, False)


@given(st.integers(1, 200), TRIES, CHANCE)
def test_a_release_that_is_away_costs_no_try_for_minutes_and_then_ends_the_run(
    attempt: int, tries: rules.Tries, chance: float
) -> None:
    after = rules.after_failure(
        rules.Cause.AWAY, attempt=attempt, tried=tries.passing, tries=tries, chance=chance
    )
    if attempt <= rules.MOST_AWAY:
        assert after.forgiven
        assert after.pause is not None
        assert rules.FIRST_AWAY / 2 <= after.pause <= rules.LONGEST_AWAY
    else:
        assert (after.pause, after.dead, after.forgiven) == (None, True, False)


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (HostExited(reason="x"), rules.Cause.PASSING),
        (RunTimedOut(seconds=1), rules.Cause.PASSING),
        (BundleMissing(digest="x", path="y"), rules.Cause.PASSING),
        (DatabaseUnreachable(database="x", reason="y"), rules.Cause.PASSING),
        (ReleaseAway(release="x", reason="y"), rules.Cause.AWAY),
        (EntryMissing(entry="x", reason="y"), rules.Cause.LASTING),
        (HostOverflowed(what="output", limit=1), rules.Cause.LASTING),
        (BundleAltered(digest="x", found="y"), rules.Cause.LASTING),
    ],
)
def test_errors_on_the_way_are_told_apart(error: SeatrialError, cause: rules.Cause) -> None:
    assert rules.cause_of(error) is cause


@given(st.integers(1, 19))
def test_pauses_double_up_to_a_minute(tried: int) -> None:
    assert rules.ceiling(tried + 1) in {2 * rules.ceiling(tried), rules.LONGEST_PAUSE}


@given(
    st.lists(st.tuples(PLACES, st.integers(0, 2_000)), min_size=2, max_size=30),
)
def test_nobody_is_overtaken_by_those_who_come_much_later(
    runs: list[tuple[tuple[Lane, int], int]],
) -> None:
    def rank(run: tuple[tuple[Lane, int], int]) -> timedelta:
        (lane, priority), came = run
        return timedelta(seconds=came) + rules.handicap(lane, priority)

    worst = rules.handicap(Lane.BATCH, 9)
    for before, after in pairwise(sorted(runs, key=rank)):
        assert timedelta(seconds=before[1] - after[1]) <= worst


@given(st.integers(0, 9), st.integers(0, 9))
def test_of_those_who_come_together_people_go_first_then_the_lower_number(a: int, b: int) -> None:
    assert rules.handicap(Lane.INTERACTIVE, a) < rules.handicap(Lane.BATCH, b)
    assert (rules.handicap(Lane.BATCH, a) < rules.handicap(Lane.BATCH, b)) == (a < b)


@pytest.mark.parametrize("priority", [-1, 10])
def test_other_priorities_are_refused(priority: int) -> None:
    with pytest.raises(RunRefused):
        rules.handicap(Lane.BATCH, priority)


@given(st.integers(0, 9), st.integers(0, 9), st.integers(0, 4_000), st.integers(1, 4_000))
def test_a_session_moves_when_idle_and_at_once_when_moved(
    generation: int, moved_at: int, silent: int, idle: int
) -> None:
    session = Session(
        name="s",
        agent="support",
        tenant="",
        owner="shop",
        release=release("support@1"),
        release_name="support@1",
        generation=generation,
        turns=1,
        created=NOW,
        last=NOW,
    )
    moves = rules.moves(
        session, moved_at=moved_at, idle_seconds=idle, now=NOW + timedelta(seconds=silent)
    )
    assert moves == (generation < moved_at or silent > idle)


@given(st.integers(0, 99), st.none() | st.integers(0, 99))
def test_who_has_met_a_later_generation_is_sent_away(generation: int, seen: int | None) -> None:
    if seen is not None and seen > generation:
        with pytest.raises(GenerationBehind) as refused:
            rules.refuse_behind(generation, seen)
        assert refused.value.retry_after > 0
    else:
        rules.refuse_behind(generation, seen)


def test_a_key_names_one_request() -> None:
    rules.refuse_other("k", known="digest", asked="digest")
    with pytest.raises(KeyReused):
        rules.refuse_other("k", known="digest", asked="other")


@given(st.text(max_size=300))
def test_a_session_that_is_taken_can_stand_in_a_path(text: str) -> None:
    try:
        rules.refuse_names(session=text, key=None, tags={})
    except RunRefused:
        return
    assert text.isascii()
    assert text.isprintable()
    assert not set(text) & set("/\\ ")


@pytest.mark.parametrize(
    ("key", "tags"),
    [
        ("", {}),
        ("a b", {}),
        ("x" * 256, {}),
        (None, {"": "x"}),
        (None, {"a b": "x"}),
        (None, {"a": "x" * 257}),
        (None, {"a": "\n"}),
        (None, {f"t{n}": "x" for n in range(21)}),
    ],
)
def test_keys_and_tags_that_cannot_be_kept_are_refused(
    key: str | None, tags: dict[str, str]
) -> None:
    with pytest.raises(RunRefused):
        rules.refuse_names(session=None, key=key, tags=tags)


@given(st.text(), st.text(max_size=6_000))
def test_a_failure_can_be_kept_whatever_an_agent_says(code: str, message: str) -> None:
    failure = rules.failure(code, message)
    assert "\0" not in failure.code + failure.message
    assert len(failure.message) <= 4_000
    assert failure.code
    assert len((failure.code + failure.message).encode()) <= 4 * 4_100


def run_of(attempt: int, state: RunState) -> Run:
    return Run(
        id="run_1",
        agent="support",
        release=None,
        release_name="",
        generation=1,
        session=None,
        tenant="",
        caller="",
        state=state,
        attempt=attempt,
        created=NOW,
        started=NOW if attempt else None,
        timeout_seconds=1,
    )


@given(st.lists(st.integers(0, 5), min_size=1, max_size=5), st.integers(0, 30))
def test_a_listener_who_comes_back_gets_each_later_event_once_and_in_order(
    chunks: list[int], skip: int
) -> None:
    kept = []
    for attempt, number in enumerate(chunks, 1):
        if number:
            kept.append(
                Stretch(
                    first=rules.first_chunk(attempt),
                    kind=EventKind.CHUNK,
                    parts=tuple(range(number)),
                    at=NOW,
                )
            )
        if attempt < len(chunks):
            kept.append(
                Stretch(
                    first=rules.restarted_seq(attempt),
                    kind=EventKind.RESTARTED,
                    parts=({"attempt": attempt + 1},),
                    at=NOW,
                )
            )
    run = run_of(len(chunks), RunState.SUCCEEDED)
    every = rules.events(run, kept, 0)
    seqs = [event.seq for event in every]
    assert seqs == sorted(set(seqs))
    assert every[-1].kind is EventKind.ENDED
    after = seqs[min(skip, len(seqs) - 1)]
    assert [e.seq for e in rules.events(run, kept, after)] == [s for s in seqs if s > after]


def test_a_run_that_was_never_begun_ends_too() -> None:
    kinds = [event.kind for event in rules.events(run_of(0, RunState.CANCELLED), (), 0)]
    assert kinds == [EventKind.ACCEPTED, EventKind.ENDED]


def test_the_seed_of_a_run_is_its_own_and_stays() -> None:
    assert rules.seed("run_1") == rules.seed("run_1") != rules.seed("run_2")
