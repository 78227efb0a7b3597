import asyncio
import threading
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.exc import StatementError

from seatrial.kit.clock import VirtualClock
from seatrial.kit.database.connection import Connection, Isolation
from seatrial.kit.database.database import Database
from seatrial.kit.database.dialects import as_text, has_table, now, unclaimed, upsert
from seatrial.kit.database.errors import ValueNotStorable
from tests.kit.database import tables
from tests.servers import fixtures, postgres

INSTANTS = st.datetimes(
    min_value=datetime(1, 1, 3),  # noqa: DTZ001 - the time zone is drawn apart
    max_value=datetime(9999, 12, 29),  # noqa: DTZ001 - likewise
    timezones=st.integers(-1439, 1439).map(lambda m: timezone(timedelta(minutes=m))),
)
NUMBERS = st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
TEXTS = st.text(st.characters(codec="utf-8"), max_size=20)
DOCUMENTS = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=10,
)


@pytest.fixture
def shop(database: Database) -> Database:
    return tables.make(database)


def kept(database: Database, **values: Any) -> Any:
    """What is read of a row that was written with `values`."""

    def use_case(connection: Connection) -> Any:
        connection.execute(insert(tables.THING).values(id=1, **values))
        row = connection.execute(select(tables.THING)).one()
        connection.execute(delete(tables.THING))
        return row

    return database.write_now(use_case)


@pytest.fixture(scope="module", params=fixtures.BOTH)
def lasting(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A database for many examples."""
    if request.param == "sqlite":
        with Database.open(f"sqlite:///{tmp_path_factory.mktemp('lasting')}/x.db") as database:
            yield tables.make(database)
        return
    server = postgres.shared()
    with server.database() as name, Database.open(server.url(name)) as database:
        yield tables.make(database)


@given(instant=INSTANTS)
def test_an_instant_comes_back_to_the_microsecond_in_utc(
    lasting: Database, instant: datetime
) -> None:
    back = kept(lasting, at=instant).at
    assert back == instant
    assert back.tzinfo is UTC


@given(content=DOCUMENTS)
def test_json_comes_back_as_it_went_in(lasting: Database, content: Any) -> None:
    back = kept(lasting, content=content).content
    assert back == content
    assert repr(back) == repr(content)


@given(left=INSTANTS, right=INSTANTS)
def test_the_text_of_an_instant_sorts_as_time_does(left: datetime, right: datetime) -> None:
    assert (as_text(left) < as_text(right)) == (left < right)
    assert len(as_text(left)) == 27


def test_a_naive_datetime_is_refused(shop: Database) -> None:
    with pytest.raises(StatementError, match="no time zone"):
        kept(shop, at=datetime(2026, 1, 1))  # noqa: DTZ001 - that is the point


def test_a_part_of_a_document_may_be_asked_for(shop: Database) -> None:
    def use_case(connection: Connection) -> Any:
        connection.execute(insert(tables.THING).values(content={"a": {"b": "c"}}))
        part = tables.THING.c.content[("a", "b")].as_string()
        return connection.execute(select(part).where(part == "c")).scalar()

    assert shop.write_now(use_case) == "c"


def test_no_instant_and_no_document_are_null(shop: Database) -> None:
    def use_case(connection: Connection) -> Any:
        connection.execute(insert(tables.THING).values(at=None, content=None))
        nothing = tables.THING.c.at.is_(None) & tables.THING.c.content.is_(None)
        return connection.execute(select(func.count()).where(nothing)).scalar()

    assert shop.write_now(use_case) == 1


def test_a_64_bit_key_counts_up_by_itself(shop: Database) -> None:
    def use_case(connection: Connection) -> list[int]:
        new = insert(tables.THING).returning(tables.THING.c.id)
        return [connection.execute(new, {"content": n}).scalar_one() for n in range(3)]

    assert shop.write_now(use_case) == [1, 2, 3]
    shop.write_now(lambda c: tables.put(c, "big", 2**63 - 1))
    assert shop.read_now(lambda c: tables.value(c, "big")) == 2**63 - 1


@pytest.mark.parametrize("wrong", [2**63, -(2**63) - 1])
def test_a_number_out_of_range_is_refused(shop: Database, wrong: int) -> None:
    with pytest.raises(ValueNotStorable):
        shop.write_now(lambda c: tables.put(c, "big", wrong))


def test_half_a_character_is_refused(shop: Database) -> None:
    with pytest.raises(ValueNotStorable):
        shop.write_now(lambda c: tables.put(c, "\ud800", 0))


def test_now_is_the_clock_of_the_process_on_sqlite(sqlite_url: str) -> None:
    clock = VirtualClock(datetime(2026, 3, 1, tzinfo=UTC))
    with Database.open(sqlite_url, clock=clock) as database:
        clock.advance(1.5)
        told = database.read_now(lambda c: c.execute(select(now(), now(timedelta(days=7)))).one())
    assert tuple(told) == (clock.now(), clock.now() + timedelta(days=7))


def test_now_is_the_servers_clock_and_moves_within_a_transaction(postgres_url: str) -> None:
    with Database.open(postgres_url) as database:
        told = database.read_now(
            lambda c: [c.execute(select(now(), now(timedelta(days=7)))).one() for _ in range(2)]
        )
    (first, week), (second, _) = told
    assert first < second
    assert timedelta(days=7) <= week - first < timedelta(days=7, minutes=1)


def test_now_may_be_compared_and_stored(shop: Database) -> None:
    def use_case(connection: Connection) -> list[int]:
        for row, after in ((1, -60), (2, 60)):
            connection.execute(
                insert(tables.THING).values(id=row, at=now(timedelta(seconds=after)))
            )
        due = select(tables.THING.c.id).where(tables.THING.c.at < now())
        return list(connection.execute(due).scalars())

    assert shop.write_now(use_case) == [1]


def test_upsert_updates_or_keeps_what_is_there(shop: Database) -> None:
    plain = upsert(tables.COUNTER)
    adding = plain.on_conflict_do_update(
        index_elements=[tables.COUNTER.c.name],
        set_={"value": tables.COUNTER.c.value + plain.excluded.value},
        where=tables.COUNTER.c.value < 10,
    ).returning(tables.COUNTER.c.value)
    keeping = plain.on_conflict_do_nothing(index_elements=[tables.COUNTER.c.name])

    def use_case(connection: Connection) -> list[int | None]:
        row = {"name": "n", "value": 4}
        counted = [connection.execute(adding, row).scalar() for _ in range(4)]
        connection.execute(keeping, {"name": "n", "value": 0})
        return [*counted, tables.value(connection, "n")]

    assert shop.write_now(use_case) == [4, 8, 12, None, 12]


def fill(connection: Connection) -> None:
    for n in range(40):
        tables.put(connection, f"{n:02}", 0)


def test_each_row_is_claimed_once(shop: Database) -> None:
    def claim(connection: Connection) -> list[str]:
        free = (
            select(tables.COUNTER.c.name)
            .where(tables.COUNTER.c.value == 0)
            .order_by(tables.COUNTER.c.name)
            .limit(3)
        )
        names = list(connection.execute(unclaimed(free)).scalars())
        connection.execute(
            update(tables.COUNTER).where(tables.COUNTER.c.name.in_(names)).values(value=1)
        )
        return names

    async def scenario() -> list[str]:
        claims = (shop.write(claim, isolation=Isolation.READ_COMMITTED) for _ in range(14))
        return [name for names in await asyncio.gather(*claims) for name in names]

    shop.write_now(fill)
    claimed = asyncio.run(scenario())
    assert sorted(claimed) == [f"{n:02}" for n in range(40)]
    assert shop.figures.repeated == 0


def test_a_claim_passes_by_what_another_holds(postgres_url: str) -> None:
    held, done = threading.Event(), threading.Event()
    free = select(tables.COUNTER.c.name).order_by(tables.COUNTER.c.name).limit(1)

    def first_free(connection: Connection) -> str:
        return str(connection.execute(unclaimed(free)).scalar_one())

    def hold(connection: Connection) -> str:
        name = first_free(connection)
        held.set()
        assert done.wait(30)
        return name

    async def scenario(database: Database) -> tuple[str, str]:
        first = asyncio.create_task(database.write(hold, isolation=Isolation.READ_COMMITTED))
        await asyncio.to_thread(held.wait, 30)
        second = await database.write(first_free, isolation=Isolation.READ_COMMITTED)
        done.set()
        return await first, second

    with Database.open(postgres_url) as database:
        tables.make(database)
        database.write_now(fill)
        assert asyncio.run(scenario(database)) == ("00", "01")


@settings(max_examples=20)
@given(seconds=st.floats(-1e6, 1e6))
def test_now_takes_any_distance(lasting: Database, seconds: float) -> None:
    distance = timedelta(seconds=seconds)
    here, there = lasting.read_now(lambda c: c.execute(select(now(), now(distance))).one())
    assert abs((there - here) - distance) < timedelta(minutes=1)


def test_a_reader_sees_a_table_that_was_made_after_it_connected(database: Database) -> None:
    assert not database.read_now(lambda c: has_table(c, "counter"))
    tables.make(database)
    assert database.read_now(lambda c: has_table(c, "counter"))
