"""What the switch needs from outside: control, and something that warms hosts."""

from collections.abc import AsyncGenerator, Collection
from dataclasses import dataclass
from typing import Protocol

from seatrial.contract.releases.release import Release
from seatrial.kit.crypto.digests import Digest


@dataclass(frozen=True, kw_only=True)
class Answer:
    """Control's word on what it wants.

    Attributes:
        text: a `Desired` document as JSON; nothing of it is verified.
        etag: sent back to ask only for what is newer.
    """

    text: str
    etag: str


class Control(Protocol):
    """Control, as far away and as hostile as it may be. Every call may raise `SeatrialError`."""

    async def desired(self, etag: str, current: int) -> Answer | None:
        """What it wants of a cell that runs `current`; None if it said that under `etag`."""
        ...

    def changes(self) -> AsyncGenerator[None, None]:
        """One item whenever there may be something new to ask for; ends when the line is cut."""
        ...

    async def release(self, digest: Digest) -> object:
        """The document of a release, not verified."""
        ...

    def blob(self, digest: Digest) -> AsyncGenerator[bytes, None]:
        """The bytes of that name in parts, not verified."""
        ...

    async def report(self, envelope: bytes) -> None:
        """Take a signed `CellReport`."""
        ...

    async def evidence(self, envelope: bytes) -> None:
        """Take a signed statement of facts."""
        ...


class Warmer(Protocol):
    """Builds and warms what runs a release."""

    async def warm(self, release: Release, *, isolated: bool) -> None:
        """Return when a run of `release` could start at once; quick if it could already.

        Its blobs are in the cell's folder by then. With `isolated`, only a process that is cut off
        from all else will do.

        Raises:
            Unavailable and TimedOut kinds: it may succeed later.
            SeatrialError: it never will.
        """
        ...

    async def keep(self, releases: Collection[Digest]) -> None:
        """Hold warm only these; those that run something end when it has ended."""
        ...

    async def clear(self, releases: Collection[Release]) -> None:
        """Remove what was built for others than these and those that are warm."""
        ...
