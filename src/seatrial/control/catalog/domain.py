"""Agents and their releases, as they are kept and listed."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from seatrial.contract.evidence.keyring import Keyring
from seatrial.contract.evidence.statements import Provenance
from seatrial.contract.releases.release import MOST_COMPONENTS
from seatrial.contract.switch.api import ReleaseRow
from seatrial.kit.crypto.digests import Digest
from seatrial.kit.crypto.signing import VerifyKey
from seatrial.kit.errors import Conflict, Denied, Failed, Invalid, NotFound, TooLarge, Unavailable

LARGEST_RELEASE: Final = 8 << 20  # bytes of canonical JSON; thirty of the longest prompts
MOST_PROVENANCE: Final = 100  # envelopes of one release


class ReleaseUnknown(NotFound):
    """There is no release {release!r} here."""

    code = "release_unknown"
    cause = "It was never deployed here, or belongs to another control."
    remedy = "List what there is with `seatrial releases list`."


class ReleaseOfOther(Invalid):
    """The release {release!r} is of agent {found!r}, not of {wanted!r}."""

    code = "release_of_other"
    cause = "One agent's release was named where another's is asked for."
    remedy = "Name a release of the agent; `seatrial releases list --agent` shows them."


class ReleaseTooLarge(TooLarge):
    """The release has {found}, more than the {limit} allowed."""

    code = "release_too_large"
    cause = "A release pins prompts, models, tools and limits; data does not belong in it."
    remedy = "Put long texts into the bundle, where they are files."


class BlobsMissing(Conflict):
    """The release needs {count} blobs that are not here: {digests}."""

    code = "blobs_missing"
    cause = "A release is taken only when all that it is made of is here."
    remedy = "Send the blobs first; `POST /v1/blobs/missing` tells which are needed."


class BlobMissing(NotFound):
    """There is no blob {digest}."""

    code = "blob_missing"
    cause = "It was never sent here, or its upload was cut."
    remedy = "Deploy again the release that needs it; blobs that are here are not sent twice."


class UploadAltered(Invalid):
    """The blob sent as {digest} is {found}."""

    code = "upload_altered"
    cause = "A blob is named by its content; these bytes were cut or changed on the way."
    remedy = "Send it again; if it repeats, build the release anew."


class UploadTooLarge(TooLarge):
    """The blob {digest} is larger than {limit} bytes."""

    code = "upload_too_large"
    cause = "Bundles and wheels are bounded, so that one sender cannot fill the disk at once."
    remedy = "Make it smaller: leave data and models out of the bundle and the wheels."


class UploadStalled(Invalid):
    """The blob {digest} did not arrive in time ({seconds:g} s allowed for a part)."""

    code = "upload_stalled"
    cause = "The sender announced a blob and sends it too slowly, or not at all."
    remedy = "Send it again; if it repeats, look at the network between."
    status = 408


class BlobsUnusable(Unavailable):
    """The folder of blobs cannot be used: {reason}."""

    code = "blobs_unusable"
    cause = "The disk is full or failing, or this user may not write there."
    remedy = "Make room or mend the folder's rights; nothing half written is kept."


class BlobLost(Failed):
    """The blob {digest} is shorter than it was: {reason}."""

    code = "blob_lost"
    cause = "The file was altered past Seatrial, or its disk fails."
    remedy = "Send the blob again; that replaces it."


class ProvenanceUnfit(Invalid):
    """The provenance is not that of this release: {reason}."""

    code = "provenance_unfit"
    cause = "It was signed for another release or agent, or the release changed after signing."
    remedy = "Deploy again; the command signs what it sends."


class NobodySigns(Denied):
    """No keyring says yet whose signatures count."""

    code = "nobody_signs"
    cause = "A release is taken only from somebody on the keyring, and there is none."
    remedy = "Sign a first keyring with the root key: `seatrial keys sign`."


class ProvenanceFull(Conflict):
    """The release {release} has {limit} provenance envelopes already."""

    code = "provenance_full"
    cause = "Each person's first word on a release is kept, and so many people are not expected."
    remedy = "Nothing is lost: the release is here, and the earlier words count."


@dataclass(frozen=True, kw_only=True)
class KnownRelease:
    """A release as it is listed.

    Attributes:
        id: rises with time; where a list goes on.
        author: name of who signed its first provenance.
        key: and the key's name.
    """

    id: str
    agent: str
    number: int
    digest: Digest
    author: str
    key: str
    commit: str
    dirty: bool
    at: datetime

    @property
    def name(self) -> str:
        """`agent@number`."""
        return f"{self.agent}@{self.number}"

    def row(self, active: Mapping[Digest, tuple[str, ...]]) -> ReleaseRow:
        """As the API lists it; `active` says in which environments each release is."""
        return ReleaseRow(
            name=self.name,
            agent=self.agent,
            number=self.number,
            release=self.digest,
            author=self.author,
            commit=self.commit,
            dirty=self.dirty,
            at=self.at,
            active=active.get(self.digest, ()),
        )


@dataclass(frozen=True, kw_only=True)
class SignedOrigin:
    """Where a release comes from, and who of the keyring said so.

    Attributes:
        envelope: as it was handed in.
        provenance: what it says.
        author: name of the first signer.
        keys: names of the signers' keys, in order.
    """

    envelope: str
    provenance: Provenance
    author: str
    keys: tuple[str, ...]


def refuse_huge(document: object) -> None:
    """Raise `ReleaseTooLarge` before time is spent on a document of too many components."""
    components = document.get("components") if isinstance(document, dict) else None
    if isinstance(components, list) and len(components) > MOST_COMPONENTS:
        raise ReleaseTooLarge(
            found=f"{len(components)} components", limit=f"{MOST_COMPONENTS} components"
        )


def signed_origin(envelope: str, digest: Digest, agent: str, keyring: Keyring) -> SignedOrigin:
    """The provenance in `envelope`, if somebody of `keyring` signed it for this release.

    Raises:
        EnvelopeUntrusted: nobody of the keyring signed it.
        ProvenanceUnfit: it is of another release or agent.
        Invalid or TooLarge kinds: it is no envelope of a provenance.
    """
    about, provenance, signers = Provenance.verified(envelope.encode(), keyring.people_keys)
    if about != digest:
        raise ProvenanceUnfit(reason=f"it is about {about}, and the release is {digest}")
    if provenance.agent != agent:
        raise ProvenanceUnfit(reason=f"it is about {provenance.agent!r}, not about {agent!r}")
    keys = tuple(sorted(key.id for key in signers))
    first = keyring.person_of(VerifyKey.parse(keys[0]))
    return SignedOrigin(
        envelope=envelope,
        provenance=provenance,
        author="" if first is None else first.name,
        keys=keys,
    )
