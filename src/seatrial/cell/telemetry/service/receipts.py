"""Puts the receipt of a run together; each such look is on the log."""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

from seatrial.cell.journal.service import reading
from seatrial.cell.runs.domain.refusals import RunUnknown
from seatrial.cell.runs.domain.values import Run
from seatrial.cell.runs.service.judging import Judge
from seatrial.cell.runs.service.runs import Runs
from seatrial.cell.telemetry.receipts import decision, receipt
from seatrial.contract.runs.access import Caller
from seatrial.kit.database.connection import Connection
from seatrial.kit.database.database import Database

OnRead = Callable[[Caller, Run], Awaitable[None]]
_LOG: Final = logging.getLogger(__name__)


async def _all_written(_run: str) -> None:
    """What is not written yet is not shown yet."""


async def _nobody_told(_caller: Caller, _run: Run) -> None:
    """The line on the log is enough."""


@dataclass(frozen=True, kw_only=True)
class Receipts:
    """The receipts of one cell.

    Attributes:
        database: the cell's.
        environment: its name.
        runs: see there.
        judge: see there.
        written: has what is decided of a run written, before it is read.
        on_read: told before a receipt is shown. If it raises, nothing is shown.
    """

    database: Database
    environment: str
    runs: Runs
    judge: Judge
    written: Callable[[str], Awaitable[None]] = _all_written
    on_read: OnRead = _nobody_told

    async def of(self, run_id: str, by: Caller) -> dict[str, Any]:
        """The receipt of a run, payloads included; that it was read is logged.

        Raises:
            RunUnknown: there is none, or it is another tenant's.
        """
        run = await self._run(run_id, by)
        await self.on_read(by, run)

        def use_case(connection: Connection) -> dict[str, Any]:
            calls, totals = reading.tried(connection, run_id)
            return {
                "calls": calls,
                "totals": totals,
                "journal": reading.recorded(connection, run_id),
                "decided": reading.decided(connection, run_id),
            }

        found = await self.database.read(use_case)
        restarts = await self.runs.restarts(run_id)
        said = await self.judge.said(run_id)
        extra = {"event": "payload_read", "run": run_id, "caller": by.id}
        _LOG.info("the receipt of %s was read by %s", run_id, by.name, extra=extra)
        return receipt(
            run,
            environment=self.environment,
            restarts=restarts,
            said=said,
            **found,
        )

    async def decisions(self, run_id: str, by: Caller) -> list[dict[str, Any]]:
        """What became of each call that arrived, and why; no payload is in it.

        Raises:
            RunUnknown: there is none, or it is another tenant's.
        """
        await self._run(run_id, by)
        found = await self.database.read(lambda connection: reading.decided(connection, run_id))
        return [decision(attempt, each) for attempt, each in found]

    async def _run(self, run_id: str, by: Caller) -> Run:
        run = await self.runs.get(run_id)
        if by.tenant not in {"", run.tenant}:
            raise RunUnknown(run=run_id)
        await self.written(run_id)
        return run
