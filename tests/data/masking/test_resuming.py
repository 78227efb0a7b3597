"""A run that is killed goes on to the same bytes, whatever kind of source it reads."""

import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Final

import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from seatrial.data.domain import SnapshotDiffers
from seatrial.data.masking.service.snapshot import Order, mask
from seatrial.data.snapshots.writing import partial_of
from tests.data.making import KEY, masked, rules

COUNT: Final = 30_000  # eight batches
ROWS: Final = [
    (number, f"mail{number}@corp.test", f"19{10 + number % 90}-04-05", f"order {number}")
    for number in range(COUNT)
]
RULES: Final = """
name = "shop"
[subset]
persons = 0.9
[tables.people]
person = "id"
[tables.people.columns]
id = { class = "direct", as = "id", domain = "person" }
email = { class = "direct", as = "email" }
born = { class = "direct", as = "date" }
note = "keep"
"""
CHILD: Final = """
import sys
from pathlib import Path
from seatrial.data.masking.service import snapshot as service
from tests.data.making import KEY, rules

service._NOTED_EVERY = 1
met = 0

def told(what, table, records):
    global met
    met += what == "mask"
    if met == 4:
        print("in the middle", flush=True)
        sys.stdin.read()

source, path, of = sys.argv[1:]
service.mask(service.Order(source=source, rules=rules(of), path=Path(path), key=KEY), told)
"""


def killed(source: str, snapshot: Path) -> None:
    """Mask in a process of its own, and kill -9 it in the middle of the table."""
    with subprocess.Popen(
        [sys.executable, "-c", CHILD, source, str(snapshot), RULES],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "in the middle\n"
        process.kill()
    assert not snapshot.exists()
    assert not list(partial_of(snapshot).rglob("manifest.json"))


def bytes_of(snapshot: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in snapshot.rglob("*") if path.is_file()}


def in_parquet(folder: Path) -> str:
    folder.mkdir()
    names = ("id", "email", "born", "note")
    columns = dict(zip(names, map(list, zip(*ROWS, strict=True)), strict=True))
    pq.write_table(pa.table(columns), folder / "people.parquet", row_group_size=7_000)
    return str(folder)


def in_sqlite(folder: Path) -> str:
    with closing(sqlite3.connect(f"{folder}.db")) as connection:
        connection.execute("CREATE TABLE people (id integer PRIMARY KEY, email, born, note)")
        connection.executemany("INSERT INTO people VALUES (?, ?, ?, ?)", ROWS)
        connection.commit()
    return f"{folder}.db"


@pytest.mark.parametrize("made", [in_parquet, in_sqlite])
def test_a_killed_run_goes_on_to_the_same_bytes(
    made: Callable[[Path], str], tmp_path: Path
) -> None:
    _goes_on(made(tmp_path / "source"), tmp_path)


@pytest.fixture
def people(postgres_url: str) -> Iterator[str]:
    with psycopg.connect(postgres_url) as connection:
        connection.execute(
            "CREATE TABLE people (id integer PRIMARY KEY, email text, born date, note text)"
        )
        with connection.cursor().copy("COPY people FROM STDIN") as copy:
            for row in ROWS:
                copy.write_row(row)
    yield postgres_url
    with psycopg.connect(postgres_url) as connection:
        connection.execute("DROP TABLE people")


def test_a_killed_run_over_postgresql_goes_on_to_the_same_bytes(
    people: str, tmp_path: Path
) -> None:
    _goes_on(people, tmp_path)


def _goes_on(source: str, folder: Path) -> None:
    masked(source, rules(RULES), folder / "whole")
    killed(source, folder / "later")
    passed: list[int] = []
    order = Order(source=source, rules=rules(RULES), path=folder / "later", key=KEY, resume=True)
    mask(order, lambda what, _, records: passed.append(records) if what == "mask" else None)
    assert passed[0] > COUNT // 3  # it did not begin anew
    assert passed[-1] == COUNT
    assert bytes_of(folder / "later") == bytes_of(folder / "whole")


def test_a_database_that_has_grown_since_is_another_source(tmp_path: Path) -> None:
    source = in_sqlite(tmp_path / "source")
    killed(source, tmp_path / "later")
    with closing(sqlite3.connect(source)) as connection:
        connection.execute("INSERT INTO people VALUES (-1, '', '', '')")
        connection.commit()
    with pytest.raises(SnapshotDiffers, match="source has changed"):
        masked(source, rules(RULES), tmp_path / "later", resume=True)
