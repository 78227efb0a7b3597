"""`seatrial runs explain` and `replay`."""

from typing import Any

import pytest

from seatrial.cli.replaying import difference
from tests.cli.conftest import Command
from tests.cli.fake import Fake

Row = dict[str, Any]


def _asked(key: str, name: str = "gpt", *, decision: str = "sent", attempt: int = 1) -> Row:
    return {
        "attempt": attempt,
        "n": 1,
        "seq": 1,
        "kind": "model",
        "name": name,
        "key": key * 64,
        "decision": decision,
        "reason": "it is new",
        "at": "2026-05-04T03:02:01Z",
    }


def _receipt(output: object = "hello", state: str = "succeeded", **more: Any) -> Row:
    totals = {"input_tokens": 20, "output_tokens": 12, "cost_usd": 0.5}
    return {"output": output, "state": state, "error": None, "totals": totals} | more


def _changes(before: list[Row], after: list[Row]) -> list[tuple[str, str]]:
    found = difference(_receipt(), _receipt(), before, after)
    return [(step.change, step.name) for step in found.steps]


def test_a_faithful_replay_differs_in_nothing() -> None:
    before = [_asked("a"), _asked("b", decision="held"), _asked("b")]
    after = [_asked("a", decision="answered"), _asked("b", decision="answered")]
    found = difference(_receipt(), _receipt(totals={}), before, after)
    assert not found.differs
    assert [step.change for step in found.steps] == ["same", "same"]


def test_calls_are_compared_in_order() -> None:
    a, b, c = _asked("a"), _asked("b"), _asked("c", "claude")
    assert _changes([a, b], [a]) == [("same", "gpt"), ("removed", "gpt")]
    assert _changes([a], [a, c]) == [("same", "gpt"), ("added", "claude")]
    assert _changes([a, c], [b, c]) == [("changed", "gpt"), ("same", "claude")]
    moved = _changes([a, c], [c, a])
    assert sorted(change for change, _ in moved) == ["added", "removed", "same"]
    assert _changes([a, a], [a]) == [("same", "gpt"), ("removed", "gpt")]


def test_only_the_last_attempt_of_each_run_counts() -> None:
    before = [_asked("x"), _asked("a", attempt=2, decision="answered"), _asked("b", attempt=2)]
    assert _changes(before, [_asked("a"), _asked("b")]) == [("same", "gpt")] * 2


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (_receipt("a"), _receipt("b")),
        (_receipt(), _receipt(state="failed")),
        (_receipt(error={"code": "x"}), _receipt(error={"code": "y"})),
    ],
)
def test_another_output_or_end_is_a_difference(before: Row, after: Row) -> None:
    assert difference(before, after, [], []).differs
    assert not difference(before, before, [], []).differs


def test_a_call_that_is_refused_in_the_replay_is_a_difference() -> None:
    refused = _asked("a", decision="refused")
    assert difference(_receipt(), _receipt(), [_asked("a")], [refused]).differs


def test_runs_explain_shows_each_decision(command: Command, fake: Fake) -> None:
    fake.decisions["run_a"] = [_asked("a"), _asked("b", decision="held") | {"seq": None}]
    said = command("runs", "explain", "run_a")
    assert (said.code, said.out.count("\n")) == (0, 3)
    assert "sent" in said.out
    assert "held" in said.out
    listed = command("runs", "explain", "run_a", "--json").json
    assert [each["decision"] for each in listed["decisions"]] == ["sent", "held"]
    assert command("runs", "explain", "run_b").code == 3


@pytest.mark.parametrize("verb", ["replay", "shadow"])
def test_following_a_run_exits_with_one_when_anything_differs(
    command: Command, fake: Fake, verb: str
) -> None:
    for run in ("run_a", "run_a_again"):
        fake.receipts[run] = _receipt({"text": "hello"})
        fake.decisions[run] = [_asked("a")]
    said = command("runs", verb, "run_a")
    assert said.code == 0, said.err
    assert said.out.endswith("they are the same\n")
    fake.receipts["run_a_again"] = _receipt({"text": "\x1b[31mother"})
    fake.decisions["run_a_again"] = [_asked("b")]
    digest = "sha256:" + "b" * 64
    said = command("runs", verb, "run_a", "--release", digest)
    assert said.code == 1
    assert "changed" in said.out
    assert '+  "text": ' in said.out
    assert "\x1b" not in said.out
    asked = [body for method, path, body in fake.asked if path.endswith(f"/{verb}")]
    assert asked == [{}, {"release": digest}]
    told = command("runs", verb, "run_a", "--json")
    assert (told.code, told.json["differs"], told.json[verb]) == (1, True, "run_a_again")
