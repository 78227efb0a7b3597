import json
import socket
from pathlib import Path

import pytest

from seatrial.kit.database.database import Database
from seatrial.kit.errors import Exit
from seatrial.kit.terminal.frame import run
from seatrial.main.command import seatrial
from seatrial.main.settings import DatabaseSettings, HttpSettings


def _doctor(
    folder: Path, capsys: pytest.CaptureFixture[str], *, url: str = "", port: int = 0
) -> tuple[int, dict[str, dict[str, str]], str]:
    path = folder / "process.toml"
    url = url or f"sqlite:///{folder / 'x.db'}"
    path.write_text(f'[database]\nurl = "{url}"\n[http]\nport = {port}\n')
    code = run(seatrial, ["doctor", str(path), "--json"], name="seatrial")
    out, err = capsys.readouterr()
    return code, {finding["check"]: finding for finding in json.loads(out)}, out + err


def test_a_good_machine_passes_with_a_measured_commit(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, found, _ = _doctor(tmp_path, capsys)
    assert code == Exit.OK
    assert {*("python", "sqlite", "open files", "isolation", "database", "disk", "address")} == set(
        found
    )
    assert found["isolation"]["detail"].startswith(("L1", "L0 not isolated"))
    assert list(tmp_path.iterdir()) == [tmp_path / "process.toml"], "it left something behind"
    assert "a durable commit takes" in found["database"]["detail"]


def test_postgresql_is_opened_and_measured_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], postgres_url: str
) -> None:
    code, found, _ = _doctor(tmp_path, capsys, url=postgres_url)
    assert code == Exit.OK
    assert "a durable commit takes" in found["database"]["detail"]


def test_a_port_in_use_is_a_failure_with_a_remedy(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, found, _ = _doctor(tmp_path, capsys, port=port)
    assert code == Exit.FAILED
    assert found["address"]["state"] == "fail"
    assert "http.port" in found["address"]["remedy"]


def test_an_unreachable_database_is_a_failure_that_shows_no_password(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, found, everything = _doctor(
        tmp_path, capsys, url="postgresql://ada:hunter2@127.0.0.1:1/x?connect_timeout=1"
    )
    assert code == Exit.FAILED
    assert found["database"]["state"] == "fail"
    assert found["database"]["remedy"]
    assert "hunter2" not in everything


def test_a_database_that_a_running_process_owns_is_left_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with Database.open(f"sqlite:///{tmp_path / 'x.db'}"):
        code, found, _ = _doctor(tmp_path, capsys)
    assert code == Exit.OK
    assert found["database"]["state"] == "warn"


def test_a_slow_disk_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("seatrial.main.doctor._SLOW_COMMIT_MS", 0.0)
    code, found, _ = _doctor(tmp_path, capsys)
    assert code == Exit.OK
    assert found["database"]["state"] == "warn"
    assert "faster disk" in found["database"]["remedy"]


def test_the_defaults_are_local() -> None:
    assert HttpSettings().host == "127.0.0.1"
    assert DatabaseSettings().url.get_secret_value().startswith("sqlite:///")
