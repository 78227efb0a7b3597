import contextlib
from collections.abc import Callable

import pytest
from sqlalchemy import text
from sqlalchemy.exc import ResourceClosedError

from seatrial.kit.database.connection import Connection
from seatrial.kit.database.database import Database
from seatrial.kit.database.errors import IntegrityViolated
from tests.kit.database import tables


@pytest.fixture
def shop(database: Database) -> Database:
    return tables.make(database)


@pytest.mark.parametrize(
    "act",
    [
        Connection.begin,
        Connection.commit,
        Connection.rollback,
        Connection.close,
        Connection.detach,
        Connection.invalidate,
        lambda connection: connection.execution_options(isolation_level="AUTOCOMMIT"),
    ],
)
def test_a_use_case_may_not_end_its_transaction(
    shop: Database, act: Callable[[Connection], None]
) -> None:
    def use_case(connection: Connection) -> None:
        tables.put(connection, "a", 0)
        act(connection)

    with pytest.raises(RuntimeError, match="a use case may not"):
        shop.write_now(use_case)
    assert shop.read_now(tables.names) == []


def test_a_connection_that_was_kept_refuses_when_its_use_case_is_over(shop: Database) -> None:
    kept: list[Connection] = []
    shop.write_now(kept.append)
    with pytest.raises(ResourceClosedError):
        tables.put(kept[0], "a", 0)
    assert shop.read_now(tables.names) == []


def test_a_savepoint_confines_a_failure(shop: Database) -> None:
    def use_case(connection: Connection) -> None:
        tables.put(connection, "a", 0)
        with contextlib.suppress(IntegrityViolated), connection.begin_nested():
            tables.put(connection, "b", 0)
            tables.put(connection, "a", 0)
        tables.put(connection, "c", 0)

    shop.write_now(use_case)
    assert shop.read_now(tables.names) == ["a", "c"]


def test_a_failure_that_is_swallowed_dooms_the_use_case(shop: Database) -> None:
    def use_case(connection: Connection) -> str:
        tables.put(connection, "a", 0)
        with pytest.raises(IntegrityViolated):
            tables.put(connection, "a", 0)
        return "all is well"

    with pytest.raises(IntegrityViolated):
        shop.write_now(use_case)
    assert shop.read_now(tables.names) == []


def test_an_exception_of_its_own_goes_before_the_failure_that_it_answers(shop: Database) -> None:
    def use_case(connection: Connection) -> None:
        tables.put(connection, "a", 0)
        try:
            tables.put(connection, "a", 0)
        except IntegrityViolated:
            raise LookupError("taken") from None

    with pytest.raises(LookupError, match="taken"):
        shop.write_now(use_case)


def test_a_use_case_that_commits_by_sql_is_told_so_and_the_next_one_is_well(
    shop: Database,
) -> None:
    def use_case(connection: Connection) -> None:
        connection.execute(text("COMMIT"))

    with pytest.raises(Exception, match="transaction"):
        shop.write_now(use_case)
    shop.write_now(lambda connection: tables.put(connection, "a", 0))
    assert shop.read_now(tables.names) == ["a"]
