"""Puts the receipt of a run together; each such look is on the log."""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

from seatrial.cell.journal.domain.calls import Call, Totals
from seatrial.cell.journal.service import metering as journal
from seatrial.cell.runs.domain.refusals import RunUnknown
from seatrial.cell.runs.domain.values import Run
from seatrial.cell.runs.service.judging import Judge
from seatrial.cell.runs.service.runs import Runs
from seatrial.cell.telemetry.receipts import receipt
from seatrial.contract.runs.access import Caller
from seatrial.kit.database.connection import Connection
from seatrial.kit.database.database import Database

OnRead = Callable[[Caller, Run], Awaitable[None]]
_LOG: Final = logging.getLogger(__name__)


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
        on_read: told before a receipt is shown. If it raises, nothing is shown.
    """

    database: Database
    environment: str
    runs: Runs
    judge: Judge
    on_read: OnRead = _nobody_told

    async def of(self, run_id: str, by: Caller) -> dict[str, Any]:
        """The receipt of a run, payloads included; that it was read is logged.

        Raises:
            RunUnknown: there is none, or it is another tenant's.
        """
        run = await self.runs.get(run_id)
        if by.tenant not in {"", run.tenant}:
            raise RunUnknown(run=run_id)

        await self.on_read(by, run)

        def use_case(connection: Connection) -> tuple[list[Call], Totals]:
            return journal.calls(connection, run_id), journal.totals(connection, run_id)

        calls, totals = await self.database.read(use_case)
        restarts = await self.runs.restarts(run_id)
        said = await self.judge.said(run_id)
        extra = {"event": "payload_read", "run": run_id, "caller": by.id}
        _LOG.info("the receipt of %s was read by %s", run_id, by.name, extra=extra)
        return receipt(
            run,
            environment=self.environment,
            calls=calls,
            totals=totals,
            restarts=restarts,
            said=said,
        )
