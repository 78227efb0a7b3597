"""Calls that an earlier attempt may have performed."""

from seatrial.cell.journal.domain.matching import Decision, FindMarker, RetrySameKey
from seatrial.cell.journal.domain.rows import Effect
from seatrial.cell.tools.domain.refusals import OutcomeUnknown
from seatrial.cell.tools.domain.values import Performing, Told
from seatrial.cell.tools.service.ports import Connector
from seatrial.kit.errors import SeatrialError


async def asked_after(connector: Connector, performing: Performing) -> Told | None:
    """What became of a call; None if it did not happen.

    Raises:
        OutcomeUnknown: that cannot be told now.
    """
    try:
        return await connector.lookup(performing)
    except OutcomeUnknown:
        raise
    except SeatrialError as error:
        reason = error.message.rstrip(".")
        raise OutcomeUnknown(action=performing.action, reason=reason) from error


def is_repeated(decision: Decision) -> bool:
    """Whether an earlier attempt may have performed the very call.

    Then nothing but an answer to the same key tells what became of it: that nobody answers now
    says nothing of what happened before.
    """
    if isinstance(decision, RetrySameKey):  # what a person has cleared has not happened
        return decision.row.effect in {Effect.IDEMPOTENT, Effect.TRANSACTIONAL}
    return isinstance(decision, FindMarker)
