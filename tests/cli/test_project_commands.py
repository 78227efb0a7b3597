"""init, dev and test: from an empty folder to an answer."""

import json
import sys
import time
from pathlib import Path

import pytest

from seatrial.cli.project.local import LocalAgent, Sample, environment
from seatrial.cli.project.release import open_project
from seatrial.kit.errors import Exit
from tests.cli.conftest import Command
from tests.cli.fake import Fake


def test_init_writes_an_agent_that_answers_at_once(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    said = command("init", "My Triage")
    assert said.code == Exit.OK
    assert "My Triage/seatrial.toml" in said.out
    monkeypatch.chdir(tmp_path / "My Triage")
    said = command("dev", "--input", "my parcel is late!")
    assert (said.code, json.loads(said.out)) == (
        Exit.OK,
        {"team": "delivery", "urgency": "high"},
    )
    assert said.err.startswith("dev · my-triage")
    assert command("deploy", "--dry-run").code == Exit.OK


def test_init_overwrites_nothing(command: Command, project: Path) -> None:
    before = (project / "agent.py").read_text()
    said = command("init")
    assert said.code == Exit.USAGE
    assert "project_exists" in said.err
    assert (project / "agent.py").read_text() == before


def test_init_takes_a_good_name_alone(command: Command, tmp_path: Path) -> None:
    said = command("init", str(tmp_path / "new"), "--name", "Support Desk")
    assert said.code == Exit.USAGE
    assert not (tmp_path / "new").exists()


AGENTS = {
    "sync": ("def run(i):\n    return {'got': i}", {"got": "x"}),
    "context": ("def run(i, context):\n    return context.environment", "dev"),
    "async": ("import asyncio\nasync def run(i):\n    await asyncio.sleep(0)\n    return i", "x"),
    "generator": ("def run(i):\n    yield 'a'\n    yield i", "ax"),
    "async generator": ("async def run(i):\n    yield 1\n    yield i", [1, "x"]),
    "object": ("class A:\n    def __call__(self, i):\n        return i\nrun = A()", "x"),
    "prints": ("def run(i):\n    print('noise')\n    return i", "x"),
}


def test_dev_shows_what_no_text_can_hold(command: Command, project: Path) -> None:
    (project / "agent.py").write_text("def run(i):\n    return 'a\\ud800b'")
    said = command("dev", "--input", "x")
    assert (said.code, said.out) == (Exit.OK, "a?b\n")


@pytest.mark.parametrize("kind", AGENTS)
def test_dev_calls_each_kind_of_agent(command: Command, project: Path, kind: str) -> None:
    source, output = AGENTS[kind]
    (project / "agent.py").write_text(source)
    said = command("dev", "--input", "x", "--json")
    assert said.code == Exit.OK
    assert said.json == {"output": output}


BROKEN = {
    "raises": ("def run(i):\n    raise ValueError('no')", "ValueError: no"),
    "exits": ("import sys\ndef run(i):\n    sys.exit(3)", "SystemExit: 3"),
    "dies": ("import os\ndef run(i):\n    os._exit(3)", "exit code 3"),
    "kills itself": ("import os\ndef run(i):\n    os.kill(os.getpid(), 9)", "SIGKILL"),
    "not JSON": ("def run(i):\n    return {1, 2}", "not JSON serializable"),
    "no import": ("import nothing_of_that_name\ndef run(i): ...", "nothing_of_that_name"),
    "no callable": ("run = 7", "no callable"),
    "waits": (
        "from seatrial.sdk.actions import Actions\ndef run(i): return Actions().wait(event='paid')",
        "SEATRIAL_URL is not set (door_missing). Try it with `seatrial test`, or deploy it",
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_dev_tells_why_an_agent_failed(command: Command, project: Path, case: str) -> None:
    source, said_of_it = BROKEN[case]
    (project / "agent.py").write_text(source)
    said = command("dev", "--input", "x")
    assert said.code == Exit.FAILED
    assert said_of_it in said.err
    assert said.out == ""
    assert "guest.py" not in said.err


def test_dev_begins_anew_when_a_file_was_saved(
    command: Command, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lines() -> object:
        yield "one\n"
        (project / "agent.py").write_text("def run(i):\n    return ['new', i]\n")
        yield "two\n"
        (project / "agent.py").write_text("def run(i):\n    return 1 / 0\n")
        yield "three\n"
        (project / "agent.py").write_text("def run(i:\n")
        yield "four\n"

    monkeypatch.setattr("sys.stdin", _Lines(lines()))
    said = command("dev", "--json")
    assert said.code == Exit.OK
    assert '{\n  "output": {\n    "echo": "one"' in said.out
    assert '"new",\n    "two"' in said.out
    assert "ZeroDivisionError" in said.err
    assert "entry_unparsable" in said.err


class _Lines:
    def __init__(self, lines: object) -> None:
        self._lines = lines

    def isatty(self) -> bool:
        return False

    def __iter__(self) -> object:
        return self._lines


def test_dev_hands_over_the_variables_of_secrets_and_no_others(
    command: Command, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-x")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hidden")
    (project / "agent.py").write_text(
        "import os\ndef run(i):\n    return [os.environ.get(n) for n in i]\n"
    )
    names = json.dumps(["OPENAI_API_KEY", "AWS_SECRET_ACCESS_KEY"])
    assert command("dev", "--input", names, "--json").json == {"output": [None, None]}
    manifest = project / "seatrial.toml"
    manifest.write_text(manifest.read_text() + '[secrets]\nopenai = "OPENAI_API_KEY"\n')
    assert command("dev", "--input", names, "--json").json == {"output": ["sk-x", None]}


def test_what_an_agent_started_ends_with_it(project: Path) -> None:
    (project / "agent.py").write_text(
        "import subprocess\ndef run(i):\n    return subprocess.Popen(['sleep', '600']).pid\n"
    )
    opened = open_project(project)
    env = environment(opened, {"PATH": "/usr/bin:/bin"}, "dev", secrets=False)
    with LocalAgent(opened, Path(sys.executable), env) as agent:
        sample = Sample(input=None, run="run_x", environment="dev")
        pid = agent.run(sample, lambda _: None)
        assert Path(f"/proc/{pid}").exists()
    for _ in range(100):
        if not Path(f"/proc/{pid}").exists():
            return
        time.sleep(0.05)
    state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    assert state == "Z"


def test_test_runs_local_code_with_a_token_for_one_run(
    fake: Fake, command: Command, project: Path
) -> None:
    (project / "agent.py").write_text(
        "import os\ndef run(i):\n"
        "    return [i, os.environ['OPENAI_BASE_URL'], os.environ['SEATRIAL_TOKEN']]\n"
    )
    said = command("test", "--input", "x")
    assert said.code == Exit.OK
    assert json.loads(said.out) == ["x", f"{fake.url}/v1", "sea_slot_local"]
    begin = next(body for _, path, body in fake.asked if path.endswith("/local-runs"))
    assert begin == {"input": "x", "prompts": {"system": "Be brief.\n"}}
    assert fake.runs["run_0"]["local"] is True
    assert fake.runs["run_0"]["state"] == "succeeded"


def test_cases_pass_by_what_they_expect(fake: Fake, command: Command, project: Path) -> None:
    (project / "cases.jsonl").write_text(
        '{"input": 1, "expect": {"echo": 1}}\n\n{"input": 2, "expect": {"echo": 3}}\n'
    )
    said = command("test", "--file", "cases.jsonl", "--json")
    assert said.code == Exit.FAILED
    assert [each["passed"] for each in said.json] == [True, False]
    assert "1 of 2 passed in staging" in said.err
    said = command("test", "--file", "cases.jsonl")
    assert [line.split()[1] for line in said.out.splitlines()] == ["passed", "differs"]
    assert len(fake.runs) == 4


def test_a_local_run_that_fails_is_told_to_the_cell(
    fake: Fake, command: Command, project: Path
) -> None:
    (project / "agent.py").write_text("def run(i):\n    raise ValueError('no')")
    assert command("test", "--input", "x").code == Exit.FAILED
    assert fake.runs["run_0"]["error"] == {"code": "agent_raised", "message": "ValueError: no"}


@pytest.mark.usefixtures("fake")
def test_cases_that_are_none_are_refused_by_their_line(command: Command, project: Path) -> None:
    (project / "cases.jsonl").write_text('{"input": 1}\n{"inptu": 2}\n')
    said = command("test", "--file", "cases.jsonl")
    assert said.code == Exit.USAGE
    assert "line 2" in said.err
    assert command("test").code == Exit.USAGE
    assert command("test", "--input", "x", "--env", "production").code == Exit.USAGE
