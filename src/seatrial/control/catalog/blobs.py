"""Blobs by the digest of their content: the port, and a folder behind it."""

import contextlib
import hashlib
import os
from asyncio import to_thread
from collections.abc import AsyncGenerator, AsyncIterable, Collection, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import IO, Final, Protocol

from seatrial.control.catalog.domain import (
    BlobLost,
    BlobMissing,
    BlobsUnusable,
    UploadAltered,
    UploadTooLarge,
)
from seatrial.kit.crypto.digests import Digest
from seatrial.kit.files import sync_folder
from seatrial.kit.ids import Ids

LARGEST_BLOB: Final = 1 << 30  # bytes; wheels with native code reach hundreds of megabytes

_CHUNK: Final = 1 << 18  # bytes read at a time
_BATCH: Final = 1 << 18  # bytes gathered before a thread writes them
_STALE: Final = timedelta(days=1)  # an upload that is older was cut with its process
_FOLDER: Final = "uploads"


@dataclass(frozen=True, kw_only=True)
class Blob:
    """A blob that is there.

    Attributes:
        size: bytes.
        parts: its bytes, from the beginning; to be read once, or closed.
    """

    size: int
    parts: AsyncGenerator[bytes, None]


class Blobs(Protocol):
    """Where blobs are kept."""

    async def put(self, digest: Digest, parts: AsyncIterable[bytes]) -> int:
        """Keep the blob `digest`, whole or not at all; its size in bytes.

        Raises:
            UploadAltered: the bytes are others.
            UploadTooLarge: there are too many; found before they are kept.
            BlobsUnusable: it cannot be kept now.
        """
        ...

    async def open(self, digest: Digest) -> Blob:
        """The blob `digest`; raises `BlobMissing` or `BlobsUnusable`."""
        ...

    async def size(self, digest: Digest) -> int | None:
        """Its size in bytes; None where it is not here."""
        ...

    async def missing(self, digests: Collection[Digest]) -> tuple[Digest, ...]:
        """Those of `digests` that are not here, in their order."""
        ...


class FolderBlobs:
    """Blobs as files of one folder, which several processes may share.

    A blob appears under its name by a rename, after its bytes are on the disk: a crash or power cut
    at any moment leaves it whole or absent. One that is sent again replaces the file, which mends
    one that a disk has spoiled.
    """

    def __init__(self, folder: Path, ids: Ids, *, largest: int = LARGEST_BLOB) -> None:
        """Use `folder`, made if it is not there; `largest` bounds a blob in bytes.

        Raises:
            BlobsUnusable: it cannot be made.
        """
        self._folder = folder
        self._ids = ids
        self._largest = largest
        with _usable():
            (folder / _FOLDER).mkdir(parents=True, exist_ok=True)

    async def put(self, digest: Digest, parts: AsyncIterable[bytes]) -> int:
        """See `Blobs.put`."""
        path = self._folder / _FOLDER / self._ids.new("part")
        with _usable():
            file = await to_thread(path.open, "xb", buffering=0)
        try:
            with file:
                size, found = await self._written(digest, file, parts)
            if found != digest:
                raise UploadAltered(digest=str(digest), found=str(found))
            with _usable():
                await to_thread(_publish, path, self._path(digest))
        finally:
            path.unlink(missing_ok=True)
        return size

    async def open(self, digest: Digest) -> Blob:
        """See `Blobs.open`."""
        with _usable():
            try:
                file = await to_thread(self._path(digest).open, "rb", buffering=0)
            except FileNotFoundError:
                raise BlobMissing(digest=str(digest)) from None
            size = os.fstat(file.fileno()).st_size
        return Blob(size=size, parts=_read(file, digest, size))

    async def size(self, digest: Digest) -> int | None:
        """See `Blobs.size`."""
        return (await to_thread(self._sizes, (digest,)))[0]

    async def missing(self, digests: Collection[Digest]) -> tuple[Digest, ...]:
        """See `Blobs.missing`."""
        sizes = await to_thread(self._sizes, tuple(digests))
        return tuple(digest for digest, size in zip(digests, sizes, strict=True) if size is None)

    def sweep(self, now: datetime) -> int:
        """Remove what uploads left that died more than a day ago; how many there were."""
        removed = 0
        with _usable():
            for path in (self._folder / _FOLDER).iterdir():
                with contextlib.suppress(FileNotFoundError):
                    changed = datetime.fromtimestamp(path.stat().st_mtime, now.tzinfo)
                    if now - changed > _STALE:
                        path.unlink()
                        removed += 1
        return removed

    async def _written(
        self, digest: Digest, file: IO[bytes], parts: AsyncIterable[bytes]
    ) -> tuple[int, Digest]:
        """Size and digest of `parts`, which are on the disk then."""
        content, size, batch = hashlib.sha256(), 0, bytearray()
        async for part in parts:
            size += len(part)
            if size > self._largest:
                raise UploadTooLarge(digest=str(digest), limit=self._largest)
            batch += part
            if len(batch) >= _BATCH:
                await to_thread(_append, file, content, bytes(batch))
                batch.clear()
        await to_thread(_append, file, content, bytes(batch))
        with _usable():
            await to_thread(os.fsync, file.fileno())
        return size, Digest(hex=content.hexdigest())

    def _sizes(self, digests: tuple[Digest, ...]) -> list[int | None]:
        return [self._size(digest) for digest in digests]

    def _size(self, digest: Digest) -> int | None:
        with _usable():
            try:
                return self._path(digest).stat().st_size
            except FileNotFoundError:
                return None

    def _path(self, digest: Digest) -> Path:
        # Two levels, since some file systems slow down at many thousand names in one folder.
        return self._folder / digest.hex[:2] / digest.hex


@contextlib.contextmanager
def _usable() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise BlobsUnusable(reason=error.strerror or str(error)) from error


def _append(file: IO[bytes], content: "hashlib._Hash", data: bytes) -> None:
    content.update(data)
    view = memoryview(data)
    with _usable():
        while view:
            view = view[file.write(view) :]


def _publish(path: Path, target: Path) -> None:
    target.parent.mkdir(exist_ok=True)
    path.replace(target)
    sync_folder(target.parent)
    # Always: whoever made that folder may be another process, and not have come so far.
    sync_folder(target.parent.parent)


async def _read(file: IO[bytes], digest: Digest, size: int) -> AsyncGenerator[bytes, None]:
    left = size
    with file:
        while left:
            with _usable():
                part = await to_thread(file.read, min(_CHUNK, left))
            if not part:
                raise BlobLost(digest=str(digest), reason=f"{left} bytes are gone")
            left -= len(part)
            yield part
