"""Cost per resolved case: values that are skewed, cut at a cap and not yes or no."""

import math

import numpy as np
from scipy.special import ndtr

from bench.simulate.findings import Check, Floats, Setting, Table, percent
from bench.simulate.rollouts import ALPHA, looks
from seatrial.stats.guards import Price, cost_against_forecast

_RESOLVED = 0.85
_CAP = 0.5
_SPREAD = 0.8  # of the cost's logarithm
_USERS = 3000


def price() -> Price:
    """A forecast that costs of log-mean log 0.06 exceed by exactly the allowance, and no more."""
    log_mean = math.log(0.06)
    beyond = (math.log(_CAP) - log_mean) / _SPREAD
    below = math.exp(log_mean + _SPREAD**2 / 2) * float(ndtr(beyond - _SPREAD))
    capped = below + _CAP * float(ndtr(-beyond))
    return Price(forecast=capped / _RESOLVED / 1.1, allowance=0.1, cap=_CAP)


def savings(rng: np.random.Generator, times: float, shape: tuple[int, int]) -> Floats:
    costs = np.minimum(times * 0.06 * np.exp(_SPREAD * rng.standard_normal(shape)), _CAP)
    return np.asarray(price().bounds[1] * (rng.random(shape) < _RESOLVED) - costs, np.float64)


def money(setting: Setting) -> Table:
    rng, shape = setting.rng(), (setting.streams, _USERS)
    earlier = savings(rng, 0.9, (1, 1000))[0].tolist()
    measure = cost_against_forecast("cost", price(), recorded=earlier, overrun=0.02)
    border = savings(rng, 1.0, shape)
    false, early = looks(measure.harm, border), looks(measure.promise, border)
    rows = [("exactly at the allowance", percent(false.rate), percent(early.rate), "")]
    for name, times in (("a tenth below it", 0.9), ("a fifth above it", 1.2)):
        streams = savings(rng, times, shape)
        harmed, shown = looks(measure.harm, streams), looks(measure.promise, streams)
        told = shown.told() if times < 1 else harmed.told()
        rows.append((name, percent(harmed.rate), percent(shown.rate), told))
    return Table(
        title="Cost per resolved case",
        text=f"Costs are log-normal with spread {_SPREAD}, cut at {_CAP} where the typical one is "
        f"0.06; {percent(_RESOLVED, 0)} of cases are resolved. Looked at after every user, up to "
        f"{_USERS:,}.",
        head=("cost", "aborted", "promoted", "users until the right verdict: median / 90 %"),
        rows=rows,
        checks=[
            Check(promise="false aborts, cost exactly at the allowance", most=ALPHA,
                  found=false.rate, counted=false.counts),
            Check(promise="false promotions, cost exactly at the allowance", most=ALPHA,
                  found=early.rate, counted=early.counts),
        ],
    )  # fmt: skip
