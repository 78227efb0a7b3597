"""What a run left behind: tasks and threads that would work on inside the next run."""

import asyncio
import concurrent.futures.thread
import sys
import threading
from collections.abc import Mapping
from typing import Final

_GRACE: Final = 0.25  # seconds that something about to end is given
# A pool's thread that waits for work stands in this function itself, with nothing above it.
_IDLE: Final = concurrent.futures.thread._worker.__code__  # noqa: SLF001


class Residue:
    """Compares what lives after a run with what lived before it."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._before: set[threading.Thread] = set()

    def look(self) -> None:
        """A run begins: note what is there."""
        self._before = set(threading.enumerate())

    def left(self) -> str | None:
        """What is still there, in words; None if nothing is."""
        tasks = self._tasks()
        if tasks:
            self._loop.run_until_complete(asyncio.wait(tasks, timeout=_GRACE))
            tasks = self._tasks()
        threads = self._threads()
        for thread in threads:
            thread.join(_GRACE / len(threads))
        threads = self._threads() if threads else []
        found = [(len(tasks), "task"), (len(threads), "thread")]
        words = [f"{count} {what}{'s' * (count > 1)}" for count, what in found if count]
        return " and ".join(words) or None

    def _tasks(self) -> set["asyncio.Task[object]"]:
        return asyncio.all_tasks(self._loop)

    def _threads(self) -> list[threading.Thread]:
        if threading.active_count() == len(self._before):
            return []
        frames = sys._current_frames()  # noqa: SLF001 - the documented way to see them
        return [
            thread
            for thread in threading.enumerate()
            if thread not in self._before and not thread.daemon and not _is_idle(thread, frames)
        ]


def _is_idle(thread: threading.Thread, frames: Mapping[int, object]) -> bool:
    frame = frames.get(thread.ident or 0)
    return getattr(frame, "f_code", None) is _IDLE
