"""Which bets to place: more behind the effect that a plan promises to catch, some around it."""

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np

from seatrial.stats.law import Law
from seatrial.stats.stakes import Outlook, Stakes, largest_bet

Reach = Sequence[tuple[float, float]]
"""Pairs of a multiple of the promised effect and the share of the wealth that bets on it."""

FOR_HARM: Final[Reach] = ((1 / 8, 0.30), (1, 0.45), (2, 0.15), (6, 0.10))
"""Mostly the promised fall; a tenth for disasters; a part for falls that only a long soak shows."""

FOR_PROMISE: Final[Reach] = ((1 / 4, 0.40), (1, 0.60))
"""More is kept for late: a false promotion costs more than a promotion that waits a little."""

FOR_CHANGE: Final[Reach] = ((1.25, 0.8), (3, 0.2))
"""A watch has no end, so nothing is kept for late."""

EVEN: Final[tuple[float, ...]] = tuple(float(bet) for bet in np.logspace(-1.4, -0.3, 8))
"""Eight bets from 0.04 to 0.5 for a difference in [-1, 1] of which nothing is known."""


def tuned(
    *, bounds: tuple[float, float], null: float, family: Callable[[float], Law], reach: Reach
) -> Stakes:
    """Stakes whose bets grow fastest (Kelly) for the effects within reach.

    A mixture loses at most the log of a bet's share against that bet alone: half the wealth on the
    promised effect costs log 2 = 0.7 nats of the log 20 = 3.0 that alpha = 5 % needs.

    Args:
        bounds: least and greatest value of an observation.
        null: the border of the claim.
        family: the law to expect if the effect is this multiple of the promised one.
        reach: multiples and shares.

    >>> fall = lambda times: Law.of_difference(0.95 - 0.04 * times, 0.95)
    >>> stakes = tuned(bounds=(-1, 1), null=0, family=fall, reach=[(1, 0.6), (3, 0.4)])
    >>> [round(bet, 2) for bet in stakes.bets]
    [-0.31, -0.59]
    """
    placed: dict[float, float] = {}
    for times, share in reach:
        law = family(times)
        bet = law.kelly(null, largest_bet(*bounds, null, law.mean - null))
        placed[bet] = placed.get(bet, 0.0) + share
    pace = [family(1).growth(bet, null) for bet in placed]
    return Stakes(
        low=bounds[0],
        high=bounds[1],
        null=null,
        bets=tuple(placed),
        shares=tuple(placed.values()),
        outlook=Outlook(growth=tuple(g for g, _ in pace), spread=tuple(s for _, s in pace)),
    )


def even(*, bounds: tuple[float, float], null: float, bets: Sequence[float] = EVEN) -> Stakes:
    """Stakes in equal shares, for a stream of which nothing is known beforehand.

    >>> even(bounds=(-1, 1), null=0, bets=[0.1, 0.2]).shares
    (0.5, 0.5)
    """
    return Stakes(
        low=bounds[0],
        high=bounds[1],
        null=null,
        bets=tuple(bets),
        shares=(1 / len(bets),) * len(bets),
    )
