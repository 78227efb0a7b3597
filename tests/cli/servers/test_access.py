"""The access file: found upward, private, read strictly."""

import json
from pathlib import Path
from typing import Any

import pytest

from seatrial.cli.servers.access import find, key_path, read
from seatrial.cli.servers.domain import AccessExposed, AccessInvalid, AccessMissing

GOOD: dict[str, Any] = {
    "control": {"url": "http://127.0.0.1:7000", "token": "sea_control_x"},
    "environments": {"staging": {"url": "http://staging.localhost:7001", "token": "sea_x"}},
    "person": {"name": "ada", "key_file": "person/owner.pem"},
}


def written(path: Path, value: object, mode: int = 0o600) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(value if isinstance(value, str) else json.dumps(value))
    path.chmod(mode)
    return path


def test_the_nearest_file_upward_is_found_then_the_one_at_home(tmp_path: Path) -> None:
    inner = tmp_path / "project/a/b"
    inner.mkdir(parents=True)
    home = tmp_path / "home"
    with pytest.raises(AccessMissing):
        find(None, inner, home)
    at_home = written(home / ".config/seatrial/access.json", GOOD)
    assert find(None, inner, home) == at_home
    near = written(tmp_path / "project/.seatrial/access.json", GOOD)
    assert find(None, inner, home) == near
    named = written(tmp_path / "other.json", GOOD)
    assert find(named, inner, home) == named
    with pytest.raises(AccessMissing):
        find(tmp_path / "gone.json", inner, home)


@pytest.mark.parametrize("mode", [0o644, 0o660, 0o604])
def test_a_file_that_others_can_read_is_refused(tmp_path: Path, mode: int) -> None:
    with pytest.raises(AccessExposed, match=f"{mode:04o}"):
        read(written(tmp_path / "a.json", GOOD, mode))


@pytest.mark.parametrize(
    "wrong",
    [
        "",
        "{",
        "[]",
        {"control": GOOD["control"], "enviroments": {}},
        {"control": {"url": "http://x/path", "token": "t"}},
        {"control": {"url": "ftp://x", "token": "t"}},
        {"control": {"url": "http://x", "token": "a\nb"}},
        {"control": {"url": "http://x", "token": ""}},
        '{"control": {}, "control": {}}',
    ],
)
def test_a_wrong_file_is_refused_without_its_tokens(tmp_path: Path, wrong: object) -> None:
    with pytest.raises(AccessInvalid) as raised:
        read(written(tmp_path / "a.json", wrong))
    assert "sea_" not in raised.value.message


def test_a_token_shows_in_no_repr(tmp_path: Path) -> None:
    assert "sea_" not in repr(read(written(tmp_path / "a.json", GOOD)))


def test_a_key_is_found_from_the_file_that_names_it(tmp_path: Path) -> None:
    assert key_path(tmp_path / "a.json", "person/me.pem") == tmp_path / "person/me.pem"
    assert key_path(tmp_path / "a.json", "/keys/me.pem") == Path("/keys/me.pem")
