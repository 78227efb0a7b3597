"""Files written whole or not at all, for their owner alone."""

import contextlib
import fcntl
import gzip
import os
import tempfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from seatrial.kit.errors import Conflict

_GZIP: Final = b"\x1f\x8b"


class FolderInUse(Conflict):
    """Another process, {holder}, works in {path!r}."""

    code = "folder_in_use"
    cause = "Two systems in one folder would overwrite each other."
    remedy = "Use the one that runs (`seatrial status`), end it (`seatrial down`), or go elsewhere."


def write_private(path: Path, content: bytes) -> None:
    """Put `content` at `path`, replacing what is there, durably, with mode 0600.

    A reader sees the old content or the new, never part of either, whenever this is killed.
    The folder is made if missing, for its owner alone. An `OSError` passes as it is.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor, draft = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)  # mode 0600
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(descriptor)
        Path(draft).replace(path)
    except BaseException:
        Path(draft).unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


class Unreadable(Exception):
    """A file cannot be read; the text says why, for the error of whoever needs it."""


def read_bounded(path: Path, limit: int, *, unpack: bool = False) -> bytes:
    """What is in a file from outside, of at most `limit` bytes.

    Args:
        path: of the file.
        limit: one byte more is refused before it is in memory.
        unpack: also what gzip has packed, whose bytes count as they are unpacked.

    Raises:
        Unreadable: it is not there, may not be read, is broken or too large.
    """
    try:
        with path.open("rb") as file:
            packed = unpack and file.peek(len(_GZIP))[: len(_GZIP)] == _GZIP
            with gzip.open(file) if packed else contextlib.nullcontext(file) as content:
                data: bytes = content.read(limit + 1)
    except (OSError, EOFError, zlib.error) as error:  # a broken packing is an OSError too
        raise Unreadable(getattr(error, "strerror", None) or str(error)) from None
    if len(data) > limit:
        raise Unreadable(f"it is larger than {limit >> 20} MiB")
    return data


def sync_folder(folder: Path) -> None:
    """Make the names in `folder` outlive a power loss."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def held(path: Path) -> Iterator[None]:
    """Hold the lock file at `path`, which names this process, until the block ends.

    The kernel lets go of it when the process dies, however it dies.

    Raises:
        FolderInUse: another process holds it.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = holder_of(path)
            named = f"process {holder}" if holder else "of unknown number"
            raise FolderInUse(path=str(path.parent), holder=named) from None
        os.ftruncate(descriptor, 0)
        os.write(descriptor, b"%d\n" % os.getpid())
        yield
        os.ftruncate(descriptor, 0)
    finally:
        os.close(descriptor)


def holder_of(path: Path) -> int | None:
    """The process that wrote its number into the lock file at `path`; None where none did."""
    try:
        text = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        return None
    return int(text) if text.isdigit() and len(text) < 10 else None
