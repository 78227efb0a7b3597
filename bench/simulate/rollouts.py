"""Canary against control, looked at after every user: false aborts and promotions, and delays."""

import math
from collections.abc import Callable

import numpy as np

from bench.simulate.findings import Check, Floats, Looks, Setting, Table, crossings, percent
from seatrial.stats.bets import EVEN, even
from seatrial.stats.betting import MeanTest
from seatrial.stats.guards import Terms, rate_against_control
from seatrial.stats.measures import Measure

CONTROL = 0.95
TERMS = Terms(fall=0.04, margin=0.02)
HORIZON = {1: 4000, 9: 3000}
ALPHA = 0.05
BARRIER = -math.log(ALPHA)
Path = Callable[[Floats], Floats]
"""Log evidence after each observation, along the last axis."""

_Z = 1.6449  # leaves 5 % of a normal law on one side


def plan(controls: int, steady: float = 1.0) -> Measure:
    return rate_against_control(
        "resolved", TERMS, control=CONTROL, controls=controls, steady=steady
    )


def even_harm() -> MeanTest:
    return MeanTest(stakes=even(bounds=(-1, 1), null=0, bets=[-bet for bet in EVEN]))


def even_promise() -> MeanTest:
    """Even bets on the difference moved by the margin and scaled back into [-1, 1]."""
    margin = TERMS.margin
    bets = [bet / (1 + margin) for bet in EVEN]
    return MeanTest(stakes=even(bounds=(-1, 1), null=-margin, bets=bets))


def differences(
    rng: np.random.Generator, canary: float, controls: int, shape: tuple[int, int]
) -> Floats:
    own = rng.random(shape) < canary
    others: Floats = rng.binomial(controls, CONTROL, shape) / controls
    return own - others


def looks(test: MeanTest, streams: Floats) -> Looks:
    return crossings(test.path, streams, BARRIER)


def z_test(streams: Floats) -> Floats:
    """What is done first: a one-sided z-test at 5 %, at each look from the thirtieth user on."""
    sums, squares = np.cumsum(streams, axis=-1), np.cumsum(streams**2, axis=-1)
    reached = sums < -_Z * np.sqrt(squares)
    reached[..., :29] = False
    return np.where(reached, BARRIER, 0.0)


def harm(setting: Setting, controls: int) -> Table:
    """False aborts of equal releases, and users until a real fall is caught."""
    rng = setting.rng()
    allocation, horizon = f"1:{controls}", HORIZON[controls]
    contenders: dict[str, Path] = {
        "z-test at each look (wrong)": z_test,
        "even bets": even_harm().path,
        "tuned bets": plan(controls).harm.path,
    }
    falls = (0.0, 0.04, 0.10, 0.30)
    found: dict[str, list[Looks]] = {name: [] for name in contenders}
    for fall in falls:
        streams = differences(rng, CONTROL - fall, controls, (setting.streams, horizon))
        for name, path in contenders.items():
            found[name].append(crossings(path, streams, BARRIER))
    false, caught = found["tuned bets"][:2]
    return Table(
        title=f"Harm, canary to control {allocation}",
        text="Success 95 % in both arms, then a fall in the canary. Looked at after every canary "
        f"user, up to {horizon:,}. Delays are canary users: median / 90 % of streams.",
        head=("bets", "false aborts", *(f"-{100 * fall:.0f} pt" for fall in falls[1:])),
        rows=[
            (name, f"{percent(equal.rate)} ({equal.counts})", *(each.told() for each in fallen))
            for name, (equal, *fallen) in found.items()
        ],
        checks=[
            Check(promise=f"false aborts of equal releases, {allocation}", most=ALPHA,
                  found=false.rate, counted=false.counts, aim=0.032),
            Check(promise=f"median canary users to catch 95 → 91 %, {allocation}",
                  most={1: 513, 9: 362}[controls], found=caught.after(0.5),
                  counted=f"{setting.streams:,} streams"),
        ],
    )  # fmt: skip


def promise(setting: Setting) -> Table:
    """False promotions at the margin, and users until an equal release is shown to be no worse."""
    rng = setting.rng()
    shape = (setting.streams, HORIZON[1])
    contenders = {"even bets": even_promise(), "tuned bets": plan(1).promise}
    border = differences(rng, CONTROL - TERMS.margin, 1, shape)
    equal = differences(rng, CONTROL, 1, shape)
    false = {name: looks(test, border) for name, test in contenders.items()}
    shown = {name: looks(test, equal) for name, test in contenders.items()}
    ours = false["tuned bets"]
    return Table(
        title="Promise: no worse than 2 points, 1:1",
        text="A canary exactly at the margin (93 % against 95 %), and an equal one. Looked at "
        "after every pair, up to 4,000.",
        head=("bets", "false promotions at the margin", "equal: promoted", "equal: pairs"),
        rows=[
            (name, f"{percent(false[name].rate)} ({false[name].counts})",
             percent(shown[name].rate), shown[name].told())
            for name in contenders
        ],
        checks=[
            Check(promise="false promotions at the margin, 1:1", most=ALPHA, found=ours.rate,
                  counted=ours.counts, aim=0.03),
        ],
    )  # fmt: skip
