"""Several bets on one bounded stream, side by side, each with a share of one unit of wealth.

A bet multiplies what stands behind it by `1 + bet · (x - null)`. Every test and watch of a mean in
this room is made of these.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np

from seatrial.stats.bounds import Floats, between, observation, shares
from seatrial.stats.errors import ParameterRefused, StateRefused
from seatrial.stats.passage import looks_until
from seatrial.stats.plans import digest, own

_NEAR_RUIN: Final = 0.99  # of the bet that one observation could ruin: every log stays finite


@dataclass(frozen=True, kw_only=True)
class Outlook:
    """How each bet fares if what the plan expects is true: nats for one observation."""

    growth: tuple[float, ...]
    spread: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class Stakes:
    """Bets against a claim about a mean; their signs say which claim.

    All positive: against "the mean is at most `null`". All negative: against "the mean is at least
    `null`". Both: against "the mean is `null`".

    Attributes:
        low: least value an observation can take.
        high: greatest value.
        null: the border of the claim, strictly between them.
        bets: stakes for one unit of `x - null`, none beyond `largest_bet`.
        shares: part of the wealth behind each bet; positive, summing to 1.
        outlook: how the bets fare if the plan's expectation is true; None if it states none.

    >>> Stakes(low=-1, high=1, null=0, bets=(-0.3, -0.6), shares=(0.5, 0.5)).digest
    '9615fb0c53da7352'
    """

    low: float
    high: float
    null: float
    bets: tuple[float, ...]
    shares: tuple[float, ...]
    outlook: Outlook | None = None

    def __post_init__(self) -> None:
        between("null", self.null, self.low, self.high)
        shares("shares", self.shares)
        if len(self.bets) != len(self.shares):
            raise ParameterRefused(name="bets", rule="one for each share", value=self.bets)
        for bet in self.bets:
            most = largest_bet(self.low, self.high, self.null, bet)
            if not 0 < abs(bet) <= most:
                raise ParameterRefused(name="bet", rule=f"above 0, up to ±{most}", value=bet)

    @cached_property
    def digest(self) -> str:
        """Names these numbers; a state of other stakes carries another name."""
        return digest(self.low, self.high, self.null, *self.bets, *self.shares)

    @cached_property
    def log_shares(self) -> tuple[float, ...]:
        """Log of each share, in nats."""
        return tuple(math.log(share) for share in self.shares)

    def own(self, plan: str, logs: Sequence[float]) -> None:
        """Refuse a state of other stakes.

        Raises:
            StateRefused: its name is not this digest, or it has not one log for each bet.
        """
        own(plan, self.digest)
        if len(logs) != len(self.bets):
            raise StateRefused(problem=f"it has {len(logs)} logs for {len(self.bets)} bets")

    def factors(self, value: float) -> list[float]:
        """Log of what each bet is multiplied by for one observation, in nats.

        Raises:
            ObservationRefused: the value is outside `[low, high]`, or NaN.
        """
        gain = observation(value, self.low, self.high) - self.null
        log1p = math.log1p
        return [log1p(bet * gain) for bet in self.bets]

    def walks(self, values: Floats) -> Floats:
        """Running sums of `factors` along the last axis; one more axis at the end, for the bets."""
        steps = np.log1p((values - self.null)[..., np.newaxis] * np.asarray(self.bets))
        sums: Floats = np.cumsum(steps, axis=-2, out=steps)
        return sums

    def mixed(self, logs: Sequence[float]) -> float:
        """Log of the wealth on all bets together, in nats."""
        weighted = [log + share for log, share in zip(logs, self.log_shares, strict=True)]
        top = max(weighted)
        return top + math.log(sum([math.exp(log - top) for log in weighted]))

    def mixtures(self, logs: Floats) -> Floats:
        """`mixed` over the last axis of an array."""
        weighted = logs + np.asarray(self.log_shares)
        top = weighted.max(axis=-1, keepdims=True)
        sums: Floats = top[..., 0] + np.log(np.exp(weighted - top).sum(axis=-1))
        return sums

    def looks_until(self, barrier: float, logs: Sequence[float], power: float) -> int | None:
        """Observations until the wealth reaches `barrier` with probability `power`, if all goes as
        the outlook says: those of the bet that gets there first by itself.

        Args:
            barrier: in nats, above where the wealth is now.
            logs: what each bet has become so far, in nats.
            power: probability, between 0 and 1.

        Returns:
            None if the plan states no expectation, or no bet gains under it.
        """
        if self.outlook is None:
            return None
        pace = zip(self.outlook.growth, self.outlook.spread, strict=True)
        looks = [
            looks_until(power, barrier=barrier - share - log, growth=growth, spread=spread)
            for log, share, (growth, spread) in zip(logs, self.log_shares, pace, strict=True)
        ]
        return min((known for known in looks if known is not None), default=None)


def largest_bet(low: float, high: float, null: float, sign: float) -> float:
    """The largest stake, in the direction of `sign`, that no observation can ruin.

    >>> largest_bet(-1, 1, 0, -1)
    0.99
    """
    return _NEAR_RUIN / (null - low if sign > 0 else high - null)
