"""A driver's error in our words, so that what stands above knows no driver.

What no rule here names is a defect of a statement, and stays the error that it is.
"""

import re
import sqlite3
from collections.abc import Callable
from typing import Final

import psycopg
from sqlalchemy import MetaData, PrimaryKeyConstraint, Table, UniqueConstraint

from seatrial.kit.database.address import PostgresAddress, SqliteAddress
from seatrial.kit.database.errors import (
    DatabaseAccessRefused,
    DatabaseBusy,
    DatabaseCorrupt,
    DatabaseFull,
    DatabaseIoFailed,
    DatabasePathUnusable,
    DatabaseTimedOut,
    DatabaseUnreachable,
    IntegrityViolated,
    ValueNotStorable,
    Violation,
)
from seatrial.kit.errors import SeatrialError

_Meaning = Callable[[str, str, float], SeatrialError]
"""From the database's name, what the driver said, and the longest time of a statement."""

_SQLITE_FAILED: Final = re.compile(
    r"(UNIQUE|NOT NULL|CHECK|FOREIGN KEY) constraint failed(?:: (.*))?"
)
_PG_VIOLATIONS: Final = {
    "23505": Violation.UNIQUE,
    "23503": Violation.FOREIGN_KEY,
    "23502": Violation.NOT_NULL,
    "23514": Violation.CHECK,
}
# A server that answers with these will take connections later.
_PG_NOT_NOW: Final = ("the database system is", "too many", "connection slots")


def _full(database: str, _said: str, _seconds: float) -> SeatrialError:
    return DatabaseFull(database=database)


def _timed_out(_database: str, _said: str, seconds: float) -> SeatrialError:
    return DatabaseTimedOut(seconds=seconds)


def _corrupt(database: str, said: str, _seconds: float) -> SeatrialError:
    return DatabaseCorrupt(database=database, reason=said)


def _io_failed(database: str, said: str, _seconds: float) -> SeatrialError:
    return DatabaseIoFailed(database=database, reason=said)


def _busy(_database: str, said: str, _seconds: float) -> SeatrialError:
    return DatabaseBusy(reason=said)


def _in_the_way(_database: str, _said: str, _seconds: float) -> SeatrialError:
    return DatabaseBusy(reason="other transactions kept changing the same rows")


def _unreachable(database: str, said: str, _seconds: float) -> SeatrialError:
    return DatabaseUnreachable(database=database, reason=said)


def _refused(database: str, said: str, _seconds: float) -> SeatrialError:
    return DatabaseAccessRefused(database=database, reason=said)


def _unusable(database: str, said: str, _seconds: float) -> SeatrialError:
    return DatabasePathUnusable(path=database.removeprefix("sqlite:///"), reason=said)


def _not_storable(_database: str, said: str, _seconds: float) -> SeatrialError:
    return ValueNotStorable(reason=said)


# By extended code, else by its low byte.
_SQLITE: Final[dict[int, _Meaning]] = {
    sqlite3.SQLITE_FULL: _full,
    # A file-size limit or a quota makes write() fail as a full disk does, but under another errno,
    # which SQLite does not hand on: it says "I/O error while writing".
    sqlite3.SQLITE_IOERR_WRITE: _full,
    sqlite3.SQLITE_IOERR_SHMSIZE: _full,
    sqlite3.SQLITE_IOERR: _io_failed,
    sqlite3.SQLITE_BUSY: _busy,
    sqlite3.SQLITE_LOCKED: _busy,
    sqlite3.SQLITE_INTERRUPT: _timed_out,
    sqlite3.SQLITE_CORRUPT: _corrupt,
    sqlite3.SQLITE_NOTADB: _corrupt,
    sqlite3.SQLITE_TOOBIG: _not_storable,
    sqlite3.SQLITE_MISMATCH: _not_storable,
    sqlite3.SQLITE_CANTOPEN: _unusable,
    sqlite3.SQLITE_READONLY: _unusable,
    sqlite3.SQLITE_PERM: _unusable,
    sqlite3.SQLITE_AUTH: _unusable,
    sqlite3.SQLITE_PROTOCOL: _unusable,
    sqlite3.SQLITE_NOLFS: _unusable,
}
# By SQLSTATE, else by its class, the first two characters.
_PG: Final[dict[str, _Meaning]] = {
    "40001": _in_the_way,
    "40P01": _in_the_way,
    "55P03": _busy,
    "53": _busy,
    "53100": _full,
    "57014": _timed_out,
    "25P03": _timed_out,
    "25P04": _timed_out,
    "57": _unreachable,
    "08": _unreachable,
    "28": _refused,
    "3D": _refused,
    "42501": _refused,
    "58": _io_failed,
    "XX001": _corrupt,
    "XX002": _corrupt,
}


def from_sqlite(
    error: BaseException, address: SqliteAddress, seconds: float, table: Table | None = None
) -> SeatrialError | None:
    """What `error` means, or None where it is a defect.

    Args:
        error: of the `sqlite3` module, or one that it let through.
        address: the database.
        seconds: the longest time that a statement may take, for the message.
        table: the table of the statement that failed.
    """
    if isinstance(error, OverflowError | UnicodeEncodeError):
        return ValueNotStorable(reason=_words(type(error)))
    code = getattr(error, "sqlite_errorcode", None)
    if code is None:
        return None
    if code & 0xFF == sqlite3.SQLITE_CONSTRAINT:
        return _sqlite_violation(str(error), table)
    meaning = _SQLITE.get(code) or _SQLITE.get(code & 0xFF)
    said = f"{error} ({getattr(error, 'sqlite_errorname', code)})"
    return meaning(str(address), said, seconds) if meaning else None


def from_postgres(
    error: BaseException, address: PostgresAddress, seconds: float
) -> SeatrialError | None:
    """What `error` means, or None where it is a defect. Arguments as in `from_sqlite`.

    Details that PostgreSQL adds are dropped: they quote the row's values.
    """
    if isinstance(error, OverflowError | UnicodeEncodeError | psycopg.DataError):
        return ValueNotStorable(reason=_words(type(error)))
    if not isinstance(error, psycopg.Error):
        return None
    state = error.sqlstate
    if state is None:
        return _unanswered(error, address)
    if state in _PG_VIOLATIONS:
        return _pg_violation(error, _PG_VIOLATIONS[state])
    meaning = _PG.get(state) or _PG.get(state[:2])
    return meaning(str(address), _said(error, address), seconds) if meaning else None


def _unanswered(error: psycopg.Error, address: PostgresAddress) -> SeatrialError | None:
    """An error that libpq itself made: most often, no connection."""
    # Where it has nothing from the server to go by, psycopg gives the plainest of its errors.
    if not isinstance(error, psycopg.OperationalError) and type(error) is not psycopg.DatabaseError:
        return None
    said = _said(error, address)
    if "FATAL:" in said and not any(phrase in said for phrase in _PG_NOT_NOW):
        return DatabaseAccessRefused(database=str(address), reason=said)
    return DatabaseUnreachable(database=str(address), reason=said)


def _said(error: psycopg.Error, address: PostgresAddress) -> str:
    text = error.diag.message_primary or str(error)
    return address.without_secrets(" ".join(text.split()))


def _pg_violation(error: psycopg.Error, violation: Violation) -> IntegrityViolated:
    diagnosis = error.diag
    name = diagnosis.constraint_name or ""
    if violation is Violation.NOT_NULL:
        name = f"{diagnosis.table_name}.{diagnosis.column_name}"
    return IntegrityViolated(violation=violation.value, constraint=name)


def _sqlite_violation(message: str, table: Table | None) -> SeatrialError:
    match = _SQLITE_FAILED.match(message)
    if match is None:  # a STRICT table, or RAISE in a trigger
        return ValueNotStorable(reason=message)
    violation = Violation(match[1].lower())
    said = match[2] or ""
    if violation is Violation.UNIQUE:
        said = _unique_name(said, table)
    elif violation is Violation.FOREIGN_KEY:
        said = _foreign_key_name(table)
    return IntegrityViolated(violation=violation.value, constraint=said)


def _unique_name(said: str, table: Table | None) -> str:
    """The name of what SQLite tells by its columns: `t.a, t.b`, or by name: `index 'i'`."""
    if said.startswith("index "):
        return said.removeprefix("index ").strip("'")
    places = [place.partition(".") for place in said.split(", ")]
    owner, columns = places[0][0], {column for _, _, column in places}
    known = table.metadata if table is not None else MetaData()
    if owner in known.tables:
        found = known.tables[owner]
        for constraint in found.constraints:
            if isinstance(constraint, UniqueConstraint | PrimaryKeyConstraint) and columns == {
                column.name for column in constraint.columns
            }:
                return str(constraint.name)
        for index in found.indexes:
            if index.unique and columns == {column.name for column in index.columns}:
                return str(index.name)
    return f"uq_{owner}_{'_'.join(column for _, _, column in places)}"


def _foreign_key_name(table: Table | None) -> str:
    keys = table.foreign_key_constraints if table is not None else set()
    return str(next(iter(keys)).name) if len(keys) == 1 else ""


def _words(kind: type[BaseException]) -> str:
    """`NumericValueOutOfRange` as `numeric value out of range`: the value itself stays unsaid."""
    return re.sub(r"(?<!^)(?=[A-Z])", " ", kind.__name__).lower()
