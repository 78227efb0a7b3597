import sqlite3
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
from psycopg import errors as pg
from sqlalchemy import delete, insert, text

from seatrial.kit.database import errors
from seatrial.kit.database.address import PostgresAddress, SqliteAddress
from seatrial.kit.database.connection import Connection
from seatrial.kit.database.database import Database
from seatrial.kit.database.errors import IntegrityViolated, Violation
from seatrial.kit.database.translation import from_postgres, from_sqlite
from seatrial.kit.errors import SeatrialError
from tests.kit.database import tables

FILE = SqliteAddress(path=Path("/x.db"))
SERVER = PostgresAddress(shown="postgresql://h/db", parameters={"password": "hush-hush"})


@pytest.fixture
def shop(database: Database) -> Database:
    return tables.make(database)


def owner(connection: Connection, *, row: int, email: str = "a", handle: str | None = None) -> None:
    connection.execute(insert(tables.OWNER).values(id=row, email=email, tenant="t", handle=handle))


def same_key(connection: Connection) -> None:
    owner(connection, row=1)
    owner(connection, row=1, email="b")


def same_pair(connection: Connection) -> None:
    owner(connection, row=1)
    owner(connection, row=2)


def same_handle(connection: Connection) -> None:
    owner(connection, row=1, handle="h")
    owner(connection, row=2, email="b", handle="h")


def same_pair_by_text(connection: Connection) -> None:
    for row in (1, 2):
        connection.execute(
            text("INSERT INTO owner (id, email, tenant) VALUES (:id, 'a', 't')"), {"id": row}
        )


def nothing_where_something_must_be(connection: Connection) -> None:
    connection.execute(insert(tables.OWNER).values(id=1, tenant="t"))


def below_nothing(connection: Connection) -> None:
    tables.put(connection, "n", -1)


def to_nobody(connection: Connection) -> None:
    connection.execute(insert(tables.PET).values(owner=404))


def still_needed(connection: Connection) -> None:
    owner(connection, row=1)
    connection.execute(insert(tables.PET).values(owner=1))
    connection.execute(delete(tables.OWNER))


@pytest.mark.parametrize(
    ("break_it", "violation", "constraint"),
    [
        (same_key, Violation.UNIQUE, "pk_owner"),
        (same_pair, Violation.UNIQUE, "uq_owner_tenant_email"),
        (same_pair_by_text, Violation.UNIQUE, "uq_owner_tenant_email"),
        (same_handle, Violation.UNIQUE, "ix_owner_handle"),
        (nothing_where_something_must_be, Violation.NOT_NULL, "owner.email"),
        (below_nothing, Violation.CHECK, "ck_counter_not_negative"),
        (to_nobody, Violation.FOREIGN_KEY, None),
        (still_needed, Violation.FOREIGN_KEY, None),
    ],
)
def test_a_broken_constraint_has_the_same_name_on_both(
    shop: Database,
    break_it: Callable[[Connection], None],
    violation: Violation,
    constraint: str | None,
) -> None:
    with pytest.raises(IntegrityViolated) as caught:
        shop.write_now(break_it)
    assert caught.value.fields["violation"] == violation
    if constraint is not None:
        assert caught.value.fields["constraint"] == constraint


def test_the_only_foreign_key_of_a_table_has_the_same_name_on_both(shop: Database) -> None:
    def use_case(connection: Connection) -> None:
        connection.execute(insert(tables.TAG).values(pet=404))

    with pytest.raises(IntegrityViolated, match="'fk_tag_pet'"):
        shop.write_now(use_case)


def test_an_error_of_a_row_does_not_tell_its_values(shop: Database) -> None:
    def use_case(connection: Connection) -> None:
        for row in (1, 2):
            owner(connection, row=row, email="hush-hush")

    with pytest.raises(IntegrityViolated) as caught:
        shop.write_now(use_case)
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize(
    ("code", "meaning"),
    [
        (sqlite3.SQLITE_FULL, errors.DatabaseFull),
        (sqlite3.SQLITE_IOERR_WRITE, errors.DatabaseFull),
        (sqlite3.SQLITE_IOERR_READ, errors.DatabaseIoFailed),
        (sqlite3.SQLITE_BUSY, errors.DatabaseBusy),
        (sqlite3.SQLITE_BUSY_SNAPSHOT, errors.DatabaseBusy),
        (sqlite3.SQLITE_INTERRUPT, errors.DatabaseTimedOut),
        (sqlite3.SQLITE_CORRUPT_VTAB, errors.DatabaseCorrupt),
        (sqlite3.SQLITE_NOTADB, errors.DatabaseCorrupt),
        (sqlite3.SQLITE_CANTOPEN, errors.DatabasePathUnusable),
        (sqlite3.SQLITE_READONLY_DIRECTORY, errors.DatabasePathUnusable),
        (sqlite3.SQLITE_TOOBIG, errors.ValueNotStorable),
        (sqlite3.SQLITE_CONSTRAINT_TRIGGER, errors.ValueNotStorable),
        (sqlite3.SQLITE_ERROR, None),
        (None, None),
    ],
)
def test_sqlites_codes_have_a_meaning(
    code: int | None, meaning: type[SeatrialError] | None
) -> None:
    error = sqlite3.OperationalError("as it says")
    if code is not None:
        error.sqlite_errorcode = code
    assert type(from_sqlite(error, FILE, 30.0)) is (meaning or type(None))


@pytest.mark.parametrize(
    ("state", "meaning"),
    [
        ("53100", errors.DatabaseFull),
        ("53300", errors.DatabaseBusy),
        ("55P03", errors.DatabaseBusy),
        ("40001", errors.DatabaseBusy),
        ("40P01", errors.DatabaseBusy),
        ("57014", errors.DatabaseTimedOut),
        ("25P03", errors.DatabaseTimedOut),
        ("57P01", errors.DatabaseUnreachable),
        ("08006", errors.DatabaseUnreachable),
        ("28P01", errors.DatabaseAccessRefused),
        ("3D000", errors.DatabaseAccessRefused),
        ("42501", errors.DatabaseAccessRefused),
        ("58030", errors.DatabaseIoFailed),
        ("XX001", errors.DatabaseCorrupt),
        ("22003", errors.ValueNotStorable),
        ("42P01", None),
        ("XX000", None),
    ],
)
def test_postgresqls_codes_have_a_meaning(state: str, meaning: type[SeatrialError] | None) -> None:
    error = pg.lookup(state)("as it says")
    assert type(from_postgres(error, SERVER, 30.0)) is (meaning or type(None))


@pytest.mark.parametrize(
    ("said", "meaning"),
    [
        ("connection refused", errors.DatabaseUnreachable),
        ("FATAL:  the database system is starting up", errors.DatabaseUnreachable),
        ("FATAL:  sorry, too many clients already", errors.DatabaseUnreachable),
        ('FATAL:  password authentication failed for user "ann"', errors.DatabaseAccessRefused),
        ('FATAL:  database "x" does not exist', errors.DatabaseAccessRefused),
    ],
)
def test_a_connection_that_fails_tells_whether_it_may_work_later(
    said: str, meaning: type[SeatrialError]
) -> None:
    found = from_postgres(psycopg.OperationalError(said), SERVER, 30.0)
    assert type(found) is meaning


def test_a_drivers_message_that_quotes_the_password_is_blanked() -> None:
    found = from_postgres(psycopg.OperationalError('password "hush-hush" is bad'), SERVER, 30.0)
    assert found is not None
    assert "hush" not in str(found)


@pytest.mark.parametrize("error", [KeyError("x"), psycopg.ProgrammingError("x")])
def test_what_no_rule_names_stays_what_it_is(error: Exception) -> None:
    assert from_postgres(error, SERVER, 30.0) is None
    assert from_sqlite(error, FILE, 30.0) is None
