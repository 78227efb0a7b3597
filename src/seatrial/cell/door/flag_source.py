"""Where served flags come from: a definition that tells when it changes, and a watched file."""

import asyncio
import json
import logging
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from seatrial.cell.door.domain import GenerationNeeded
from seatrial.contract.flags.definition import Definition, compiled
from seatrial.contract.flags.document import LARGEST
from seatrial.contract.flags.splits import Generation
from seatrial.kit.clock import Clock
from seatrial.kit.crypto.digests import Digest
from seatrial.kit.errors import SeatrialError

_LOG: Final = logging.getLogger(__name__)
_EVERY: Final = 0.5  # seconds between two looks at the file
_MOST_NAMED: Final = 5  # changed flags in one line of the log

_Mark = tuple[int, ...]
"""What tells one state of a file from another; empty where there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Edition:
    """A definition as it is served.

    Attributes:
        definition: the flags.
        fractions: the keys of flags of which some numbers are whole and some are not.
        etag: names text and generation; equal on every server that serves the same.
        since: when it was put in force, in seconds since 1970.
    """

    definition: Definition
    fractions: frozenset[str]
    etag: str
    since: int


def edition(text: bytes, *, generation: Generation | None, now: datetime) -> Edition:
    """The definition that `text` holds, ready to serve.

    Args:
        text: the document.
        generation: which bytes splits hash; None will do where there are no splits.
        now: the time.

    Raises:
        FlagsInvalid: `text` is no definition.
        FlagsTooLarge: as `FlagsInvalid`.
        GenerationNeeded: there are splits, and `generation` is None.
    """
    definition = compiled(text, generation=generation or Generation.V3)
    if generation is None:
        _refuse_splits(definition)
    fractions = frozenset(
        key
        for key, flag in definition.flags.items()
        if any(type(value) is float for value in flag.variants.values())
    )
    etag = Digest.of(f"{generation} ".encode() + text).hex[:32]
    return Edition(
        definition=definition, fractions=fractions, etag=etag, since=int(now.timestamp())
    )


def _refuse_splits(definition: Definition) -> None:
    for key, flag in definition.flags.items():
        if '"fractional"' in json.dumps(flag.targeting):
            raise GenerationNeeded(key=key)


class ServedFlags:
    """The edition in force, and word of the next. Belongs to one event loop."""

    def __init__(self, first: Edition) -> None:
        self._current = first
        self._news = asyncio.Event()

    @property
    def current(self) -> Edition:
        """What is in force now."""
        return self._current

    def put(self, fresh: Edition) -> None:
        """Put `fresh` in force, and tell all who wait."""
        self._current = fresh
        news, self._news = self._news, asyncio.Event()
        news.set()

    async def other_than(self, etag: str | None) -> Edition:
        """Return what is in force as soon as it is not the edition `etag`."""
        while self._current.etag == etag:
            await self._news.wait()
        return self._current


class FlagFile:
    """A file of flags, served as it changes.

    A change is seen by the file's times, size and inode, so an edit in place, an atomic replacement
    and an editor's renaming all count. What cannot be read or is no definition changes nothing: the
    last good one stays in force. It is told once it stays so for two looks; until then somebody may
    just be writing.

    Raises:
        FlagsInvalid: the file is no definition when it is first read.
        FlagsTooLarge, GenerationNeeded: as `FlagsInvalid`.
        OSError: it cannot be read then.
    """

    def __init__(self, path: Path, *, generation: Generation | None, clock: Clock) -> None:
        self._path = path
        self._generation = generation
        self._clock = clock
        self._lock = asyncio.Lock()
        self._mark = _mark(path)
        self._doubtful: _Mark | None = None
        self._stale = False
        self.flags = ServedFlags(self._read())

    @property
    def stale(self) -> bool:
        """Whether the file holds something that is not served."""
        return self._stale

    async def watch(self) -> None:
        """Look again and again, for ever."""
        while True:
            await self._clock.sleep(_EVERY)
            try:
                await self.look()
            except Exception:  # noqa: BLE001 - a defect here must not end the watch
                _LOG.exception("cannot look at %s; what is in force stays so", self._path)

    async def look(self) -> None:
        """Serve what is in the file now, if it is new and good."""
        async with self._lock:
            # In a thread: a large definition takes a second to compile.
            fresh, changed = await asyncio.to_thread(self._fresh)
            if fresh is not None and changed:
                self.flags.put(fresh)
                _LOG.info("%s: %s", self._path, _said(changed))

    def _fresh(self) -> tuple[Edition | None, list[str]]:
        mark = _mark(self._path)
        if mark == self._mark:
            return None, []
        try:
            fresh = self._read()
        except (OSError, SeatrialError) as error:
            self._refuse(mark, error)
            return None, []
        self._mark, self._doubtful, self._stale = mark, None, False
        before = self.flags.current.definition
        changed = fresh.definition.changed(before)
        if not changed and dict(fresh.definition.metadata) != dict(before.metadata):
            changed = ["metadata"]
        return fresh, changed

    def _refuse(self, mark: _Mark, error: OSError | SeatrialError) -> None:
        settled, self._doubtful = mark == self._doubtful, mark
        if settled:
            self._mark, self._stale = mark, True
            _LOG.warning("%s: %s The last good definition stays in force.", self._path, error)

    def _read(self) -> Edition:
        with self._path.open("rb") as file:
            text = file.read(LARGEST + 1)
        return edition(text, generation=self._generation, now=self._clock.now())


def _mark(path: Path) -> _Mark:
    try:
        found = path.stat()
    except OSError:
        return ()
    return found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino


def _said(changed: list[str]) -> str:
    named = ", ".join(map(repr, changed[:_MOST_NAMED]))
    more = len(changed) - _MOST_NAMED
    return f"changed {named}" + (f" and {more} more" if more > 0 else "")
