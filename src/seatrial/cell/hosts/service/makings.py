"""Folders that come into being whole: made aside, then renamed; what a kill left is removed."""

import contextlib
import errno
import fcntl
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any, Final

from seatrial.kit.files import sync_folder

_LOCK: Final = "lock"
_CONTENT: Final = "content"


class Makings:
    """A place, on the same file system as the targets, where folders are made."""

    def __init__(self, place: Path) -> None:
        self._place = place
        place.mkdir(mode=0o700, parents=True, exist_ok=True)

    @contextlib.contextmanager
    def making(self, target: Path) -> Iterator[Path]:
        """A fresh folder, which becomes `target` when the block ends well, and else vanishes.

        If another process has made `target` meanwhile, that one stays.
        """
        room, lock = self._room()
        try:
            with lock:
                content = room / _CONTENT
                content.mkdir(mode=0o755)
                yield content
                _place(content, target)
        finally:
            remove(room)

    def sweep(self) -> None:
        """Remove what makers left that were killed."""
        with self._alone():
            for room in self._place.iterdir():
                if room.is_dir() and _abandoned(room):
                    remove(room)

    def _room(self) -> tuple[Path, IO[bytes]]:
        """A fresh room, and the lock that tells a maker at work from one that was killed."""
        with self._alone():  # between the two steps a sweep would take it for abandoned
            room = Path(tempfile.mkdtemp(dir=self._place))
            lock = (room / _LOCK).open("wb")
            fcntl.flock(lock, fcntl.LOCK_EX)
            return room, lock

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        with (self._place / _LOCK).open("wb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def remove(folder: Path) -> None:
    """Remove a folder with all in it, read-only folders too."""

    def writable(function: Callable[[str], Any], path: str, _: object) -> None:
        with contextlib.suppress(OSError):
            Path(path).parent.chmod(0o700)
            Path(path).chmod(0o700)
            function(path)

    shutil.rmtree(folder, onerror=writable)


def _place(content: Path, target: Path) -> None:
    target.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    mode = content.stat().st_mode
    content.chmod(mode | 0o200)  # moving a folder writes its `..`
    try:
        content.rename(target)
    except OSError as error:
        if error.errno not in {errno.ENOTEMPTY, errno.EEXIST}:
            raise
    else:
        target.chmod(mode)
        sync_folder(target.parent)


def _abandoned(room: Path) -> bool:
    try:
        with (room / _LOCK).open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
    except FileNotFoundError:
        return True  # killed between two steps
    except OSError:
        return False
