"""Several cells, several measures, and the arms' shares."""

import math
from collections.abc import Callable, Sequence

import numpy as np

from bench.simulate.findings import (
    NEVER,
    Check,
    Floats,
    Looks,
    Setting,
    Table,
    crossings,
    first_at,
    percent,
)
from bench.simulate.rollouts import ALPHA, BARRIER, CONTROL, TERMS, differences, plan
from seatrial.stats.ratio import RatioCheck

_PAIRS = 2000
_CELLS = 3
_USERS = 20_000
_EVERY = 10
_AT_ONCE = 200


def cells(setting: Setting) -> Table:
    """Merging states of cells with users of their own, and of cells that tell of the same users."""
    rng, test = setting.rng(), plan(1).harm
    own = [differences(rng, CONTROL, 1, (setting.streams, _PAIRS)) for _ in range(_CELLS)]
    lagging = [
        differences(rng, CONTROL, 1, (setting.streams, _PAIRS // part)) for part in (1, 2, 4)
    ]
    merged = _merged(lambda at: [test.stakes.walks(streams[at]) for streams in own], setting)
    uneven = _merged(
        lambda at: [
            np.repeat(test.stakes.walks(streams[at]), part, axis=1)[:, :_PAIRS]
            for part, streams in zip((1, 2, 4), lagging, strict=True)
        ],
        setting,
    )
    same = _merged(lambda at: [test.stakes.walks(own[0][at])] * _CELLS, setting)
    rows = [
        ("cells with users of their own", percent(merged.rate)),
        ("the same, of speeds 1, 1/2 and 1/4", percent(uneven.rate)),
        ("cells that report the same users (wrong)", percent(same.rate)),
    ]
    return Table(
        title="Merging three cells",
        text=f"Equal releases, {_PAIRS:,} pairs a cell; looked at after every pair, merged.",
        head=("cells", "false aborts"),
        rows=rows,
        checks=[
            Check(promise="false aborts, three cells merged", most=ALPHA, found=merged.rate,
                  counted=merged.counts),
            Check(promise="false aborts, three cells of uneven speed merged", most=ALPHA,
                  found=uneven.rate, counted=uneven.counts),
        ],
    )  # fmt: skip


def _merged(parts: Callable[[slice], Sequence[Floats]], setting: Setting) -> Looks:
    """What `MeanTest.merge` makes of the cells' states, after every observation of any cell."""
    stakes = plan(1).harm.stakes
    found = []
    for start in range(0, setting.streams, _AT_ONCE):
        logs: Floats = np.sum(parts(slice(start, start + _AT_ONCE)), axis=0)
        found.append(first_at(stakes.mixtures(logs) >= BARRIER))
    return Looks(np.concatenate(found))


def conjunction(setting: Setting) -> Table:
    """No worse on 3 of 4 measures, when two are in truth at the margin and two are fine."""
    rng, test = setting.rng(), plan(1).promise
    shape = (setting.streams, _PAIRS)
    rates = (CONTROL - TERMS.margin, CONTROL - TERMS.margin, CONTROL + 0.03, CONTROL + 0.03)
    paths = [test.path(differences(rng, rate, 1, shape)) for rate in rates]
    peaks = np.sort([np.maximum.accumulate(path, axis=1) for path in paths], axis=0)
    live = np.sort(paths, axis=0)
    naive = Looks(first_at(peaks[1] >= BARRIER))
    by_p = Looks(first_at(peaks[1] - math.log(2) >= BARRIER))
    by_e = Looks(first_at(np.logaddexp(live[0], live[1]) - math.log(2) >= BARRIER))
    return Table(
        title="No worse on 3 of 4 measures",
        text="Two measures are exactly at the margin, two are better than the control: a promotion "
        "is false. Looked at after every pair.",
        head=("rule", "false promotions"),
        rows=[
            ("third smallest p ≤ 5 % (wrong)", percent(naive.rate)),
            ("2 x third smallest p ≤ 5 %", percent(by_p.rate)),
            ("mean of the two smallest e ≥ 20", percent(by_e.rate)),
        ],
        checks=[
            Check(promise="false promotions, 3 of 4 by p-values", most=ALPHA, found=by_p.rate,
                  counted=by_p.counts),
            Check(promise="false promotions, 3 of 4 by e-values", most=ALPHA, found=by_e.rate,
                  counted=by_e.counts),
        ],
    )  # fmt: skip


def arms(setting: Setting) -> Table:
    rng, check = setting.rng(), RatioCheck(shares=(0.9, 0.1))
    barrier = -math.log(check.alpha)
    seen = np.arange(_EVERY, _USERS + 1, _EVERY)
    rows, checks = [], []
    for share in (0.10, 0.09, 0.08):
        canary = np.cumsum(rng.binomial(_EVERY, share, (setting.streams, len(seen))), axis=1)
        counts = np.stack([seen - canary, canary], axis=-1)
        found = crossings(check.path, counts, barrier)
        users = Looks(np.where(found.first == NEVER, NEVER, found.first * _EVERY))
        rows.append((f"{percent(share, 0)} reach the canary", percent(users.rate), users.told()))
        if share == 0.10:
            checks.append(Check(promise="sound sample ratios called broken", most=check.alpha,
                                found=users.rate, counted=users.counts))  # fmt: skip
    return Table(
        title="Sample ratio, 10 % planned",
        text=f"Called broken at 0.1 %; looked at after every {_EVERY} users, to {_USERS:,}.",
        head=("truth", "called broken", "users until then: median / 90 %"),
        rows=rows,
        checks=checks,
    )
