"""Ugly data: every class and pair, repeatable, labelled where the defect is, from a schema too."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.data.domain import SchemaUnfit, SourceBroken
from seatrial.data.ugly.cases import cases
from seatrial.data.ugly.domain import HANDLING, Case, Defect
from seatrial.data.ugly.operators import naughty_strings
from seatrial.data.ugly.service import records_from, records_of, write_cases

ORDER: dict[str, Any] = {
    "order_id": "W-2611340",
    "customer": {"name": "Mia Li", "phone": "+1 512 555 0147"},
    "placed": "2024-03-01",
    "status": "delivered",
    "total": 536.65,
    "paid": True,
    "items": [{"item_id": 6469567736, "title": "Water Bottle"}],
}
SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["id", "at"],
    "properties": {
        "id": {"type": "string", "format": "uuid"},
        "at": {"type": "string", "format": "date-time"},
        "who": {"$ref": "#/$defs/person"},
        "count": {"type": "integer", "minimum": 5, "maximum": 9},
        "price": {"type": "number", "exclusiveMinimum": 0, "maximum": 3},
        "state": {"enum": ["open", "closed"]},
        "tags": {"type": "array", "minItems": 2, "items": {"type": "string", "maxLength": 8}},
        "either": {"anyOf": [{"type": "null"}, {"type": "boolean"}]},
        "both": {
            "allOf": [{"properties": {"a": {"const": 1}}}, {"properties": {"b": {"const": 2}}}]
        },
    },
    "$defs": {
        "person": {
            "type": "object",
            "properties": {"mail": {"type": "string", "format": "email"}},
        }
    },
}
SCALARS = st.none() | st.booleans() | st.integers() | st.text(max_size=8)
RECORDS = st.dictionaries(
    st.sampled_from(["id", "status", "note", "when", "amount"]),
    SCALARS | st.lists(SCALARS, max_size=2) | st.dictionaries(st.just("inner"), SCALARS),
    max_size=5,
)


def every(record: dict[str, Any] | None = None, **more: Any) -> list[Case]:
    return list(cases([record or ORDER], **{"seed": 7, **more}))


def at(record: Any, path: tuple[str | int, ...]) -> Any:
    for part in path:
        record = record[part]
    return record


def test_every_class_and_every_pair_comes_once() -> None:
    met = [tuple(label.defect for label in case.labels) for case in every()]
    singles, pairs = [m for m in met if len(m) == 1], [m for m in met if len(m) == 2]
    assert {defect for (defect,) in singles} == set(Defect)
    assert len({frozenset(pair) for pair in pairs}) == len(pairs) == 16 * 15 // 2


def test_one_seed_gives_one_dataset_and_another_another() -> None:
    assert every() == every()
    assert every() != every(seed=8)


def test_the_record_that_is_damaged_stays_as_it_was() -> None:
    before = json.dumps(ORDER)
    every(each=2)
    assert json.dumps(ORDER) == before


@pytest.mark.parametrize("defect", list(Defect))
def test_a_label_says_where_the_defect_is(defect: Defect) -> None:
    for case in every(defects=[defect], pairs=False, each=20):
        (label,) = case.labels
        assert HANDLING[label.defect]
        if defect is Defect.EXACT_DUPLICATE:
            assert case.records == (ORDER, ORDER)
            continue
        damaged = case.records[-1]
        assert damaged != ORDER
        if label.detail != "removed":
            assert at(damaged, label.path) != _or_none(ORDER, label.path)
        if defect is Defect.NEAR_DUPLICATE:
            assert case.records[0] == ORDER


def _or_none(record: Any, path: tuple[str | int, ...]) -> Any:
    try:
        return at(record, path)
    except (KeyError, IndexError):
        return None


@given(RECORDS, st.integers(0, 99))
def test_any_record_can_be_damaged_in_every_way_and_stays_json(
    record: dict[str, Any], seed: int
) -> None:
    for case in every({**record, "k": "v"}, seed=seed, pairs=False):
        json.dumps(case.as_json(seed))


def test_blobs_reach_from_a_kilobyte_to_a_megabyte() -> None:
    sizes = [
        len(at(case.records[-1], case.labels[0].path))
        for case in every(defects=[Defect.BLOB], pairs=False, each=60)
    ]
    assert min(sizes) >= 1 << 10
    assert 1 << 19 <= max(sizes) <= 1 << 20


def test_two_defects_of_a_pair_do_not_undo_each_other() -> None:
    for case in every(each=3):
        paths = [label.path for label in case.labels if label.path]
        assert len(set(paths)) == len(paths)


def test_naughty_strings_are_many_and_each_is_one() -> None:
    assert len(set(naughty_strings())) == len(naughty_strings()) > 60


def test_records_come_from_a_schema_alone(tmp_path: Path) -> None:
    (tmp_path / "schema.json").write_text(json.dumps(SCHEMA))
    records = records_from(tmp_path / "schema.json", seed=3)
    assert records == records_from(tmp_path / "schema.json", seed=3)
    for record in records:
        assert 5 <= record["count"] <= 9
        assert 0 < record["price"] <= 3
        assert record["state"] in {"open", "closed"}
        assert len(record["tags"]) >= 2
        assert all(len(tag) <= 8 for tag in record["tags"])
        assert record["who"]["mail"].endswith("@example.com")
        assert record["both"] == {"a": 1, "b": 2}
        assert isinstance(record["either"], bool)
    assert len({record["id"] for record in records}) == len(records)


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        ({"type": "array"}, "it is no object"),
        (
            {"properties": {"a": {"type": "string", "pattern": "^x"}}},
            "the root.a: it has a pattern",
        ),
        ({"properties": {"a": {"$ref": "#/nowhere"}}}, "leads nowhere"),
        ({"properties": {"a": {"type": "blob"}}}, "its type is 'blob'"),
        ({"properties": {"a": {"$ref": "#"}}}, "nested too deep"),
    ],
)
def test_a_schema_that_asks_for_more_is_refused_by_place(
    schema: dict[str, Any], said: str, tmp_path: Path
) -> None:
    (tmp_path / "schema.json").write_text(json.dumps(schema))
    with pytest.raises(SchemaUnfit) as refused:
        records_from(tmp_path / "schema.json", seed=1)
    assert said in refused.value.message


def test_the_dataset_is_written_whole_one_item_a_line(tmp_path: Path) -> None:
    (tmp_path / "orders.jsonl").write_text(json.dumps(ORDER) + "\n")
    records = records_of(tmp_path / "orders.jsonl")
    count = write_cases(
        records, tmp_path / "ugly.jsonl", seed=1, each=1, pairs=True, defects=tuple(Defect)
    )
    items = [json.loads(line) for line in (tmp_path / "ugly.jsonl").read_text().split("\n")[:-1]]
    assert len(items) == count == 136
    assert len({item["id"] for item in items}) == count
    item = items[-1]
    assert item["expected"]["handling"]
    assert {"class", "path", "detail", "expected"} == item["metadata"]["defects"][0].keys()
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_an_empty_source_makes_no_dataset(tmp_path: Path) -> None:
    (tmp_path / "empty.jsonl").write_text("")
    with pytest.raises(SourceBroken, match="no record"):
        records_of(tmp_path / "empty.jsonl")
