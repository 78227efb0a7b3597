"""The sample-ratio check."""

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.stats.errors import ParameterRefused, StateRefused
from seatrial.stats.ratio import RatioCheck
from seatrial.stats.verdict import Outcome, Verdict

CHECK = RatioCheck(shares=(0.9, 0.1))
COUNTS = st.tuples(st.integers(0, 400), st.integers(0, 400))


@pytest.mark.parametrize("shares", [(0.5, 0.5), (0.9, 0.1), (0.2, 0.3, 0.5)])
def test_evidence_for_a_mismatch_is_fair_where_there_is_none(shares: tuple[float, ...]) -> None:
    """Its mean is 1 after any number of users, here over every sequence of six."""
    check = RatioCheck(shares=shares, firmness=20)
    arms = len(shares)
    total = 0.0
    for sequence in np.ndindex(*(arms,) * 6):
        counts = [sequence.count(arm) for arm in range(arms)]
        chance = math.prod(shares[arm] for arm in sequence)
        total += chance * math.exp(float(check.path(counts)))
    assert total == pytest.approx(1)


def test_the_evidence_is_the_printed_bayes_factor() -> None:
    """User by user: predicted share of the arm under the Dirichlet prior, over the planned one."""
    tally, log, counts = CHECK.start(), 0.0, [900.0, 100.0]
    for arm in (0, 0, 1, 0, 1, 1, 0):
        log += math.log(counts[arm] / sum(counts) / CHECK.shares[arm])
        counts[arm] += 1
        tally = CHECK.step(tally, arm)
        assert CHECK.log_e(tally) == pytest.approx(log)
    assert tally.counts == (4, 3)


@given(st.lists(COUNTS, max_size=4))
def test_cells_merge_to_one_tally(cells: list[tuple[int, int]]) -> None:
    merged = CHECK.merge(CHECK.add(CHECK.start(), cell) for cell in cells)
    total = tuple(map(sum, zip((0, 0), *cells, strict=True)))
    assert merged.counts == total
    assert CHECK.log_e(merged) == pytest.approx(float(CHECK.path(total)))
    assert CHECK.merge([merged], peak=9.0).peak >= 9


def test_a_broken_ratio_stays_broken_and_voids_every_verdict() -> None:
    broken = CHECK.add(CHECK.start(), (1000, 300))
    mended = CHECK.add(broken, (5000, 366))
    assert CHECK.log_e(mended) < 0
    assert CHECK.broken(mended)
    passed = Verdict(outcome=Outcome.SUCCESSFUL, reason="fine", seen=9)
    assert CHECK.over(passed, mended).outcome is Outcome.ERROR
    assert "(6000, 666)" in CHECK.over(passed, mended).reason
    assert CHECK.over(passed, CHECK.start()) == passed


def test_a_tally_survives_json_and_a_damaged_one_is_refused() -> None:
    tally = CHECK.add(CHECK.start(), (90, 12))
    document = json.loads(json.dumps(tally.as_json()))
    assert CHECK.revive(document) == tally
    for damage in (
        {"counts": [1]}, {"counts": [1, -1]}, {"counts": [1, 0.5]}, {"peak": -1.0}, {"plan": "x"},
    ):  # fmt: skip
        with pytest.raises(StateRefused):
            CHECK.revive(document | damage)


def test_a_tally_of_another_plan_or_shape_is_refused() -> None:
    other = RatioCheck(shares=(0.5, 0.5)).start()
    for call in (
        lambda: CHECK.add(other, (1, 1)),
        lambda: CHECK.step(other, 0),
        lambda: CHECK.merge([other]),
        lambda: CHECK.log_e(other),
        lambda: CHECK.broken(other),
        lambda: CHECK.add(CHECK.start(), (1, 1, 1)),
    ):
        with pytest.raises(StateRefused):
            call()
    with pytest.raises(ParameterRefused):
        CHECK.add(CHECK.start(), (1, -1))


@pytest.mark.parametrize(
    ("shares", "alpha", "firmness"),
    [((1.0,), 0.01, 9), ((0.5, 0.6), 0.01, 9), ((0.5, 0.5), 0, 9), ((0.5, 0.5), 0.01, 0)],
)
def test_a_check_without_meaning_is_refused(
    shares: tuple[float, ...], alpha: float, firmness: float
) -> None:
    with pytest.raises(ParameterRefused):
        RatioCheck(shares=shares, alpha=alpha, firmness=firmness)
