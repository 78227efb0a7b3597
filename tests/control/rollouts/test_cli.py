import json
from pathlib import Path
from typing import Any

import pytest

from seatrial.kit.errors import Exit
from seatrial.kit.terminal.frame import run
from seatrial.main.command import seatrial

PLAN = """
name = "hasty"
required = 1

[traffic]
users_per_day = 1000

[[metrics]]
name = "success"
kind = "rate"
baseline = 0.95
margin = 0.05
fall = 0.10

[[stages]]
kind = "canary"
weight = 10
soak = "{soak}"
longest = "10d"

[[stages]]
kind = "ramp"
weight = 100
soak = "1d"
"""


def _rehearse(*arguments: object, capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    code = run(seatrial, ["rollout", "rehearse", *map(str, arguments)], name="seatrial")
    out, err = capsys.readouterr()
    return code, out, err


def _plan(folder: Path, soak: str = "3d") -> Path:
    path = folder / "plan.toml"
    path.write_text(PLAN.replace("{soak}", soak))
    return path


def test_a_plan_that_keeps_its_promise_ends_well(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = _rehearse(_plan(tmp_path), "--trials", 40, capsys=capsys)
    assert code == Exit.OK
    assert "no worse" in out
    assert "success -10 points" in out
    assert "✓ success: the promised fall is caught in" in out


def test_a_plan_that_cannot_keep_its_promise_fails_the_gate_and_names_the_soak(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = _rehearse(_plan(tmp_path, soak="3h"), "--trials", 40, capsys=capsys)
    assert code == Exit.GATE_FAILED
    assert "✗ success" in out
    assert "would need a soak of" in out


def test_the_same_seed_gives_the_same_json(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    answers = [
        _rehearse(_plan(tmp_path), "--trials", 20, "--json", capsys=capsys)[1] for _ in range(2)
    ]
    assert answers[0] == answers[1]
    assert {"candidate", "aborted", "users_p50"} <= json.loads(answers[0])["results"][0].keys()


def test_a_picture_is_a_png(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    picture = tmp_path / "plan.png"
    code, _, _ = _rehearse(_plan(tmp_path), "--trials", 20, "--plot", picture, capsys=capsys)
    assert code == Exit.OK
    assert picture.read_bytes().startswith(b"\x89PNG")


def _recorded(folder: Path, users: list[Any]) -> Path:
    path = folder / "users.jsonl"
    path.write_text("".join(f"{json.dumps(user)}\n" for user in users))
    return path


def test_recorded_users_that_would_have_aborted_fail_the_gate(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pair = [{"arm": "candidate", "success": [0]}, {"arm": "production", "success": [1]}]
    users = _recorded(tmp_path, pair * 30)
    code, out, _ = _rehearse(_plan(tmp_path), "--recorded", users, capsys=capsys)
    assert code == Exit.GATE_FAILED
    assert out.startswith("Failed: abort after")
    code, out, _ = _rehearse(_plan(tmp_path), "--recorded", users, "--json", capsys=capsys)
    assert json.loads(out)["move"] == "abort"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"name = ", "it is not TOML"),
        (b"\xff", "it is not TOML"),
        (b"a = " + b"[" * 5000, "it is not TOML"),
        (b"#" * (1 << 20 | 1), "larger than"),
        (b'name = "x"', "metrics: field required"),
    ],
)
def test_a_file_that_is_no_plan_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes, said: str
) -> None:
    path = tmp_path / "plan.toml"
    path.write_bytes(content)
    code, _, err = _rehearse(path, capsys=capsys)
    assert code == Exit.USAGE
    assert "error rollout_plan_invalid" in err
    assert said in err


def test_recorded_lines_that_are_not_json_are_refused_with_their_number(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "users.jsonl"
    path.write_text('{"arm": "candidate"}\n{"arm"\n')
    code, _, err = _rehearse(_plan(tmp_path), "--recorded", path, capsys=capsys)
    assert code == Exit.USAGE
    assert "Line 2" in err


def test_a_missing_file_is_a_usage_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, err = _rehearse(tmp_path / "none.toml", capsys=capsys)
    assert code == Exit.USAGE
    assert "does not exist" in err
