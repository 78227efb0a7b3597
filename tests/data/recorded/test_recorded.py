"""Real agents' databases with their transcripts: no value of a person is left to be read."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.data.making import airline, masked, recorded_rules, records, retail, verified


@pytest.mark.parametrize(
    ("name", "make", "pairs"), [("airline", airline, 30_000), ("retail", retail, 13_000)]
)
def test_no_linked_value_is_readable(
    name: str, make: Callable[[Path], Path], pairs: int, tmp_path: Path
) -> None:
    source, rules = make(tmp_path / "source"), recorded_rules(name)
    masked(source, rules, tmp_path / "snapshot")
    report = verified(source, rules, tmp_path / "snapshot")
    assert report.findings == ()
    assert report.leaks.pairs > pairs
    assert report.leaks.recall_direct == 1.0
    assert sum(table.references for table in report.tables.values()) >= 1_000


def test_text_and_tables_agree_and_tool_results_stay_json(tmp_path: Path) -> None:
    source = airline(tmp_path / "source")
    masked(source, recorded_rules("airline"), tmp_path / "snapshot")
    users = {user["user_id"]: user for user in records(tmp_path / "snapshot", "users")}
    met = 0
    for run in records(tmp_path / "snapshot", "transcripts"):
        for message in run["traj"]:
            if message["role"] == "tool" and message["content"].startswith('{"name"'):
                user = json.loads(message["content"])
                twin = users[run["info"]["task"]["user_id"]]
                met += user["email"] == twin["email"] and user["name"] == twin["name"]
    assert met > 100
