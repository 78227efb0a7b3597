"""A short cut of `make bench-stats`: fewer streams, fixed seeds, room for a binomial's noise.

With n streams a rate of at most 5 % is found above `5 % + 3 · sqrt(5 % · 95 % / n)` once in about
700 runs; the seeds are fixed, so a failure tells of a change and not of luck. Medians get 15 %.
"""

import math
from collections.abc import Callable
from functools import partial

import numpy as np
import pytest

from bench.simulate.__main__ import page
from bench.simulate.clusters import each_run, each_window, once
from bench.simulate.findings import NEVER, Check, Looks, Setting, Table, crossings, first_at
from bench.simulate.late import late
from bench.simulate.money import money
from bench.simulate.rollouts import ALPHA, CONTROL, differences, harm, looks, plan, promise
from bench.simulate.several import arms, cells, conjunction
from bench.simulate.strategies import opposite
from bench.simulate.watches import changing, watch
from seatrial.stats.change import Restart

SHORT = Setting(streams=300, seed=1)
ROOM = 3 * math.sqrt(ALPHA * (1 - ALPHA) / SHORT.streams)


def _most(check: Check) -> float:
    return check.most + ROOM if check.most < 1 else check.most * 1.15


_SIMULATIONS: dict[str, Callable[[Setting], Table]] = {
    "harm 1:1": partial(harm, controls=1),
    "harm 1:9": partial(harm, controls=9),
    "promise": promise,
    "money": money,
    "late": late,
    "cells": cells,
    "conjunction": conjunction,
    "arms": arms,
    "opposite": opposite,
}


@pytest.mark.parametrize("simulation", _SIMULATIONS.values(), ids=_SIMULATIONS.keys())
def test_error_rates_and_delays_keep_their_promises(simulation: Callable[[Setting], Table]) -> None:
    table = simulation(SHORT)
    assert table.checks
    for check in table.checks:
        assert check.found <= _most(check), check


def test_users_of_many_runs_are_safe_once_and_unsafe_as_runs_or_again() -> None:
    rng = SHORT.rng()
    test = plan(9).harm
    assert looks(test, once(rng, CONTROL, 9, SHORT.streams)).rate <= ALPHA + ROOM
    for wrong in (each_run, each_window):
        assert looks(plan(1).harm, wrong(rng, CONTROL, SHORT.streams)).rate > 2 * ALPHA


@pytest.mark.parametrize("restart", Restart)
def test_a_watch_notices_a_fall_as_soon_as_promised(restart: Restart) -> None:
    run_length = {Restart.ALL: 1e6, Restart.BEST: 1e4}[restart]
    streams = changing(SHORT.rng(), 0.91, SHORT.streams)
    first = crossings(watch(restart, run_length).path, streams, math.log(run_length)).first
    delays = Looks(first[first > 2000] - 2000)
    assert delays.after(0.5) <= 556 * 1.15
    assert (first > 2000).mean() > 0.98


def test_the_size_stated_before_the_run_is_the_size_needed() -> None:
    """`missing` at the start, against streams in which the plan's expectation is true."""
    rng, measure = SHORT.rng(), plan(9)
    needed = measure.harm.missing(measure.harm.start(), power=0.8)
    assert needed is not None
    found = looks(measure.harm, differences(rng, 0.91, 9, (2000, 1500)))
    assert needed == pytest.approx(found.after(0.8), rel=0.15)


def test_the_page_is_the_same_for_the_same_seed() -> None:
    setting = Setting(streams=20, seed=3)
    one, two = (page([promise(setting)], setting) for _ in range(2))
    assert one == two
    assert "false promotions at the margin" in one
    assert page([promise(Setting(streams=20, seed=4))], setting) != one


def test_a_broken_promise_shows() -> None:
    broken = Check(promise="never", most=0.05, found=0.06, counted="6 of 100")
    assert not broken.kept
    table = Table(title="T", text="t", head=("a",), rows=[("b",)], checks=[broken])
    assert "| never | 5.00 % |  | 6.00 % | 6 of 100 | NO |" in page([table], SHORT)


def test_crossings_are_counted_from_one_and_never_is_never() -> None:
    reached = np.array([[False, True, True], [False, False, False]])
    found = Looks(first_at(reached))
    assert found.first.tolist() == [2, NEVER]
    assert (found.crossed, found.rate, found.after(0.5), found.after(0.9)) == (1, 0.5, 2, math.inf)
