import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import inspect, text

from seatrial.kit.database.connection import Connection
from seatrial.kit.database.database import Database
from seatrial.kit.database.errors import SchemaBehind, SchemaTooNew, SchemaUnknown
from seatrial.kit.database.history import History
from seatrial.kit.database.migrations import migrate_now
from tests.kit.database.revisions import Workshop, small_shop

ALL = ("shop 0001", "shop 0002", "shop 0003")
# Stops dead at a named step, as kill -9 would make it.
CHILD = """
import os, signal, sys
from pathlib import Path
from seatrial.kit.database.database import Database
from seatrial.kit.database.history import History
from seatrial.kit.database.migrations import migrate_now

url, directory, stop = sys.argv[1:]


def progress(step):
    if step == stop:
        os.kill(os.getpid(), signal.SIGKILL)


database = Database.open(url)
progress("opened")
migrate_now(database, [History.load("shop", Path(directory))], progress=progress)
progress("committed")
"""


def columns(connection: Connection) -> list[str]:
    found = inspect(connection)
    return [c["name"] for c in found.get_columns("item")] if found.has_table("item") else []


def prices(connection: Connection) -> list[int]:
    return list(connection.execute(text("SELECT price FROM item ORDER BY id")).scalars())


def test_a_fresh_database_takes_every_step_in_order(database: Database, tmp_path: Path) -> None:
    told: list[str] = []
    taken = migrate_now(database, [small_shop(tmp_path).history()], progress=told.append)
    assert taken == tuple(told) == ALL
    assert database.write_now(columns) == ["id", "price"]
    assert database.read_now(prices) == [7, 7]


def test_a_second_start_takes_none(database: Database, tmp_path: Path) -> None:
    history = small_shop(tmp_path).history()
    migrate_now(database, [history])
    assert migrate_now(database, [history]) == ()


def test_only_the_missing_steps_are_taken(database: Database, tmp_path: Path) -> None:
    workshop = Workshop(tmp_path).add('op.create_table("item", Column("id", Int64))')
    migrate_now(database, [workshop.history()])
    workshop.add('op.create_table("other", Column("id", Int64))')
    assert migrate_now(database, [workshop.history()]) == ("shop 0002",)


def test_histories_of_several_rooms_live_side_by_side(database: Database, tmp_path: Path) -> None:
    first = Workshop(tmp_path / "a", "a").add(
        'op.create_table("one", Column("id", Int64, primary_key=True))'
    )
    second = Workshop(tmp_path / "b", "b").add(
        'op.create_table("two", Column("one", Int64, ForeignKey("one.id")))'
    )
    histories = [first.history(), second.history()]
    assert migrate_now(database, histories) == ("a 0001", "b 0001")
    first.add()
    assert migrate_now(database, [first.history(), second.history()]) == ("a 0002",)


def test_a_step_that_fails_leaves_nothing_of_all_steps(database: Database, tmp_path: Path) -> None:
    workshop = small_shop(tmp_path).add('op.execute("SELECT * FROM nowhere")')
    with pytest.raises(Exception, match="nowhere"):
        migrate_now(database, [workshop.history()])
    assert database.write_now(lambda c: inspect(c).get_table_names()) == []
    assert migrate_now(database, [small_shop(tmp_path / "mended").history()]) == ALL


def test_constraints_made_by_steps_get_the_names_that_stores_know(
    database: Database, tmp_path: Path
) -> None:
    workshop = Workshop(tmp_path).add(
        'op.create_table("item", Column("id", Int64), Column("a", Text), UniqueConstraint("a"))'
    )
    migrate_now(database, [workshop.history()])
    (found,) = database.write_now(lambda c: inspect(c).get_unique_constraints("item"))
    assert found["name"] == "uq_item_a"


def test_a_table_that_is_copied_keeps_the_rows_that_refer_to_it(
    database: Database, tmp_path: Path
) -> None:
    workshop = (
        Workshop(tmp_path)
        .add(
            'op.create_table("a", Column("id", Int64, primary_key=True), Column("x", Integer))',
            'op.create_table("b", Column("a", Int64, ForeignKey("a.id", ondelete="CASCADE")))',
            'op.execute("INSERT INTO a (id) VALUES (1)")',
            'op.execute("INSERT INTO b (a) VALUES (1)")',
        )
        .add(
            'with op.batch_alter_table("a") as batch:',
            '    batch.alter_column("x", type_=Text)',
        )
    )
    migrate_now(database, [workshop.history()])
    assert database.read_now(lambda c: c.execute(text("SELECT count(*) FROM b")).scalar()) == 1


@pytest.mark.parametrize("stop", ["opened", *ALL, "committed"])
def test_killed_at_any_step_it_leaves_all_or_nothing(
    database_url: str, tmp_path: Path, stop: str
) -> None:
    history = small_shop(tmp_path).history()
    child = subprocess.run(
        [sys.executable, "-c", CHILD, database_url, str(tmp_path), stop],
        check=False, capture_output=True,
    )  # fmt: skip
    assert child.returncode == -9, child.stderr.decode()
    with Database.open(database_url) as database:
        done = database.write_now(columns)
        assert done == (["id", "price"] if stop == "committed" else [])
        assert migrate_now(database, [history]) == (() if done else ALL)
        assert database.read_now(prices) == [7, 7]


def test_several_processes_that_start_at_once_take_each_step_once(
    postgres_url: str, tmp_path: Path
) -> None:
    history = small_shop(tmp_path).history()
    taken: list[str] = []

    def start() -> None:
        with Database.open(postgres_url) as database:
            taken.extend(migrate_now(database, [history]))

    threads = [threading.Thread(target=start) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(taken) == list(ALL)


def older(workshop: Workshop, directory: Path, steps: int) -> History:
    """The history as code knew it after its first `steps`."""
    versions = directory / "versions"
    versions.mkdir(parents=True)
    for path in sorted((workshop.directory / "versions").glob("*.py"))[:steps]:
        (versions / path.name).write_bytes(path.read_bytes())
    return History.load("shop", directory)


def test_older_code_starts_on_a_newer_database_that_suits_it(
    database: Database, tmp_path: Path
) -> None:
    workshop = small_shop(tmp_path / "new")
    migrate_now(database, [workshop.history()])
    assert migrate_now(database, [older(workshop, tmp_path / "old", 2)]) == ()
    assert database.write_now(columns) == ["id", "price"]


def test_older_code_refuses_a_newer_database_that_does_not_suit_it(
    database: Database, tmp_path: Path
) -> None:
    workshop = small_shop(tmp_path / "new").add(since="0002", contraction=True)
    migrate_now(database, [workshop.history()])
    assert migrate_now(database, [older(workshop, tmp_path / "last", 3)]) == ()
    assert migrate_now(database, [older(workshop, tmp_path / "oldest that suits", 2)]) == ()
    with pytest.raises(SchemaTooNew, match=r"'shop' of the database is at '0004'.* '0001'"):
        migrate_now(database, [older(workshop, tmp_path / "too old", 1)])


def test_a_database_with_another_history_is_refused(database: Database, tmp_path: Path) -> None:
    migrate_now(database, [small_shop(tmp_path / "mine").history()])
    other = Workshop(tmp_path / "other").add()
    path = tmp_path / "other" / "versions" / "0001.py"
    path.write_text(path.read_text().replace("'0001'", "'other'"))
    with pytest.raises(SchemaUnknown, match="'0001' where 'other'"):
        migrate_now(database, [other.history()])


@pytest.mark.parametrize("steps", [0, 2])
def test_what_is_read_only_is_looked_at_and_not_changed(
    database: Database, database_url: str, tmp_path: Path, steps: int
) -> None:
    workshop = small_shop(tmp_path / "new")
    if steps:
        migrate_now(database, [older(workshop, tmp_path / "old", steps)])
    with Database.open(database_url, read_only=True) as reader:
        with pytest.raises(SchemaBehind, match="'0003'"):
            migrate_now(reader, [workshop.history()])
        migrate_now(database, [workshop.history()])
        assert migrate_now(reader, [workshop.history()]) == ()


def unknown_step_before(workshop: Workshop) -> None:
    path = workshop.directory / "versions" / "0002.py"
    path.write_text(path.read_text().replace("down_revision = '0001'", "down_revision = 'none'"))


def broken_line(workshop: Workshop) -> None:
    path = workshop.directory / "versions" / "0002.py"
    path.write_text(path.read_text().replace("down_revision = '0001'", "down_revision = None"))


def without(word: str) -> Callable[[Workshop], None]:
    def change(workshop: Workshop) -> None:
        path = workshop.directory / "versions" / "0002.py"
        path.write_text(path.read_text().replace(word, f"not_{word}"))

    return change


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (broken_line, "not one line"),
        (unknown_step_before, "cannot be read"),
        (without("compatible_from"), "says no 'compatible_from'"),
        (without("upgrade"), "says no 'upgrade'"),
    ],
)
def test_a_history_that_is_not_whole_is_refused(
    tmp_path: Path, change: Callable[[Workshop], None], reason: str
) -> None:
    workshop = small_shop(tmp_path)
    change(workshop)
    with pytest.raises(ValueError, match=reason):
        workshop.history()


def test_a_history_is_named_after_its_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    workshop = small_shop(tmp_path / "shop_of_tests" / "migrations")
    for package in (tmp_path / "shop_of_tests", workshop.directory):
        (package / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    history = History.of("shop_of_tests.migrations")
    assert history.name == "shop_of_tests"
    assert [revision.name for revision in history.revisions] == ["0001", "0002", "0003"]


def test_a_room_without_migrations_has_no_history() -> None:
    with pytest.raises(ValueError, match="no package"):
        History.of("seatrial.nowhere")
