"""A private file is whole or not there, and a lock dies with its holder."""

import gzip
import multiprocessing
import os
import signal
import stat
from pathlib import Path

import pytest

from seatrial.kit.files import (
    FolderInUse,
    Unreadable,
    held,
    holder_of,
    read_bounded,
    write_private,
)


def test_a_private_file_is_replaced_whole_and_stays_private(tmp_path: Path) -> None:
    path = tmp_path / "inner" / "access.json"
    write_private(path, b"one")
    write_private(path, b"two")
    assert path.read_bytes() == b"two"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert [each.name for each in path.parent.iterdir()] == ["access.json"]


def test_what_cannot_be_written_leaves_the_old_file_and_no_draft(tmp_path: Path) -> None:
    path = tmp_path / "taken"
    path.mkdir()
    (path / "inside").touch()
    with pytest.raises(OSError, match="taken"):
        write_private(path, b"x")
    assert [each.name for each in tmp_path.iterdir()] == ["taken"]


def test_a_folder_is_held_by_one(tmp_path: Path) -> None:
    lock = tmp_path / "up.lock"
    with held(lock):
        assert holder_of(lock) == os.getpid()
        with pytest.raises(FolderInUse, match=str(os.getpid())), held(lock):
            raise AssertionError("entered")
    assert holder_of(lock) is None
    with held(lock):
        assert holder_of(lock) == os.getpid()


def _hold_and_die(lock: Path) -> None:
    with held(lock):
        os.kill(os.getpid(), signal.SIGKILL)


def test_a_killed_holder_holds_nothing(tmp_path: Path) -> None:
    lock = tmp_path / "up.lock"
    child = multiprocessing.get_context("spawn").Process(target=_hold_and_die, args=(lock,))
    child.start()
    child.join(20)
    assert child.exitcode == -signal.SIGKILL
    with held(lock):
        assert holder_of(lock) == os.getpid()


@pytest.mark.parametrize("text", ["", "no number", "-1", "9" * 30])
def test_a_lock_file_that_names_nobody_names_nobody(tmp_path: Path, text: str) -> None:
    path = tmp_path / "up.lock"
    path.write_text(text)
    assert holder_of(path) is None
    assert holder_of(tmp_path / "missing") is None


def test_a_file_is_read_up_to_its_bound_packed_or_not(tmp_path: Path) -> None:
    plain, packed = tmp_path / "plain", tmp_path / "packed"
    plain.write_bytes(b"x" * 100)
    packed.write_bytes(gzip.compress(b"x" * 100))
    assert read_bounded(plain, 100) == read_bounded(packed, 100, unpack=True) == b"x" * 100
    assert read_bounded(packed, 100) == packed.read_bytes()
    for path in (plain, packed):
        with pytest.raises(Unreadable, match="it is larger than"):
            read_bounded(path, 99, unpack=True)


def test_why_a_file_cannot_be_read_is_said(tmp_path: Path) -> None:
    cut = tmp_path / "cut"
    cut.write_bytes(gzip.compress(os.urandom(1_000))[:-20])
    broken = tmp_path / "broken"
    broken.write_bytes(gzip.compress(b"x" * 1_000)[:10] + b"\xff" * 40)
    for path, why in (
        (tmp_path / "nowhere", "No such file"),
        (tmp_path, "Is a directory"),
        (cut, "Compressed file ended"),
        (broken, "Error"),
    ):
        with pytest.raises(Unreadable, match=why):
            read_bounded(path, 1 << 20, unpack=True)
