"""What goes on beside control's API."""

import asyncio
import contextlib
from pathlib import Path

from seatrial.control.catalog.blobs import FolderBlobs
from seatrial.kit.clock import SystemClock
from seatrial.kit.ids import Ids
from seatrial.main.control_process import tidy


def test_control_outlives_a_folder_of_blobs_that_is_away(tmp_path: Path) -> None:
    clock = SystemClock()
    blobs = FolderBlobs(tmp_path / "blobs", Ids(clock))
    (tmp_path / "blobs").rename(tmp_path / "away")

    async def main() -> None:
        tidying = asyncio.create_task(tidy(blobs, clock))
        await asyncio.wait({tidying}, timeout=0.3)
        assert not tidying.done()
        tidying.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await tidying

    asyncio.run(main())
