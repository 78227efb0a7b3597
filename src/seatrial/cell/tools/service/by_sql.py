"""A connector that is a database."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
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
from seatrial.kit.database.errors import CommitUnknown, DatabaseAccessRefused
from seatrial.kit.errors import SeatrialError

KIND: Final = "sql"

Opening = Callable[[], Awaitable[Database]]
"""Opens the database, with the password that the vault holds at this moment."""


class SqlConnector:
    """Statements, and functions that are given an open transaction.

    Args:
        name: of the connector.
        opening: of its own database, never a cell's. It is opened when it is first needed, and
            again when it has refused its password.
        functions: where functions run.
    """

    kind: Final = KIND

    def __init__(self, name: str, opening: Opening, functions: Functions) -> None:
        self._name = name
        self._opening = opening
        self._functions = functions
        self._database: Database | None = None
        self._busy = asyncio.Lock()
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
            async with self._opened(call) as database:
                return await databases.perform(database, call, work)
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
        async with self._opened(call) as database:
            return await database.read(lambda connection: databases.marked(connection, call))

    async def close(self) -> None:
        """See `Connector`."""
        if self._database is not None:
            await self._let_go(self._database)

    @contextlib.asynccontextmanager
    async def _opened(self, call: Performing) -> AsyncIterator[Database]:
        """The database; one that refuses its password is let go, and opened by the next call."""
        async with self._busy:
            if self._database is None:
                self._database = await self._opening()
            database = self._database
        try:
            await self._prepare(database, marks=call.tool.effect is Effect.TRANSACTIONAL)
            yield database
        except DatabaseAccessRefused:
            await self._let_go(database)
            raise

    async def _prepare(self, database: Database, *, marks: bool) -> None:
        async with self._busy:
            if marks not in self._prepared:
                await asyncio.to_thread(databases.prepare, database, self._name, marks=marks)
                self._prepared.add(marks)

    async def _let_go(self, database: Database) -> None:
        """Close `database`; if another call has opened a new one meanwhile, that stays."""
        async with self._busy:
            if self._database is database:
                self._database = None
                self._prepared.clear()
        await database.close()


def _run(transaction: Transaction, statement: str) -> Told:
    found = transaction.optional(statement)
    changed = {"changed": found.changed}
    return Told(ok=True, value=changed if found.changed else found.rows)


def _reason(error: SeatrialError) -> str:
    return error.message.rstrip(".")
