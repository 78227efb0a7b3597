"""A project, a fake system, and the command in one place."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from seatrial.kit.crypto import keyfiles
from seatrial.kit.terminal.frame import run
from seatrial.main.command import seatrial
from tests.cli.fake import Fake, served


@dataclass(frozen=True)
class Said:
    """What a command answered."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Command = Callable[..., Said]


@pytest.fixture
def command(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Command:
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.delenv("SEATRIAL_ACCESS", raising=False)

    def call(*arguments: str) -> Said:
        code = run(seatrial, arguments, name="seatrial")
        out, err = capsys.readouterr()
        return Said(code, out, err)

    return call


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a small agent, and the present one."""
    folder = tmp_path / "support"
    (folder / "prompts").mkdir(parents=True)
    (folder / "prompts/system.md").write_text("Be brief.\n")
    (folder / "agent.py").write_text("def run(input):\n    return {'echo': input}\n")
    (folder / "seatrial.toml").write_text(
        '[agent]\nname = "support"\nentry = "agent.py:run"\n'
        '[prompts]\nsystem = "prompts/system.md"\n[limits]\ntimeout_seconds = 30\n'
    )
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def fake(project: Path) -> Iterator[Fake]:
    """A system that the project's access file reaches."""
    system = Fake()
    with served(system) as (control, cell):
        keyfiles.save(system.person, project / ".seatrial/person/owner.pem")
        reach = {"url": cell, "token": system.token}
        access = {
            "control": {"url": control, "token": system.token},
            "environments": {"staging": reach, "production": reach},
            "person": {"name": "ada", "key_file": "person/owner.pem"},
        }
        path = project / ".seatrial/access.json"
        path.touch(mode=0o600)
        path.write_text(json.dumps(access))
        yield system
