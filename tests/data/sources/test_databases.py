"""Databases as sources and targets: masked, verified, loaded into an empty one."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from seatrial.data.domain import LoadRefused, SourceBroken, SourceMissing
from seatrial.data.snapshots.loading import load
from seatrial.data.sources.opening import Source
from tests.data.making import SIGNER, masked, rules, verified

SCHEMA = """
CREATE TABLE people (id integer PRIMARY KEY, email text UNIQUE, born date, name text);
CREATE TABLE orders (id integer PRIMARY KEY, person integer REFERENCES people (id), note text);
"""
ROWS = """
INSERT INTO people VALUES (1, 'mia@corp.test', '1990-04-05', 'Mia Li');
INSERT INTO people VALUES (2, 'noah@corp.test', '1980-01-02', 'Noah Brandt');
INSERT INTO orders VALUES (10, 1, 'for Mia, born April 5, 1990'), (11, 2, NULL), (12, 1, '');
"""
RULES = """
name = "shop"
[gates]
k = 1
[tables.people]
person = "id"
unique = ["id", "email"]
[tables.people.columns]
id = { class = "direct", as = "id", domain = "person" }
email = { class = "direct", as = "email" }
born = { class = "direct", as = "date" }
name = { class = "direct", as = "name" }
[tables.orders]
person = "person"
unique = ["id"]
references = { person = "people.id" }
[tables.orders.columns]
id = { class = "direct", as = "id", domain = "order" }
person = { class = "direct", as = "id", domain = "person" }
note = "free_text"
"""


def filled(path: Path) -> Path:
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(SCHEMA + ROWS)
    return path


def test_sqlite_goes_through_and_joins_as_before(tmp_path: Path) -> None:
    source = filled(tmp_path / "source.db")
    masked(source, rules(RULES), tmp_path / "snapshot")
    assert verified(source, rules(RULES), tmp_path / "snapshot").findings == ()
    target = tmp_path / "target.db"
    loaded = load(tmp_path / "snapshot", f"sqlite:///{target}", [SIGNER.verify_key])
    assert loaded == {"people": 2, "orders": 3}
    with closing(sqlite3.connect(target)) as connection:
        joined = connection.execute(
            "SELECT typeof(o.id), p.name, o.note FROM orders o JOIN people p ON p.id = o.person"
        ).fetchall()
    assert len(joined) == 3
    assert {kind for kind, _, _ in joined} == {"integer"}
    name, note = next((name, note) for _, name, note in joined if note)
    assert note.startswith(f"for {name.split()[0]}, born ")
    assert "1990-04-05" not in note
    assert "Mia" not in note


def test_a_source_is_only_read(tmp_path: Path) -> None:
    source = filled(tmp_path / "source.db")
    before = source.read_bytes()
    masked(source, rules(RULES), tmp_path / "snapshot")
    assert source.read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["snapshot", "source.db"]


@pytest.fixture
def shop(postgres_url: str) -> Iterator[str]:
    with psycopg.connect(postgres_url) as connection:
        connection.execute(SCHEMA + ROWS)
    yield postgres_url
    with psycopg.connect(postgres_url) as connection:
        connection.execute("DROP TABLE orders, people")


def test_postgresql_goes_through_into_tables_that_are_there(shop: str, tmp_path: Path) -> None:
    masked(shop, rules(RULES), tmp_path / "snapshot")
    assert verified(shop, rules(RULES), tmp_path / "snapshot").findings == ()
    with pytest.raises(LoadRefused, match="holds rows already"):
        load(tmp_path / "snapshot", shop, [SIGNER.verify_key])
    with psycopg.connect(shop) as connection:
        connection.execute("DELETE FROM orders")
        connection.execute("DELETE FROM people")
    assert load(tmp_path / "snapshot", shop, [SIGNER.verify_key]) == {"people": 2, "orders": 3}
    with psycopg.connect(shop) as connection:
        (count,) = connection.execute(
            "SELECT count(*) FROM orders o JOIN people p ON p.id = o.person"
        ).fetchone() or (0,)
        assert count == 3


def test_a_database_that_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "broken.db").write_bytes(b"SQLite format 3\0" + b"x" * 5000)
    with pytest.raises(SourceBroken):
        Source(str(tmp_path / "broken.db")).tables()
    with pytest.raises(SourceMissing):
        Source(f"sqlite:///{tmp_path / 'nowhere.db'}")
    with pytest.raises(SourceMissing):
        Source(str(filled(tmp_path / "good.db"))).table("nowhere")
