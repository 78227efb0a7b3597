import dataclasses
import json
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.kit.crypto.canonical import JsonNotCanonical, canonical
from seatrial.kit.crypto.values import JsonTooLarge, JsonUnfit
from seatrial.kit.transparency.domain import LARGEST_BODY, LogEntryUnfit, Record
from seatrial.kit.transparency.merkle import leaf_hash
from seatrial.kit.transparency.records import (
    LARGEST_LINE,
    leaf_data,
    leaf_of,
    line,
    parse_line,
    recorded,
)
from tests.kit.transparency.logs import START, entry

_TEXT = st.text(
    st.characters(exclude_categories=["Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp", "Zs"]),
    min_size=1,
    max_size=20,
)
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=6,
)
_RECORDS = st.builds(
    lambda changes, index: recorded(entry(7, **changes), index, "ab" * 32 if index else ""),
    st.fixed_dictionaries(
        {
            "kind": st.from_regex(r"[a-z][a-z0-9._-]{0,63}", fullmatch=True),
            "subject": _TEXT,
            "actor": _TEXT,
            "body": st.dictionaries(st.text(max_size=9), _JSON, max_size=4),
            "at": st.datetimes(timezones=st.just(timezone(timedelta(hours=5)))),
        }
    ),
    st.integers(0, 2**53 - 1),
)


@given(_RECORDS)
def test_a_leaf_covers_the_canonical_form_of_all_that_an_entry_says(record: Record) -> None:
    """So anyone can make the hash again, with any library for RFC 8785."""
    told = json.loads(line(record))
    del told["leaf"]
    told["body"] = json.loads(told["body"])
    assert leaf_data(record) == canonical(told)
    assert record.leaf == leaf_of(record) == leaf_hash(canonical(told)).hex()


@given(_RECORDS)
def test_a_line_reads_back(record: Record) -> None:
    again = parse_line(line(record))
    assert again == record
    assert leaf_of(again) == record.leaf
    assert b"\n" not in line(record)


def test_a_line_can_hold_the_largest_body() -> None:
    body = {"\x01" * ((LARGEST_BODY - 7) // 6): 0}
    record = recorded(entry(0, body=body, actor="\U0001f600" * 200), 0, "")
    assert len(line(record)) < LARGEST_LINE
    assert parse_line(line(record)) == record


@pytest.mark.parametrize(
    "changes",
    [
        {"kind": ""},
        {"kind": "Upper"},
        {"kind": "a" * 65},
        {"kind": "a\n"},
        {"subject": ""},
        {"subject": "x" * 201},
        {"subject": "nul\0"},
        {"actor": "two\nlines"},
        {"actor": "\ud800"},
        {"at": datetime(2030, 1, 1)},  # noqa: DTZ001 - the very thing refused
        {"body": ["no object"]},
    ],
)
def test_what_cannot_be_kept_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(LogEntryUnfit):
        recorded(entry(0, **changes), 0, "")


def test_a_body_is_json_of_a_bounded_size() -> None:
    with pytest.raises(JsonTooLarge):
        recorded(entry(0, body={"x": "y" * LARGEST_BODY}), 0, "")
    with pytest.raises(JsonUnfit, match=r"\$\.at"):
        recorded(entry(0, body={"at": START}), 0, "")


LINE = line(recorded(entry(0), 0, ""))


@pytest.mark.parametrize(
    "changes",
    [
        {"index": "0"},
        {"index": True},
        {"index": 0.5},
        {"leaf": "AB" * 32},
        {"leaf": None},
        {"at": "2030-01-01"},
        {"at": "2030-13-01T00:00:00.000000Z"},
        {"body": {}},
        {"more": 1},
    ],
)
def test_a_line_of_another_form_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(LogEntryUnfit):
        parse_line(canonical(json.loads(LINE) | changes))


def test_a_line_has_one_spelling_and_all_members() -> None:
    told = json.loads(LINE)
    with pytest.raises(JsonNotCanonical):
        parse_line(json.dumps(told).encode())
    for name in told:
        with pytest.raises(LogEntryUnfit):
            parse_line(canonical({other: told[other] for other in told if other != name}))
    with pytest.raises(LogEntryUnfit):
        parse_line(b"[]")


def test_every_part_of_an_entry_changes_its_hash() -> None:
    record = recorded(entry(0), 0, "")
    changes: list[dict[str, Any]] = [
        {"index": 1},
        {"at": record.at + timedelta(microseconds=1)},
        {"kind": "other"},
        {"subject": "other"},
        {"actor": "other"},
        {"body": "{}"},
        {"previous": "ab" * 32},
    ]
    hashes = {leaf_of(dataclasses.replace(record, **change)) for change in changes}
    assert len(hashes | {record.leaf}) == len(changes) + 1
