"""The keyring: whose signatures count for what. Signed by the root key alone, in versions."""

import enum
from collections.abc import Collection
from typing import Annotated, Final, Literal

from pydantic import Field

from seatrial.contract.documents import Document, KeyName, Slug
from seatrial.kit.crypto import dsse
from seatrial.kit.crypto.canonical import canonical, parse_canonical
from seatrial.kit.crypto.pem import KeyMalformed
from seatrial.kit.crypto.sealing import SealingKey
from seatrial.kit.crypto.signing import SigningKey, VerifyKey
from seatrial.kit.errors import Conflict, Invalid

PAYLOAD_TYPE: Final = "application/vnd.seatrial.keyring+json"


class KeyringOlder(Conflict):
    """The keyring has version {found}, and version {known} was seen already."""

    code = "keyring_older"
    cause = "An older keyring may trust a key that was withdrawn since."
    remedy = "Sign a keyring with a higher version; `seatrial keys show` names the present one."


class KeyringUnfit(Invalid):
    """The keyring cannot be put in force: {reason}."""

    code = "keyring_unfit"
    cause = "A key speaks for one holder, in one role; else nobody could tell who said something."
    remedy = "Mend the named place, and sign the keyring anew under the next version."


class Role(enum.StrEnum):
    """What a person's signature may be for."""

    AUTHOR = "author"
    """Deploys releases to staging."""

    RELEASER = "releaser"
    """Approves what enters production, and rolls back."""


class CellReplica(Document):
    """The keys of one process of a cell.

    Attributes:
        signing: Ed25519; signs facts.
        sealing: X25519; secrets are sealed to it.
    """

    signing: KeyName
    sealing: KeyName


class CellEntry(Document):
    """One cell.

    Attributes:
        name: unique, such as `production` or `production-eu`.
        environment: the one environment that it runs.
        region: where.
        replicas: the keys of its processes.
    """

    name: Slug
    environment: Slug
    region: Slug
    replicas: Annotated[tuple[CellReplica, ...], Field(min_length=1, max_length=64)]


class Person(Document):
    """Somebody who signs.

    Attributes:
        name: for people. Keys under one name are one person's: they count once, and what is not
            open to an author is open to none of the author's keys.
        key: Ed25519.
        roles: what the signature may be for.
    """

    name: Annotated[str, Field(min_length=1, max_length=120)]
    key: KeyName
    roles: tuple[Role, ...]


class Keyring(Document):
    """One version of whose signatures count.

    Attributes:
        version: rises with each; readers refuse to go back.
        control: keys of control's processes.
        cells: by name.
        people: those who sign.
    """

    format: Literal[1] = 1
    version: Annotated[int, Field(ge=1)]
    control: tuple[KeyName, ...]
    cells: tuple[CellEntry, ...] = ()
    people: tuple[Person, ...] = ()

    @property
    def control_keys(self) -> tuple[VerifyKey, ...]:
        """Keys that sign orders of the switch."""
        return tuple(VerifyKey.parse(name) for name in self.control)

    def keys_of_cell(self, name: str) -> tuple[VerifyKey, ...]:
        """Keys of the processes of cell `name`; none if it is unknown."""
        return tuple(
            VerifyKey.parse(replica.signing)
            for cell in self.cells
            if cell.name == name
            for replica in cell.replicas
        )

    def cells_of(self, environment: str) -> tuple[CellEntry, ...]:
        """The cells that run `environment`."""
        return tuple(cell for cell in self.cells if cell.environment == environment)

    def cell_of(self, key: VerifyKey) -> CellEntry | None:
        """The cell that `key` belongs to."""
        for cell in self.cells:
            if any(replica.signing == key.id for replica in cell.replicas):
                return cell
        return None

    def person_of(self, key: VerifyKey) -> Person | None:
        """The person that `key` belongs to."""
        return next((person for person in self.people if person.key == key.id), None)

    @property
    def people_keys(self) -> tuple[VerifyKey, ...]:
        """Keys of all who sign."""
        return tuple(VerifyKey.parse(person.key) for person in self.people)


def sign_keyring(keyring: Keyring, root: SigningKey) -> bytes:
    """The keyring in an envelope signed by the root key."""
    return dsse.sign(PAYLOAD_TYPE, canonical(keyring.document()), root).encoded()


def open_keyring(data: bytes, *, roots: Collection[VerifyKey], at_least: int) -> Keyring:
    """The keyring in the envelope `data`.

    Args:
        data: the envelope.
        roots: root keys pinned by the reader.
        at_least: the highest version that the reader has seen.

    Raises:
        EnvelopeUntrusted, EnvelopeOfOtherType: no root signed it as a keyring.
        KeyringOlder: the reader has seen a later one.
        KeyringUnfit: a key in it is none, or has two holders.
        Invalid or TooLarge kinds: no envelope, or no keyring in it.
    """
    verified = dsse.verify(data, payload_type=PAYLOAD_TYPE, trusted=roots)
    keyring = Keyring.read(parse_canonical(verified.payload))
    if keyring.version < at_least:
        raise KeyringOlder(found=keyring.version, known=at_least)
    _refuse_unfit(keyring)
    return keyring


def _refuse_unfit(keyring: Keyring) -> None:
    """Raise `KeyringUnfit` if a key of `keyring` is none or has two holders, or a cell two entries.

    The root signs what somebody has looked at, and control has shown it to him: were one of
    control's own keys among those of a cell, control could say what only that cell may.
    """
    cells: set[str] = set()
    held: dict[str, str] = {}
    for key in keyring.control:
        _hold(held, key, "control", VerifyKey)
    for person in keyring.people:
        _hold(held, person.key, f"the person {person.name!r}", VerifyKey)
    for cell in keyring.cells:
        if cell.name in cells:
            raise KeyringUnfit(reason=f"the cell {cell.name!r} stands twice")
        cells.add(cell.name)
        for number, replica in enumerate(cell.replicas, 1):
            holder = f"process {number} of the cell {cell.name!r}"
            _hold(held, replica.signing, holder, VerifyKey)
            _hold(held, replica.sealing, holder, SealingKey)


def _hold(
    held: dict[str, str], key: str, holder: str, kind: type[VerifyKey] | type[SealingKey]
) -> None:
    try:
        kind.parse(key)
    except KeyMalformed as error:
        raise KeyringUnfit(reason=f"a key of {holder}: {error.message}") from None
    if key in held:
        raise KeyringUnfit(reason=f"{holder} has the key of {held[key]}")
    held[key] = holder
