"""From runs to differences: once for each user, fair by the dealing alone."""

import math
from collections import defaultdict
from itertools import permutations, product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.stats.cohorts import Arm, Subject, differences, user_mean
from seatrial.stats.errors import ObservationRefused

VALUES = st.lists(st.floats(0, 1), min_size=1, max_size=5).map(tuple)
SUBJECTS = st.lists(
    st.builds(Subject, arm=st.sampled_from(Arm), values=VALUES, pending=st.integers(0, 3)),
    max_size=25,
)


@given(SUBJECTS, st.sampled_from([None, 0.0, 1.0]))
def test_there_is_one_bounded_difference_for_each_user_of_the_smaller_arm(
    cohort: list[Subject], late: float | None
) -> None:
    sizes = [sum(subject.arm is arm for subject in cohort) for arm in Arm]
    found = differences(cohort, late=late)
    assert len(found) == min(sizes)
    assert all(-1 <= difference <= 1 for difference in found)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=9), st.integers(1, 4))
def test_no_user_is_lost_and_none_counts_twice(means: list[float], times: int) -> None:
    """With arms that divide evenly, the mean difference is the difference of the arms' means."""
    canary = [Subject(arm=Arm.CANARY, values=(mean,)) for mean in means]
    control = [Subject(arm=Arm.CONTROL, values=(mean / 2,)) for mean in means * times]
    found = differences(canary + control, late=None)
    assert math.fsum(found) / len(found) == pytest.approx(math.fsum(means) / len(means) / 2)


@pytest.mark.parametrize("canaries", [1, 2, 3])
def test_chance_alone_makes_every_difference_fair_given_those_before(canaries: int) -> None:
    """Five unlike users, two equal releases: every order and every dealing, none left out."""
    outcomes = (1.0, 0.0, 0.5, 1.0, 0.25)
    arms = [Arm.CANARY] * canaries + [Arm.CONTROL] * (5 - canaries)
    after: dict[tuple[float, ...], list[float]] = defaultdict(list)
    for order, dealt in product(permutations(outcomes), set(permutations(arms))):
        users = zip(order, dealt, strict=True)
        found = differences(
            [Subject(arm=arm, values=(outcome,)) for outcome, arm in users], late=None
        )
        for place, difference in enumerate(found):
            after[found[:place]].append(difference)
    assert len(after) > canaries - 1
    for next_ones in after.values():
        assert math.fsum(next_ones) == pytest.approx(0, abs=1e-9)


def test_a_user_of_fifty_runs_counts_as_one_of_one() -> None:
    busy = Subject(arm=Arm.CANARY, values=(0,) * 50)
    rare = Subject(arm=Arm.CANARY, values=(1,))
    control = [Subject(arm=Arm.CONTROL, values=(1,))] * 2
    assert differences([busy, rare, *control], late=None) == (-1, 0)


def test_late_runs_are_left_out_or_counted_as_told() -> None:
    subject = Subject(arm=Arm.CANARY, values=(1, 1), pending=2)
    unknown = Subject(arm=Arm.CONTROL, values=(), pending=1)
    assert user_mean(subject, late=None) == 1
    assert user_mean(subject, late=0) == 0.5
    assert user_mean(unknown, late=None) is None
    assert differences([subject, unknown], late=None) == ()
    assert differences([subject, unknown], late=0) == (0.5,)


def test_an_empty_arm_gives_nothing() -> None:
    assert differences([], late=0) == ()
    assert differences([Subject(arm=Arm.CONTROL, values=(1,))] * 3, late=0) == ()


@pytest.mark.parametrize("value", [math.nan, 1.1, -0.1])
def test_a_value_that_cannot_be_is_refused(value: float) -> None:
    with pytest.raises(ObservationRefused):
        user_mean(Subject(arm=Arm.CANARY, values=(1, value)), late=None)
    with pytest.raises(ObservationRefused):
        user_mean(Subject(arm=Arm.CANARY, values=(1,)), late=value)


def test_money_keeps_its_own_bounds() -> None:
    users = [Subject(arm=Arm.CANARY, values=(-0.5,)), Subject(arm=Arm.CONTROL, values=(0.06,))]
    assert differences(users, late=None, low=-0.5, high=0.066) == (-0.56,)
