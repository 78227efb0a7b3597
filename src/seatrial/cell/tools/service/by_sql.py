"""A connector that is a database."""

import asyncio
from typing import Final

from seatrial.cell.tools.domain.refusals import (
    ActionFailed,
    ActionUnreachable,
    ConnectorUnfit,
    OutcomeUnknown,
)
from seatrial.cell.tools.domain.values import Performing, Told
from seatrial.cell.tools.service.ports import Functions
from seatrial.cell.tools.store import databases
from seatrial.cell.tools.store.databases import Transaction
from seatrial.contract.releases.actions import Effect, FunctionCall, SqlCall
from seatrial.kit.database.database import Database
from seatrial.kit.database.errors import CommitUnknown
from seatrial.kit.errors import SeatrialError

KIND: Final = "sql"


class SqlConnector:
    """Statements, and functions that are given an open transaction.

    Args:
        name: of the connector.
        database: where; its own, never a cell's.
        functions: where functions run.
    """

    kind: Final = KIND

    def __init__(self, name: str, database: Database, functions: Functions) -> None:
        self._name = name
        self._database = database
        self._functions = functions
        self._prepared: set[bool] = set()

    async def perform(self, call: Performing) -> Told:
        """See `Connector`."""
        how = call.tool.perform
        if isinstance(how, SqlCall):
            statement = how.statement
            return await self._committed(call, lambda transaction: _run(transaction, statement))
        if not isinstance(how, FunctionCall):
            raise ConnectorUnfit(connector=self._name, kind=KIND, action=call.action)
        # A process first: none is waited for while the transaction is open.
        async with self._functions.session(call) as session:

            def work(transaction: Transaction) -> Told:
                returned = session.call_now(call, transaction)
                if returned.raised is not None:
                    return Told.raised(returned.raised)
                return Told(ok=True, value=returned.value)

            return await self._committed(call, work)

    async def _committed(self, call: Performing, work: databases.Work) -> Told:
        """Do the work in one transaction; what is lost before its commit has had no effect."""
        try:
            await self._ready(call)
            return await databases.perform(self._database, call, work)
        except CommitUnknown as error:
            if call.tool.effect is Effect.READ:
                return Told.failed(ActionUnreachable(action=call.action, reason=_reason(error)))
            raise OutcomeUnknown(action=call.action, reason=_reason(error)) from None
        except SeatrialError as error:
            kind = ActionUnreachable if error.status >= 500 else ActionFailed
            if isinstance(error, ActionFailed):
                return Told.failed(error)
            return Told.failed(kind(action=call.action, reason=_reason(error)))

    async def lookup(self, call: Performing) -> Told | None:
        """See `Connector`."""
        await self._ready(call)
        return await self._database.read(lambda connection: databases.marked(connection, call))

    async def close(self) -> None:
        """See `Connector`."""
        await self._database.close()

    async def _ready(self, call: Performing) -> None:
        marks = call.tool.effect is Effect.TRANSACTIONAL
        if marks not in self._prepared:
            await asyncio.to_thread(databases.prepare, self._database, self._name, marks=marks)
            self._prepared.add(marks)


def _run(transaction: Transaction, statement: str) -> Told:
    found = transaction.optional(statement)
    changed = {"changed": found.changed}
    return Told(ok=True, value=changed if found.changed else found.rows)


def _reason(error: SeatrialError) -> str:
    return error.message.rstrip(".")
