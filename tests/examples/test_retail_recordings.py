"""Recorded conversations, played to the example's own agent with the model that had them.

The agent, its actions, journal and door are the real ones, and so is the provider's HTTP; only what
it says is from the record. Here is one conversation of our own; those of tau2-bench are played by
the demo's test.
"""

import json
import sys
from pathlib import Path
from typing import Any, Final

import pytest

from tests.examples.recorded import RETAIL, answering, around, database, up
from tests.line.command import Place, Said, place

MODEL: Final = "gpt-4.1"
EMAIL: Final = {"email": "ada.quill@shop.example"}
CANCEL: Final = {"order_id": "#A1001", "reason": "no longer needed"}

pytestmark = pytest.mark.timeout(300)


def own(found: str = "ada_quill_0001", *, verdict: bool = False) -> dict[str, Any]:
    """A conversation with our own shop, in the form of tau2-bench.

    Its agent says that the order is cancelled and never cancels it.
    """

    def calls(name: str, arguments: dict[str, Any]) -> dict[str, Any]:
        call = {"id": f"c_{name}", "name": name, "arguments": arguments}
        return {"role": "assistant", "content": None, "tool_calls": [call]}

    messages = [
        {"role": "user", "content": "Hello, I want to cancel an order."},
        {"role": "assistant", "content": "Gladly. What is your e-mail address?"},
        {"role": "user", "content": "ada.quill@shop.example"},
        calls("find_user_id_by_email", EMAIL),
        {"role": "tool", "id": "c_find_user_id_by_email", "content": found},
        {"role": "assistant", "content": "Thank you. Shall I cancel #A1001?"},
        {"role": "user", "content": "Yes."},
        calls("calculate", {"expression": "39.5 + 0"}),
        {"role": "tool", "id": "c_calculate", "content": "39.5"},
        {"role": "assistant", "content": "Cancelled; 39.50 goes back to your card."},
    ]
    return {
        "info": {"agent_info": {"llm": MODEL}},
        "tasks": [
            {
                "id": "1",
                "evaluation_criteria": {
                    "actions": [{"name": "cancel_pending_order", "arguments": CANCEL}]
                },
            }
        ],
        "simulations": [
            {
                "task_id": "1",
                "trial": 0,
                "messages": messages,
                "reward_info": {"db_check": {"db_match": verdict}},
            }
        ],
    }


def imported(here: Place, data: dict[str, Any], name: str) -> Path:
    source = here.folder / f"{name}.json"
    source.write_text(json.dumps(data))
    out = here.folder / f"{name}.jsonl"
    here.done("recordings", "import", "--format", "tau2", str(source), "--out", str(out))
    return out


def test_a_recording_is_played_and_one_that_was_changed_by_hand_is_noticed() -> None:
    shop = json.loads((RETAIL.folder / "shop.json").read_text())
    with place("retail") as here:
        right, wrong = imported(here, own(), "right"), imported(here, own("someone_else"), "wrong")
        flipped = imported(here, own(verdict=True), "flipped")
        listed = here.done("recordings", "list", str(right), "--json").json
        assert [(each["name"], each["turns"], each["calls"]) for each in listed] == [("1/0", 3, 2)]
        assert "ada_quill_0001" in here.done("recordings", "show", str(right), "1/0").out
        assert here.call("recordings", "show", str(right), "2/0").code == 3
        with answering(here, "--recordings", str(right)) as url:
            up(RETAIL, here, url, shop)
            database(RETAIL, here.folder / "before.db", shop)
            judged = around(RETAIL)
            [told] = played(here, right, *judged, "--out", "out.jsonl").json
            assert (told["same"], told["succeeded"], told["why"]) == (True, False, "")
            assert told["runs"] == 3
            said = played(here, flipped, *judged)
            assert (said.code, said.json[0]["why"]) == (6, "it is not solved where it was solved")
            said = played(here, right, "--judge", f"{sys.executable} judge.py nowhere.db")
            assert (said.code, "error command_broke" in said.err) == (1, True), said
            compared = here.done("recordings", "compare", str(flipped), "out.jsonl", "--json").json
            assert compared["lost"] == ["1/0"]
            assert compared["same_path"] == 1
        settings = here.state / "staging" / "settings.toml"
        with answering(here, "--recordings", str(wrong)) as other:
            settings.write_text(settings.read_text().replace(url, other))
            here.done("down")
            here.done("up", "--detach")
            said = played(here, wrong)
        assert said.code == 6
        [told] = said.json
        assert (told["same"], told["runs"]) == (False, 2)
        assert told["why"].startswith("turn 2: the run failed")


def test_a_deploy_is_checked_by_a_run_and_one_that_never_comes_to_the_door_fails_it() -> None:
    shop = json.loads((RETAIL.folder / "shop.json").read_text())
    with (
        place("retail") as here,
        answering(here, "--recordings", str(imported(here, own(), "talk"))) as url,
    ):
        up(RETAIL, here, url, shop)
        said = here.done("deploy", "--check", "Hello, I want to cancel an order.")
        assert "it succeeded, with 1 calls" in said.err
        assert here.call("deploy", "--check", "x", "--no-wait").code == 2
        said = here.call("deploy", "--check", "What nobody has recorded")
        assert (said.code, "RuntimeError: 422" in said.err) == (6, True), said
        (here.folder / "agent.py").write_text("def run(input):\n    return 'so'\n")
        said = here.call("deploy", "--check", "Hello, I want to cancel an order.")
        assert (said.code, "error deploy_check_failed" in said.err) == (6, True), said
        assert "never_at_the_door" in said.err
        assert "retail@2 is active in staging" in said.out  # the check tells, it does not undo


def played(here: Place, file: Path, *more: str) -> Said:
    return here.call("recordings", "run", str(file), "--agent", "retail", "--json", *more)
