"""After promotion: how often a watch gives a false alarm, and how soon it notices a fall."""

import math

import numpy as np

from bench.simulate.findings import Check, Floats, Looks, Setting, Table, crossings, percent
from seatrial.stats.change import ChangeWatch, Restart, watch_rate

BASELINE, FALL = 0.95, 0.04
_QUIET = 12_000
_BEFORE = 2000
_AFTER = 3000


def watch(restart: Restart, run_length: float) -> ChangeWatch:
    return watch_rate(baseline=BASELINE, fall=FALL, run_length=run_length, restart=restart)


def changing(rng: np.random.Generator, after: float, streams: int) -> Floats:
    rates = np.repeat([BASELINE, after], [_BEFORE, _AFTER])
    return (rng.random((streams, _BEFORE + _AFTER)) < rates).astype(float)


def noticed(looks: Looks) -> Looks:
    return Looks(looks.first[looks.first > _BEFORE] - _BEFORE)


def alarms(looks: Looks) -> float:
    """Alarms for one quiet observation; streams without one are counted to the horizon."""
    return looks.crossed / float(np.minimum(looks.first, _QUIET).sum())


def length(looks: Looks) -> str:
    return f"{1 / alarms(looks):,.0f}" if looks.crossed else f"above {len(looks.first) * _QUIET:,}"


def watches(setting: Setting) -> Table:
    rng = setting.rng()
    quiet = (rng.random((setting.streams, _QUIET)) < BASELINE).astype(float)
    fallen = [changing(rng, after, setting.streams) for after in (0.91, 0.85)]
    rows, checks = [], []
    for name, restart, run_length in (
        ("all starts added (e-SR, ours)", Restart.ALL, 1e4),
        ("best start (e-CUSUM)", Restart.BEST, 1e4),
        ("all starts added", Restart.ALL, 1e6),
    ):
        plan = watch(restart, run_length)
        barrier = math.log(run_length)
        false = crossings(plan.path, quiet, barrier)
        found = [noticed(crossings(plan.path, streams, barrier)) for streams in fallen]
        rows.append((name, f"{run_length:,.0f}", percent(false.rate), length(false),
                     *(looks.told() for looks in found)))  # fmt: skip
        checks += [
            Check(promise=f"false alarms in {run_length:,.0f} quiet observations: {name}", most=1,
                  found=alarms(false) * run_length, counted=false.counts),
            Check(promise=f"median observations to notice 95 → 91 %, run length {run_length:,.0f}: "
                  f"{name}", most=556, found=found[0].after(0.5),
                  counted=f"{len(found[0].first):,} streams"),
        ]  # fmt: skip
    return Table(
        title="A watch after promotion",
        text=f"Baseline 95 %; the fall comes after {_BEFORE:,} quiet observations, and streams "
        "with an alarm before it are left out. Delays: median / 90 %.",
        head=("watch", "run length asked for", f"alarms in {_QUIET:,} quiet observations",
              "observations for each alarm", "95 → 91 %", "95 → 85 %"),
        rows=rows,
        checks=checks,
    )  # fmt: skip
