"""What is laid out once does what the statement does, and fails as it does."""

import contextlib
from datetime import UTC, datetime
from typing import Final

import pytest
from sqlalchemy import bindparam, insert, select, update
from sqlalchemy.exc import ResourceClosedError

from seatrial.kit.database.connection import Connection
from seatrial.kit.database.database import Database
from seatrial.kit.database.dialects import upsert
from seatrial.kit.database.errors import IntegrityViolated, ValueNotStorable, Violation
from seatrial.kit.database.prepared import Prepared
from tests.kit.database import tables

ADD: Final = Prepared(insert(tables.THING))
NAME: Final = Prepared(insert(tables.OWNER))
_RAISE: Final = upsert(tables.COUNTER)
RAISE: Final = Prepared(
    _RAISE.on_conflict_do_update(
        index_elements=("name",),
        set_={"value": _RAISE.excluded.value},
        where=(tables.COUNTER.c.value < _RAISE.excluded.value) & (tables.COUNTER.c.name != "fixed"),
    )
)
RENAME: Final = Prepared(
    update(tables.COUNTER)
    .where(tables.COUNTER.c.name == bindparam("of_name"), tables.COUNTER.c.value != 7)
    .values(name=bindparam("to"))
)
LOOK: Final = Prepared(select(tables.COUNTER.c.name).where(tables.COUNTER.c.name == bindparam("n")))
WHEN: Final = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)


@pytest.fixture
def shop(database: Database) -> Database:
    return tables.make(database)


def test_instants_and_json_go_in_as_they_do_elsewhere(shop: Database) -> None:
    def use_case(connection: Connection) -> list[tuple[object, ...]]:
        ADD.run(connection, {"id": 1, "at": WHEN, "content": {"a": [1, None]}})
        ADD.run(connection, {"id": 2, "at": None, "content": None})
        return [tuple(row) for row in connection.execute(select(tables.THING).order_by("id"))]

    assert shop.write_now(use_case) == [(1, WHEN, {"a": [1, None]}), (2, None, None)]


def test_values_of_the_statement_itself_and_rows_changed_are_told(shop: Database) -> None:
    def use_case(connection: Connection) -> list[int]:
        return [
            RAISE.run(connection, {"name": "a", "value": 1}),
            RAISE.run(connection, {"name": "a", "value": 3}),
            RAISE.run(connection, {"name": "a", "value": 2}),  # not larger
            RENAME.run(connection, {"of_name": "a", "to": "fixed"}),
            RAISE.run(connection, {"name": "fixed", "value": 9}),
            RENAME.run(connection, {"of_name": "nobody", "to": "b"}),
        ]

    assert shop.write_now(use_case) == [1, 1, 0, 1, 0, 0]


def test_many_sets_of_values_and_a_look(shop: Database) -> None:
    def use_case(connection: Connection) -> tuple[bool, bool]:
        RAISE.run_each(connection, [{"name": "a", "value": 1}, {"name": "b", "value": 2}])
        return LOOK.finds(connection, {"n": "b"}), LOOK.finds(connection, {"n": "c"})

    assert shop.write_now(use_case) == (True, False)
    assert shop.read_now(tables.names) == ["a", "b"]


@pytest.mark.parametrize("values", [{"name": "a"}, {"name": "a", "value": 1, "more": 2}])
def test_names_that_do_not_fit_are_refused(shop: Database, values: dict[str, object]) -> None:
    def use_case(connection: Connection) -> None:
        RAISE.run(connection, {"name": "z", "value": 1})
        RAISE.run(connection, values)

    with pytest.raises(KeyError):
        shop.write_now(use_case)
    assert shop.read_now(tables.names) == []


def test_a_broken_constraint_is_told_by_its_name(shop: Database) -> None:
    def use_case(connection: Connection) -> None:
        NAME.run(connection, {"id": 1, "email": "a", "tenant": "t"})
        NAME.run(connection, {"id": 2, "email": "a", "tenant": "t"})

    with pytest.raises(IntegrityViolated) as told:
        shop.write_now(use_case)
    assert told.value.fields["violation"] == Violation.UNIQUE.value
    assert told.value.fields["constraint"] == "uq_owner_tenant_email"


def test_a_value_that_no_database_stores_is_told_so(shop: Database) -> None:
    with pytest.raises(ValueNotStorable):
        shop.write_now(lambda connection: RAISE.run(connection, {"name": "a", "value": 1 << 70}))


def test_a_failure_that_is_swallowed_dooms_the_use_case_but_in_a_savepoint(shop: Database) -> None:
    def fail(connection: Connection) -> None:
        RAISE.run(connection, {"name": "a", "value": -1})

    def swallows(connection: Connection) -> None:
        with contextlib.suppress(IntegrityViolated):
            fail(connection)

    def confines(connection: Connection) -> None:
        RAISE.run(connection, {"name": "kept", "value": 1})
        with contextlib.suppress(IntegrityViolated), connection.begin_nested():
            fail(connection)

    with pytest.raises(IntegrityViolated):
        shop.write_now(swallows)
    shop.write_now(confines)
    assert shop.read_now(tables.names) == ["kept"]


def test_a_use_case_that_reads_may_not_write(shop: Database) -> None:
    with pytest.raises(RuntimeError, match="may not write"):
        shop.read_now(lambda connection: RAISE.run(connection, {"name": "a", "value": 1}))


def test_nothing_goes_to_a_connection_whose_use_case_is_over(shop: Database) -> None:
    kept: list[Connection] = []
    shop.write_now(kept.append)
    with pytest.raises(ResourceClosedError):
        RAISE.run(kept[0], {"name": "a", "value": 1})
    assert shop.read_now(tables.names) == []
