"""The commands: exit codes, JSON for programs, and errors with a place and a remedy."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from seatrial.kit.errors import Exit
from seatrial.kit.terminal.frame import run
from seatrial.main.command import seatrial
from tests.data.making import PEOPLE, people


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    people(tmp_path / "export", notes=["Mia Li called"])
    (tmp_path / "rules.toml").write_text(PEOPLE)
    return tmp_path


def call(*arguments: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    code = run(seatrial, ["data", *arguments], name="seatrial")
    out, err = capsys.readouterr()
    return code, out, err


def made(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert here.is_dir()
    assert call("key", "mask.pem", capsys=capsys)[0] == Exit.OK
    asked = ("mask", "export", "snap", "--rules", "rules.toml", "--key", "mask.pem", "--json")
    code, out, _ = call(*asked, capsys=capsys)
    assert code == Exit.OK
    assert json.loads(out)["tables"]["people"]["records"] == 5


def verdict(capsys: pytest.CaptureFixture[str]) -> tuple[int, Any]:
    asked = ("verify", "export", "snap", "--rules", "rules.toml", "--signing-key", "v.pem")
    code, out, _ = call(*asked, "--json", capsys=capsys)
    return code, json.loads(out)


def test_from_key_to_staging(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made(here, capsys)
    assert call("inspect", "snap", capsys=capsys)[0] == Exit.GATE_FAILED
    code, report = verdict(capsys)
    assert (code, report["passed"]) == (Exit.OK, True)
    code, out, _ = call("inspect", "snap", "--json", capsys=capsys)
    assert code == Exit.OK
    assert json.loads(out)["report"] == report
    _, out, _ = call(
        "verify", "export", "snap", "--rules", "rules.toml", "--signing-key", "v.pem", capsys=capsys
    )
    signer = out.rsplit("signed by ", 1)[1].strip()
    assert call("inspect", "snap", "--trust", signer, capsys=capsys)[0] == Exit.OK
    code, out, _ = call("load", "snap", "staging", "--trust", signer, "--json", capsys=capsys)
    assert (code, json.loads(out)) == (Exit.OK, {"people": 5, "notes": 1})


def test_a_leak_ends_with_the_code_of_a_failed_gate(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    leaky = PEOPLE.replace('name = { class = "direct", as = "name" }', 'name = "keep"')
    leaky = leaky.replace('text = "free_text"', 'text = "keep"')
    (here / "rules.toml").write_text(leaky + '"mail" = "keep"\n')
    people(here / "export", notes=["write to mia.li3818@corp.test"])
    made(here, capsys)
    code, report = verdict(capsys)
    assert code == Exit.GATE_FAILED
    assert any("direct identifiers in a kept column" in said for said in report["findings"])
    assert (
        call("load", "snap", "s", "--trust", f"ed25519:{4:064x}", capsys=capsys)[0] == Exit.DENIED
    )


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("mask", "export", "s", "--rules", "rules.toml"), Exit.USAGE, "either --key or --sealed"),
        (("mask", "export", "s", "--rules", "no.toml", "--sealed"), Exit.USAGE, "no such file"),
        (
            ("mask", "no", "s", "--rules", "rules.toml", "--sealed"),
            Exit.NOT_FOUND,
            "source_missing",
        ),
        (
            ("mask", "export", "s", "--rules", "rules.toml", "--key", "no.pem"),
            Exit.NOT_FOUND,
            "key_file_missing",
        ),
        (
            ("mask", "export", "s", "--rules", "rules.toml", "--key", "s/k.pem"),
            Exit.DENIED,
            "masking_key_exposed",
        ),
        (("inspect", "s"), Exit.NOT_FOUND, "snapshot_missing"),
        (("ugly", "out.jsonl"), Exit.USAGE, "either --records or --schema"),
        (("load", "s", "t"), Exit.USAGE, "--trust"),
    ],
)
def test_what_cannot_be_done_is_told_with_its_remedy(
    arguments: tuple[str, ...],
    code: Exit,
    said: str,
    here: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert here.is_dir()
    found, _, err = call(*arguments, capsys=capsys)
    assert found == code
    assert said in err
    assert "remedy:" in err


def test_drift_is_told_and_fails(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ("profile", "export", "--rules", "rules.toml")
    assert call(*asked, capsys=capsys)[0] == Exit.OK
    (here / "export" / "people.jsonl").write_text('{"id": "a_1", "mail2": "a@home.test"}\n')
    (here / "export" / "cards.csv").write_text("number\n4111\n")
    code, out, _ = call(*asked, capsys=capsys)
    assert code == Exit.GATE_FAILED
    assert "table 'cards' has no rules" in out
    assert "people: 'mail2' has no rule and is dropped" in out
    assert "people: 'email' has a rule, and no value" in out


def test_a_proposal_can_be_read_as_rules(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = call("profile", "export", "--name", "proposed", capsys=capsys)
    assert code == Exit.OK
    (here / "proposed.toml").write_text(out)
    asked = ("mask", "export", "snap2", "--rules", "proposed.toml", "--sealed")
    code, out, _ = call(*asked, capsys=capsys)
    assert code == Exit.OK
    assert "key destroyed" in out
    code, out, _ = call("profile", "export", "--json", capsys=capsys)
    assert json.loads(out)["people"]["email"]["as"] == "email"


def test_without_the_extra_a_command_tells_what_is_missing(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert here.is_dir()
    monkeypatch.setitem(sys.modules, "re2", None)
    monkeypatch.delitem(sys.modules, "seatrial.data.masking.patterns", raising=False)
    monkeypatch.delitem(sys.modules, "seatrial.data.masking.service.snapshot", raising=False)
    monkeypatch.delitem(sys.modules, "seatrial.data.cli.masking", raising=False)
    code, _, err = call("key", "k.pem", capsys=capsys)
    assert code == Exit.UNREACHABLE
    assert "data_extra_missing" in err
    assert "'re2'" in err
