"""Cells, how they become known, and which of them count."""

from dataclasses import dataclass
from datetime import datetime

from seatrial.contract.environments.rules import Profile
from seatrial.contract.evidence.keyring import CellReplica, Keyring
from seatrial.kit.errors import Conflict, Denied, NotFound, Unauthenticated


class EnrolmentTokenRefused(Unauthenticated):
    """The enrolment token is not accepted: {reason}."""

    code = "enrolment_token_refused"
    cause = "Each enrolment token admits one process of one cell, once, and for a short time."
    remedy = "Make another with `seatrial keys enrol`, and start the cell with it."


class CellElsewhere(Conflict):
    """The cell {cell!r} runs {environment!r} in {region!r}, and nothing else."""

    code = "cell_elsewhere"
    cause = "A cell belongs to one environment and one region for good, so that none is mixed up."
    remedy = "Give the new cell another name."


class KeyTaken(Conflict):
    """The key {key!r} belongs to a process of cell {cell!r}."""

    code = "key_taken"
    cause = "Each process of a cell makes keys of its own; a copied directory brings another's."
    remedy = "Empty the new process's key directory, and let it make its own."


class ProfileDiffers(Conflict):
    """The cell starts under profile {found!r}, and {environment!r} starts under {wanted!r}."""

    code = "profile_differs"
    cause = "Cell and control must start from the same rules, or they never agree on a closure."
    remedy = "Set the cell's `environment.profile` to the one of control's settings."


class CellTokenRefused(Unauthenticated):
    """The cell's token is not accepted: {reason}."""

    code = "cell_token_refused"
    cause = "It was replaced by a later enrolment, belongs to another control, or is no cell's."
    remedy = "Enrol the cell again with a new enrolment token."


class OtherCell(Denied):
    """The token belongs to cell {own!r} and asks for {asked!r}."""

    code = "other_cell"
    cause = "A cell is told of itself only."
    remedy = "Check the cell's settings: its name and its token do not belong together."


class CellUnlisted(Denied):
    """The cell {cell!r} is not on the keyring in force."""

    code = "cell_unlisted"
    cause = "A cell is given releases only while the keyring names the keys of this process."
    remedy = "Compare its fingerprints (`seatrial keys show`) and sign a keyring that lists it."


class KeyringMissing(NotFound):
    """There is no keyring yet."""

    code = "keyring_missing"
    cause = "Nobody's signature counts before the root key has signed a first keyring."
    remedy = "Sign and send one with `seatrial keys sign`; `seatrial up` does so by itself."


@dataclass(frozen=True, kw_only=True)
class Invitation:
    """An enrolment token as it is kept: everything but itself.

    Attributes:
        used: None while it is good.
    """

    id: str
    cell: str
    environment: str
    region: str
    expires: datetime
    used: datetime | None

    def refuse_unless_good(self, now: datetime, *, again: bool) -> None:
        """Raise `EnrolmentTokenRefused` if it was used or has expired.

        Args:
            now: by control's clock.
            again: asked by a process that it has let in; its answer may have been lost.
        """
        if self.used is not None and not again:
            raise EnrolmentTokenRefused(reason="it was used already")
        if self.expires <= now:
            raise EnrolmentTokenRefused(reason="it has expired")


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a cell belongs, for good."""

    cell: str
    environment: str
    region: str

    def refuse_unless(self, cell: str, environment: str, region: str) -> None:
        """Raise `CellElsewhere` if the cell is asked to be anywhere else."""
        if (self.cell, self.environment, self.region) != (cell, environment, region):
            raise CellElsewhere(cell=cell, environment=self.environment, region=self.region)


@dataclass(frozen=True, kw_only=True)
class Replica:
    """One process of a cell, enrolled.

    Attributes:
        id: of the enrolment; what the log names.
        signing: name of its Ed25519 key.
        sealing: name of its X25519 key.
        url: where callers find it.
        profile: of the rules that it started with.
        at: when it was last enrolled.
    """

    id: str
    cell: str
    environment: str
    region: str
    signing: str
    sealing: str
    url: str
    profile: Profile
    at: datetime

    def listed(self, keyring: Keyring | None) -> bool:
        """Whether `keyring` names its keys, both, under its cell and environment."""
        keys = CellReplica(signing=self.signing, sealing=self.sealing)
        return keyring is not None and any(
            (entry.name, entry.environment, entry.region)
            == (self.cell, self.environment, self.region)
            and keys in entry.replicas
            for entry in keyring.cells
        )


@dataclass(frozen=True, kw_only=True)
class Cell:
    """A cell that counts: enrolled, and on the keyring in force.

    Attributes:
        replicas: its processes that the keyring lists, the latest enrolled first.
    """

    name: str
    environment: str
    region: str
    replicas: tuple[Replica, ...]

    @property
    def url(self) -> str:
        """Where callers find it: what the latest of its processes said."""
        return self.replicas[0].url


def counting(replicas: tuple[Replica, ...], keyring: Keyring | None) -> tuple[Cell, ...]:
    """The cells of those `replicas` that `keyring` lists, by name."""
    named: dict[str, list[Replica]] = {}
    for replica in sorted(replicas, key=lambda each: (each.at, each.id), reverse=True):
        if replica.listed(keyring):
            named.setdefault(replica.cell, []).append(replica)
    return tuple(
        Cell(
            name=name,
            environment=named[name][0].environment,
            region=named[name][0].region,
            replicas=tuple(named[name]),
        )
        for name in sorted(named)
    )
