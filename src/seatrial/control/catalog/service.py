"""Take releases in, name them, and hand them out as they came."""

from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from typing import Final

from seatrial.contract.evidence.keyring import Keyring
from seatrial.contract.releases.difference import ComponentChange, difference
from seatrial.contract.releases.release import Release, opened, parse_name
from seatrial.contract.switch.api import DeployRequest
from seatrial.control.catalog import store
from seatrial.control.catalog.blobs import Blobs
from seatrial.control.catalog.domain import (
    LARGEST_RELEASE,
    MOST_PROVENANCE,
    BlobsMissing,
    KnownRelease,
    NobodySigns,
    ProvenanceFull,
    ReleaseOfOther,
    ReleaseTooLarge,
    ReleaseUnknown,
    SignedOrigin,
    refuse_huge,
    signed_origin,
)
from seatrial.control.catalog.store import Agent
from seatrial.control.identity.domain import Caller
from seatrial.kit.clock import Clock
from seatrial.kit.crypto.canonical import canonical, parse_canonical
from seatrial.kit.crypto.digests import Digest
from seatrial.kit.database.connection import Connection
from seatrial.kit.database.database import Database
from seatrial.kit.ids import Ids
from seatrial.kit.transparency.domain import Entry
from seatrial.kit.transparency.service import append

KeyringReader = Callable[[Connection], tuple[Keyring, str] | None]
"""The keyring in force and its envelope."""
Activity = Callable[[Connection], Mapping[Digest, tuple[str, ...]]]
"""The environments in which each release is active."""

_SHOWN: Final = 3  # digests that an error quotes


class Catalog:
    """Agents, their releases, and the blobs that these are made of."""

    def __init__(
        self, database: Database, blobs: Blobs, clock: Clock, ids: Ids, keyring: KeyringReader
    ) -> None:
        self.blobs: Final = blobs
        self._database = database
        self._clock = clock
        self._ids = ids
        self._keyring = keyring

    async def deploy(self, request: DeployRequest, by: Caller) -> KnownRelease:
        """The release in `request`, taken in; one that is here keeps its number.

        Raises:
            DocumentInvalid, ReleaseAltered, ReleaseTooLarge: it is no release.
            BlobsMissing: something that it is made of is not here.
            NobodySigns: there is no keyring.
            EnvelopeUntrusted, ProvenanceUnfit: nobody of the keyring vouches for this release.
            ProvenanceFull: too many have already.
        """
        refuse_huge(request.release)
        release = opened(request.release, Release.read(request.release).name)
        document = canonical(release.document())
        if len(document) > LARGEST_RELEASE:
            raise ReleaseTooLarge(found=f"{len(document)} bytes", limit=f"{LARGEST_RELEASE} bytes")
        missing = await self.blobs.missing(tuple(release.blobs))
        if missing:
            shown = ", ".join(str(each) for each in missing[:_SHOWN])
            raise BlobsMissing(
                count=len(missing), digests=shown + (", …" if len(missing) > _SHOWN else "")
            )
        return await self._database.write(
            lambda connection: self._take(connection, release, document.decode(), request, by)
        )

    def _take(
        self,
        connection: Connection,
        release: Release,
        document: str,
        request: DeployRequest,
        by: Caller,
    ) -> KnownRelease:
        keyring = self._keyring(connection)
        if keyring is None:
            raise NobodySigns
        agent = release.manifest.agent
        origin = signed_origin(request.provenance, release.name, agent, keyring[0])
        now = self._clock.now()
        known = store.by_digest(connection, release.name)
        if known is not None:
            store.describe(connection, agent, request.owner, request.description)
            self._witness(connection, known, origin, by, now)
            return known
        number = store.next_number(connection, agent, request.owner, request.description, now)
        fresh = KnownRelease(
            id=self._ids.new("rel"),
            agent=agent,
            number=number,
            digest=release.name,
            author=origin.author,
            key=origin.keys[0],
            commit=origin.provenance.commit,
            dirty=origin.provenance.dirty,
            at=now,
        )
        store.add(connection, fresh, document)
        store.witness(
            connection, self._ids.new("prv"), fresh.digest, origin.envelope, origin.keys, now
        )
        append(
            connection,
            Entry(
                kind="release.deployed",
                subject=str(fresh.digest),
                actor=by.id,
                body={
                    "name": fresh.name,
                    "author": fresh.key,
                    "commit": fresh.commit,
                    "dirty": fresh.dirty,
                    "provenance": str(Digest.of(origin.envelope.encode())),
                },
                at=now,
            ),
        )
        return fresh

    def _witness(
        self,
        connection: Connection,
        known: KnownRelease,
        origin: SignedOrigin,
        by: Caller,
        now: datetime,
    ) -> None:
        """Keep what somebody signed of a release who has not done so yet."""
        before = store.witnesses(connection, known.digest)
        if {key for keys in before for key in keys}.issuperset(origin.keys):
            return
        if len(before) >= MOST_PROVENANCE:
            raise ProvenanceFull(release=known.name, limit=MOST_PROVENANCE)
        store.witness(
            connection, self._ids.new("prv"), known.digest, origin.envelope, origin.keys, now
        )
        append(
            connection,
            Entry(
                kind="release.vouched",
                subject=str(known.digest),
                actor=by.id,
                body={
                    "name": known.name,
                    "keys": list(origin.keys),
                    "provenance": str(Digest.of(origin.envelope.encode())),
                },
                at=now,
            ),
        )

    # --- Within a use case ---------------------------------------------------------------------

    def release(self, connection: Connection, digest: Digest) -> Release:
        """The release named `digest`, checked against its name.

        Raises:
            ReleaseUnknown: it is not here.
            ReleaseAltered, JsonNotCanonical, DocumentInvalid: the row was edited.
        """
        text = store.document(connection, digest)
        if text is None:
            raise ReleaseUnknown(release=str(digest))
        return opened(parse_canonical(text.encode()), digest)

    def known(self, connection: Connection, digest: Digest) -> KnownRelease:
        """The release `digest` as it is listed; raises `ReleaseUnknown`."""
        found = store.by_digest(connection, digest)
        if found is None:
            raise ReleaseUnknown(release=str(digest))
        return found

    def names(self, connection: Connection, digests: Collection[Digest]) -> dict[Digest, str]:
        """`agent@number` of each of `digests` that is here."""
        found = store.by_digests(connection, digests)
        return {each.digest: each.name for each in found}

    def resolve(self, connection: Connection, ref: str, agent: str | None = None) -> Digest:
        """The digest of `ref`, which is `agent@number` or a digest, of `agent` if that is given.

        Raises:
            ReleaseNameMalformed: it names no release.
            ReleaseUnknown: it is not here.
            ReleaseOfOther: it is another agent's.
        """
        match parse_name(ref):
            case (slug, number):
                found = store.by_number(connection, slug, number)
            case digest:
                found = store.by_digest(connection, digest)
        if found is None:
            raise ReleaseUnknown(release=ref)
        if agent is not None and found.agent != agent:
            raise ReleaseOfOther(release=ref, found=found.agent, wanted=agent)
        return found.digest

    def releases(
        self, connection: Connection, agent: str | None, after: str | None, limit: int
    ) -> tuple[KnownRelease, ...]:
        """At most `limit` releases, the newest first, from the one after the id `after` on."""
        return store.listed(connection, agent, after, limit)

    def agents(self, connection: Connection) -> tuple[Agent, ...]:
        """All agents by slug."""
        return store.agents(connection)

    def provenance(self, connection: Connection, digest: Digest) -> tuple[str, ...]:
        """The envelopes that say where the release `digest` comes from, the first first."""
        return store.provenance(connection, digest)

    def difference(
        self, connection: Connection, before: Digest | None, after: Digest
    ) -> tuple[ComponentChange, ...]:
        """All that differs between two releases; None stands for nothing. See `release`."""
        old = None if before is None else self.release(connection, before)
        return difference(old, self.release(connection, after))
