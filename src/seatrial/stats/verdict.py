"""What the evidence says: Successful, Failed, Error or Inconclusive. Too little data is no pass."""

import enum
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from seatrial.kit.errors import SeatrialError
from seatrial.stats.bounds import some


class Outcome(enum.StrEnum):
    """How an analysis stands."""

    SUCCESSFUL = "Successful"
    """What the plan promised has been shown."""

    INCONCLUSIVE = "Inconclusive"
    """Neither harm nor success has been shown yet."""

    ERROR = "Error"
    """The data cannot be judged: a bad number, a wrong sample ratio."""

    FAILED = "Failed"
    """Harm has been shown."""


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """An outcome with its reason.

    Attributes:
        outcome: one of four.
        reason: one sentence, for a person.
        seen: observations that it rests on; None where it rests on none.
        missing: observations still needed, by the plan's own power, if it is Inconclusive and the
            plan states what it expects.
    """

    outcome: Outcome
    reason: str
    seen: int | None = None
    missing: int | None = None


def erred(error: SeatrialError) -> Verdict:
    """The verdict on data that was refused.

    >>> from seatrial.stats.errors import ObservationRefused
    >>> erred(ObservationRefused(value=float("nan"), low=-1, high=1)).outcome
    <Outcome.ERROR: 'Error'>
    """
    return Verdict(outcome=Outcome.ERROR, reason=error.message)


def voided(verdict: Verdict, reason: str) -> Verdict:
    """The verdict when the comparison itself is broken: it decides nothing, whatever it said.

    >>> passed = Verdict(outcome=Outcome.SUCCESSFUL, reason="within the margin", seen=900)
    >>> voided(passed, "users did not reach the arms as planned").outcome
    <Outcome.ERROR: 'Error'>
    """
    return Verdict(outcome=Outcome.ERROR, reason=reason, seen=verdict.seen)


_RANK: Final = (Outcome.SUCCESSFUL, Outcome.INCONCLUSIVE, Outcome.ERROR, Outcome.FAILED)


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """The verdict that decides: Failed over Error over Inconclusive over Successful.

    Shown harm is acted on even where another measure cannot be judged. Of several Inconclusive ones
    the one with most data missing decides.

    >>> passed = Verdict(outcome=Outcome.SUCCESSFUL, reason="cost: within the margin")
    >>> open_yet = Verdict(outcome=Outcome.INCONCLUSIVE, reason="resolved: undecided", missing=80)
    >>> worst([passed, open_yet]).reason
    'resolved: undecided'

    Raises:
        ParameterRefused: there is no verdict; nothing measured is no pass.
    """
    kept = some("verdicts", list(verdicts))
    return max(kept, key=lambda verdict: (_RANK.index(verdict.outcome), verdict.missing or 0))
