"""The verifier finds what a masker left, in any form; a snapshot that fails cannot be loaded."""

import base64
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import grimp
import pytest

from seatrial.data.domain import (
    SnapshotAltered,
    SnapshotFailed,
    SnapshotMissing,
    SnapshotUnverified,
)
from seatrial.data.snapshots.domain import CANARIES, MANIFEST, Manifest
from seatrial.data.snapshots.loading import load
from seatrial.data.snapshots.service import admitted, read_manifest
from seatrial.data.verifying import attack
from seatrial.data.verifying.forms import haystack, needle
from seatrial.data.verifying.leaks import Form, found
from seatrial.kit.crypto.canonical import canonical
from seatrial.kit.crypto.dsse import EnvelopeUntrusted
from seatrial.kit.crypto.signing import SigningKey
from tests.data.making import PEOPLE, SIGNER, masked, people, records, rules, verified, write_lines

Change = Callable[[dict[str, Any]], object]


def changed(snapshot: Path, table: str, change: Change, *, first: int = 0) -> None:
    """Alter a record of a finished snapshot, and its manifest with it, as a bad masker would."""
    rows = records(snapshot, table)
    change(rows[first])
    path = snapshot / "tables" / f"{table}.jsonl"
    write_lines(path, rows)
    manifest, _ = read_manifest(snapshot)
    document = manifest.model_dump(mode="json")
    document["tables"][table] |= {
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "size": path.stat().st_size,
    }
    (snapshot / MANIFEST).write_bytes(
        canonical(Manifest.model_validate(document).model_dump(mode="json"))
    )


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return people(tmp_path / "source", notes=["hello", "nothing here"])


@pytest.fixture
def snapshot(source: Path, tmp_path: Path) -> Path:
    masked(source, rules(), tmp_path / "snapshot")
    return tmp_path / "snapshot"


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("it was Mia", "normalised"),
        ("it was mia", "normalised"),
        ("it was M\u200bi\u200ba", "normalised"),
        ("user mia_li_3668 called", "exact"),
        ("user MIA-LI-3668 called", "normalised"),
        (f"see {quote('mia.li3818@corp.test')}", "normalised"),
        ("see " + base64.b64encode(b"this is Mia, you know").decode(), "decoded"),
        ("&#77;&#105;&#97; wrote", "decoded"),
        (json.dumps({"a": json.dumps({"who": "Mia Li"})}), "exact"),
        ("born on April 5th, 1990", "normalised"),
        ("born on 05.04.1990", "normalised"),
        ("itsMiaAgain", "normalised"),
    ],
)
def test_a_value_left_in_a_text_is_found(
    text: str, form: str, source: Path, snapshot: Path
) -> None:
    changed(snapshot, "notes", lambda row: row.update(text=text))
    report = verified(source, rules(), snapshot)
    assert not report.passed
    assert form in report.leaks.forms
    assert "mia" not in report.model_dump_json().lower().replace("normalised", "")


@pytest.mark.parametrize(
    ("table", "change", "said"),
    [
        ("people", {"email": "mia.li3818@corp.test"}, "unmasked values"),
        ("people", {"born": "1990-04-05"}, "unmasked values"),
        ("people", {"extra": "anything"}, "values that no rule covers"),
        ("people", {"email": None}, "values of another type"),
        ("people", {"plan": "mia.li@home.test"}, "direct identifiers in a kept column"),
        ("notes", {"person": "k000"}, "references that lead nowhere"),
        ("notes", {"text": "noah_brandt_7001 called"}, "readable values of other people"),
    ],
)
def test_what_a_masker_did_wrong_is_found(
    table: str, change: dict[str, Any], said: str, source: Path, snapshot: Path
) -> None:
    changed(snapshot, table, lambda row: row.update(change))
    assert any(said in finding for finding in verified(source, rules(), snapshot).findings)


def test_a_repeated_value_of_a_unique_column_is_found(source: Path, snapshot: Path) -> None:
    twin = records(snapshot, "people")[1]["email"]
    changed(snapshot, "people", lambda row: row.update(email=twin))
    findings = verified(source, rules(), snapshot).findings
    assert any("repeated values of a unique column" in finding for finding in findings)


def test_a_record_more_or_less_is_found(source: Path, snapshot: Path) -> None:
    changed(snapshot, "notes", lambda _row: None)
    write_lines(source / "notes.jsonl", [{"person": "mia_li_3668", "text": ""}] * 3)
    with pytest.raises(SnapshotAltered, match="number of records"):
        verified(source, rules(), snapshot)


def test_a_small_crowd_is_found(tmp_path: Path) -> None:
    of = rules(PEOPLE.replace("k = 1", "k = 3").replace(
        'plan = "keep"', 'plan = { class = "quasi", as = "kept" }'))  # fmt: skip
    source = people(tmp_path / "source", count=5)
    masked(source, of, tmp_path / "snapshot")
    report = verified(source, of, tmp_path / "snapshot")
    assert report.tables["people"].k == 1
    assert report.findings == ("people: k is 1, not 3: 1 people stand in smaller crowds",)


def test_a_kept_column_that_holds_addresses_is_caught_though_a_rule_keeps_it(
    tmp_path: Path,
) -> None:
    source = people(tmp_path / "source")
    rows = [{**row, "backup": f"p{n}@home.test"} for n, row in enumerate(records_of(source))]
    write_lines(source / "people.jsonl", rows)
    of = rules(PEOPLE.replace('plan = "keep"', 'plan = "keep"\nbackup = "keep"'))
    masked(source, of, tmp_path / "snapshot")
    findings = verified(source, of, tmp_path / "snapshot").findings
    assert findings == ("people: 5 direct identifiers in a kept column in 'backup'",)


def records_of(source: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (source / "people.jsonl").read_text().splitlines()]


def test_canaries_that_were_not_masked_are_told_by_kind_and_guise(
    source: Path, snapshot: Path
) -> None:
    document = json.loads((snapshot / CANARIES).read_bytes())
    from_first = ["Johanna Okonkwo wrote"] * 84 + document["texts"][84:]
    (snapshot / CANARIES).write_text(json.dumps({**document, "texts": from_first}))
    with pytest.raises(SnapshotAltered, match="canaries"):
        verified(source, rules(), snapshot)


def test_every_kind_of_canary_is_masked(source: Path, snapshot: Path) -> None:
    planted = verified(source, rules(), snapshot).canaries
    assert {"name", "email", "phone", "street", "id", "date", "card, by shape"} <= planted.keys()
    for report in planted.values():
        assert report.masked >= 0.99 * report.planted


def test_a_hash_without_a_key_falls_to_a_dictionary() -> None:
    values = [f"user{n}@corp.test" for n in range(20)]
    weak = [hashlib.sha256(value.encode()).hexdigest()[:16] for value in values]
    assert attack.hits(values, weak)[1] == 20
    salted = [hashlib.md5(f"shop:{v}".encode(), usedforsecurity=False).hexdigest() for v in values]
    assert attack.hits(values, salted, ["shop"])[1] == 20
    assert attack.hits(values, [f"k{n:013}" for n in range(20)])[1] == 0


@pytest.mark.parametrize(
    ("value", "mask", "text"),
    [
        ("Mia", "given_name", "familiar miami"),
        ("78750", "number", "178750 and 787501"),
        ("1990-04-05", "date", "1990-04-06"),
    ],
)
def test_what_only_contains_the_letters_is_no_leak(value: str, mask: str, text: str) -> None:
    sought = needle(value, mask)
    assert sought is not None
    assert found(sought, haystack(text)) is None


@pytest.mark.parametrize("text", ["cancel #C3001, please", '{"order": "#c3001"}'])
def test_a_short_id_of_letters_and_digits_is_found_as_a_word(text: str) -> None:
    sought = needle("#C3001", "id")
    assert sought is not None
    assert found(sought, haystack(text)) is not None
    assert found(sought, haystack("xC3001 and C30011 and #C3002")) is None


def test_a_common_word_is_a_name_only_when_written_as_one() -> None:
    sought = needle("Will Brown", "name")
    assert sought is not None
    assert found(sought, haystack("it will be brown")) is Form.AMBIGUOUS
    assert found(sought, haystack("ask Will")) is Form.NORMALISED
    assert found(sought, haystack("will_b1")) is Form.NORMALISED


# --- The door ---


def test_a_snapshot_enters_only_with_a_passed_verdict_of_a_trusted_verifier(
    source: Path, snapshot: Path, tmp_path: Path
) -> None:
    with pytest.raises(SnapshotUnverified):
        load(snapshot, str(tmp_path / "staging"), [SIGNER.verify_key])
    verified(source, rules(), snapshot)
    with pytest.raises(EnvelopeUntrusted):
        load(snapshot, str(tmp_path / "staging"), [SigningKey.generate().verify_key])
    loaded = load(snapshot, str(tmp_path / "staging"), [SIGNER.verify_key])
    assert loaded == {"people": 5, "notes": 2}
    assert (tmp_path / "staging" / "people.jsonl").exists()


def test_a_failed_snapshot_never_enters(source: Path, snapshot: Path, tmp_path: Path) -> None:
    changed(snapshot, "notes", lambda row: row.update(text="Mia"))
    verified(source, rules(), snapshot)
    with pytest.raises(SnapshotFailed, match="readable values"):
        load(snapshot, str(tmp_path / "staging"), [SIGNER.verify_key])
    assert not (tmp_path / "staging").exists()


def test_a_change_after_the_verdict_is_seen(source: Path, snapshot: Path) -> None:
    verified(source, rules(), snapshot)
    admitted(snapshot, [SIGNER.verify_key])
    (snapshot / "tables" / "more.jsonl").write_text("{}\n")
    with pytest.raises(SnapshotAltered, match="a file more"):
        admitted(snapshot, [SIGNER.verify_key])
    (snapshot / "tables" / "more.jsonl").unlink()
    with (snapshot / "tables" / "people.jsonl").open("a") as file:
        file.write("{}\n")
    with pytest.raises(SnapshotAltered, match="was changed"):
        admitted(snapshot, [SIGNER.verify_key])


def test_a_verdict_of_another_snapshot_opens_nothing(
    source: Path, snapshot: Path, tmp_path: Path
) -> None:
    other = rules(PEOPLE.replace('"people"', '"other"'))
    masked(source, other, tmp_path / "other")
    verified(source, other, tmp_path / "other")
    (snapshot / "verdict.json").write_bytes((tmp_path / "other" / "verdict.json").read_bytes())
    with pytest.raises(SnapshotAltered, match="another snapshot"):
        admitted(snapshot, [SIGNER.verify_key])


def test_what_is_not_finished_is_no_snapshot(tmp_path: Path) -> None:
    (tmp_path / "snapshot.partial").mkdir()
    with pytest.raises(SnapshotMissing):
        admitted(tmp_path / "snapshot.partial", [SIGNER.verify_key])


def test_the_verifier_imports_nothing_of_the_masker() -> None:
    graph = grimp.build_graph("seatrial", cache_dir=None)
    modules = {m for m in graph.modules if m.startswith("seatrial.data.verifying")}
    reached = set[str]().union(*(graph.find_upstream_modules(module) for module in modules))
    assert len(modules) > 5
    assert not {module for module in reached if module.startswith("seatrial.data.masking")}
