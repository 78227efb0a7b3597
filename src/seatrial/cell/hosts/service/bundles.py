"""Unpacks a bundle: checked whole before the first file is written, in place in one step."""

import hashlib
import os
import shutil
import tarfile
from pathlib import Path
from typing import BinaryIO, Final

from seatrial.cell.hosts.domain import BundleAltered, BundleMissing, BundleUnreadable
from seatrial.cell.hosts.service.makings import Makings
from seatrial.contract.releases.bundles import LARGEST_BUNDLE, MOST_FILES, check_paths
from seatrial.kit.crypto.digests import Digest

_OVERHEAD: Final = 4 * 512  # bytes of headers that one file may take in a tar
_LARGEST_TAR: Final = LARGEST_BUNDLE + MOST_FILES * _OVERHEAD


def unpack(archive: Path, digest: Digest, target: Path, makings: Makings) -> None:
    """Unpack `archive` into the read-only folder `target`, unless that is there already.

    Raises:
        BundleMissing: no such file.
        BundleAltered: its digest is another.
        BundleUnreadable: no tar, or it holds what no bundle may hold.
        BundlePathRefused: a path that does not mean the same everywhere, or leads outside.
        BundleTooLarge: too many files or bytes.
    """
    if target.exists():
        return
    try:
        file = archive.open("rb")
    except OSError as error:
        raise BundleMissing(digest=str(digest), path=str(archive)) from error
    with file:
        if os.fstat(file.fileno()).st_size > _LARGEST_TAR:
            raise BundleUnreadable(digest=str(digest), reason="the tar is too large")
        found = Digest(hex=hashlib.file_digest(file, "sha256").hexdigest())
        if found != digest:
            raise BundleAltered(digest=str(digest), found=str(found))
        file.seek(0)
        with makings.making(target) as folder:
            try:
                _unpack(file, folder, digest)
            except (tarfile.TarError, EOFError, ValueError, OverflowError) as error:
                raise BundleUnreadable(digest=str(digest), reason=str(error)) from error


def _unpack(file: BinaryIO, folder: Path, digest: Digest) -> None:
    with tarfile.open(fileobj=file, mode="r:") as tar:
        members = []
        for count, member in enumerate(tar):
            if count > MOST_FILES:
                break  # `check_paths` says so; a million headers need not be read for it
            if member.type not in {tarfile.REGTYPE, tarfile.AREGTYPE} or member.issparse():
                reason = f"{member.name!r} is no regular file"
                raise BundleUnreadable(digest=str(digest), reason=reason)
            members.append(member)
        check_paths((member.name, member.size) for member in members)
        for member in members:
            _write(tar, member, folder, digest)
    for place, _, _ in os.walk(folder, topdown=False):
        Path(place).chmod(0o555)


def _write(tar: tarfile.TarFile, member: tarfile.TarInfo, folder: Path, digest: Digest) -> None:
    place = folder / member.name
    place.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    source = tar.extractfile(member)
    if source is None:
        raise BundleUnreadable(digest=str(digest), reason=f"{member.name!r} has no content")
    with place.open("xb") as written:
        shutil.copyfileobj(source, written)
        if written.tell() != member.size:
            raise BundleUnreadable(digest=str(digest), reason=f"{member.name!r} is cut off")
        os.fchmod(written.fileno(), 0o555 if member.mode & 0o100 else 0o444)
        os.fsync(written.fileno())
