"""One process writes to an SQLite file, and the file belongs to its user alone."""

import fcntl
import os
from pathlib import Path

from seatrial.kit.database.address import SqliteAddress
from seatrial.kit.database.errors import DatabaseInUse, DatabasePathUnusable
from seatrial.kit.files import sync_folder


class Ownership:
    """Holds the lock file beside an SQLite file until `release`, or until the process ends.

    The kernel gives the lock back however the process ends. It is not handed to programs that
    this process starts.
    """

    def __init__(self, address: SqliteAddress) -> None:
        """Take the lock, and make the file and the directories above it where they are missing.

        Raises:
            DatabaseInUse: another process holds it, or another `Database` of this one.
            DatabasePathUnusable: the path cannot be written.
        """
        path = address.path
        try:
            _make_directories(path.parent)
            self._descriptor: int | None = _lock(address)
            try:
                _make_file(path)
            except BaseException:
                self.release()
                raise
        except OSError as error:
            raise DatabasePathUnusable(
                path=str(path), reason=(error.strerror or str(error)).lower()
            ) from None

    def release(self) -> None:
        """Let another process have the file. The lock file stays: removing it would race."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)


def _make_directories(directory: Path) -> None:
    missing = [parent for parent in (directory, *directory.parents) if not parent.exists()]
    for parent in reversed(missing):
        parent.mkdir(mode=0o700, exist_ok=True)


def _lock(address: SqliteAddress) -> int:
    lock = address.path.with_name(f"{address.path.name}.lock")
    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        # flock, not lockf: the latter would let this same process in twice.
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
    except BlockingIOError:
        owner = os.pread(descriptor, 32, 0).decode(errors="replace").strip()
        os.close(descriptor)
        raise DatabaseInUse(
            database=str(address), owner=f"process {owner}" if owner else "of unknown number"
        ) from None
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _make_file(path: Path) -> None:
    if path.exists():
        return
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    sync_folder(path.parent)  # its name must outlive a power loss as its content does
