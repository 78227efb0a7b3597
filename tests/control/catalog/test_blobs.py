"""A blob is here whole, under the digest of its content, or it is not here."""

import asyncio
import os
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.control.catalog.blobs import FolderBlobs
from seatrial.control.catalog.domain import (
    BlobLost,
    BlobMissing,
    BlobsUnusable,
    UploadAltered,
    UploadTooLarge,
)
from seatrial.kit.clock import VirtualClock
from seatrial.kit.crypto.digests import Digest
from seatrial.kit.ids import Ids
from tests.contract.making import NOW
from tests.control.catalog.world import parts, wait

LARGEST = 1 << 20
IDS = Ids(VirtualClock(NOW))


@pytest.fixture
def blobs(tmp_path: Path) -> FolderBlobs:
    return FolderBlobs(tmp_path / "blobs", IDS, largest=LARGEST)


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


async def content(blobs: FolderBlobs, digest: Digest) -> bytes:
    blob = await blobs.open(digest)
    found = b"".join([part async for part in blob.parts])
    assert len(found) == blob.size
    return found


@given(pieces=st.lists(st.binary(max_size=40), max_size=6), times=st.integers(1, 20_000))
def test_what_is_put_comes_out_however_it_was_cut(
    tmp_path_factory: pytest.TempPathFactory, pieces: list[bytes], times: int
) -> None:
    blobs = FolderBlobs(tmp_path_factory.mktemp("blobs"), IDS, largest=10 << 20)
    cut = [piece * (times if number == 0 else 1) for number, piece in enumerate(pieces)]
    whole = b"".join(cut)
    digest = Digest.of(whole)
    assert wait(blobs.put(digest, parts(*cut))) == len(whole)
    assert wait(content(blobs, digest)) == whole
    assert wait(blobs.size(digest)) == len(whole)
    assert wait(blobs.missing([digest])) == ()


def test_what_is_missing_is_told_in_order(blobs: FolderBlobs) -> None:
    here, first, second = (Digest.of(each) for each in (b"here", b"first", b"second"))
    wait(blobs.put(here, parts(b"here")))
    assert wait(blobs.missing([second, here, first])) == (second, first)
    assert wait(blobs.size(first)) is None
    with pytest.raises(BlobMissing):
        wait(blobs.open(first))


@pytest.mark.parametrize("sent", [b"", b"b", b"blo", b"blob!", b"BLOB"])
def test_bytes_that_are_others_leave_nothing(
    blobs: FolderBlobs, tmp_path: Path, sent: bytes
) -> None:
    with pytest.raises(UploadAltered):
        wait(blobs.put(Digest.of(b"blob"), parts(*[bytes([each]) for each in sent])))
    assert files(tmp_path) == []


def test_an_endless_blob_is_refused_before_it_fills_the_disk(
    blobs: FolderBlobs, tmp_path: Path
) -> None:
    read = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal read
        while True:
            read += 1 << 16
            yield b"x" * (1 << 16)

    with pytest.raises(UploadTooLarge):
        wait(blobs.put(Digest.of(b""), endless()))
    assert read <= LARGEST + (1 << 16)
    assert files(tmp_path) == []


def test_a_sender_that_breaks_off_leaves_nothing(blobs: FolderBlobs, tmp_path: Path) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield b"bl"
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        wait(blobs.put(Digest.of(b"blob"), broken()))
    assert files(tmp_path) == []


def test_a_put_that_is_cancelled_leaves_nothing(blobs: FolderBlobs, tmp_path: Path) -> None:
    async def main() -> None:
        begun = asyncio.Event()

        async def slow() -> AsyncIterator[bytes]:
            yield b"bl"
            begun.set()
            await asyncio.sleep(60)

        task = asyncio.create_task(blobs.put(Digest.of(b"blob"), slow()))
        await begun.wait()
        assert await blobs.size(Digest.of(b"blob")) is None  # not there while it arrives
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    wait(main())
    assert files(tmp_path) == []


def test_many_who_send_one_blob_at_once_leave_one(blobs: FolderBlobs, tmp_path: Path) -> None:
    whole = os.urandom(300_000)

    async def main() -> None:
        senders = (blobs.put(Digest.of(whole), parts(whole[:9], whole[9:])) for _ in range(8))
        assert set(await asyncio.gather(*senders)) == {len(whole)}
        assert await content(blobs, Digest.of(whole)) == whole

    wait(main())
    assert len(files(tmp_path)) == 1


def test_sending_a_spoiled_blob_again_mends_it(blobs: FolderBlobs, tmp_path: Path) -> None:
    digest = Digest.of(b"blob")
    wait(blobs.put(digest, parts(b"blob")))
    (file,) = files(tmp_path)
    file.write_bytes(b"spoiled")
    wait(blobs.put(digest, parts(b"blob")))
    assert wait(content(blobs, digest)) == b"blob"


def test_a_blob_that_shrinks_while_it_is_read_is_told(blobs: FolderBlobs, tmp_path: Path) -> None:
    whole = b"x" * (600 << 10)
    wait(blobs.put(Digest.of(whole), parts(whole)))
    (file,) = files(tmp_path)

    async def main() -> None:
        blob = await blobs.open(Digest.of(whole))
        assert await anext(blob.parts)
        os.truncate(file, 10)
        with pytest.raises(BlobLost):
            async for _ in blob.parts:
                pass

    wait(main())


def test_an_upload_that_died_with_its_process_is_swept_after_a_day(
    blobs: FolderBlobs, tmp_path: Path
) -> None:
    left, young = (tmp_path / "blobs" / "uploads" / name for name in ("part_old", "part_new"))
    for path, age in ((left, timedelta(hours=25)), (young, timedelta(hours=23))):
        path.write_bytes(b"half")
        then = (NOW - age).timestamp()
        os.utime(path, (then, then))
    assert blobs.sweep(NOW) == 1
    assert files(tmp_path) == [young]


def test_a_folder_that_cannot_be_used_is_an_error_with_a_name(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(BlobsUnusable):
        FolderBlobs(tmp_path / "file" / "blobs", IDS)
    blobs = FolderBlobs(tmp_path / "blobs", IDS)
    (tmp_path / "blobs" / Digest.of(b"blob").hex[:2]).write_bytes(b"in the way")
    with pytest.raises(BlobsUnusable):
        wait(blobs.put(Digest.of(b"blob"), parts(b"blob")))
    assert not list((tmp_path / "blobs" / "uploads").iterdir())
