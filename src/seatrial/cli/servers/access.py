"""Where the servers are: the nearest access file, or the one that was named."""

import stat
from pathlib import Path
from typing import Final

from seatrial.cli.servers.domain import AccessExposed, AccessInvalid, AccessMissing
from seatrial.contract.documents import DocumentInvalid
from seatrial.contract.switch.access import Access
from seatrial.kit.crypto.documents import strict_json
from seatrial.kit.errors import SeatrialError

NAME: Final = "access.json"
FOLDER: Final = ".seatrial"
_LARGEST: Final = 262_144  # bytes


def find(named: Path | None, start: Path, home: Path | None) -> Path:
    """The access file.

    Args:
        named: by the caller; then no other is looked for.
        start: the folder from which to look upward.
        home: of the person, for `~/.config/seatrial/access.json`.

    Raises:
        AccessMissing: there is none.
    """
    if named is not None:
        if not named.exists():
            raise AccessMissing(reason=f"{str(named)!r} is not there")
        return named
    start = start.absolute()
    for folder in (start, *start.parents):
        path = folder / FOLDER / NAME
        if path.is_file():
            return path
    if home is not None and (path := home / ".config" / "seatrial" / NAME).is_file():
        return path
    raise AccessMissing(reason=f"none in {str(start)!r}, above it, or in ~/.config/seatrial")


def read(path: Path) -> Access:
    """The access file at `path`.

    Raises:
        AccessExposed: others may read or write it.
        AccessInvalid: it cannot be read, or is no access file.
    """
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(path.stat().st_mode)
            content = file.read(_LARGEST + 1)
    except OSError as error:
        raise AccessInvalid(path=str(path), reason=error.strerror or str(error)) from None
    if mode & 0o077:
        raise AccessExposed(path=str(path), mode=f"{mode:04o}")
    try:
        return Access.read(strict_json(content, largest=_LARGEST))
    except DocumentInvalid as error:
        raise AccessInvalid(path=str(path), reason=str(error.fields["findings"])) from None
    except SeatrialError as error:
        raise AccessInvalid(path=str(path), reason=error.message) from None


def key_path(access: Path, key_file: str) -> Path:
    """Where the key lies that an access file names; `~` and relative paths are meant as usual."""
    return access.parent.absolute() / Path(key_file).expanduser()
