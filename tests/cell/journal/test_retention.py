from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from seatrial.cell.journal.domain.retention import Held, Retention, sweep

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)
HELD = st.lists(
    st.builds(
        Held,
        run=st.uuids().map(str),
        stored=st.integers(0, 100),
        ended=st.none() | st.integers(0, 60).map(lambda days: NOON - days * DAY),
    ),
    unique_by=lambda run: run.run,
)
BOUNDS = st.builds(
    Retention, after=st.integers(0, 40).map(lambda days: days * DAY), ceiling=st.integers(0, 500)
)


@given(HELD, BOUNDS)
def test_nothing_goes_that_a_run_may_be_recovered_from(
    held: list[Held], retention: Retention
) -> None:
    open_ = {run.run for run in held if run.ended is None}
    assert not open_ & set(sweep(held, retention, NOON).drop)


@given(HELD, BOUNDS)
def test_what_is_left_is_young_and_below_the_ceiling_or_it_says_by_how_much_not(
    held: list[Held], retention: Retention
) -> None:
    found = sweep(held, retention, NOON)
    left = [run for run in held if run.run not in found.drop]
    assert all(run.ended is None or run.ended + retention.after > NOON for run in left)
    stored = sum(run.stored for run in left)
    assert found.over == max(0, stored - retention.ceiling)
    assert not found.over or all(run.ended is None for run in left)


@given(HELD, BOUNDS)
def test_no_body_goes_without_need(held: list[Held], retention: Retention) -> None:
    found = sweep(held, retention, NOON)
    if found.drop:
        last = next(run for run in held if run.run == found.drop[-1])
        old = last.ended is not None and last.ended + retention.after <= NOON
        before = [run for run in held if run.run not in found.drop] + [last]
        assert old or sum(run.stored for run in before) > retention.ceiling
