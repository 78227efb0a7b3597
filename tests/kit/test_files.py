"""A private file is whole or not there, and a lock dies with its holder."""

import multiprocessing
import os
import signal
import stat
from pathlib import Path

import pytest

from seatrial.kit.files import FolderInUse, held, holder_of, write_private


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
