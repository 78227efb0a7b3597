"""A project's files as one tar whose bytes depend on nothing but their names and content."""

import io
import os
import stat
import tarfile
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from seatrial.cli.project.domain import BundleEntryRefused, BundleFileUnreadable
from seatrial.cli.project.selection import ENVIRONMENT_MARK, Selection
from seatrial.contract.releases.bundles import (
    LARGEST_BUNDLE,
    LARGEST_FILE,
    BundlePathRefused,
    BundleTooLarge,
    check_paths,
)

MOST_LOOKED_AT: Final = 100_000  # names in the folder, wanted or not; 0.5 s on a slow disk
_KINDS: Final = (
    (stat.S_ISLNK, "a symbolic link"),
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISBLK, "a device"),
    (stat.S_ISCHR, "a device"),
)


@dataclass(frozen=True, kw_only=True)
class Found:
    """A file of the bundle.

    Attributes:
        path: in the bundle, in Unicode form NFC.
        place: on this machine.
        size: bytes before line ends are unified.
        executable: its owner may run it.
    """

    path: str
    place: Path
    size: int
    executable: bool


def files(folder: Path, selection: Selection) -> tuple[Found, ...]:
    """The bundle's files by path.

    Stops at the first file too many, or the first byte too many; nothing is read.

    Raises:
        BundleEntryRefused: a link, or something else that is neither file nor folder.
        BundlePathRefused, BundleTooLarge: see `check_paths`.
        BundleFileUnreadable: a folder cannot be listed.
    """
    kept: list[Found] = []

    def passing() -> Iterator[tuple[str, int]]:
        for each in _walk(folder, selection):
            kept.append(each)
            yield each.path, each.size

    check_paths(passing())
    return tuple(sorted(kept, key=lambda each: each.path))


def pack(found: tuple[Found, ...]) -> bytes:
    """The tar of these files; see `contract.releases.bundles` for its form.

    Raises:
        BundleFileUnreadable: a file went away, or grew past the limits since it was found.
    """
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT, encoding="utf-8") as tar:
        total = 0
        for each in found:
            content = unified(_content(each))
            total += len(content)
            if total > LARGEST_BUNDLE:
                raise BundleTooLarge(found=f"{total} bytes", limit=f"{LARGEST_BUNDLE} bytes")
            member = tarfile.TarInfo(each.path)
            member.size = len(content)
            member.mode = 0o755 if each.executable else 0o644
            tar.addfile(member, io.BytesIO(content))
    return out.getvalue()


def unified(content: bytes) -> bytes:
    """The content with line feeds where it is text: UTF-8 without NUL. All else stays as it is."""
    if b"\r\n" not in content or b"\0" in content:
        return content
    try:
        content.decode()
    except UnicodeDecodeError:
        return content
    return content.replace(b"\r\n", b"\n")


def _walk(folder: Path, selection: Selection) -> Iterator[Found]:
    looked_at = 0
    waiting: list[tuple[Path, str]] = [(folder, "")]
    while waiting:
        place, prefix = waiting.pop()
        for entry in _listed(place, prefix):
            looked_at += 1
            if looked_at > MOST_LOOKED_AT:
                raise BundleTooLarge(
                    found=f"a folder of more than {MOST_LOOKED_AT} names around it",
                    limit=f"{MOST_LOOKED_AT} names",
                )
            path = prefix + _named(entry.name, prefix)
            if entry.is_dir(follow_symlinks=False):
                inside = Path(entry.path)
                if selection.enters(path) and not (inside / ENVIRONMENT_MARK).is_file():
                    waiting.append((inside, f"{path}/"))
            elif selection.takes(path):
                yield _file(entry, path)


def _listed(place: Path, prefix: str) -> Iterator[os.DirEntry[str]]:
    try:
        with os.scandir(place) as entries:
            yield from entries
    except OSError as error:
        raise BundleFileUnreadable(
            path=prefix or ".", reason=error.strerror or str(error)
        ) from None


def _named(name: str, prefix: str) -> str:
    try:
        name.encode()
    except UnicodeEncodeError:
        shown = prefix + name.encode(errors="surrogateescape").decode(errors="replace")
        raise BundlePathRefused(path=shown, reason="its name is not UTF-8") from None
    return unicodedata.normalize("NFC", name)


def _file(entry: os.DirEntry[str], path: str) -> Found:
    try:
        status = entry.stat(follow_symlinks=False)
    except OSError as error:
        raise BundleFileUnreadable(path=path, reason=error.strerror or str(error)) from None
    for is_kind, kind in _KINDS:
        if is_kind(status.st_mode):
            raise BundleEntryRefused(path=path, kind=kind)
    return Found(
        path=path,
        place=Path(entry.path),
        size=status.st_size,
        executable=bool(status.st_mode & stat.S_IXUSR),
    )


def _content(found: Found) -> bytes:
    try:
        with found.place.open("rb") as file:
            content = file.read(LARGEST_FILE + 1)
    except OSError as error:
        reason = error.strerror or str(error)
        raise BundleFileUnreadable(path=found.path, reason=reason) from None
    if len(content) > LARGEST_FILE:
        raise BundleTooLarge(found=f"{len(content)} bytes", limit=f"{LARGEST_FILE} bytes")
    return content
