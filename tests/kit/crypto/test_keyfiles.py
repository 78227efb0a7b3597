import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from seatrial.kit.crypto.keyfiles import (
    KeyFileExists,
    KeyFileExposed,
    KeyFileMissing,
    KeyFileUnusable,
    PrivateKey,
    load,
    load_or_create,
    save,
)
from seatrial.kit.crypto.pem import KeyMalformed
from seatrial.kit.crypto.rows import WrappingKey
from seatrial.kit.crypto.sealing import OpeningKey
from seatrial.kit.crypto.signing import SigningKey

_RACER = """
import sys
from pathlib import Path
from seatrial.kit.crypto.keyfiles import load_or_create
from seatrial.kit.crypto.signing import SigningKey
print("ready", flush=True)
sys.stdin.read()
for n in range(50):
    print(load_or_create(SigningKey, Path(sys.argv[1]) / f"{n}.pem").id)
"""


@pytest.mark.parametrize("kind", [SigningKey, OpeningKey, WrappingKey])
def test_a_key_comes_back_from_its_file(kind: type[PrivateKey], tmp_path: Path) -> None:
    path = tmp_path / "keys" / "cell.pem"
    made = load_or_create(kind, path)
    assert load(kind, path).private_pem() == load_or_create(kind, path).private_pem()
    assert load(kind, path).private_pem() == made.private_pem()


def test_a_new_key_is_readable_by_its_owner_alone_whatever_the_umask(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "cell.pem"
    before = os.umask(0)
    try:
        load_or_create(SigningKey, path)
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert list(path.parent.iterdir()) == [path]


def test_of_processes_that_race_one_makes_the_key_and_all_use_it(tmp_path: Path) -> None:
    folder = tmp_path / "keys"
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", _RACER, str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    for racer in racers:
        assert racer.stdout is not None
        assert racer.stdout.readline() == "ready\n"
    outputs = []
    for racer in racers:
        assert racer.stdin is not None
        racer.stdin.close()  # go
    for racer in racers:
        with racer:
            assert racer.stdout is not None
            outputs.append(racer.stdout.read().split())
    assert outputs == [[load(SigningKey, folder / f"{n}.pem").id for n in range(50)]] * 3
    assert len(list(folder.iterdir())) == 50


def test_of_two_that_find_no_key_the_slower_uses_that_of_the_faster(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "cell.pem"
    faster = SigningKey.generate()
    make = SigningKey.generate

    def overtaken() -> SigningKey:
        save(faster, path)
        return make()

    monkeypatch.setattr(SigningKey, "generate", overtaken)
    assert load_or_create(SigningKey, path).id == faster.id


def test_a_key_is_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "cell.pem"
    first = load_or_create(SigningKey, path)
    with pytest.raises(KeyFileExists):
        save(SigningKey.generate(), path)
    assert load(SigningKey, path).id == first.id


@pytest.mark.parametrize("step", ["write", "fsync", "link"])
def test_a_failed_write_leaves_nothing(
    step: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    if step == "write":
        monkeypatch.setattr("os.fdopen", fail)
    else:
        monkeypatch.setattr(f"os.{step}", fail)
    path = tmp_path / "cell.pem"
    with pytest.raises(KeyFileUnusable, match="No space left"):
        save(SigningKey.generate(), path)
    assert list(tmp_path.iterdir()) == []


def test_a_key_is_on_disk_before_it_has_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "cell.pem"
    steps = []
    fsync, link = os.fsync, os.link

    def watched_fsync(descriptor: int) -> None:
        is_folder = stat.S_ISDIR(os.fstat(descriptor).st_mode)
        steps.append("fsync folder" if is_folder else "fsync file")
        fsync(descriptor)

    def watched_link(source: str, target: Path) -> None:
        steps.append("link")
        link(source, target)

    monkeypatch.setattr("os.fsync", watched_fsync)
    monkeypatch.setattr("os.link", watched_link)
    save(SigningKey.generate(), path)
    assert steps == ["fsync file", "link", "fsync folder"]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o602, 0o644, 0o666, 0o610, 0o601])
def test_a_key_file_that_others_may_touch_is_refused(mode: int, tmp_path: Path) -> None:
    path = tmp_path / "cell.pem"
    load_or_create(SigningKey, path)
    path.chmod(mode)
    for read in (load, load_or_create):
        with pytest.raises(KeyFileExposed, match=f"{mode:04o}"):
            read(SigningKey, path)


@pytest.mark.parametrize("mode", [0o400, 0o600, 0o700])
def test_a_key_file_of_its_owner_alone_is_read(mode: int, tmp_path: Path) -> None:
    path = tmp_path / "cell.pem"
    load_or_create(SigningKey, path)
    path.chmod(mode)
    load(SigningKey, path)


def test_a_key_file_of_another_user_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "cell.pem"
    load_or_create(SigningKey, path)
    if os.geteuid() == 0:
        os.chown(path, 65_534, -1)
    else:
        monkeypatch.setattr("os.geteuid", lambda: 65_534)
    with pytest.raises(KeyFileExposed, match="belongs to user"):
        load(SigningKey, path)


@pytest.mark.parametrize("mode", [0o770, 0o707, 0o777, 0o1777, 0o720])
def test_no_key_is_put_where_others_could_replace_it(mode: int, tmp_path: Path) -> None:
    folder = tmp_path / "keys"
    folder.mkdir()
    folder.chmod(mode)
    with pytest.raises(KeyFileExposed, match=f"{mode:04o}"):
        save(SigningKey.generate(), folder / "cell.pem")
    assert list(folder.iterdir()) == []


def test_a_missing_key_is_told_as_such(tmp_path: Path) -> None:
    with pytest.raises(KeyFileMissing):
        load(SigningKey, tmp_path / "none" / "cell.pem")


def test_what_is_no_file_is_refused_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe", 0o600)
    (tmp_path / "folder").mkdir(mode=0o700)
    for name in ("pipe", "folder"):
        with pytest.raises(KeyFileUnusable, match="not a regular file"):
            load(SigningKey, tmp_path / name)
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with pytest.raises(KeyFileUnusable, match="symbolic links"):
        load(SigningKey, tmp_path / "loop")


def test_a_file_that_is_too_large_or_holds_another_kind_of_key_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "cell.pem"
    save(OpeningKey.generate(), path)
    with pytest.raises(KeyMalformed):
        load(SigningKey, path)
    path.write_bytes(path.read_bytes() + b"\n" * 20_000)
    with pytest.raises(KeyFileUnusable, match="more than 16384 bytes"):
        load(OpeningKey, path)
