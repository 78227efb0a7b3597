"""The watch after promotion."""

import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.stats.change import ChangeWatch, Restart, Watched, watch_rate
from seatrial.stats.errors import ObservationRefused, ParameterRefused, StateRefused
from seatrial.stats.stakes import Stakes

WATCHES = [watch_rate(baseline=0.95, fall=0.04, run_length=500, restart=way) for way in Restart]
BITS = st.lists(st.integers(0, 1), min_size=1, max_size=60)


@pytest.mark.parametrize("watch", WATCHES, ids=lambda watch: str(watch.restart.value))
@given(bits=BITS, cut=st.integers(0, 60))
def test_one_by_one_in_parts_and_the_chart_agree(
    watch: ChangeWatch, bits: list[int], cut: int
) -> None:
    stepped, levels = watch.start(), []
    for bit in bits:
        stepped = watch.step(stepped, bit)
        levels.append(stepped.level)
    parted = watch.fold(watch.fold(watch.start(), bits[:cut]), bits[cut:])
    assert parted.logs == pytest.approx(stepped.logs, abs=1e-9)
    assert parted.level == pytest.approx(stepped.level, abs=1e-9)
    assert (parted.count, parted.alarm) == (stepped.count, stepped.alarm)
    assert watch.path(bits).tolist() == pytest.approx(levels, abs=1e-9)


@given(BITS)
def test_the_two_ways_to_restart_are_those_of_page_and_of_shiryaev(bits: list[int]) -> None:
    """Against the recursions as they are printed, in plain numbers."""
    for watch in WATCHES:
        summed, best = [0.0] * len(watch.stakes.bets), [1.0] * len(watch.stakes.bets)
        for bit in bits:
            factors = [math.exp(log) for log in watch.stakes.factors(bit)]
            summed = [(r + 1) * f for r, f in zip(summed, factors, strict=True)]
            best = [max(m, 1) * f for m, f in zip(best, factors, strict=True)]
        wealth = {Restart.ALL: summed, Restart.BEST: best}[watch.restart]
        mixed = sum(s * w for s, w in zip(watch.stakes.shares, wealth, strict=True))
        assert watch.fold(watch.start(), bits).level == pytest.approx(math.log(mixed), abs=1e-9)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=60))
def test_adding_all_starts_never_notices_later_than_the_best_start(values: list[float]) -> None:
    levels = {watch.restart: watch.path(values) for watch in WATCHES}
    assert (levels[Restart.ALL] >= levels[Restart.BEST] - 1e-9).all()


def test_wealth_without_a_change_grows_by_no_more_than_one_an_observation() -> None:
    """The reason for the run length: the expected sum after t quiet observations is t, exactly."""
    watch = WATCHES[0]
    assert watch.restart is Restart.ALL
    streams = np.array(list(np.ndindex(*(2,) * 10)), dtype=float)
    chance = np.prod(np.where(streams > 0, 0.95, 0.05), axis=1)
    expected = chance @ np.exp(watch.path(streams))
    assert expected == pytest.approx(np.arange(1, 11))


@pytest.mark.parametrize("watch", WATCHES, ids=lambda watch: str(watch.restart.value))
def test_an_alarm_names_its_observation_and_stays(watch: ChangeWatch) -> None:
    values = [1] * 30 + [0] * 10 + [1] * 200
    first = int((watch.path(values) >= math.log(500)).argmax()) + 1
    assert 30 < first <= 40
    assert watch.fold(watch.start(), values).alarm == first
    watched = watch.start()
    for value in values:
        watched = watch.step(watched, value)
    assert watched.alarm == first
    assert watched.level < math.log(500)
    assert watch.fold(watched, [0] * 30).alarm == first
    assert watch.fold(watched, []) == watched


@pytest.mark.parametrize("watch", WATCHES, ids=lambda watch: str(watch.restart.value))
@given(bits=BITS)
def test_a_state_survives_json(watch: ChangeWatch, bits: list[int]) -> None:
    watched = watch.fold(watch.start(), bits)
    assert watch.revive(json.loads(json.dumps(watched.as_json()))) == watched


@pytest.mark.parametrize(
    "damage",
    [{"alarm": 1}, {"alarm": -1}, {"logs": [0.0, -1.0]}, {"logs": [0.0]}, {"plan": "other"},
     {"level": math.nan}, {"count": True}],
)  # fmt: skip
def test_a_damaged_state_is_refused(damage: dict[str, object]) -> None:
    watch = WATCHES[0]
    with pytest.raises(StateRefused):
        watch.revive(watch.start().as_json() | damage)


def test_states_of_the_two_ways_are_not_mixed_up() -> None:
    with pytest.raises(StateRefused):
        WATCHES[0].step(WATCHES[1].start(), 1)
    with pytest.raises(StateRefused):
        WATCHES[0].fold(Watched(plan="x", count=0, logs=(), level=0.0, alarm=0), [1])


@pytest.mark.parametrize("value", [math.nan, -0.1, 1.1])
def test_a_value_that_cannot_be_moves_nothing(value: float) -> None:
    watch = WATCHES[0]
    for act in (watch.step, lambda w, v: watch.fold(w, [1, v])):
        with pytest.raises(ObservationRefused):
            act(watch.start(), value)


@pytest.mark.parametrize(
    "broken",
    [{"baseline": 1.0}, {"fall": 0.0}, {"fall": 0.96}, {"tolerated": 0.04}, {"tolerated": -0.1},
     {"run_length": 1}, {"run_length": math.nan}],
)  # fmt: skip
def test_a_watch_without_meaning_is_refused(broken: dict[str, Any]) -> None:
    with pytest.raises(ParameterRefused):
        watch_rate(**{"baseline": 0.95, "fall": 0.04, "run_length": 100} | broken)


def test_a_tolerated_fall_is_not_told() -> None:
    watch = watch_rate(baseline=0.95, fall=0.06, run_length=10_000, tolerated=0.03)
    assert watch.stakes.null == pytest.approx(0.92)
    assert watch.fold(watch.start(), ([1] * 93 + [0] * 7) * 100).alarm == 0
    assert watch.fold(watch.start(), ([1] * 86 + [0] * 14) * 20).alarm > 0


def test_a_watch_may_be_made_of_any_stakes() -> None:
    stakes = Stakes(low=-5, high=5, null=0, bets=(0.1,), shares=(1,))
    watch = ChangeWatch(stakes=stakes, run_length=100)
    assert watch.fold(watch.start(), [3] * 20).alarm > 0
