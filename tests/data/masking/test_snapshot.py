"""Snapshots: the same on any number of processes, whole or not there, what no rule covers gone."""

import base64
import csv
import io
import json
from datetime import date
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.data.domain import (
    MaskUnfit,
    PersonMissing,
    SnapshotDiffers,
    SnapshotExists,
    SnapshotUnfinished,
)
from seatrial.data.masking import written
from seatrial.data.masking.service import snapshot as service
from seatrial.data.masking.service.keys import MaskingKey
from seatrial.data.rules.domain import Rules
from seatrial.data.snapshots.domain import Mode
from tests.data.making import (
    KEY,
    PEOPLE,
    masked,
    people,
    person,
    records,
    rules,
    verified,
    write_lines,
)


def test_a_column_without_a_rule_is_dropped_and_reported(tmp_path: Path) -> None:
    source = people(tmp_path / "source")
    write_lines(source / "people.jsonl", [{**person(0), "second_email": "mia@home.test"}])
    manifest = masked(source, rules(), tmp_path / "snapshot")
    assert manifest.tables["people"].dropped == ("second_email",)
    assert "second_email" not in records(tmp_path / "snapshot", "people")[0]
    assert verified(source, rules(), tmp_path / "snapshot").passed


def test_a_member_named_by_a_value_is_not_reported_by_it(tmp_path: Path) -> None:
    source = people(tmp_path / "source")
    write_lines(source / "people.jsonl", [{**person(0), "mia.li@home.test": 1, "+1512": 2}])
    manifest = masked(source, rules(), tmp_path / "snapshot")
    assert manifest.tables["people"].dropped == ("*",)


@pytest.mark.parametrize(
    "note",
    [
        "ask mia_li_3668 or mia_li_9999",
        json.dumps({"inner": json.dumps({"who": "Mia Li", "mail": "mia.li3818@corp.test"})}),
        "attached: " + base64.b64encode(b"from Mia Li, born 5 April 1990").decode(),
        "MIA LI was born on 04/05/1990; write to mia.li3818@corp.test or bob@other.test",
    ],
)
def test_a_planted_value_does_not_survive(note: str, tmp_path: Path) -> None:
    source = people(tmp_path / "source", notes=[note])
    masked(source, rules(), tmp_path / "snapshot")
    text = records(tmp_path / "snapshot", "notes")[0]["text"]
    assert "mia" not in text.lower()
    assert "1990" not in text or "04/05" not in text
    assert verified(source, rules(), tmp_path / "snapshot").findings == ()


def test_one_person_is_one_person_in_every_table_and_text(tmp_path: Path) -> None:
    source = people(tmp_path / "source", notes=["mia_li_3668 is Mia Li"])
    masked(source, rules(), tmp_path / "snapshot")
    mia = records(tmp_path / "snapshot", "people")[0]
    note = records(tmp_path / "snapshot", "notes")[0]
    assert note == {"person": mia["id"], "text": f"{mia['id']} is {mia['name']}"}


def bytes_of(snapshot: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in snapshot.rglob("*") if path.is_file()}


def test_one_key_gives_the_same_bytes_on_any_number_of_processes(tmp_path: Path) -> None:
    source = people(tmp_path / "source", count=9_000, notes=["Mia Li"] * 5_000)
    masked(source, rules(), tmp_path / "one")
    masked(source, rules(), tmp_path / "three", processes=3)
    assert bytes_of(tmp_path / "one") == bytes_of(tmp_path / "three")


def test_another_key_has_nothing_in_common(tmp_path: Path) -> None:
    source = people(tmp_path / "source", count=300)
    masked(source, rules(), tmp_path / "one")
    masked(source, rules(), tmp_path / "other", key=MaskingKey(b"o" * 32))
    one, other = (
        {
            path: {str(r[path]) for r in records(tmp_path / name, "people")}
            for path in ("id", "email")
        }
        for name in ("one", "other")
    )
    assert not one["id"] & other["id"]
    assert not one["email"] & other["email"]


def test_every_foreign_key_of_fifty_thousand_is_kept(tmp_path: Path) -> None:
    source = tmp_path / "source"
    write_lines(source / "people.jsonl", (person(number) for number in range(2_000)))
    ids = [person(number)["id"] for number in range(2_000)]
    write_lines(
        source / "notes.jsonl", ({"person": ids[n * 7 % 2_000], "text": ""} for n in range(50_000))
    )
    masked(source, rules(), tmp_path / "snapshot")
    known = {r["id"] for r in records(tmp_path / "snapshot", "people")}
    assert len(known) == 2_000
    assert sum(r["person"] in known for r in records(tmp_path / "snapshot", "notes")) == 50_000


def test_dates_of_a_person_keep_their_distance_and_types_stay(tmp_path: Path) -> None:
    of = rules("""
name = "typed"
[tables.t]
person = "id"
[tables.t.columns]
id = { class = "direct", as = "id", domain = "p" }
on = { class = "direct", as = "date" }
back = { class = "direct", as = "date" }
code = { class = "direct", as = "number" }
cvv = "secret"
score = "keep"
""")
    row = {"id": 41, "on": "2024-03-01", "back": "2024-03-11", "code": 123456, "cvv": 999,
           "score": 1.5}  # fmt: skip
    write_lines(tmp_path / "source" / "t.jsonl", [row, {**row, "on": None, "back": ""}])
    masked(tmp_path / "source", of, tmp_path / "snapshot")
    first, second = records(tmp_path / "snapshot", "t")
    assert [type(value) for value in first.values()] == [type(value) for value in row.values()]
    assert first["cvv"] == 0
    assert int(first["back"][-2:]) - int(first["on"][-2:]) in {
        10,
        10 - 31,
        10 - 30,
        10 - 28,
        10 - 29,
    }
    assert (second["on"], second["back"]) == (None, "")


def test_a_subset_keeps_whole_people_and_their_references(tmp_path: Path) -> None:
    source = people(tmp_path / "source", count=1_000, notes=["Mia Li"])
    ids = [person(number)["id"] for number in range(1_000)]
    write_lines(source / "notes.jsonl", ({"person": i, "text": "hello"} for i in ids * 2))
    of = rules(PEOPLE + "[subset]\npersons = 0.2\n")
    manifest = masked(source, of, tmp_path / "snapshot")
    assert 120 < manifest.tables["people"].records < 280
    assert manifest.tables["notes"].records == 2 * manifest.tables["people"].records
    report = verified(source, of, tmp_path / "snapshot")
    assert report.findings == ()
    assert report.tables["notes"].references == manifest.tables["notes"].records


def test_a_sealed_snapshot_names_no_key(tmp_path: Path) -> None:
    source = people(tmp_path / "source")
    manifest = masked(
        source, rules(), tmp_path / "snapshot", key=MaskingKey.generate(), mode=Mode.SEALED
    )
    assert manifest.key is None
    assert KEY.id.encode() not in (tmp_path / "snapshot" / "manifest.json").read_bytes()
    assert verified(source, rules(), tmp_path / "snapshot").passed


@pytest.mark.parametrize(
    ("changed", "error"),
    [({"born": "soon"}, MaskUnfit), ({"id": ""}, PersonMissing), ({"id": None}, PersonMissing)],
)
def test_a_record_that_is_not_as_the_rules_say_is_named_by_place_and_nothing_is_published(
    changed: dict[str, Any], error: type[Exception], tmp_path: Path
) -> None:
    source = people(tmp_path / "source")
    write_lines(source / "people.jsonl", [person(0), {**person(1), **changed}])
    write_lines(source / "notes.jsonl", [])
    with pytest.raises(error, match="record 2") as refused:
        masked(source, rules(), tmp_path / "snapshot")
    assert "noah" not in str(refused.value)
    assert not (tmp_path / "snapshot").exists()
    assert not list((tmp_path / "snapshot.partial").rglob("manifest.json"))


def test_a_finished_snapshot_is_never_overwritten(tmp_path: Path) -> None:
    source = people(tmp_path / "source")
    masked(source, rules(), tmp_path / "snapshot")
    with pytest.raises(SnapshotExists):
        masked(source, rules(), tmp_path / "snapshot", resume=True)


def interrupted(source: Path, of: Rules, snapshot: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Mask until some batches have been noted, then die."""
    monkeypatch.setattr(service, "_NOTED_EVERY", 1)
    met = []

    def told(what: str, table: str, records: int) -> None:
        met.append((what, table, records))
        if sum(what == "mask" and table == "notes" for what, table, _ in met) == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        service.mask(service.Order(source=str(source), rules=of, path=snapshot, key=KEY), told)


def test_an_interrupted_run_goes_on_to_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = people(tmp_path / "source", count=50, notes=["Mia Li"] * 20_000)
    masked(source, rules(), tmp_path / "whole")
    interrupted(source, rules(), tmp_path / "later", monkeypatch)
    assert not (tmp_path / "later").exists()
    with pytest.raises(SnapshotUnfinished):
        masked(source, rules(), tmp_path / "later")
    with pytest.raises(SnapshotDiffers, match="key"):
        masked(source, rules(), tmp_path / "later", key=MaskingKey(b"o" * 32), resume=True)
    masked(source, rules(), tmp_path / "later", resume=True)
    assert bytes_of(tmp_path / "later") == bytes_of(tmp_path / "whole")


CELLS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=9)


@given(st.lists(st.tuples(CELLS, CELLS), min_size=1, max_size=9))
def test_csv_is_written_so_that_it_reads_back(rows: list[tuple[str, str]]) -> None:
    text = written.as_csv([[a for a, _ in rows], [b for _, b in rows]]).decode()
    assert [tuple(row) for row in csv.reader(io.StringIO(text, newline=""))] == rows


def test_a_sealed_run_that_fails_leaves_nothing_of_what_it_knew(tmp_path: Path) -> None:
    source = people(tmp_path / "source", notes=["Mia Li"])
    write_lines(source / "people.jsonl", [{**person(0), "born": "soon"}])
    with pytest.raises(MaskUnfit):
        masked(source, rules(), tmp_path / "snapshot", mode=Mode.SEALED)
    assert [path.name for path in tmp_path.iterdir()] == ["source"]


def test_every_person_that_a_record_names_is_masked_in_its_text(tmp_path: Path) -> None:
    source = people(tmp_path / "source")
    both = ["mia_li_3668", "noah_brandt_7001"]
    write_lines(source / "notes.jsonl", [{"person": both, "text": "Mia Li met Noah Brandt"}])
    masked(source, rules(), tmp_path / "snapshot")
    text = records(tmp_path / "snapshot", "notes")[0]["text"]
    assert not {"Mia", "Li", "Noah", "Brandt"} & set(text.split())
    assert verified(source, rules(), tmp_path / "snapshot").findings == ()


def test_parquet_keeps_its_types_lists_and_objects(tmp_path: Path) -> None:
    made = pa.table(
        {
            "id": pa.array([7, 8], pa.int32()),
            "born": pa.array([date(1990, 4, 5), None], pa.date32()),
            "mails": pa.array([["a@x.test", "b@x.test"], []], pa.list_(pa.string())),
            "home": pa.array([{"zip": "78750"}, {"zip": None}], pa.struct([("zip", pa.string())])),
            "secret_note": pa.array(["x", "y"]),
        }
    )
    (tmp_path / "source").mkdir()
    pq.write_table(made, tmp_path / "source" / "t.parquet")
    of = rules("""
name = "parquet"
[gates]
k = 1
[tables.t]
person = "id"
[tables.t.columns]
id = { class = "direct", as = "id", domain = "p" }
born = { class = "direct", as = "date" }
mails = { class = "direct", as = "email" }
"home.zip" = { class = "quasi", as = "zip" }
""")
    manifest = masked(tmp_path / "source", of, tmp_path / "snapshot")
    shown = pq.read_table(tmp_path / "snapshot" / "tables" / "t.parquet")
    assert shown.schema == made.schema.remove(4)
    assert manifest.tables["t"].dropped == ("secret_note",)
    first, second = shown.to_pylist()
    assert first["born"] < date(1990, 4, 5)
    assert first["home"] == {"zip": "78700"}
    assert len(first["mails"]) == 2
    assert second["born"] is None
    assert verified(tmp_path / "source", of, tmp_path / "snapshot").findings == ()


VALUES = st.one_of(CELLS, st.none(), st.booleans(), st.integers(-9, 9), st.floats(-1, 1))


@given(st.lists(st.tuples(CELLS, CELLS | VALUES), min_size=1, max_size=9), CELLS, st.just("b"))
def test_json_lines_are_those_of_orjson(
    rows: list[tuple[str, Any]], first: str, second: str
) -> None:
    names = (f"a{first}", second)
    lines = written.as_json_lines(names, list(zip(*rows, strict=True)), len(rows))
    assert lines == b"".join(
        orjson.dumps(dict(zip(names, row, strict=True)), option=orjson.OPT_APPEND_NEWLINE)
        for row in rows
    )
