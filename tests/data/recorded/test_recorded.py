"""Real agents' databases with their transcripts: no value of a person is left to be read."""

import json
from pathlib import Path

from seatrial.data.verifying.domain import Report
from tests.data.conftest import Masked
from tests.data.making import masked, recorded_rules, records, retail, verified


def nothing_is_readable(report: Report, *, pairs: int, references: int) -> None:
    assert report.findings == ()
    assert report.leaks.pairs > pairs
    assert report.leaks.recall_direct == 1.0
    assert sum(table.references for table in report.tables.values()) == references


def test_no_linked_value_of_the_airline_is_readable(masked_airline: Masked) -> None:
    nothing_is_readable(masked_airline.report, pairs=30_000, references=2_000)


def test_no_linked_value_of_the_shop_is_readable(tmp_path: Path) -> None:
    source, rules = retail(tmp_path / "source"), recorded_rules("retail")
    masked(source, rules, tmp_path / "snapshot")
    report = verified(source, rules, tmp_path / "snapshot")
    nothing_is_readable(report, pairs=13_000, references=1_000)


def test_text_and_tables_agree_and_tool_results_stay_json(masked_airline: Masked) -> None:
    users = {user["user_id"]: user for user in records(masked_airline.snapshot, "users")}
    met = 0
    for run in records(masked_airline.snapshot, "transcripts"):
        for message in run["traj"]:
            if message["role"] == "tool" and message["content"].startswith('{"name"'):
                user = json.loads(message["content"])
                twin = users[run["info"]["task"]["user_id"]]
                met += user["email"] == twin["email"] and user["name"] == twin["name"]
    assert met > 100
