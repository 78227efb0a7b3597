import asyncio
import contextlib
import logging
import threading
from collections.abc import Callable, Iterator

import psycopg
import pytest
from psycopg import sql
from sqlalchemy import text

from seatrial.kit.database import errors, postgresql
from seatrial.kit.database.connection import Connection, Durability, Isolation
from seatrial.kit.database.database import Database
from seatrial.kit.database.lanes import Limits
from tests.kit.database import tables
from tests.kit.database.usecases import putting
from tests.servers import postgres

BRIEF = Limits(patience=1.0, connect=1.0)


@pytest.fixture
def shop(postgres_url: str) -> Iterator[Database]:
    with Database.open(postgres_url) as database:
        yield tables.make(database)


@contextlib.contextmanager
def admin() -> Iterator["psycopg.Connection[tuple[object, ...]]"]:
    with psycopg.connect(postgres.shared().admin_url(), autocommit=True) as connection:
        yield connection


def setting(name: str) -> Callable[[Connection], object]:
    return lambda connection: connection.execute(text(f"SHOW {name}")).scalar()


def backend(connection: Connection) -> int:
    return int(connection.execute(text("SELECT pg_backend_pid()")).scalar_one())


def end_backend(process: int) -> None:
    with admin() as connection:
        connection.execute("SELECT pg_terminate_backend(%s, 5000)", (process,))


@pytest.mark.parametrize(
    ("durability", "level"), [(Durability.LAZY, "off"), (Durability.FULL, "on")]
)
def test_durability_decides_whether_a_commit_waits_for_the_disk(
    shop: Database, durability: Durability, level: str
) -> None:
    for _ in range(2):
        assert shop.write_now(setting("synchronous_commit"), durability=durability) == level
    assert shop.write_now(setting("synchronous_commit")) == "on"


@pytest.mark.parametrize(("set_to", "kept"), [("off", "on"), ("remote_apply", "remote_apply")])
def test_a_server_set_to_commit_lazily_does_not_make_full_lazy(
    postgres_url: str, set_to: str, kept: str
) -> None:
    name = postgres_url.partition("@/")[2].partition("?")[0]
    with admin() as connection:
        connection.execute(
            sql.SQL("ALTER DATABASE {} SET synchronous_commit = {}").format(
                sql.Identifier(name), sql.Literal(set_to)
            )
        )
    with Database.open(postgres_url) as database:
        assert database.write_now(setting("synchronous_commit")) == kept


def test_each_session_is_bounded_and_named(shop: Database) -> None:
    for use in (shop.read_now, shop.write_now):
        assert use(setting("statement_timeout")) == "30s"
        assert use(setting("lock_timeout")) == "10s"
        assert use(setting("idle_in_transaction_session_timeout")) == "10s"
        assert use(setting("TimeZone")) == "UTC"
        assert use(setting("application_name")) == "seatrial"


def test_options_of_the_url_are_kept(postgres_url: str) -> None:
    url = f"{postgres_url}&application_name=cell-eu&options=-c%20work_mem%3D8MB"
    with Database.open(url) as database:
        assert database.read_now(setting("application_name")) == "cell-eu"
        assert database.read_now(setting("work_mem")) == "8MB"
        assert database.read_now(setting("statement_timeout")) == "30s"


def test_isolation_is_what_was_asked_for(shop: Database) -> None:
    level = setting("transaction_isolation")
    assert shop.write_now(level) == "serializable"
    assert shop.write_now(level, isolation=Isolation.READ_COMMITTED) == "read committed"
    assert shop.read_now(level) == "repeatable read"


def test_a_password_opens_the_door_by_tcp_and_a_wrong_one_does_not(postgres_url: str) -> None:
    name = postgres_url.partition("@/")[2].partition("?")[0]
    url = postgres.shared().tcp_url(name)
    with Database.open(url) as database:
        parameters = database.read_now(
            lambda c: c.connection.driver_connection.info.get_parameters()  # type: ignore[union-attr] # it is psycopg's
        )
        assert (parameters["keepalives_idle"], parameters["tcp_user_timeout"]) == ("10", "15000")
        assert postgres.shared().password not in str(database)
    with pytest.raises(errors.DatabaseAccessRefused) as caught:
        Database.open(url.replace(postgres.shared().password, "wrong-password"))
    assert "wrong-password" not in f"{caught.value} {caught.value.__cause__}"


def test_a_database_that_is_not_there_is_refused_at_once(postgres_url: str) -> None:
    with pytest.raises(errors.DatabaseAccessRefused, match="does not exist"):
        Database.open(postgres_url.replace("@/t", "@/absent"))


@pytest.mark.parametrize("url", ["postgresql://u@127.0.0.1:1/db", "postgresql://u@/db?host=/none"])
def test_a_server_that_is_not_there_is_told_as_such(url: str) -> None:
    with pytest.raises(errors.DatabaseUnreachable):
        Database.open(url, limits=BRIEF)


def test_an_old_server_is_refused(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgresql, "_OLDEST", 99)
    with pytest.raises(errors.DatabaseVersionUnsupported, match="99"):
        Database.open(postgres_url)


def test_a_database_that_cannot_hold_all_text_is_refused() -> None:
    server = postgres.shared()
    with server.database() as name:
        with admin() as connection:
            connection.execute(
                sql.SQL("CREATE DATABASE {} ENCODING 'LATIN1' TEMPLATE template0").format(
                    sql.Identifier(f"{name}_latin")
                )
            )
        try:
            with pytest.raises(errors.DatabaseAccessRefused, match="LATIN1"):
                Database.open(server.url(f"{name}_latin"))
        finally:
            with admin() as connection:
                connection.execute(
                    sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(f"{name}_latin"))
                )


def test_a_session_that_the_server_ended_comes_back(shop: Database) -> None:
    for process in (shop.write_now(backend), shop.read_now(backend)):
        end_backend(process)
    assert shop.write_now(putting("a")) == "a"
    assert shop.read_now(tables.names) == ["a"]


def test_a_use_case_whose_session_ends_in_its_midst_runs_again(shop: Database) -> None:
    runs: list[int] = []

    def use_case(connection: Connection) -> None:
        tables.put(connection, "a", 0)
        runs.append(backend(connection))
        if len(runs) == 1:
            end_backend(runs[0])
        tables.put(connection, "b", 0)

    shop.write_now(use_case)
    assert len(runs) == 2
    assert shop.read_now(tables.names) == ["a", "b"]


def test_a_session_that_ends_before_the_commit_is_sent_leaves_nothing_open(shop: Database) -> None:
    runs: list[int] = []

    def use_case(connection: Connection) -> None:
        tables.put(connection, "a", 0)
        runs.append(backend(connection))
        if len(runs) == 1:
            end_backend(runs[0])

    shop.write_now(use_case)
    assert len(runs) == 2
    assert shop.read_now(tables.names) == ["a"]


def test_a_connection_that_breaks_during_the_commit_leaves_the_outcome_open(shop: Database) -> None:
    def a_trap_at_the_commit(connection: Connection) -> None:
        connection.execute(
            text(
                "CREATE FUNCTION die() RETURNS trigger LANGUAGE plpgsql AS $$"
                " BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END $$"
            )
        )
        connection.execute(
            text(
                "CREATE CONSTRAINT TRIGGER trap AFTER INSERT ON counter"
                " INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION die()"
            )
        )

    shop.alter_now(a_trap_at_the_commit)
    with pytest.raises(errors.CommitUnknown):
        shop.write_now(putting("a"))
    assert shop.write_now(tables.names) == []


def test_use_cases_that_meet_are_run_again_until_both_are_done(shop: Database) -> None:
    shop.write_now(putting("a"))
    shop.write_now(putting("b"))
    meet = threading.Barrier(2)

    def crosswise(mine: str, other: str) -> Callable[[Connection], None]:
        waits = [meet]

        def use_case(connection: Connection) -> None:
            tables.change(connection, mine, 1)
            if waits:
                waits.pop().wait(30)
            tables.change(connection, other, 2)

        return use_case

    async def scenario() -> None:
        await asyncio.gather(
            shop.write(crosswise("a", "b"), isolation=Isolation.READ_COMMITTED),
            shop.write(crosswise("b", "a"), isolation=Isolation.READ_COMMITTED),
        )

    asyncio.run(scenario())
    assert shop.figures.repeated >= 1


def test_what_none_of_them_alone_would_do_does_not_happen(shop: Database) -> None:
    """Two doctors on call: each goes home because the other stays."""
    shop.write_now(putting("ann", 1))
    shop.write_now(putting("bob", 1))
    meet = threading.Barrier(2)

    def goes_home(who: str) -> Callable[[Connection], bool]:
        waits = [meet]

        def use_case(connection: Connection) -> bool:
            on_call = sum(tables.value(connection, name) or 0 for name in ("ann", "bob"))
            if waits:
                waits.pop().wait(30)
            if on_call > 1:
                tables.change(connection, who, 0)
            return on_call > 1

        return use_case

    async def scenario() -> list[bool]:
        return list(await asyncio.gather(*(shop.write(goes_home(n)) for n in ("ann", "bob"))))

    assert sorted(asyncio.run(scenario())) == [False, True]


def test_a_use_case_that_never_gets_through_is_refused(postgres_url: str) -> None:
    with Database.open(postgres_url, limits=Limits(attempts=3)) as database:
        tables.make(database)
        database.write_now(putting("n"))
        runs: list[int] = []

        def always_late(connection: Connection) -> None:
            runs.append(1)
            tables.value(connection, "n")
            rival = threading.Thread(target=database.write_now, args=(tables.increment,))
            rival.start()
            rival.join()
            tables.increment(connection)

        with pytest.raises(errors.DatabaseBusy, match="the same rows"):
            database.write_now(always_late)
        assert len(runs) == 3
        assert database.read_now(lambda c: tables.value(c, "n")) == 3


def test_a_lock_that_is_not_given_is_told(postgres_url: str) -> None:
    tables.prepare(postgres_url)
    with Database.open(postgres_url, limits=Limits(lock=0.1)) as database:
        database.write_now(putting("n"))
        with psycopg.connect(postgres_url) as other:
            other.execute("UPDATE counter SET value = 1")
            with pytest.raises(errors.DatabaseBusy, match="lock"):
                database.write_now(tables.increment)


@pytest.mark.parametrize("way", ["read_now", "write_now"])
def test_a_statement_without_end_is_ended(postgres_url: str, way: str) -> None:
    with Database.open(postgres_url, limits=Limits(statement=0.2)) as database:
        with pytest.raises(errors.DatabaseTimedOut):
            getattr(database, way)(lambda c: c.execute(text("SELECT pg_sleep(30)")).scalar())
        assert database.read_now(backend)


@pytest.mark.parametrize("goes_on", [True, False])
def test_a_use_case_that_idles_is_ended_and_not_repeated(postgres_url: str, goes_on: bool) -> None:
    tables.prepare(postgres_url)
    with Database.open(postgres_url, limits=Limits(idle=0.2)) as database:
        runs: list[int] = []

        def idle(connection: Connection) -> None:
            runs.append(backend(connection))
            with admin() as other:
                while other.execute(
                    "SELECT 1 FROM pg_stat_activity WHERE pid = %s", (runs[-1],)
                ).fetchone():
                    pass
            if goes_on:
                tables.put(connection, "a", 0)

        with pytest.raises(errors.DatabaseTimedOut, match=r"0\.2 s"):
            database.write_now(idle)
        assert len(runs) == 1
        assert database.read_now(tables.names) == []


def test_a_server_that_turned_read_only_is_left_for_one_that_writes(postgres_url: str) -> None:
    tables.prepare(postgres_url)
    with Database.open(postgres_url, limits=BRIEF) as database:

        def as_on_a_standby(connection: Connection) -> None:
            connection.execute(text("SET TRANSACTION READ ONLY"))
            tables.put(connection, "a", 0)

        with pytest.raises(errors.DatabaseUnreachable, match="read-only"):
            database.write_now(as_on_a_standby)
        assert database.figures.repeated > 0
        assert database.write_now(putting("a")) == "a"


def test_going_on_after_a_failure_inside_a_savepoint_is_told(shop: Database) -> None:
    def use_case(connection: Connection) -> None:
        tables.put(connection, "a", 0)
        connection.begin_nested()
        with contextlib.suppress(errors.IntegrityViolated):
            tables.put(connection, "a", 0)

    with pytest.raises(RuntimeError, match="failed statement"):
        shop.write_now(use_case)
    assert shop.read_now(tables.names) == []


def test_a_defect_of_a_session_is_told_and_the_lane_goes_on(
    shop: Database, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object) -> bool:
        raise ArithmeticError("a defect")

    with monkeypatch.context() as patched:
        patched.setattr(postgresql.PostgresSession, "_attempt", broken)
        with caplog.at_level(logging.ERROR), pytest.raises(ArithmeticError):
            shop.write_now(tables.names)
    assert "a database session failed" in caplog.text
    assert shop.write_now(putting("a")) == "a"
