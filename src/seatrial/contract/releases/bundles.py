"""Which paths a bundle may hold: the same rule where it is made and where it is unpacked.

A bundle is an uncompressed tar in the POSIX pax format, its members sorted by path, each a regular
file with mode 0644 or 0755, owner 0, time 0, and text files with line feeds. Its SHA-256 is its
name, so one source tree has one name on every machine.
"""

import re
import unicodedata
from collections.abc import Iterable
from typing import Final

from seatrial.kit.errors import Invalid, TooLarge

MOST_FILES: Final = 10_000
LARGEST_FILE: Final = 32 << 20  # bytes
LARGEST_BUNDLE: Final = 64 << 20  # bytes, unpacked
LONGEST_PATH: Final = 240  # characters: what every file system takes below a folder of its own
_FORBIDDEN: Final = re.compile(r'[\x00-\x1f\x7f\\:*?"<>|]')
_RESERVED: Final = re.compile(r"(?:con|prn|aux|nul|com[0-9]|lpt[0-9])(?:\..*)?\Z", re.IGNORECASE)


class BundlePathRefused(Invalid):
    """The bundle may not hold {path!r}: {reason}."""

    code = "bundle_path_refused"
    cause = "A path must mean the same file on every machine, and stay inside the bundle."
    remedy = "Rename the file, or leave it out with `exclude` under `[bundle]` in seatrial.toml."


class BundleTooLarge(TooLarge):
    """The bundle has {found}, more than the {limit} allowed."""

    code = "bundle_too_large"
    cause = "A bundle holds an agent's source; data, models and environments do not belong in it."
    remedy = "Leave files out with `exclude` under `[bundle]` in seatrial.toml."


def check_paths(entries: Iterable[tuple[str, int]]) -> None:
    """Refuse a list of files that could not be unpacked alike everywhere.

    Args:
        entries: path and size in bytes of each file, in any order; it may be endless.

    Raises:
        BundlePathRefused: absolute, `.` or `..`, not in Unicode form NFC, a name that some system
            cannot have, twice (letter case does not count), or a file where a folder must be.
        BundleTooLarge: too many files, or too many bytes.
    """
    seen: dict[str, str] = {}
    folders: dict[str, str] = {}
    total = 0
    for count, (path, size) in enumerate(entries, 1):
        if count > MOST_FILES:
            raise BundleTooLarge(found=f"more than {MOST_FILES} files", limit=f"{MOST_FILES} files")
        total += size
        if size > LARGEST_FILE or total > LARGEST_BUNDLE:
            limit = LARGEST_FILE if size > LARGEST_FILE else LARGEST_BUNDLE
            raise BundleTooLarge(found=f"{max(size, total)} bytes", limit=f"{limit} bytes")
        check_path(path)
        folded = path.casefold()
        if folded in seen:
            raise BundlePathRefused(path=path, reason=f"{seen[folded]!r} has the same name")
        seen[folded] = path
        parts = folded.split("/")
        for depth in range(1, len(parts)):
            folders["/".join(parts[:depth])] = path
    for folder, inside in folders.items():
        if folder in seen:
            raise BundlePathRefused(path=inside, reason=f"{seen[folder]!r} is a file")


def check_path(path: str) -> None:
    """Refuse one path; raises `BundlePathRefused`."""
    if not path or len(path) > LONGEST_PATH:
        raise BundlePathRefused(path=path, reason=f"it is empty or over {LONGEST_PATH} characters")
    if unicodedata.normalize("NFC", path) != path:
        raise BundlePathRefused(path=path, reason="it is not in Unicode form NFC")
    if _FORBIDDEN.search(path):
        raise BundlePathRefused(path=path, reason="it holds a character that some system forbids")
    for part in path.split("/"):
        if part in {"", ".", ".."}:
            raise BundlePathRefused(path=path, reason=f"it has the segment {part!r}")
        if part[-1] in ". " or _RESERVED.match(part):
            raise BundlePathRefused(path=path, reason=f"some system cannot have {part!r}")
