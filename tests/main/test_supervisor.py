"""Processes are kept up, whatever is in the way for a while."""

import asyncio
import os
from pathlib import Path

from seatrial.main.supervisor import Child
from tests.cell.runs.stage import until


def test_a_process_that_cannot_be_started_again_now_is_so_later(tmp_path: Path) -> None:
    """A full disk or table of files must not leave a cell down for good."""
    folder = tmp_path / "cell"
    folder.mkdir()

    async def main() -> None:
        log = folder / "process.log"
        child = Child(name="x", arguments=("--version",), log=log, environment=dict(os.environ))
        await child.start()
        log.unlink()
        folder.rmdir()
        try:
            await until(lambda: child.restarts > 0)
            await asyncio.sleep(0.1)
            folder.mkdir()
            await until(log.exists)
        finally:
            await child.stop(5.0)

    asyncio.run(main())
