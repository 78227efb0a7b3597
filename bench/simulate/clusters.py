"""Users with many runs each: what counting runs, or users again and again, does to errors."""

import numpy as np

from bench.simulate.findings import Check, Floats, Setting, Table, percent
from bench.simulate.rollouts import ALPHA, CONTROL, HORIZON, TERMS, looks, plan
from seatrial.stats.guards import steadiness

CORRELATION = 0.3  # between two runs of one user
MOST_RUNS = 50
_ACTIVE = 200  # users of each arm who keep coming back
_WINDOWS = 20


def rates(rng: np.random.Generator, mean: float, shape: tuple[int, ...]) -> Floats:
    """Each user's own success rate: a beta law, so that two runs of a user correlate by 0.3."""
    firm = 1 / CORRELATION - 1
    return rng.beta(mean * firm, (1 - mean) * firm, shape)


def user_means(rng: np.random.Generator, mean: float, shape: tuple[int, ...]) -> Floats:
    runs = rng.integers(1, MOST_RUNS + 1, shape)
    found: Floats = rng.binomial(runs, rates(rng, mean, shape)) / runs
    return found


def once(rng: np.random.Generator, canary: float, controls: int, streams: int) -> Floats:
    """One difference for each canary user: a mean over that user's runs, less those matched."""
    shape = (streams, HORIZON[controls])
    own = user_means(rng, canary, shape)
    for _ in range(controls):
        own -= user_means(rng, CONTROL, shape) / controls
    return np.clip(own, -1, 1)


def each_run(rng: np.random.Generator, canary: float, streams: int) -> Floats:
    """The wrong unit: pairs of runs of the same active users, over and over."""
    shape = (streams, HORIZON[1])
    arms = []
    for mean in (canary, CONTROL):
        users = rates(rng, mean, (streams, _ACTIVE))
        who = rng.integers(0, _ACTIVE, shape)
        arms.append(rng.random(shape) < np.take_along_axis(users, who, axis=1))
    return arms[0].astype(float) - arms[1]


def each_window(rng: np.random.Generator, canary: float, streams: int) -> Floats:
    """Also wrong: a mean for each user in each window, the same users in all windows."""
    arms = []
    for mean in (canary, CONTROL):
        users = np.tile(rates(rng, mean, (streams, _ACTIVE)), _WINDOWS)
        runs = rng.integers(1, MOST_RUNS + 1, users.shape)
        arms.append(rng.binomial(runs, users) / runs)
    return np.asarray(arms[0] - arms[1])


def clusters(setting: Setting) -> Table:
    rng, n = setting.rng(), setting.streams
    margin = CONTROL - TERMS.margin
    rows, checks = [], []
    part = steadiness((1 + MOST_RUNS) / 2, CORRELATION)
    for controls, steady in ((1, 1.0), (9, 1.0), (9, part)):
        measure = plan(controls, steady)
        false = looks(measure.harm, once(rng, CONTROL, controls, n))
        early = looks(measure.promise, once(rng, margin, controls, n))
        caught = looks(measure.harm, once(rng, CONTROL - TERMS.fall, controls, n))
        told = f"1:{controls}" if steady == 1 else f"1:{controls}, bets tuned to their steadiness"
        rows.append((f"each user once, {told}", percent(false.rate), percent(early.rate),
                     caught.told()))  # fmt: skip
        checks += [
            Check(promise=f"false aborts, users of 1 to 50 runs, {told}", most=ALPHA,
                  found=false.rate, counted=false.counts),
            Check(promise=f"false promotions at the margin, users of 1 to 50 runs, {told}",
                  most=ALPHA, found=early.rate, counted=early.counts),
        ]  # fmt: skip
    measure = plan(1)
    for name, wrong in (
        ("each run (wrong)", each_run),
        (f"each user again in each of {_WINDOWS} windows (wrong)", each_window),
    ):
        false = looks(measure.harm, wrong(rng, CONTROL, n))
        early = looks(measure.promise, wrong(rng, margin, n))
        rows.append((name, percent(false.rate), percent(early.rate), ""))
    return Table(
        title="Users of 1 to 50 runs, whose runs resemble each other",
        text="Two runs of one user correlate by 0.3; means 95 % and 95 %, then 93 % (the margin) "
        f"and 91 %. The wrong units see {_ACTIVE} users of each arm come back for 4,000 pairs.",
        head=("unit", "false aborts", "false promotions at the margin", "95 → 91 %: canary users"),
        rows=rows,
        checks=checks,
    )
