"""A cell that runs one agent without end: `python -m tests.cell.hosts.child FOLDER`.

Prints the process ids that its agent prints.
"""

import asyncio
import sys
from pathlib import Path

from tests.cell.hosts.hosting import Room, run

AGENT = """
    import os, subprocess, sys, time
    def run(input):
        print(os.getpid())
        if os.fork() == 0:
            print(os.getpid(), flush=True)
            time.sleep(60)
        print(subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'], env={}).pid)
        time.sleep(60)
    """


async def _main(folder: Path) -> None:
    room = Room(folder)
    plan = room.limited(AGENT, child_processes=True)
    async with room.hosts() as hosts:
        work = asyncio.create_task(run(hosts, plan, deadline_seconds=60.0))
        while not work.done():
            await asyncio.sleep(0.01)
            while room.lines:
                print(room.lines.pop(0).text, flush=True)  # noqa: T201 - its purpose


if __name__ == "__main__":
    asyncio.run(_main(Path(sys.argv[1])))
