"""Private keys in files: made once, whole or not at all, readable by their owner alone."""

import contextlib
import os
import stat
import tempfile
from pathlib import Path
from typing import Final, Protocol, Self, TypeVar

from seatrial.kit.errors import Conflict, Denied, Failed, NotFound
from seatrial.kit.files import sync_folder

_LARGEST: Final = 16_384  # bytes; a key's PEM text has a few hundred
_OTHERS: Final = 0o077
_OTHERS_WRITE: Final = 0o022


class KeyFileMissing(NotFound):
    """There is no key file at {path!r}."""

    code = "key_file_missing"
    cause = "The path is wrong, or the key was made on another machine or by another user."
    remedy = "Check the path; a process that owns its key makes it at its first start."


class KeyFileExists(Conflict):
    """There is a key file at {path!r} already."""

    code = "key_file_exists"
    cause = "A key is never overwritten: what it signed or sealed would be lost with it."
    remedy = "Choose another path, or move the old key away first."


class KeyFileExposed(Denied):
    """The key at {path!r} is not private: {reason}."""

    code = "key_file_exposed"
    cause = "Another user of this machine could read or replace the key."
    remedy = "Make it yours alone (`chmod 600`, its folder `chmod 700`); if in doubt, replace it."


class KeyFileUnusable(Failed):
    """The key file {path!r} cannot be used: {reason}."""

    code = "key_file_unusable"
    cause = "The disk is full or read-only, the file system has no hard links, or it is no file."
    remedy = "Mend the named reason, or choose a path on a local file system."


class PrivateKey(Protocol):
    """What can be kept in a key file."""

    @classmethod
    def generate(cls) -> Self:
        """A fresh key."""
        ...

    @classmethod
    def from_private_pem(cls, pem: bytes) -> Self:
        """The key written as `pem`."""
        ...

    def private_pem(self) -> bytes:
        """The key in clear text."""
        ...


_K = TypeVar("_K", bound=PrivateKey)


def load(kind: type[_K], path: Path) -> _K:
    """The private key in the file at `path`.

    Raises:
        KeyFileMissing: no such file.
        KeyFileExposed: its mode lets others read or write it, or it belongs to another user.
        KeyFileUnusable: not a regular file, too large, unreadable.
        KeyMalformed: no key of this kind.
    """
    try:
        content = _read(path)
    except FileNotFoundError:
        raise KeyFileMissing(path=str(path)) from None
    except OSError as error:
        raise _unusable(path, error) from None
    if len(content) > _LARGEST:
        raise KeyFileUnusable(path=str(path), reason=f"it has more than {_LARGEST} bytes")
    return kind.from_private_pem(content)


def save(key: PrivateKey, path: Path) -> None:
    """Write a private key to a new file at `path`, durably; its folder is made if missing.

    Raises:
        KeyFileExists: there is a file already.
        KeyFileExposed: others may write into the folder.
        KeyFileUnusable: the file cannot be written.
    """
    try:
        _make_private_folder(path.parent)
        _write(key.private_pem(), path)
    except FileExistsError:
        raise KeyFileExists(path=str(path)) from None
    except OSError as error:
        raise _unusable(path, error) from None


def load_or_create(kind: type[_K], path: Path) -> _K:
    """The private key at `path`, made now if there is none.

    Of processes that race here, one makes the key and all return it. Raises as `load` and `save`.
    """
    with contextlib.suppress(KeyFileMissing):
        return load(kind, path)
    with contextlib.suppress(KeyFileExists):
        save(kind.generate(), path)
    return load(kind, path)


def _read(path: Path) -> bytes:
    # Not blocking: a named pipe in the key's place must not hang the process.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        _refuse_exposed(path, os.fstat(descriptor))
        return os.read(descriptor, _LARGEST + 1)
    finally:
        os.close(descriptor)


def _refuse_exposed(path: Path, status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise KeyFileUnusable(path=str(path), reason="it is not a regular file")
    if status.st_mode & _OTHERS:
        mode = stat.S_IMODE(status.st_mode)
        raise KeyFileExposed(path=str(path), reason=f"its mode is {mode:04o}")
    if status.st_uid not in {os.geteuid(), 0}:
        raise KeyFileExposed(path=str(path), reason=f"it belongs to user {status.st_uid}")


def _make_private_folder(folder: Path) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    mode = stat.S_IMODE(folder.stat().st_mode)
    if mode & _OTHERS_WRITE:
        raise KeyFileExposed(path=str(folder), reason=f"its mode is {mode:04o}")


def _write(content: bytes, path: Path) -> None:
    """Make `path` appear with its whole content, or raise FileExistsError and leave it as it is."""
    descriptor, draft = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)  # mode 0600
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(descriptor)
        os.link(draft, path)
    finally:
        Path(draft).unlink()
    sync_folder(path.parent)


def _unusable(path: Path, error: OSError) -> KeyFileUnusable:
    reason = os.strerror(error.errno) if error.errno else str(error)
    return KeyFileUnusable(path=str(path), reason=reason)
