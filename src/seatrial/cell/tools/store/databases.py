"""A database that actions are performed on: one transaction for each call, with its marker in it.

The marker is a row whose key is the call's idempotency key. It is written with the effect or not at
all, and there can be one only: so a call that was cut off is asked for in the very database that it
wrote to, and a second performance is refused there, whoever tries it.
"""

import base64
import re
from collections.abc import Callable, Mapping
from datetime import date, datetime, time
from functools import lru_cache
from typing import Any, Final
from uuid import UUID

import orjson
from sqlalchemy import Column, MetaData, Table, Text, TextClause, insert, inspect, select, text
from sqlalchemy.exc import SQLAlchemyError

from seatrial.cell.tools.domain.refusals import ActionFailed, DatabaseForeign
from seatrial.cell.tools.domain.values import LARGEST_RESULT, Performing, Told
from seatrial.contract.releases.actions import Effect
from seatrial.kit.database.connection import Connection
from seatrial.kit.database.database import Database
from seatrial.kit.database.errors import IntegrityViolated
from seatrial.kit.errors import SeatrialError

_METADATA: Final = MetaData()
_MARKER: Final = Table(
    "seatrial_effect",
    _METADATA,
    Column("key", Text, primary_key=True),
    Column("run", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("result", Text, nullable=False),  # JSON
)
_JOURNAL: Final = ("recorded_call", "recorded_body")
"""Tables that every cell's database has."""
_QUOTED: Final = re.compile(
    r"""'(?:[^']|'')*'|"(?:[^"]|"")*"|--[^\n]*|/\*.*?\*/|(?<![\w$])\$(\w*)\$.*?\$\1\$""", re.DOTALL
)
"""Where a semicolon ends no statement; but not where a backslash may escape a quote."""

_FIRST: Final = re.compile(r"(?:\s|--[^\n]*\n)*([A-Za-z]+)")
_VERBS: Final = frozenset(
    {
        *("select", "with", "values", "table", "explain", "show"),
        *("insert", "update", "delete", "merge", "replace", "call", "lock"),
        *("create", "alter", "drop", "truncate"),
    }
)
"""What a statement may begin with. Others end the transaction, which takes the marker's meaning
away; leave settings behind for the next call; or attach files that are no business of an action.
"""
_FIND: Final = select(_MARKER.c.result)
_MOST_ROWS: Final = 10_000
_KEY: Final = "seatrial_key"
_LONGEST: Final = 300  # characters of what a database says


class Rows:
    """What a statement gave.

    Attributes:
        rows: each as an object of JSON values.
        changed: how many rows it changed; 0 for a query.
    """

    __slots__ = ("changed", "rows")

    def __init__(self, rows: list[dict[str, Any]], changed: int) -> None:
        self.rows = rows
        self.changed = changed


class Transaction:
    """An open transaction of one call."""

    def __init__(self, connection: Connection, call: Performing) -> None:
        self._connection = connection
        self._call = call

    def execute(self, statement: str, parameters: Mapping[str, Any]) -> Rows:
        """Run one statement with `:name` parameters.

        Raises:
            ActionFailed: it names a parameter that is not given, or gives too much.
        """
        verb = _FIRST.match(statement)
        if verb is None or verb[1].lower() not in _VERBS:
            begins = statement.lstrip()[:20]
            raise ActionFailed(
                action=self._call.action,
                reason=f"a statement selects or changes something; {begins!r} may not be used",
            )
        plain = statement if "\\" in statement else _QUOTED.sub("", statement)
        if ";" in plain.rstrip().removesuffix(";"):
            # A second one could end the transaction: PostgreSQL takes several at once.
            raise ActionFailed(action=self._call.action, reason="it is more than one statement")
        clause, names = _clause(statement)
        known = {**parameters, _KEY: self._call.key}
        missing = sorted(names - known.keys())
        if missing:
            raise ActionFailed(
                action=self._call.action, reason=f"no value is given for `:{missing[0]}`"
            )
        values = {name: _stored(known[name]) for name in names}
        result = self._connection.execute(clause, values)
        if not result.returns_rows:
            return Rows([], max(0, result.rowcount))
        found = result.mappings().fetchmany(_MOST_ROWS + 1)
        if len(found) > _MOST_ROWS:
            raise ActionFailed(
                action=self._call.action, reason=f"it gives more than {_MOST_ROWS:,} rows"
            )
        rows = [{name: _told(value) for name, value in row.items()} for row in found]
        return Rows(rows, 0)

    def optional(self, statement: str) -> Rows:
        """Run a statement with the call's own arguments, of which those left out are NULL."""
        names = _clause(statement)[1]
        return self.execute(statement, dict.fromkeys(names) | dict(self._call.arguments))


Work = Callable[[Transaction], Told]
"""What one call does in its transaction. It may be run again from its start."""


class Undone(Exception):
    """The call did not succeed, and nothing of it is kept."""

    def __init__(self, told: Told) -> None:
        self.told = told


def prepare(database: Database, connector: str, *, marks: bool) -> None:
    """See that it is no cell's, and that the table of markers is there where it `marks`.

    Raises:
        DatabaseForeign: a journal is kept in it.
    """

    def there(connection: Connection) -> set[str]:
        names = (*_JOURNAL, _MARKER.name)
        return {name for name in names if inspect(connection).has_table(name)}

    found = database.read_now(there)
    if found.issuperset(_JOURNAL):
        raise DatabaseForeign(connector=connector)
    if not marks or _MARKER.name in found:
        return
    try:
        database.alter_now(lambda connection: _METADATA.create_all(connection, checkfirst=True))
    except SeatrialError:  # another process may have made it at this moment
        if _MARKER.name not in database.read_now(there):
            raise


async def perform(database: Database, call: Performing, work: Work) -> Told:
    """Perform a call in one transaction.

    Raises:
        SeatrialError: the database's; after all but `CommitUnknown` nothing has happened.
    """

    def use_case(connection: Connection) -> Told:
        return _done(connection, call, work)

    try:
        if call.tool.effect is Effect.READ:
            return await database.read(use_case)
        return await database.write(use_case)
    except Undone as undone:
        return undone.told
    except SQLAlchemyError as error:  # the statement is wrong: raised before any commit
        said = str(getattr(error, "orig", None) or error).splitlines()[0]
        return Told.failed(ActionFailed(action=call.action, reason=said[:_LONGEST].rstrip(".")))
    except IntegrityViolated as error:
        found = await database.read(lambda connection: marked(connection, call))
        if found is not None:  # somebody else has performed it at the same moment
            return found
        return Told.failed(ActionFailed(action=call.action, reason=error.message.rstrip(".")))


def _done(connection: Connection, call: Performing, work: Work) -> Told:
    """The work and its marker; or what the marker says.

    Raises:
        Undone: it did not succeed.
    """
    marks = call.tool.effect is Effect.TRANSACTIONAL
    if marks and (found := marked(connection, call)) is not None:
        return found
    told = work(Transaction(connection, call))
    if len(orjson.dumps(told.value)) > LARGEST_RESULT:
        told = Told.failed(
            ActionFailed(action=call.action, reason=f"it gives more than {LARGEST_RESULT} bytes")
        )
    if not told.ok:
        raise Undone(told)
    if marks:
        connection.execute(
            insert(_MARKER),
            {
                "key": call.key,
                "run": call.run,
                "action": call.action,
                "result": orjson.dumps(told.document()).decode(),
            },
        )
    return told


def marked(connection: Connection, call: Performing) -> Told | None:
    """The result of a call that has been performed here; None if it has not."""
    if call.tool.effect is not Effect.TRANSACTIONAL:
        return None
    found = connection.execute(_FIND.where(_MARKER.c.key == call.key)).scalar()
    if found is None:
        return None
    document = orjson.loads(found)
    return Told(ok=True, value=document["value"])


@lru_cache(maxsize=1_024)
def _clause(statement: str) -> tuple[TextClause, frozenset[str]]:
    clause = text(statement)
    return clause, frozenset(clause.compile().params)


def _stored(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    return orjson.dumps(value).decode() if isinstance(value, dict | list) else value


def _told(value: Any) -> Any:  # noqa: ANN401 - any value of a driver
    """A database's value as JSON: exact numbers and times as text, bytes as base64."""
    if value is None or isinstance(value, str | float):
        return value
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, bytes | bytearray | memoryview):
        return base64.b64encode(bytes(value)).decode()
    try:
        orjson.dumps(value)
    except TypeError:  # exact numbers, UUIDs, ranges, integers beyond 64 bits
        return str(value)
    return str(value) if isinstance(value, UUID) else value
