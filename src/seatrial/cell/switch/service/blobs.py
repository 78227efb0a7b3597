"""The cell's folder of blobs: each file is named by the digest of what is in it."""

import asyncio
import contextlib
import hashlib
import os
import tempfile
from collections.abc import AsyncGenerator, AsyncIterator, Iterable
from pathlib import Path
from typing import Final

from seatrial.cell.switch.domain import BlobAltered, BlobTooLarge, BlobUnkept
from seatrial.kit.crypto.digests import Digest
from seatrial.kit.files import sync_folder

LARGEST: Final = 2 << 30  # bytes of one blob; the largest wheels in use have about 1 GB
_DRAFT: Final = ".draft-"


class Blobs:
    """Blobs in one folder. Several processes may use it at once."""

    def __init__(self, folder: Path, *, largest: int = LARGEST) -> None:
        self._folder = folder
        self._largest = largest
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def path(self, digest: Digest) -> Path:
        """Where the blob lies, or would."""
        return self._folder / digest.hex

    def has(self, digest: Digest) -> bool:
        """Whether it is here."""
        return self.path(digest).is_file()

    async def keep(self, digest: Digest, parts: AsyncGenerator[bytes, None]) -> None:
        """Keep what `parts` bring, if it is what `digest` names. It appears whole and durable.

        Raises:
            BlobAltered: it is something else; nothing is kept.
            BlobTooLarge: it is too long; nothing is kept.
            BlobUnkept: there is no room for it.
        """
        async with contextlib.aclosing(parts):
            try:
                await self._keep(digest, parts)
            except OSError as error:
                reason = os.strerror(error.errno) if error.errno else str(error)
                raise BlobUnkept(digest=str(digest), reason=reason) from None

    async def _keep(self, digest: Digest, parts: AsyncGenerator[bytes, None]) -> None:
        descriptor, name = tempfile.mkstemp(prefix=_DRAFT, dir=self._folder)  # mode 0600
        draft = Path(name)
        try:
            with os.fdopen(descriptor, "wb") as file:
                found = hashlib.sha256()
                async for part in self._bounded(digest, parts):
                    found.update(part)
                    file.write(part)
                _refuse_other(digest, found.hexdigest())
                file.flush()
                await asyncio.to_thread(os.fsync, descriptor)
            await asyncio.to_thread(_appear, draft, self.path(digest))
        except BaseException:
            draft.unlink(missing_ok=True)  # noqa: ASYNC240 - also when cancelled; takes microseconds
            raise

    async def _bounded(self, digest: Digest, parts: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        size = 0
        async for part in parts:
            size += len(part)
            if size > self._largest:
                raise BlobTooLarge(digest=str(digest), limit=self._largest)
            yield part

    def clear(self, kept: Iterable[Digest], before: float) -> int:
        """Remove blobs other than `kept`, and drafts of processes that died; how many went.

        Args:
            kept: what stays.
            before: seconds since the epoch; what was written later may be part of something that
                is being prepared, and stays too.
        """
        names = {digest.hex for digest in kept}
        gone = 0
        for each in self._folder.iterdir():
            if each.name not in names and each.is_file() and each.stat().st_mtime < before:
                each.unlink(missing_ok=True)
                gone += 1
        return gone


def _refuse_other(digest: Digest, found: str) -> None:
    if found != digest.hex:
        raise BlobAltered(digest=str(digest))


def _appear(draft: Path, path: Path) -> None:
    draft.replace(path)
    sync_folder(path.parent)
