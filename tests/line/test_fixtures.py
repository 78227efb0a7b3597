"""A run that waited for an event and for a person, in production, becomes a test of its release."""

import json
import sqlite3
from contextlib import closing
from typing import Any, Final

import pytest

from tests.examples.incidents import keyed, promoted, told
from tests.line.command import Place, place
from tests.line.processes import wait_until

pytestmark = pytest.mark.timeout(400)

_AGENT: Final = """
import json
import os
import urllib.request


def run(input):
    if input == "hello":
        return "Hello."
    FIRST
    asked("/v1/waits", {"seconds": 0.2})
    paid = asked("/v1/waits", {"event": "paid"})["value"]
    told = asked("/v1/actions/refund", {"what": paid["order"]})
    if not told["ok"]:
        return told["error"]
    return f"{paid['NAMED']} cents are on their way."


def asked(path, body):
    request = urllib.request.Request(
        os.environ["SEATRIAL_URL"] + path,
        json.dumps(body).encode(),
        {
            "authorization": "Bearer " + os.environ["SEATRIAL_TOKEN"],
            "content-type": "application/json",
        },
    )
    return json.loads(urllib.request.urlopen(request).read())
"""
_PROJECT: Final = """
[agent]
name = "refunds"
entry = "agent.py:run"

[actions.refund]
effect = "transactional"
connector = "shop"
sql = "INSERT INTO refunds (what) VALUES (:what)"
review = "always"

[actions.refund.input]
type = "object"
required = ["what"]

[actions.refund.input.properties]
what = { type = "string" }
"""
_RULES: Final = """
name = "refunds"
[tables.runs]
person = "people"
[tables.runs.columns]
"messages.**" = "free_text"
"answers.**" = "free_text"
"arguments.**" = "free_text"
"results.**" = "free_text"
errors = "free_text"
"expected.**" = "free_text"
clock = { class = "direct", as = "date" }
"""
_PAID: Final = {"order": "W1", "cents": 1_200, "by": "mia.li3818@corp.test"}


def _deployed(here: Place, named: str, *, first: str = "pass") -> None:
    code = _AGENT.replace("NAMED", named).replace("FIRST", first)
    (here.folder / "agent.py").write_text(code)
    here.done("deploy")


def _up(here: Place) -> None:
    (here.folder / "seatrial.toml").write_text(_PROJECT)
    here.done("up", "--detach", "--port", "0")
    here.done("down")
    for name in ("staging", "production"):
        with closing(sqlite3.connect(here.state / name / "shop.db")) as shop:
            shop.execute("CREATE TABLE refunds (what TEXT)")
        settings = here.state / name / "settings.toml"
        bound = '[connectors.shop]\nkind = "sql"\nurl = "sqlite:///shop.db"\n'
        settings.write_text(f"{settings.read_text()}\n{bound}")
    here.done("up", "--detach")


def _refunds(here: Place, environment: str) -> list[str]:
    with closing(sqlite3.connect(here.state / environment / "shop.db")) as shop:
        return [what for (what,) in shop.execute("SELECT what FROM refunds")]


def _run(here: Place, run: str) -> dict[str, Any]:
    found: dict[str, Any] = here.done("runs", "show", run, "--env", "production", "--json").json
    return found


def _waits(here: Place, run: str, reason: str) -> None:
    def waiting() -> bool:
        listed = here.done("runs", "list", "--waiting", reason, "--env", "production", "--json")
        return any(each["id"] == run for each in listed.json["runs"])

    wait_until(waiting, f"the run to wait for its {reason}")


def _had(here: Place) -> str:
    """The run in production: it hears of the payment, a person approves, and then it breaks."""
    began = here.done(
        "invoke", "refunds", "Please pay W1 back.", "--env", "production", "--async", "--json"
    )  # fmt: skip
    run = str(began.json["id"])
    _waits(here, run, "event")
    here.done("runs", "event", run, "paid", json.dumps(_PAID), "--env", "production")
    _waits(here, run, "review")
    [asked] = here.done("reviews", "--env", "production", "--json").json["reviews"]
    here.done("reviews", "approve", run, str(asked["seq"]), "--env", "production")
    wait_until(lambda: _run(here, run)["state"] == "failed", "the run to break")
    return run


def test_a_run_that_waited_for_an_event_and_a_review_is_red_then_green() -> None:
    with place("refunds") as here:
        _up(here)
        (here.state / "production" / "rules.toml").write_text(_RULES)
        told(here, "rules.toml")
        keyed(here)
        _deployed(here, "amount")
        here.done("invoke", "refunds", "hello", "--env", "staging")
        promoted(here)
        run = _had(here)
        assert _refunds(here, "production") == ["W1"]
        paid = ("--expect", "says 1200 cents", "--expect", 'called refund {"what": "W1"}')
        made = here.done("fixtures", "add", run, "--out", "suite", *paid, "--json").json
        file = here.folder / made["file"]
        assert "mia.li3818" not in file.read_text()
        calls = [each["call"]["tool"] for each in json.loads(file.read_text())["calls"]]
        assert calls == ["event:paid", "refund"]
        _deployed(here, "cents")
        proof = here.done(
            "fixtures", "prove", str(file), "--agent", "refunds", "--broken", "refunds@1",
            "--fixed", "refunds@2", "--json",
        ).json  # fmt: skip
        assert "agent_raised" in proof["missed"][0]
        assert _refunds(here, "staging") == []
        assert here.done("reviews", "--env", "staging", "--json").json["reviews"] == []
        [held] = here.done("fixtures", "list", "--env", "staging", "--json").json["fixtures"]
        assert held["fixture"] == made["digest"]
        _deployed(here, "cents", first='asked("/v1/waits", {"event": "sure"})')
        empty = here.call("fixtures", "run", "nowhere", "--agent", "refunds")
        assert (empty.code, "error fixture_missing" in empty.err) == (3, True), empty
        red = here.call("fixtures", "run", "suite", "--agent", "refunds", "--json")
        assert red.code == 6, red
        assert "event:sure" in red.json[0]["missed"][0]
