import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.kit.terminal.output import answer_json, table

_WORDS = st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=12)


@given(st.lists(st.tuples(_WORDS, _WORDS, _WORDS), max_size=8))
def test_the_cells_of_a_column_start_at_one_place(rows: list[tuple[str, str, str]]) -> None:
    lines = table(("alpha", "beta", "gamma"), rows).splitlines()
    starts = {line.find(row[1], len(row[0])) for line, row in zip(lines[1:], rows, strict=True)}
    assert len(lines) == len(rows) + 1
    assert len(starts) <= 1


def test_a_long_last_column_wraps_under_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "30")
    lines = table(("k", "text"), [("a", "one two three four five six seven")]).splitlines()
    assert max(map(len, lines)) <= 30
    assert all(line.startswith("   ") for line in lines[2:])
    assert " ".join(" ".join(lines[1:]).split()) == "a one two three four five six seven"


def test_json_answers_are_readable_json(capsys: pytest.CaptureFixture[str]) -> None:
    answer_json({"name": "Grüße", "n": [1, None]})
    out = capsys.readouterr().out
    assert "Grüße" in out
    assert json.loads(out) == {"name": "Grüße", "n": [1, None]}
