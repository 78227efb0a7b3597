"""Where definitions come from. A file today; a stream fits the same port."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final, Protocol

_PATIENCE: Final = 5.0  # seconds that `close` waits for the watching thread


class Source(Protocol):
    """A place that holds a definition and tells of newer ones."""

    def open(self, deliver: Callable[[bytes], None], trouble: Callable[[str], None]) -> None:
        """Begin: call one of the two before returning, and again whenever something changes.

        Args:
            deliver: takes the definition's text.
            trouble: takes the reason why there is none, or no newer one, to be had.
        """
        ...

    def close(self) -> None:
        """Stop. No call comes after this returns; `open` may follow."""
        ...


class TextSource:
    """A definition that never changes, for tests and for flags that are built into a program."""

    def __init__(self, text: str | bytes) -> None:
        self._text = text.encode() if isinstance(text, str) else text

    def open(self, deliver: Callable[[bytes], None], trouble: Callable[[str], None]) -> None:
        """See `Source.open`."""
        del trouble
        deliver(self._text)

    def close(self) -> None:
        """See `Source.close`."""


class FileSource:
    """A file, read again every `poll_seconds` by a thread of its own.

    It is compared by content, so that any way to write it is seen; renaming a finished file over it
    is the best, for then no half of it can be read. A process that forks opens it in the child.
    """

    def __init__(self, path: str | Path, *, poll_seconds: float = 1.0) -> None:
        if not poll_seconds > 0:
            raise ValueError(
                f"poll_seconds is {poll_seconds!r}; a file is read at intervals above 0"
            )
        self._path = Path(path)
        self._poll_seconds = poll_seconds
        self._seen: bytes | str | None = None
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None

    def open(self, deliver: Callable[[bytes], None], trouble: Callable[[str], None]) -> None:
        """See `Source.open`."""
        self.close()
        self._seen, self._closing = None, threading.Event()
        self._look(deliver, trouble)
        self._thread = threading.Thread(
            target=self._watch,
            args=(self._closing, deliver, trouble),
            name="seatrial-flags",
            daemon=True,
        )
        self._thread.start()

    def close(self) -> None:
        """See `Source.close`."""
        self._closing.set()
        thread, self._thread = self._thread, None
        if thread is not None and thread is not threading.current_thread():
            thread.join(_PATIENCE)

    def _watch(
        self,
        closing: threading.Event,
        deliver: Callable[[bytes], None],
        trouble: Callable[[str], None],
    ) -> None:
        while not closing.wait(self._poll_seconds):
            self._look(deliver, trouble)

    def _look(self, deliver: Callable[[bytes], None], trouble: Callable[[str], None]) -> None:
        try:
            found: bytes | str = self._path.read_bytes()
        except OSError as fault:
            found = f"The flag file {str(self._path)!r} cannot be read: {fault.strerror or fault}."
        if found == self._seen:
            return
        self._seen = found
        if isinstance(found, bytes):
            deliver(found)
        else:
            trouble(found)
