import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from inline_snapshot import snapshot

from seatrial.kit.errors import Exit
from seatrial.kit.terminal.frame import run
from seatrial.main.command import seatrial
from seatrial.main.explain import all_errors

_HEAVY = {
    "aiohttp", "alembic", "asyncio", "cryptography", "jinja2", "numpy", "orjson", "psycopg",
    "pydantic", "rich", "scipy", "sqlalchemy", "uvicorn",
}  # fmt: skip


def _seatrial(*arguments: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    code = run(seatrial, arguments, name="seatrial")
    out, err = capsys.readouterr()
    return code, out, err


def test_help_imports_nothing_heavy() -> None:
    script = (
        "import sys; from seatrial.main.command import seatrial\n"
        "from seatrial.kit.terminal.frame import run\n"
        "run(seatrial, ['--help'], name='seatrial')\n"
        "print(*sys.modules, file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert "explain" in done.stdout
    assert not _HEAVY & set(done.stderr.split())


def test_help_reads_as_it_should(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    _, out, _ = _seatrial("--help", capsys=capsys)
    assert out == snapshot("""\
Usage: seatrial [OPTIONS] COMMAND [ARGS]...

  Release control for AI agents: real environments, and one road between them.

Options:
  --version   Show the version and exit.
  -h, --help  Show this message and exit.

Commands:
  init          Begin a project: an agent that works at once.
  dev           Run this project's agent here, without a server.
  test          Run its code here against staging's models and tools.
  deploy        Make a release and put it into staging.
  promote       Publish to production what runs in staging.
  rollback      Bring an earlier generation back, at once.
  status        Show what is active where, and what lags.
  releases      List, show and compare releases.
  invoke        Run an agent once.
  runs          List runs, read a receipt, say what becomes of one.
  reviews       List what people are asked of runs, and answer.
  approve       Let an action be performed that waits for it.
  reject        Let an action not be performed; its agent is told.
  sessions      List and show threads of runs.
  logs          Show what agents logged.
  environments  Show and change the rules of environments.
  secrets       Set, list and remove an environment's secrets.
  keys          Show and sign whose signatures count.
  up            Start a whole system on this machine.
  down          End what `up` started.
  control       Run control as one process.
  cell          Run a cell as one process.
  doctor        Check that this machine can carry Seatrial.
  data          Mask data for staging, and prove it.
  flags         Lint, explain and serve feature flags.
  fixtures      Make tests of runs that went wrong; try them.
  recordings    Import, show and play conversations.
  provider      Serve a scripted model.
  rollout       Rehearse a rollout plan.
  settings      Check a settings file.
  explain       Explain an error by its code.
  completion    Print tab completion for your shell.

  Exit codes: 0 ok, 1 failed, 2 usage, 3 not found, 4 denied, 5 conflict, 6
  gate failed, 7 stopped, 8 unreachable.
""")


def test_the_installed_command_answers_its_version() -> None:
    command = Path(sys.executable).with_name("seatrial")
    done = subprocess.run([command, "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("seatrial, version ")


def test_a_reader_that_leaves_early_is_no_error() -> None:
    command = Path(sys.executable).with_name("seatrial")
    done = subprocess.run(
        ["/bin/sh", "-c", f'"{command}" explain | head -n 1; echo "${{PIPESTATUS:-}}"'],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.startswith("code")
    assert done.stderr == ""


def test_every_command_in_the_table_loads_and_has_an_example_or_subcommands(
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name in seatrial.list_commands(
        seatrial.make_context("seatrial", ["--help"], resilient_parsing=True)
    ):
        code, out, _ = _seatrial(name, "--help", capsys=capsys)
        assert code == Exit.OK
        assert "Examples:" in out or "Commands:" in out


def test_explain_lists_every_error_of_the_product(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = _seatrial("explain", "--json", capsys=capsys)
    assert code == Exit.OK
    assert {page["code"] for page in json.loads(out)} == {error.code for error in all_errors()}


def test_explain_works_where_no_extra_is_installed() -> None:
    script = (
        "import sys\n"
        "sys.modules.update({'openfeature': None, 'matplotlib': None})\n"
        "from seatrial.main.explain import all_errors\n"
        "print(len(all_errors()))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert int(done.stdout) > 50


def test_explain_tells_one_error_whole(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = _seatrial("explain", "settings_missing", capsys=capsys)
    assert code == Exit.OK
    for part in ("message:", "cause:", "remedy:", "HTTP status: 404", "exit code:   3"):
        assert part in out


def test_explain_of_an_unknown_code_suggests(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = _seatrial("explain", "setings_missing", capsys=capsys)
    assert code == Exit.NOT_FOUND
    assert "did you mean 'settings_missing'" in err


def test_settings_check_shows_values_and_hides_secrets(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "cell.toml"
    path.write_text('[database]\nurl = "postgresql://ada:hunter2@db/x"\n[http]\nport = 9000\n')
    code, out, err = _seatrial("settings", "check", str(path), capsys=capsys)
    assert (code, err) == (Exit.OK, "")
    assert "9000" in out
    assert "hunter2" not in out
    code, out, _ = _seatrial("settings", "check", str(path), "--json", capsys=capsys)
    assert json.loads(out)["http"]["port"] == 9000
    assert "hunter2" not in out


def test_a_wrong_settings_file_is_a_usage_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "cell.toml"
    path.write_text("[htp]\n")
    code, out, err = _seatrial("settings", "check", str(path), capsys=capsys)
    assert (code, out) == (Exit.USAGE, "")
    assert "did you mean 'http'?" in err


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_a_script_that_names_the_command(
    shell: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = _seatrial("completion", shell, capsys=capsys)
    assert code == Exit.OK
    assert "_SEATRIAL_COMPLETE" in out


def test_tab_completes_a_command() -> None:
    command = Path(sys.executable).with_name("seatrial")
    environment = {
        **os.environ,
        "_SEATRIAL_COMPLETE": "bash_complete",
        "COMP_WORDS": "seatrial ex",
        "COMP_CWORD": "1",
    }
    done = subprocess.run([command], env=environment, capture_output=True, text=True, check=False)
    assert "explain" in done.stdout
