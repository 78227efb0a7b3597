"""What actions of a run on a fixture are performed on: its recording."""

from typing import Final

from seatrial.cell.journal.domain.rows import Row
from seatrial.cell.tools.domain.refusals import ActionUnrecorded
from seatrial.cell.tools.domain.values import Performing, Rehearsed, Told
from seatrial.cell.tools.service.ports import Recording


class FixtureConnector:
    """Stands where an environment's own connector would: the way there is the same.

    Args:
        recording: what answers.
        row: the call's, which tells how often it was made before.
    """

    kind: Final = "fixture"

    def __init__(self, recording: Recording, row: Row) -> None:
        self._recording = recording
        self._row = row

    async def perform(self, call: Performing) -> Told:
        """See `Connector`; nothing is performed, so nothing can be unknown."""
        return await self._recording(
            Rehearsed(
                run=call.run,
                name=call.action,
                arguments=call.arguments,
                key=self._row.key,
                occurrence=self._row.occurrence,
            )
        )

    async def lookup(self, call: Performing) -> Told | None:
        """See `Connector`: whatever was cut is answered again."""
        del call
        return None

    async def close(self) -> None:
        """See `Connector`."""


async def no_recording(call: Rehearsed) -> Told:
    """Where a cell keeps no fixtures; raises `ActionUnrecorded`."""
    raise ActionUnrecorded(action=call.name, why="is not recorded")
