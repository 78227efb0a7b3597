"""Recordings of others become ours whole, or are refused with the place."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from seatrial.data.recordings.domain import RecordingRefused, courses
from seatrial.data.recordings.readers import Form
from seatrial.data.recordings.service import imported, load, save

CALL = {"id": "c1", "name": "find", "arguments": {"order": "#A1"}}
TOLD = {"role": "tool", "id": "c1", "content": '{"b": 1, "a": 2}'}


def conversation(**more: Any) -> list[dict[str, Any]]:
    at = "2025-01-01T00:00:0{}.5"
    usage = {"prompt_tokens": 9, "completion_tokens": 3}
    asks = {"role": "assistant", "content": None, "tool_calls": [CALL], "usage": usage}
    return [
        {"role": "assistant", "content": "Hello!"},
        {"role": "user", "content": "Where is #A1?", "timestamp": at.format(1)},
        asks | {"timestamp": at.format(3), "cost": 0.25} | more,
        TOLD,
        {"role": "assistant", "content": "Under way.", "usage": usage},
        {"role": "user", "content": "Thanks. ###STOP###"},
    ]


def tau2(messages: list[dict[str, Any]]) -> dict[str, Any]:
    actions = [{"name": "find", "arguments": {"order": "#A1"}}]
    return {
        "info": {"agent_info": {"llm": "gpt-x"}},
        "tasks": [{"id": "7", "evaluation_criteria": {"actions": actions}}],
        "simulations": [
            {"task_id": "7", "trial": 0, "messages": messages,
             "reward_info": {"db_check": {"db_match": True}}}
        ],
    }  # fmt: skip


def written(path: Path, value: Any) -> Path:
    path.write_bytes(gzip.compress(json.dumps(value).encode()))
    return path


def test_a_conversation_of_tau2_is_read_with_all_that_was_measured(tmp_path: Path) -> None:
    [found], left_out = imported(written(tmp_path / "a.gz", tau2(conversation())), Form.TAU2)
    assert not left_out
    assert (found.name, found.model, found.succeeded) == ("7/0", "gpt-x", True)
    [turn] = found.turns
    assert (turn.said, turn.answer, turn.cut) == ("Where is #A1?", "Under way.", False)
    first, last = turn.steps
    assert (first.input_tokens, first.output_tokens, first.cost_usd) == (9, 3, 0.25)
    assert (first.seconds, last.seconds) == (2.0, None)
    assert [(each.name, each.result) for each in found.calls] == [("find", TOLD["content"])]
    assert found.wants is not None
    assert found.wants[0].name == "find"


def test_a_trajectory_of_tau1_needs_the_name_of_its_model(tmp_path: Path) -> None:
    function = {"name": "find", "arguments": '{"order": "#A1"}'}
    calls = [{"id": "c1", "type": "function", "function": function}]
    told = {"role": "tool", "tool_call_id": "c1", "content": "x"}
    messages = [{"role": "system", "content": "…"}, *conversation(tool_calls=calls)[1:3], told]
    task = {"actions": [{"name": "find", "kwargs": {"order": "#A1"}}]}
    row = {"task_id": 3, "trial": 2, "reward": 0.0, "info": {"task": task}, "traj": messages}
    # A reward of 0 is a verdict on the world only where the world is what was judged.
    judged = {"task": task, "reward_info": {"info": {"r_actions": 0.0}}}
    others = [row | {"trial": 3, "info": judged}, row | {"trial": 4, "reward": 1.0}]
    file = written(tmp_path / "a.gz", [row, *others])
    with pytest.raises(RecordingRefused, match="--model"):
        imported(file, Form.TAU1)
    (found, *more), _ = imported(file, Form.TAU1, model="gpt-4o")
    assert (found.name, found.turns[0].cut) == ("3/2", True)
    assert [each.succeeded for each in (found, *more)] == [None, False, True]


def test_what_is_kept_is_read_again_as_it_was(tmp_path: Path) -> None:
    found, _ = imported(written(tmp_path / "a.gz", tau2(conversation())), Form.TAU2)
    save(found, tmp_path / "kept.jsonl")
    assert load(tmp_path / "kept.jsonl") == found


def test_a_result_counts_by_its_value_and_nothing_else_does(tmp_path: Path) -> None:
    def keys(content: str) -> list[str]:
        messages = conversation()
        messages[3] = TOLD | {"content": content}
        [found], _ = imported(written(tmp_path / "a.gz", tau2(messages)), Form.TAU2)
        return [key for key, _ in courses(found)]

    same, other = keys('{"a": 2,"b":1}'), keys('{"a": 2, "b": 3}')
    assert same == keys(TOLD["content"])
    assert (same[0], same[1] == other[1]) == (other[0], False)


@pytest.mark.parametrize(
    ("messages", "reason"),
    [
        ([*conversation()[:3], conversation()[4]], "the call of find has no result"),
        ([*conversation()[:3], TOLD | {"id": "c2"}], "'c2' belongs to no call"),
        ([{"role": "user", "content": "", "tool_calls": [CALL]}], "the person calls tools"),
        ([{"role": "user", "content": "Hi"}], "turns"),
        ([{"content": "Hi"}], "no file of tau2"),
    ],
)
def test_a_conversation_without_a_script_is_refused_by_name(
    tmp_path: Path, messages: list[dict[str, Any]], reason: str
) -> None:
    with pytest.raises(RecordingRefused, match=reason):
        imported(written(tmp_path / "a.gz", tau2(messages)), Form.TAU2)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "nothing is in it"),
        (b"{", "line 1"),
        (b'{"name": "a"}\n', "line 1: turns"),
        (gzip.compress(b"x" * 1000, mtime=0)[:-20], "end"),
        (b"\xff\xfe{}", "line 1"),
    ],
)
def test_a_broken_file_is_refused_with_its_place(tmp_path: Path, data: bytes, reason: str) -> None:
    file = tmp_path / "kept.jsonl"
    file.write_bytes(data)
    with pytest.raises(RecordingRefused, match=reason):
        load(file)
