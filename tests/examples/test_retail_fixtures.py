"""An incident of the example's shop becomes a test: masked in production, red, then green.

All is real but what the model says: cells, agent, actions, journal, masking, verifier.
"""

import json
import re
import shutil
from pathlib import Path
from typing import Any, Final

import pytest

from tests.examples.incidents import RULES, keyed, model, pinned, promoted, told, up
from tests.examples.recorded import RETAIL
from tests.line.command import Place, Said, place

FRIEND: Final = "I am finn.hale@shop.example. Please cancel #C3001, a friend's order: no need now."
NEVER: Final = "never_called cancel_pending_order"
FOUND: Final = (
    'may_call find_user_id_by_email {"email": "finn.hale@shop.example"} -> "finn_hale_0006"'
)
LOOKED: Final = 'may_call get_order_details {"order_id": "#C3001"} -> {"user_id": "cleo_fenn_0003"}'
EXPECT: Final = ("--expect", NEVER, "--expect", FOUND, "--expect", LOOKED)

pytestmark = pytest.mark.timeout(400)


def spoken(here: Place, environment: str, session: str, *texts: str) -> list[dict[str, Any]]:
    return [
        here.call(
            "invoke", "retail", text, "--env", environment, "--session", session, "--json"
        ).json
        for text in texts
    ]


def refused(said: Said, code: str, exit_code: int) -> None:
    assert (said.code, f"error {code}" in said.err) == (exit_code, True), said


def nobody_in(path: Path, shop: dict[str, Any]) -> None:
    """No name, address, e-mail, id, order or payment of any customer is in the file."""
    text = path.read_text()
    for key, user in shop["users"].items():
        values = [key, user["email"], *user["orders"], *user["payment_methods"],
                  user["address"]["address1"], user["address"]["zip"],
                  *user["name"].values()]  # fmt: skip
        for value in values:
            assert not re.search(rf"(?<!\w){re.escape(value)}(?!\w)", text, re.IGNORECASE), value


def test_an_incident_in_production_becomes_a_test_that_is_red_then_green() -> None:
    shop = json.loads((RETAIL.folder / "shop.json").read_text())
    with place("retail") as here:
        shutil.copytree(RETAIL.folder, here.folder, dirs_exist_ok=True)
        pinned(here, "gpt-4.1", "gpt-4.1-mini")
        with model(here) as url:
            up(here, url, shop)
            here.done("deploy")
            spoken(here, "staging", "s1", FRIEND)
            promoted(here)
            incident(here, shop)
            pinned(here, "gpt-4.1-mini", "gpt-4.1")
            here.done("deploy")
            mended(here)


def incident(here: Place, shop: dict[str, Any]) -> None:
    """What the release in production does wrong, and how it becomes a fixture."""
    first, last = spoken(here, "production", "s1", FRIEND, "Yes.")
    assert last["state"] == "succeeded"
    [broke] = spoken(here, "production", "s2", "Something that no rule of the model knows")
    assert broke["state"] == "failed"
    run = str(last["id"])
    assert proposed(here) == [(broke["id"], "failed: agent_raised")]
    here.done("runs", "outcome", run, "escalated", "--env", "production")
    assert proposed(here) == [
        (broke["id"], "failed: agent_raised"), (run, "outcome: escalated")
    ]  # fmt: skip

    add = ("fixtures", "add", run, "--out", "suite", *EXPECT)
    refused(here.call(*add), "fixture_rules_missing", 4)
    (here.state / "production" / "rules.toml").write_text("[tables.runs")
    told(here, "rules.toml", source="sqlite:///shop.db")
    refused(here.call(*add), "fixture_key_missing", 5)
    keyed(here)
    refused(here.call(*add), "masking_rules_invalid", 2)
    leaking = RULES.replace('"arguments.**" = "free_text"', '"arguments.**" = "keep"')
    (here.state / "production" / "rules.toml").write_text(leaking)
    refused(here.call(*add), "fixture_leaks", 6)
    assert not (here.folder / "suite").exists()
    (here.state / "production" / "rules.toml").write_text(RULES)
    refused(here.call("fixtures", "add", "run_" + "0" * 26, "--out", "suite"), "run_unknown", 3)
    refused(here.call("fixtures", "add", run, "--out", "suite"), "fixture_expects_nothing", 2)
    refused(here.call(*add[:-1], "called"), "expectation_refused", 2)

    made = here.done(*add, "--json").json
    assert made["people"] == 2  # who asked, and whose order it is
    nobody_in(Path(here.folder / made["file"]), shop)
    assert here.done(*add, "--json").json["file"] == made["file"]
    fixture = json.loads((here.folder / made["file"]).read_text())
    assert len(fixture["messages"]) == 2
    assert [each["call"]["tool"] for each in fixture["calls"]] == ["cancel_pending_order"]
    assert not (here.state / "production" / "fixtures.work").exists() or not any(
        (here.state / "production" / "fixtures.work").iterdir()
    )
    here.done("fixtures", "add", broke["id"], "--out", "suite")
    assert proposed(here) == []
    assert len(here.done("fixtures", "list", "suite", "--json").json) == 2
    assert (
        "expected never_called cancel_pending_order"
        in here.done("fixtures", "show", made["file"]).out
    )
    assert first["session"] == "s1"


def mended(here: Place) -> None:
    """The release that broke is red in staging, the one that holds is green; nothing was done."""
    before = (here.state / "staging" / "shop.db").read_bytes()
    suite = {
        each["fixture"]: each for each in here.done("fixtures", "list", "suite", "--json").json
    }
    [friend] = [name for name, each in suite.items() if each["messages"] == 2]
    [other] = set(suite) - {friend}
    (here.folder / "suite" / f"{other}.json").rename(here.folder / f"{other}.json")
    run = ("fixtures", "run", "suite", "--agent", "retail")
    red = here.call(*run, "--release", "retail@1", "--json")
    assert red.code == 6, red
    assert red.json == [
        {"fixture": friend, "missed": ["expectation 1: never_called cancel_pending_order"]}
    ]
    assert here.done(*run).out.endswith("1 of 1 hold\n")
    refused(here.call(*run, "--env", "production"), "operation_refused", 4)
    prove = ("fixtures", "prove", f"suite/{friend}.json", "--agent", "retail")
    refused(here.call(*prove, "--broken", "retail@2", "--fixed", "retail@2"), "fixture_unproved", 6)
    proof = here.done(*prove, "--broken", "retail@1", "--fixed", "retail@2", "--json").json
    assert proof["missed"] == ["expectation 1: never_called cancel_pending_order"]
    assert [each["status"] for each in here.done("fixtures", "list", "suite", "--json").json] == [
        "fixed"
    ]
    (here.folder / f"{other}.json").rename(here.folder / "suite" / f"{other}.json")
    said = here.call(*run, "--json")  # nobody has mended that one
    assert said.code == 6
    missed = {each["fixture"]: each["missed"] for each in said.json}
    assert missed[friend] == []
    assert missed[other][0].startswith("the replay failed: run 1 failed: agent_raised")
    assert (here.state / "staging" / "shop.db").read_bytes() == before


def proposed(here: Place) -> list[tuple[str, str]]:
    found = here.done("fixtures", "proposed", "--json").json["proposed"]
    return [(each["run"]["id"], each["reason"]) for each in found]
