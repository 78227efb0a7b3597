"""What performs a function that needs no connector."""

import asyncio
from typing import Final

from seatrial.cell.tools.domain.refusals import ActionUnreachable, OutcomeUnknown
from seatrial.cell.tools.domain.values import Performing, Told
from seatrial.cell.tools.service.ports import Functions
from seatrial.contract.releases.actions import Effect

KIND: Final = "function"


class FunctionConnector:
    """A function of the release that is given nothing but its arguments.

    What it raises is a failure without effect where the action reads; where it writes, nobody can
    tell how far it came.
    """

    kind: Final = KIND

    def __init__(self, functions: Functions) -> None:
        self._functions = functions

    async def perform(self, call: Performing) -> Told:
        """See `Connector`."""
        reads = call.tool.effect is Effect.READ
        try:
            async with self._functions.session(call) as session:
                returned = await asyncio.to_thread(session.call_now, call, None)
        except OutcomeUnknown as error:
            if not reads:
                raise
            reason = str(error.fields["reason"])
            return Told.failed(ActionUnreachable(action=call.action, reason=reason))
        if returned.raised is None:
            return Told(ok=True, value=returned.value)
        if not reads:
            raise OutcomeUnknown(action=call.action, reason=f"it raised {returned.raised}")
        return Told.raised(returned.raised)

    async def lookup(self, call: Performing) -> Told | None:
        """See `Connector`: a function cannot be asked."""
        raise OutcomeUnknown(action=call.action, reason="a function cannot be asked what happened")

    async def close(self) -> None:
        """See `Connector`."""
