"""What actions are performed on in one environment, made of a cell's settings."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from seatrial.cell.hosts.service.functions import FunctionCall as HostCall
from seatrial.cell.hosts.service.functions import Functions, Session
from seatrial.cell.tools.domain.refusals import (
    ActionUnreachable,
    ConnectorRefused,
    OutcomeUnknown,
)
from seatrial.cell.tools.domain.values import Performing
from seatrial.cell.tools.service.by_http import HttpConnector
from seatrial.cell.tools.service.by_sql import SqlConnector
from seatrial.cell.tools.service.connectors import Bound
from seatrial.cell.tools.service.ports import Connector, Returned, Secrets, Statements
from seatrial.contract.releases.actions import FunctionCall
from seatrial.kit.clock import Clock
from seatrial.kit.database.address import SqliteAddress, parse, with_password
from seatrial.kit.database.database import Database
from seatrial.kit.database.lanes import Limits
from seatrial.kit.errors import SeatrialError
from seatrial.kit.http.client import HttpClient
from seatrial.main.settings import ConnectorSection

_SQLITE: Final = "sqlite:///"
_LIMITS: Final = Limits(statement=600.0, patience=30.0, readers=2, writers=4)


@dataclass(frozen=True, kw_only=True)
class Means:
    """What connectors are made with.

    Attributes:
        folder: the cell's own; relative files of databases lie below it.
        own: the URL of the cell's own database, which no connector may name.
        client: for requests.
        secrets: of the environment.
        functions: where functions run.
        clock: for databases.
    """

    folder: Path
    own: str
    client: HttpClient
    secrets: Secrets
    functions: "ActionFunctions"
    clock: Clock


def bound(sections: Mapping[str, ConnectorSection], means: Means) -> dict[str, Bound]:
    """The connectors that the settings bind.

    Raises:
        ConnectorRefused: one is incomplete, or names the cell's own database.
    """
    return {name: _bound(name, section, means) for name, section in sections.items()}


def _bound(name: str, section: ConnectorSection, means: Means) -> Bound:
    url = section.url.get_secret_value()
    if section.kind == "http":
        if not url.startswith(("http://", "https://")):
            raise ConnectorRefused(connector=name, reason="`url` is no `http://` or `https://` URL")

        def request() -> Connector:
            return HttpConnector(
                name,
                url,
                client=means.client,
                secrets=means.secrets,
                secret=section.secret or None,
                header=section.header,
            )

        return Bound(kind="http", open=request)
    if not url:
        raise ConnectorRefused(connector=name, reason="`url` is missing")
    address = placed(url, means.folder)
    if str(parse(address)) == str(parse(means.own)):
        raise ConnectorRefused(connector=name, reason="it is the cell's own database")

    if section.secret and isinstance(parse(address), SqliteAddress):
        raise ConnectorRefused(
            connector=name, reason="an SQLite file has no password, so no `secret`"
        )

    async def opening() -> Database:
        full = address
        if section.secret:
            full = with_password(address, await means.secrets(section.secret))
        return await asyncio.to_thread(Database.open, full, clock=means.clock, limits=_LIMITS)

    return Bound(kind="sql", open=lambda: SqlConnector(name, opening, means.functions))


def placed(url: str, folder: Path) -> str:
    """The URL with the file of an SQLite database below the cell's folder."""
    if not url.startswith(_SQLITE) or not isinstance(parse(url), SqliteAddress):
        return url
    return f"{_SQLITE}{folder / url.removeprefix(_SQLITE)}"


class ActionFunctions:
    """Functions of releases, as actions ask for them."""

    def __init__(self, functions: Functions) -> None:
        self._functions = functions

    @contextlib.asynccontextmanager
    async def session(self, call: Performing) -> AsyncIterator["_Ready"]:
        """See `tools.service.ports.Functions`."""
        async with contextlib.AsyncExitStack() as stack:
            try:
                found = await stack.enter_async_context(self._functions.session(call.release))
            except SeatrialError as error:
                reason = error.message.rstrip(".")
                raise ActionUnreachable(action=call.action, reason=reason) from error
            yield _Ready(found)


class _Ready:
    def __init__(self, session: Session) -> None:
        self._session = session

    def call_now(self, call: Performing, statements: Statements | None) -> Returned:
        """See `tools.service.ports.FunctionSession`."""
        how = call.tool.perform
        if not isinstance(how, FunctionCall):
            raise TypeError(f"{call.action!r} is performed by no function")
        asked = HostCall(
            run=call.run,
            release=call.release,
            function=how.function,
            arguments=call.arguments,
            seconds=call.tool.timeout_seconds,
            seed=call.seed,
        )
        try:
            found = self._session.call_now(asked, statements)
        except SeatrialError as error:
            if isinstance(error, OutcomeUnknown):
                raise
            # Of a database's own errors the transaction knows what they mean.
            if error.code.startswith(("host_", "run_")):
                reason = error.message.rstrip(".")
                raise OutcomeUnknown(action=call.action, reason=reason) from error
            raise
        return Returned(value=found.value, raised=found.raised)
