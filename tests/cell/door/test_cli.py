import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from seatrial.cell.door.cli import flags
from seatrial.kit.terminal.frame import run
from tests.cell.door.serving import FLAGS, edited, written

Said = tuple[int, str, str]
SPLIT = {
    "state": "ENABLED",
    "variants": {"on": True, "off": False},
    "defaultVariant": "off",
    "targeting": {"fractional": [["on", 5], ["off", 95]]},
}


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str]) -> Callable[..., Said]:
    def ask(*arguments: object, fractional: str = "v2") -> Said:
        options = ["--fractional", fractional] if fractional else []
        code = run(flags, [*map(str, arguments), *options], name="seatrial flags")
        return int(code), *capsys.readouterr()

    return ask


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return written(tmp_path)


def _split(on: int, off: int) -> dict[str, Any]:
    return {**SPLIT, "targeting": {"fractional": [["on", on], ["off", off]]}}


def test_lint_ends_with_6_for_errors_and_names_their_places(
    said: Callable[..., Said], file: Path
) -> None:
    code, out, _ = said("lint", file)
    assert code == 6
    assert "error     /flags/broken/defaultVariant" in out
    code, out, _ = said("lint", file, "--json")
    assert code == 6
    found = {each["place"]: each["severity"] for each in json.loads(out)}
    assert found["/flags/broken/defaultVariant"] == "error"
    assert found["/flags/ratio/variants"] == "warning"


def test_lint_tells_what_is_no_definition_as_a_finding(
    said: Callable[..., Said], tmp_path: Path
) -> None:
    file = tmp_path / "x.json"
    file.write_text('{"flags": {"a\x1b[31m": 1}}')
    code, out, err = said("lint", file)
    assert (code, err) == (6, "")
    assert "refused" in out
    assert "\x1b[31" not in out


def test_lint_is_content_with_warnings_and_with_nothing(
    said: Callable[..., Said], tmp_path: Path
) -> None:
    ratio = {"flags": {"ratio": FLAGS["flags"]["ratio"]}}
    assert said("lint", written(tmp_path, ratio))[0] == 0
    assert said("lint", written(tmp_path, {"flags": {}})) == (0, "no findings\n", "")


def test_lint_knows_both_generations(said: Callable[..., Said], tmp_path: Path) -> None:
    rule = {"fractional": [{"var": "seat"}, ["on", 5], ["off", 95]]}
    file = written(tmp_path, {"flags": {"x": {**SPLIT, "targeting": rule}}})
    codes = {
        generation: [
            each["code"]
            for each in json.loads(said("lint", file, "--json", fractional=generation)[1])
        ]
        for generation in ("v2", "v3")
    }
    assert codes == {"v2": ["split_unsalted", "split_text_only"], "v3": ["split_unsalted"]}


@pytest.mark.parametrize("command", ["lint", "eval", "explain", "serve"])
def test_a_file_that_cannot_be_read_is_a_usage_error(
    said: Callable[..., Said], tmp_path: Path, command: str
) -> None:
    key = ["x"] if command in {"eval", "explain"} else []
    code, out, err = said(command, tmp_path / "nix.json", *key)
    assert (code, out) == (2, "")
    assert "nix.json" in err


@pytest.mark.parametrize("arguments", [("eval", "k"), ("explain", "k"), ("diff",), ("serve",)])
def test_a_file_that_is_no_definition_is_refused_with_its_place(
    said: Callable[..., Said], tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    command, *others = arguments
    file = written(tmp_path, {"flags": {"k": {"state": "ON"}}})
    more = [file] if command == "diff" else others
    code, _, err = said(command, file, *more)
    assert code == 2
    assert "/flags/k/state" in err


def test_eval_answers_for_people(said: Callable[..., Said], file: Path) -> None:
    code, out, _ = said("eval", file, "new-ui", "--context", '{"plan": "pro"}')
    assert code == 0
    assert out.splitlines()[1].split() == ["new-ui", "TARGETING_MATCH", "on", "true"]
    assert '"Grüß Gott"' in said("eval", file, "greeting")[1]
    assert "(the default in the caller's code)" in said("eval", file, "asleep")[1]


def test_eval_answers_programs_as_ofrep_does(said: Callable[..., Said], file: Path) -> None:
    code, out, _ = said("eval", file, "ratio", "--json")
    assert code == 0
    assert '"value": 1.0' in out
    assert json.loads(out)["metadata"] == {"flagSetId": "shop"}


def test_eval_ends_with_1_where_the_answer_is_an_error(
    said: Callable[..., Said], file: Path
) -> None:
    code, out, _ = said("eval", file, "broken")
    assert code == 1
    assert "GENERAL: " in out
    code, out, _ = said("eval", file, "broken", "--json")
    assert (code, json.loads(out)["errorCode"]) == (1, "GENERAL")
    assert said("explain", file, "broken")[0] == 1


@pytest.mark.parametrize("command", ["eval", "explain"])
def test_an_unknown_flag_ends_with_3_and_the_nearest_key(
    said: Callable[..., Said], file: Path, command: str
) -> None:
    code, _, err = said(command, file, "new-iu")
    assert code == 3
    assert "did you mean 'new-ui'" in err


def test_the_user_and_the_generation_decide_the_draw(said: Callable[..., Said], file: Path) -> None:
    def variants(generation: str) -> list[str]:
        return [
            json.loads(
                said("eval", file, "arm", "--user", f"user-{n}", "--json", fractional=generation)[1]
            )["variant"]
            for n in range(20)
        ]

    assert set(variants("v2")) == {"a", "b"}
    assert variants("v2") == variants("v2") != variants("v3")


@pytest.mark.parametrize("command", ["eval", "explain", "diff", "serve"])
def test_no_generation_is_guessed_where_users_are_split(
    said: Callable[..., Said], file: Path, command: str
) -> None:
    others: list[object] = [] if command == "serve" else [file if command == "diff" else "arm"]
    code, _, err = said(command, file, *others, fractional="")
    assert code == 2
    assert "The flag 'arm' splits users" in err


def test_no_generation_is_asked_for_where_nobody_is_split(
    said: Callable[..., Said], tmp_path: Path
) -> None:
    file = written(tmp_path, {"flags": {"retries": FLAGS["flags"]["retries"]}})
    assert said("eval", file, "retries", fractional="")[0] == 0
    assert said("lint", file, fractional="")[0] == 0


@pytest.mark.parametrize("context", ["{", "[]", "1", '"x"', "{'plan': 1}"])
def test_a_context_that_is_no_object_is_refused(
    said: Callable[..., Said], file: Path, context: str
) -> None:
    code, _, err = said("eval", file, "new-ui", "--context", context)
    assert code == 2
    assert "context_unreadable" in err
    assert """--context '{"plan": "pro"}'""" in err


def test_explain_says_why(said: Callable[..., Said], file: Path) -> None:
    code, out, _ = said("explain", file, "arm", "--user", "user-1")
    assert code == 0
    assert 'Of 100 buckets: "a" 0 to 49, "b" 50 to 99.' in out
    assert out.splitlines()[-1].startswith("Answer: variant 'a'")
    found = json.loads(said("explain", file, "arm", "--user", "user-1", "--json")[1])
    assert (found["answer"]["variant"], len(found["steps"])) == ("a", 3)


def test_diff_counts_who_moves(said: Callable[..., Said], tmp_path: Path) -> None:
    document = edited(split=_split(5, 95))
    old = written(tmp_path, document)
    new = tmp_path / "new.json"
    new.write_text(json.dumps(edited(split=_split(10, 90))))
    code, out, _ = said("diff", old, new, "--json")
    assert code == 0
    (found,) = json.loads(out)
    (move,) = found["moves"]
    assert (found["key"], found["asked"]) == ("split", 10_000)
    assert found["moved"] == move["users"] == pytest.approx(500, abs=100)
    assert (move["before"], move["after"]) == ("off", "on")
    code, out, _ = said("diff", old, new, "--users", 100, "--exit-code")
    assert code == 6
    assert "of 100" in out
    assert "off → on: " in out
    assert "note: " in out


def test_diff_of_equal_files_moves_nobody(said: Callable[..., Said], file: Path) -> None:
    assert said("diff", file, file, "--exit-code") == (0, "no flag changes\n", "")
    assert json.loads(said("diff", file, file, "--json")[1]) == []


def test_diff_names_a_changed_flag_that_moves_nobody(
    said: Callable[..., Said], tmp_path: Path, file: Path
) -> None:
    new = tmp_path / "new.json"
    new.write_text(json.dumps(edited(retries={**FLAGS["flags"]["retries"], "metadata": {"a": 1}})))
    code, out, _ = said("diff", file, new, "--exit-code")
    assert code == 0
    assert out.splitlines()[1].split() == ["retries", "0", "of", "10,000", "nobody"]


def test_diff_asks_the_users_of_a_sample(
    said: Callable[..., Said], tmp_path: Path, file: Path
) -> None:
    sample, new = tmp_path / "users.jsonl", tmp_path / "new.json"
    sample.write_text('{"plan": "pro"}\n{"plan": "free"}\n{"plan": "pro", "targetingKey": "x"}\n')
    new.write_text(json.dumps(edited(**{"new-ui": SPLIT | {"targeting": {}}})))
    (found,) = json.loads(said("diff", file, new, "--sample", sample, "--json")[1])
    assert (found["asked"], found["moved"]) == (3, 2)


@pytest.mark.parametrize(
    ("text", "line"), [("", 1), ('{"a": 1}\nx\n', 2), ("{}\n{}\n[]\n", 3), ("{}\n\n", 2)]
)
def test_diff_names_the_line_of_a_sample_that_is_no_context(
    said: Callable[..., Said], tmp_path: Path, file: Path, text: str, line: int
) -> None:
    sample = tmp_path / "users.jsonl"
    sample.write_text(text)
    code, _, err = said("diff", file, file, "--sample", sample)
    assert code == 2
    assert f"Line {line} of the sample" in err


def test_diff_bounds_the_line_of_a_sample(
    said: Callable[..., Said], tmp_path: Path, file: Path
) -> None:
    sample = tmp_path / "users.jsonl"
    sample.write_bytes(b'{"a": "' + b"x" * (1 << 20) + b'"}\n')
    assert "longer than" in said("diff", file, file, "--sample", sample)[2]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "no token"),
        ("# only a note\n", "no token"),
        ("short\n", "16 characters"),
        ("with a space in between\n", "without spaces"),
        ("tökens-of-another-kind\n", "not ASCII"),
    ],
)
def test_a_token_file_that_protects_nothing_is_refused(
    said: Callable[..., Said], tmp_path: Path, file: Path, text: str, reason: str
) -> None:
    tokens = tmp_path / "tokens.txt"
    tokens.write_text(text)
    code, _, err = said("serve", file, "--token-file", tokens)
    assert code == 2
    assert reason in err


@pytest.mark.parametrize("command", ["lint", "eval", "explain", "diff", "serve"])
def test_each_command_shows_examples(said: Callable[..., Said], command: str) -> None:
    assert f"seatrial flags {command} " in said(command, "--help")[1].partition("Examples:")[2]
