"""Other ways to bet, against ours: why the plan's own bets, and not ones that learn."""

import numpy as np

from bench.simulate.findings import (
    Check,
    Floats,
    Looks,
    Setting,
    Table,
    crossings,
    first_at,
    percent,
)
from bench.simulate.rollouts import (
    ALPHA,
    BARRIER,
    CONTROL,
    HORIZON,
    TERMS,
    Path,
    differences,
    even_harm,
    plan,
)
from seatrial.stats.law import Law

_MOST = 0.9  # of the bet that one observation could ruin
_ONS_RATE = 2 / (2 - np.log(3))


def kelly_alone(controls: int) -> Path:
    bet = Law.of_difference(0.91, CONTROL, controls).kelly(0, 0.99)
    return lambda streams: np.cumsum(np.log1p(bet * streams), axis=-1)


def newton_steps(streams: Floats) -> Floats:
    """Online Newton steps on the log wealth (Cutkosky and Orabona 2018; in [0, 1/2] as there)."""
    bet = np.zeros(len(streams))
    curvature = np.ones(len(streams))
    logs = np.empty_like(streams)
    for at, x in enumerate(-streams.T):
        logs[:, at] = np.log1p(bet * x)
        slope = x / (1 + bet * x)
        curvature += slope**2
        bet = np.clip(bet + _ONS_RATE * slope / curvature, 0, 0.5)
    return np.cumsum(logs, axis=-1)


def plug_in(streams: Floats) -> Floats:
    """The approximate Kelly bet of the mean and variance so far (aGRAPA, Waudby-Smith 2023)."""
    total, squares = np.zeros(len(streams)), np.zeros(len(streams))
    logs = np.empty_like(streams)
    for at, x in enumerate(-streams.T):
        mean = total / (at + 1)
        spread = (0.25 + squares) / (at + 1)
        logs[:, at] = np.log1p(np.clip(mean / (spread + mean**2), 0, _MOST) * x)
        total += x
        squares += (x - total / (at + 2)) ** 2
    return np.cumsum(logs, axis=-1)


def strategies(setting: Setting, controls: int) -> Table:
    contenders: dict[str, Path] = {
        "tuned mixture (ours)": plan(controls).harm.path,
        "even mixture of 8": even_harm().path,
        "Kelly bet for the promised fall alone": kelly_alone(controls),
        "online Newton steps": newton_steps,
        "plug-in (aGRAPA)": plug_in,
    }
    rng = setting.rng()
    shape = (setting.streams, HORIZON[controls])
    equal = differences(rng, CONTROL, controls, shape)
    falls = (0.01, 0.04, 0.10, 0.30)
    fallen = [differences(rng, CONTROL - fall, controls, shape) for fall in falls]

    def row(name: str, path: Path) -> tuple[str, ...]:
        false = crossings(path, equal, BARRIER)
        caught: list[Looks] = [crossings(path, streams, BARRIER) for streams in fallen]
        return (name, percent(false.rate), *(found.told() for found in caught))

    return Table(
        title=f"Ways to bet, 1:{controls}",
        text=f"All are valid at {percent(ALPHA, 0)}; they differ in speed. Canary users: median / "
        "90 %.",
        head=("bets", "false aborts", *(f"-{100 * fall:.0f} pt" for fall in falls)),
        rows=[row(name, path) for name, path in contenders.items()],
    )


def product_of_arms(own: Floats, hits: Floats, controls: int) -> Floats:
    """The growth-optimal e-value for two rates (Turner, Ly and Grünwald 2024), told 95 and 91 %."""
    canary = CONTROL - TERMS.fall
    pooled = (canary + controls * CONTROL) / (controls + 1)
    bets = [(rate - pooled) / (pooled * (1 - pooled)) for rate in (canary, CONTROL)]
    missed = (controls - hits) * np.log1p(-bets[1] * pooled)
    kept = hits * np.log1p(bets[1] * (1 - pooled))
    return np.cumsum(np.log1p(bets[0] * (own - pooled)) + kept + missed, axis=-1)


def opposite(setting: Setting) -> Table:
    """Why differences, and not the optimal product of both arms' likelihood ratios."""
    rng, shape = setting.rng(), (setting.streams, HORIZON[1])
    rows, checks = [], []
    for hard in (0.95, 0.90, 0.50, 0.30):
        easy = min(1.0, 2 * CONTROL - hard)
        pair = f"{percent(hard, 0)} and {percent(easy, 0)}"
        first = rng.random(shape) < 0.5
        own = (rng.random(shape) < np.where(first, hard, easy)).astype(float)
        other = (rng.random(shape) < np.where(first, easy, hard)).astype(float)
        ours = crossings(plan(1).harm.path, own - other, BARRIER)
        theirs = Looks(first_at(product_of_arms(own, other, 1) >= BARRIER))
        rows.append((pair, percent(ours.rate), percent(theirs.rate)))
        checks.append(Check(promise=f"false aborts, pairs of users of {pair}",
                            most=ALPHA, found=ours.rate, counted=ours.counts))  # fmt: skip
    return Table(
        title="Pairs of unlike users",
        text="Equal releases, and in every pair one user of each rate, dealt to the arms by "
        "chance. A difference is fair by the dealing alone; the likelihood ratios also need users "
        "whose rates do not lean away from each other.",
        head=("rates of the two users", "differences (ours)", "likelihood ratios (rejected)"),
        rows=rows,
        checks=checks,
    )
