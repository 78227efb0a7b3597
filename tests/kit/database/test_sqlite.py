import asyncio
import errno
import os
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import text

from seatrial.kit.database import errors, sqlite
from seatrial.kit.database.address import SqliteAddress
from seatrial.kit.database.connection import Connection, Durability
from seatrial.kit.database.database import Database
from seatrial.kit.database.lanes import Limits
from seatrial.kit.database.ownership import Ownership
from tests.kit.database import tables
from tests.kit.database.usecases import Blocker, putting

ENDLESS = text(
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT sum(i) FROM n"
)
HOLD = """
import sys
from seatrial.kit.database.database import Database
Database.open(sys.argv[1])
print(1, flush=True)
sys.stdin.read()
"""


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def pragma(name: str) -> Callable[[Connection], object]:
    return lambda connection: connection.execute(text(f"PRAGMA {name}")).scalar()


def test_only_its_user_may_see_the_file_and_the_folders_made_for_it(tmp_path: Path) -> None:
    home = tmp_path / "a" / "b"
    before = os.umask(0)
    try:
        with Database.open(f"sqlite:///{home}/x.db") as database:
            tables.make(database)
            made = {path.name: mode(path) for path in home.iterdir()}
    finally:
        os.umask(before)
    assert made == dict.fromkeys(["x.db", "x.db-wal", "x.db-shm", "x.db.lock"], 0o600)
    assert [mode(folder) for folder in (home, home.parent)] == [0o700, 0o700]


def test_the_log_is_gone_after_an_orderly_end(tmp_path: Path) -> None:
    with Database.open(f"sqlite:///{tmp_path}/x.db") as database:
        tables.make(database)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["x.db", "x.db.lock"]


def test_a_file_belongs_to_one_process(sqlite_url: str) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, sqlite_url], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None
        other.stdout.readline()
        with pytest.raises(errors.DatabaseInUse, match=f"process {other.pid}"):
            Database.open(sqlite_url)
        other.kill()
    with Database.open(sqlite_url) as database:
        tables.make(database)


def test_a_file_belongs_to_one_database_within_a_process(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path)
    with Database.open(f"sqlite:///{tmp_path}/x.db"):
        for again in (f"sqlite:///{tmp_path}/x.db", f"sqlite:///{tmp_path}/link/x.db"):
            with pytest.raises(errors.DatabaseInUse, match=str(os.getpid())):
                Database.open(again)
    Database.open(f"sqlite:///{tmp_path}/x.db").close_now()


def test_a_file_that_could_not_be_opened_is_not_held(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    path.write_bytes(b"no database " * 100)
    with pytest.raises(errors.DatabaseCorrupt):
        Database.open(f"sqlite:///{path}")
    path.unlink()
    Database.open(f"sqlite:///{path}").close_now()


def test_an_owner_that_has_not_said_its_number_is_refused_all_the_same(tmp_path: Path) -> None:
    address = SqliteAddress(path=tmp_path / "x.db")
    first = Ownership(address)
    (tmp_path / "x.db.lock").write_text("")
    with pytest.raises(errors.DatabaseInUse, match="unknown"):
        Ownership(address)
    first.release()
    first.release()


def test_a_path_that_cannot_be_a_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path in (tmp_path, tmp_path / "file" / "x.db", Path("/proc/none/x.db")):
        with pytest.raises(errors.DatabasePathUnusable, match=str(path)):
            Database.open(f"sqlite:///{path}")


def test_an_old_sqlite_is_refused(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite, "SQLITE_IS_NEW_ENOUGH", False)
    with pytest.raises(errors.DatabaseVersionUnsupported, match="SQLite"):
        Database.open(sqlite_url)


def test_a_file_without_a_write_ahead_log_is_refused(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a network file system, where SQLite stays with its old journal."""
    monkeypatch.setattr(sqlite, "_WRITING", ())
    with pytest.raises(errors.DatabasePathUnusable, match="'delete', not 'wal'"):
        Database.open(sqlite_url)


@pytest.mark.parametrize("breaks", ["ftruncate", "fsync"])
def test_an_error_while_the_file_is_made_leaves_it_to_others(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch, breaks: str
) -> None:
    def broken(*_: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patched:
        patched.setattr(os, breaks, broken)
        with pytest.raises(errors.DatabasePathUnusable, match="input/output error"):
            Database.open(sqlite_url)
    Database.open(sqlite_url).close_now()


def test_reading_only_makes_no_file(tmp_path: Path) -> None:
    with pytest.raises(errors.DatabasePathUnusable):
        Database.open(f"sqlite:///{tmp_path}/x.db", read_only=True)
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_page_is_told_as_damage(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    with Database.open(f"sqlite:///{path}") as database:
        tables.make(database)
    content = bytearray(path.read_bytes())
    content[4096:] = b"\xff" * (len(content) - 4096)
    path.write_bytes(content)
    with Database.open(f"sqlite:///{path}") as database, pytest.raises(errors.DatabaseCorrupt):
        database.read_now(tables.names)


@pytest.mark.parametrize(("durability", "level"), [(Durability.LAZY, 1), (Durability.FULL, 2)])
def test_durability_decides_whether_a_commit_waits_for_the_disk(
    sqlite_url: str, durability: Durability, level: int
) -> None:
    with Database.open(sqlite_url) as database:
        for _ in range(2):
            assert database.write_now(pragma("synchronous"), durability=durability) == level
        assert database.write_now(pragma("synchronous")) == 2
        assert database.write_now(pragma("journal_mode")) == "wal"


def test_one_full_member_makes_the_commit_of_its_group_full(sqlite_url: str) -> None:
    blocker = Blocker()

    async def scenario(database: Database) -> list[object]:
        first = asyncio.create_task(database.write(blocker, durability=Durability.LAZY))
        await asyncio.to_thread(blocker.began.wait, 30)
        level, lazy, full = pragma("synchronous"), Durability.LAZY, Durability.FULL
        group = asyncio.gather(*(database.write(level, durability=d) for d in (lazy, full, lazy)))
        await asyncio.sleep(0)
        blocker.go_on.set()
        await first
        return list(await group)

    with Database.open(sqlite_url) as database:
        assert asyncio.run(scenario(database)) == [2, 2, 2]
        assert database.figures.largest_group == 3


def test_foreign_keys_are_watched(sqlite_url: str) -> None:
    with Database.open(sqlite_url) as database:
        assert database.write_now(pragma("foreign_keys")) == 1
        database.alter_now(lambda _: None)
        assert database.write_now(pragma("foreign_keys")) == 1


def test_an_alteration_may_not_leave_orphans(sqlite_url: str) -> None:
    def alter(connection: Connection) -> None:
        connection.execute(text("INSERT INTO pet (owner) VALUES (404)"))

    with Database.open(sqlite_url) as database:
        tables.make(database)
        with pytest.raises(sqlite3.IntegrityError, match="lead nowhere"):
            database.alter_now(alter)
        assert (
            database.read_now(lambda c: c.execute(text("SELECT count(*) FROM pet")).scalar()) == 0
        )


@pytest.mark.parametrize("way", ["read_now", "write_now"])
def test_a_statement_without_end_is_ended(sqlite_url: str, way: str) -> None:
    with Database.open(sqlite_url, limits=Limits(statement=0.05)) as database:
        tables.make(database)
        with pytest.raises(errors.DatabaseTimedOut):
            getattr(database, way)(lambda c: c.execute(ENDLESS).scalar())
        database.write_now(lambda c: tables.put(c, "a", 0))
        assert database.read_now(tables.names) == ["a"]


def test_a_statement_without_end_harms_no_neighbour_even_if_it_undoes_the_group(
    sqlite_url: str,
) -> None:
    def endless_write(connection: Connection) -> None:
        # Ended in the midst of a change, SQLite undoes the whole transaction, not this alone.
        connection.execute(
            text(
                "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n)"
                " INSERT INTO counter SELECT 'n' || i, i FROM n"
            )
        )

    async def scenario(database: Database) -> list[object]:
        return await asyncio.gather(
            *(database.write(putting(name)) for name in "ab"),
            database.write(endless_write),
            *(database.write(putting(name)) for name in "cd"),
            return_exceptions=True,
        )

    with Database.open(sqlite_url, limits=Limits(statement=0.2)) as database:
        tables.make(database)
        outcomes = asyncio.run(scenario(database))
        assert [type(outcome).__name__ for outcome in outcomes] == [
            "str", "str", "DatabaseTimedOut", "str", "str",
        ]  # fmt: skip
        assert database.read_now(tables.names) == list("abcd")


def test_what_goes_on_after_the_database_undid_it_all_is_undone_too(sqlite_url: str) -> None:
    def stubborn(connection: Connection) -> str:
        tables.put(connection, "before", 0)
        with pytest.raises(errors.DatabaseTimedOut):
            connection.execute(
                text(
                    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n)"
                    " INSERT INTO counter SELECT 'n' || i, i FROM n"
                )
            )
        return "all is well"

    with Database.open(sqlite_url, limits=Limits(statement=0.05)) as database:
        tables.make(database)
        with pytest.raises(errors.DatabaseTimedOut):
            database.write_now(stubborn)
        assert database.read_now(tables.names) == []


def test_a_lock_held_by_another_program_is_waited_for_and_then_told(sqlite_url: str) -> None:
    with Database.open(sqlite_url, limits=Limits(lock=0.1)) as database:
        tables.make(database)
        other = sqlite3.connect(sqlite_url.removeprefix("sqlite:///"), isolation_level=None)
        other.execute("BEGIN IMMEDIATE")

        async def scenario() -> list[object]:
            return await asyncio.gather(
                *(database.write(tables.names) for _ in range(3)), return_exceptions=True
            )

        outcomes = asyncio.run(scenario())
        other.close()
        assert {type(outcome) for outcome in outcomes} == {errors.DatabaseBusy}
        assert database.write_now(tables.names) == []


def test_a_use_case_that_ends_its_savepoint_harms_no_neighbour(sqlite_url: str) -> None:
    def vandal(connection: Connection) -> None:
        connection.execute(text("ROLLBACK"))

    async def scenario(database: Database) -> None:
        first, second, third = await asyncio.gather(
            database.write(putting("a")),
            database.write(vandal),
            database.write(putting("b")),
            return_exceptions=True,
        )
        assert (first, third) == ("a", "b")
        assert isinstance(second, sqlite3.OperationalError)

    with Database.open(sqlite_url) as database:
        tables.make(database)
        asyncio.run(scenario(database))
        assert database.read_now(tables.names) == ["a", "b"]


def test_a_group_that_lasts_is_cut(sqlite_url: str) -> None:
    async def scenario(database: Database) -> None:
        await asyncio.gather(*(database.write(putting(f"{n}")) for n in range(10)))

    with Database.open(sqlite_url, limits=Limits(group_seconds=0.0)) as database:
        tables.make(database)
        asyncio.run(scenario(database))
        assert database.figures.largest_group == 1
        assert len(database.read_now(tables.names)) == 10
