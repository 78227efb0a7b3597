"""Who leads and for how long: the rule by which a holder gives up before its lease runs out."""

from dataclasses import dataclass
from typing import Final

from seatrial.kit.errors import Conflict

PATIENCE: Final = 2 / 3
"""The part of a lease after which its holder counts itself out, if no renewal came through.

The last third is the margin: a holder's steady clock may run a third too slow, and it still stops
before the database gives the lease to another.
"""


class LeaseLost(Conflict):
    """The lease {name!r} is no longer held under epoch {epoch}."""

    code = "lease_lost"
    cause = (
        "This process paused, or could not reach the database, for longer than its lease lasts;"
        " another process may lead by now."
    )
    remedy = "Nothing was written. The process stands for the lease again by itself."


@dataclass(frozen=True, kw_only=True)
class Tenure:
    """One unbroken time as the holder of a lease.

    Attributes:
        epoch: how many times the lease had been taken when this tenure began; no other has it.
        until: steady time from which on the holder counts itself out.
    """

    epoch: int
    until: float

    def holds(self, steady: float) -> bool:
        """Whether the holder may still act as such at the steady time `steady`."""
        return steady < self.until


def tenure(epoch: int, asked: float, ttl: float) -> Tenure:
    """The tenure that a successful request to take or renew a lease gives.

    Args:
        epoch: what the database answered.
        asked: steady time just before the request was sent. The database counts from later on.
        ttl: seconds that the database was asked for.
    """
    return Tenure(epoch=epoch, until=asked + ttl * PATIENCE)


def refuse_unfit_times(ttl: float, renew: float) -> None:
    """Return if a holder that renews every `renew` seconds keeps a lease of `ttl` seconds.

    Raises:
        ValueError: it would count itself out before its first renewal.
    """
    if not 0 < renew < ttl * PATIENCE:
        raise ValueError(f"a lease of {ttl} s cannot be kept by renewing it every {renew} s")
