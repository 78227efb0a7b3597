"""Whose bodies go, so that the journal stays below its ceiling. Rows stay: they are small."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True, kw_only=True, slots=True)
class Held:
    """The bodies of one run.

    Attributes:
        run: its id.
        stored: bytes on disk.
        ended: when the run ended; None while it may still be replayed.
    """

    run: str
    stored: int
    ended: datetime | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Retention:
    """How long, and how much.

    Attributes:
        after: how long bodies stay after their run has ended.
        ceiling: bytes of all bodies together.
    """

    after: timedelta = timedelta(days=30)
    ceiling: int = 10 << 30


@dataclass(frozen=True, kw_only=True, slots=True)
class Sweep:
    """What to do.

    Attributes:
        drop: runs whose bodies go, in that order.
        over: bytes above the ceiling that only runs hold which have not ended: no run may lose
            what it is recovered from, so new runs must be refused while this is not 0.
    """

    drop: tuple[str, ...]
    over: int


def sweep(held: Iterable[Held], retention: Retention, now: datetime) -> Sweep:
    """Whose bodies go: first those that are too old, then the oldest above the ceiling."""
    known = list(held)
    left = sum(run.stored for run in known)
    ended = sorted(
        ((run.ended, run.run, run.stored) for run in known if run.ended is not None),
    )
    drop: list[str] = []
    for at, run, stored in ended:
        if at + retention.after > now and left <= retention.ceiling:
            break
        drop.append(run)
        left -= stored
    return Sweep(drop=tuple(drop), over=max(0, left - retention.ceiling))
