"""Control's first rooms on a real database, with everybody's keys."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any, Final, TypeVar

from seatrial.contract.environments.rules import Profile
from seatrial.contract.evidence.keyring import Keyring, sign_keyring
from seatrial.contract.releases.release import Release
from seatrial.contract.switch.api import DeployRequest, Permission
from seatrial.control.catalog import store as catalog_tables
from seatrial.control.catalog.blobs import FolderBlobs
from seatrial.control.catalog.service import Catalog
from seatrial.control.environments import store as environment_tables
from seatrial.control.environments.service import Environments
from seatrial.control.identity import store as identity_tables
from seatrial.control.identity.domain import Caller
from seatrial.control.identity.service import Identity
from seatrial.kit.clock import VirtualClock
from seatrial.kit.crypto.digests import Digest
from seatrial.kit.crypto.signing import SigningKey
from seatrial.kit.database.connection import Connection
from seatrial.kit.database.database import Database
from seatrial.kit.database.migrations import migrate_now
from seatrial.kit.ids import Ids
from seatrial.kit.transparency import store as log_tables
from seatrial.kit.transparency.domain import Record
from seatrial.kit.transparency.service import entries
from tests.contract.making import NOW, Crew

BUNDLE: Final = b"bundle"
ADA: Final = Caller(id="tok_ada", name="Ada", permissions=frozenset(Permission))
LARGEST: Final = 1 << 20  # bytes of a blob here
HISTORIES: Final = (
    log_tables.HISTORY,
    identity_tables.HISTORY,
    environment_tables.HISTORY,
    catalog_tables.HISTORY,
)

_T = TypeVar("_T")


class World:
    """The three rooms over one database."""

    def __init__(self, database: Database, folder: Path) -> None:
        migrate_now(database, HISTORIES)
        self.database = database
        self.clock = VirtualClock(NOW)
        self.ids = Ids(self.clock)
        self.crew = Crew()
        self.identity = Identity(database, self.clock, self.ids)
        self.environments = Environments(
            database,
            self.clock,
            self.ids,
            roots=[self.crew.root.verify_key],
            profiles={"production": Profile.TEAM},
        )
        self.folder = folder / "blobs"
        self.blobs = FolderBlobs(self.folder, self.ids, largest=LARGEST)
        self.catalog = Catalog(
            database, self.blobs, self.clock, self.ids, self.environments.keyring
        )

    def read(self, use_case: Callable[[Connection], _T]) -> _T:
        """What `use_case` finds."""
        return self.database.read_now(use_case)

    def log(self) -> tuple[Record, ...]:
        """Everything decided so far."""
        return self.read(lambda connection: entries(connection, 0, 1_000))

    def logged(self) -> list[str]:
        """The kinds of everything decided so far."""
        return [record.kind for record in self.log()]

    async def ready(self, keyring: Keyring | None = None) -> None:
        """Put a keyring in force, and the bundle of `making.release` in place."""
        signed = sign_keyring(keyring or self.crew.keyring(), self.crew.root).decode()
        await self.environments.put_keyring(signed, ADA)
        await self.blobs.put(Digest.of(BUNDLE), parts(BUNDLE))

    def request(self, of: Release, key: SigningKey | None = None, **given: str) -> DeployRequest:
        """What deploys a release."""
        return DeployRequest(
            release=of.document(),
            provenance=self.crew.provenance(of, key).decode(),
            **given,
        )


async def parts(*content: bytes) -> AsyncIterator[bytes]:
    """A body that arrives in parts."""
    for part in content:
        yield part


def wait(main: Coroutine[Any, Any, _T]) -> _T:
    """The result of `main`, on a loop of its own."""
    return asyncio.run(main)
