"""Sources: read in order and whole, or refused with the place where they are broken."""

import csv
import io
import json
import tracemalloc
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.data.domain import RecordTooLong, SourceBroken, SourceMissing, SourceUnknown
from seatrial.data.sources.lines import CsvFile, JsonLines
from seatrial.data.sources.opening import Source, opened

LIMIT = 4096
CELLS = st.text(st.characters(exclude_characters="\0\r", exclude_categories=["Cs"]), max_size=12)
ROWS = st.lists(st.tuples(CELLS, CELLS), min_size=1, max_size=20)


def csv_of(rows: list[tuple[str, str]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([("a", "b"), *rows])
    return text.getvalue().encode()


def read(path: Path, **more: Any) -> list[dict[str, Any]]:
    table = opened(path, **more)
    return [row for batch in table.batches() for row in batch.rows(table.names)]


@given(ROWS)
def test_csv_is_read_as_it_was_written(rows: list[tuple[str, str]]) -> None:
    path = Path("/dev/shm") if Path("/dev/shm").is_dir() else Path("/tmp")  # noqa: S108
    file = path / "seatrial-test-csv.csv"
    file.write_bytes(csv_of(rows))
    assert read(file) == [{"a": a, "b": b} for a, b in rows]
    file.unlink()


@pytest.mark.parametrize(
    ("content", "place", "reason"),
    [
        (b"a,b\n1,2\n3\n", "record 2", "1 fields under a head of 2"),
        (b'a,b\n1,2\n3,"4\n5\n', "line 4, in the record of line 3", "unexpected end of data"),
        (b"a,b\n1,\xe9\n", "line 2, byte 3", "not UTF-8"),
        ("a,b\n1,2\n".encode("utf-16"), "byte 1", "UTF-16"),
        (b"a,a\n1,2\n", "line 1", "named 'a'"),
        (b"", "line 1", "no head"),
    ],
)
def test_broken_csv_is_refused_with_its_place(
    content: bytes, place: str, reason: str, tmp_path: Path
) -> None:
    (tmp_path / "t.csv").write_bytes(content)
    with pytest.raises(SourceBroken) as refused:
        read(tmp_path / "t.csv")
    assert refused.value.fields["place"] == place
    assert reason in refused.value.fields["reason"]


@pytest.mark.parametrize(
    ("content", "place"),
    [
        (b'{"a": 1}\n{"a": \n', "line 2, column"),
        (b'{"a": 1}\n\n', "line 2, column"),
        (b'{"a": 1}\n[1]\n', "line 2"),
        (b'{"a": "\xff"}\n', "line 1, column"),
        ('{"a": 1}\n'.encode("utf-16"), "byte 1"),
    ],
)
def test_broken_json_lines_are_refused_with_their_place(
    content: bytes, place: str, tmp_path: Path
) -> None:
    (tmp_path / "t.jsonl").write_bytes(content)
    with pytest.raises(SourceBroken) as refused:
        read(tmp_path / "t.jsonl")
    assert str(refused.value.fields["place"]).startswith(place)


@pytest.mark.parametrize("name", ["t.jsonl", "t.csv"])
def test_a_line_without_end_is_refused_before_it_fills_the_memory(
    name: str, tmp_path: Path
) -> None:
    path = tmp_path / name
    with path.open("wb") as file:
        file.write(b'a\n"' if name == "t.csv" else b'{"a": "')
        file.truncate(1 << 30)  # sparse: a gibibyte that takes no room
    tracemalloc.start()
    with pytest.raises(RecordTooLong) as refused:
        read(path, largest=1 << 20)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert refused.value.fields["place"] in {"line 1", "line 2"}
    assert peak < 16 << 20


def test_a_quote_that_never_closes_is_one_record_and_too_long(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes(b'a,b\n1,"2\n' + b"x,y\n" * 50_000)
    with pytest.raises(RecordTooLong) as refused:
        read(tmp_path / "t.csv", largest=LIMIT)
    assert refused.value.fields["place"] == "line 2"


def test_a_mark_of_utf8_is_no_part_of_the_first_name(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes(b"\xef\xbb\xbfa,b\n1,2\n")
    (tmp_path / "t.jsonl").write_bytes(b'\xef\xbb\xbf{"a": 1}\n')
    assert read(tmp_path / "t.csv") == [{"a": "1", "b": "2"}]
    assert read(tmp_path / "t.jsonl") == [{"a": 1}]


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_reading_goes_on_where_a_batch_ended(kind: str, tmp_path: Path) -> None:
    path = tmp_path / f"t.{kind}"
    count = 10_000
    lines = [f'{n},"x\n{n}"' if kind == "csv" else json.dumps({"n": n}) for n in range(count)]
    path.write_text("\n".join([*(["n,t"] if kind == "csv" else []), *lines]) + "\n")
    table = CsvFile(path, largest=LIMIT) if kind == "csv" else JsonLines(path, largest=LIMIT)
    first, *_ = table.batches()
    rest = list(table.batches(offset=first.offset, first=first.first + first.count))
    assert first.count + sum(batch.count for batch in rest) == count
    assert int(rest[0].rows(table.names)[0]["n"]) == first.count


def test_a_folder_is_read_in_the_order_of_its_names(tmp_path: Path) -> None:
    folder = tmp_path / "calls"
    folder.mkdir()
    (folder / "2.txt").write_text("hello")
    (folder / "1.json").write_text('{"a": 1}')
    (folder / "ignored.bin").write_bytes(b"\0")
    assert read(folder) == [{"a": 1}, {"text": "hello"}]
    (folder / "0.json").write_text('{"a": ')
    with pytest.raises(SourceBroken, match=r"0\.json, line 1"):
        read(folder)


def test_parquet_is_read_by_row_groups(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    pq.write_table(pa.table({"a": list(range(10_000)), "b": ["x", None] * 5_000}), path)
    rows = read(path)
    assert len(rows) == 10_000
    assert rows[1] == {"a": 1, "b": None}
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(SourceBroken):
        read(path)


def test_what_is_missing_or_unknown_is_told(tmp_path: Path) -> None:
    with pytest.raises(SourceMissing):
        Source(str(tmp_path / "nowhere"))
    with pytest.raises(SourceMissing):
        Source(str(tmp_path)).table("people")
    (tmp_path / "t.xlsx").write_bytes(b"PK")
    with pytest.raises(SourceUnknown):
        opened(tmp_path / "t.xlsx")


def test_lines_that_end_as_rfc_4180_has_them_are_read_alike(tmp_path: Path) -> None:
    lines = ["a,b", *(f"{n},é{n}" for n in range(30_000))]
    ends = {"lf": "\n", "crlf": "\r\n"}
    for name, end in ends.items():
        (tmp_path / f"{name}.csv").write_bytes("".join(line + end for line in lines).encode())
    plain, other = (read(tmp_path / f"{name}.csv") for name in ends)
    assert plain == other == [{"a": str(n), "b": f"é{n}"} for n in range(30_000)]
    table = CsvFile(tmp_path / "crlf.csv", largest=LIMIT)
    first, *rest = table.batches()
    assert rest
    (later, *_) = table.batches(offset=first.offset, first=first.first + first.count)
    assert later.rows(table.names)[0] == {"a": str(first.count), "b": f"é{first.count}"}


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("wrong", ["1", "1,2,3", "", "1,2,3,4\n1"])
def test_a_ragged_record_is_found_wherever_it_stands(wrong: str, end: str, tmp_path: Path) -> None:
    lines = ["a,b", *["x,y"] * 9, wrong.replace("\n", end), "x,y"]
    (tmp_path / "t.csv").write_bytes("".join(line + end for line in lines).encode())
    with pytest.raises(SourceBroken) as refused:
        read(tmp_path / "t.csv")
    assert refused.value.fields["place"] == "record 10"
