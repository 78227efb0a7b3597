"""Intervals for people: how often one that is looked at all the time ever misses the truth."""

import numpy as np

from bench.simulate.findings import Check, Looks, Setting, Table, first_at, percent
from seatrial.stats.moments import half_width
from seatrial.stats.quantiles import Ranks, ranks, ranks_stitched
from seatrial.stats.sequences import MeanSequence

ALPHA = 0.05
_VALUES = 2000
_MEAN_STREAMS = 400  # those are stepped through one value at a time
_BEGIN = 200  # the asymptotic one is shown from here


def intervals(setting: Setting) -> Table:
    rows, checks = [], []
    for name, looks in (
        ("mean, never asymptotic (`sequences`)", _means(setting)),
        ("mean, asymptotic, from 200 values (`moments`)", _moments(setting)),
        ("p50, mixture (`quantiles.ranks`)", _quantiles(setting, 0.5, stitched=False)),
        ("p95, mixture (`quantiles.ranks`)", _quantiles(setting, 0.95, stitched=False)),
        ("p95, closed formula (`ranks_stitched`)", _quantiles(setting, 0.95, stitched=True)),
    ):  # fmt: skip
        rows.append((name, f"{percent(looks.rate)} ({looks.counts})"))
        checks.append(Check(promise=f"ever missed: {name}", most=ALPHA, found=looks.rate,
                            counted=looks.counts))  # fmt: skip
    return Table(
        title="Intervals under constant watching",
        text=f"95 % intervals, looked at after every value to {_VALUES:,}.",
        head=("interval", "ever missed the truth"),
        rows=rows,
        checks=checks,
    )


def _means(setting: Setting) -> Looks:
    streams = (setting.rng().random((min(setting.streams, _MEAN_STREAMS), _VALUES)) < 0.9) * 1.0
    plan = MeanSequence(low=0, high=1, alpha=ALPHA)
    missed = np.zeros(streams.shape, dtype=bool)
    for row, values in enumerate(streams.tolist()):
        seen = plan.start()
        for at, value in enumerate(values):
            seen = plan.step(seen, value)
            low, _, high = plan.interval(seen)
            missed[row, at] = not low <= 0.9 <= high
    return Looks(first_at(missed))


def _moments(setting: Setting) -> Looks:
    streams = setting.rng().exponential(1.0, (setting.streams, _VALUES))
    count = np.arange(1, _VALUES + 1)
    mean = np.cumsum(streams, axis=1) / count
    variance = np.cumsum(streams**2, axis=1) / count - mean**2
    unit = np.array([half_width(1.0, n, alpha=ALPHA) for n in count.tolist()])
    missed = np.abs(mean - 1) > unit * np.sqrt(variance)
    return Looks(first_at(missed[:, _BEGIN - 1 :]))


def _quantiles(setting: Setting, p: float, *, stitched: bool) -> Looks:
    below = np.cumsum(setting.rng().random((setting.streams, _VALUES)) < p, axis=1)
    borders: list[Ranks] = [
        ranks_stitched(n, p, alpha=ALPHA) if stitched else ranks(n, p, alpha=ALPHA)
        for n in range(1, _VALUES + 1)
    ]
    low, high = np.array(borders).T
    return Looks(first_at((below < low) | (below > high)))
