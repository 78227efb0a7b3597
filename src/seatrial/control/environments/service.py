"""Let cells in, keep the keyring, and say which cells count and by which rules they start."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Final

from seatrial.contract.environments.profiles import PATH, EnvironmentUnknown, rules_of
from seatrial.contract.environments.rules import Profile, Rules
from seatrial.contract.evidence.keyring import Keyring, KeyringOlder, open_keyring
from seatrial.contract.evidence.statements import Possession
from seatrial.contract.releases.closure import Closure
from seatrial.contract.switch.answers import EnrolmentToken
from seatrial.contract.switch.api import (
    EnrolAnswer,
    Enrolment,
    EnrolmentTokenRequest,
    EnrolRequest,
)
from seatrial.control.environments import store
from seatrial.control.environments.domain import (
    Cell,
    CellTokenRefused,
    CellUnlisted,
    EnrolmentTokenRefused,
    Invitation,
    KeyTaken,
    OtherCell,
    Place,
    ProfileDiffers,
    Replica,
    counting,
)
from seatrial.control.identity.domain import Caller
from seatrial.kit.clock import Clock
from seatrial.kit.crypto.digests import Digest
from seatrial.kit.crypto.sealing import SealingKey
from seatrial.kit.crypto.signing import VerifyKey
from seatrial.kit.crypto.tokens import Token
from seatrial.kit.database.connection import Connection
from seatrial.kit.database.database import Database
from seatrial.kit.ids import Ids
from seatrial.kit.transparency.domain import Entry
from seatrial.kit.transparency.service import append

CELL: Final = "cell"
"""The kind of a cell's token for control's API."""
ENROL: Final = "enrol"
"""The kind of an enrolment token."""
ENROLMENT_SECONDS: Final = 3_600.0
"""How long an enrolment token is good, unless told otherwise."""


class Environments:
    """The promotion path, its cells and the keyring."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        ids: Ids,
        *,
        roots: Sequence[VerifyKey],
        profiles: Mapping[str, Profile],
    ) -> None:
        """Make it.

        Args:
            database: control's own.
            clock: for expiry and the log.
            ids: of enrolments.
            roots: root keys that are pinned.
            profiles: of the environments' initial rules; `solo` where none is given.
        """
        self._database = database
        self._clock = clock
        self._ids = ids
        self._roots = tuple(roots)
        self._profiles = {name: profiles.get(name, Profile.SOLO) for name in PATH}

    @property
    def roots(self) -> tuple[str, ...]:
        """Names of the pinned root keys."""
        return tuple(key.id for key in self._roots)

    # --- Rules to begin with -------------------------------------------------------------------

    def profile(self, environment: str) -> Profile:
        """The profile that `environment` starts with; raises `EnvironmentUnknown`."""
        if environment not in self._profiles:
            raise EnvironmentUnknown(name=environment)
        return self._profiles[environment]

    def rules(self, environment: str) -> Rules:
        """The rules that `environment` starts with; raises `EnvironmentUnknown`."""
        return rules_of(self.profile(environment), environment)

    def initial(self, environment: str) -> Closure:
        """Generation 0 of `environment`: no agent, the first rules. Raises `EnvironmentUnknown`."""
        return Closure(environment=environment, agents={}, rules=self.rules(environment))

    # --- Cells ---------------------------------------------------------------------------------

    async def invite(
        self, request: EnrolmentTokenRequest, by: Caller, seconds: float = ENROLMENT_SECONDS
    ) -> EnrolmentToken:
        """A one-use token for a process of a cell, good for `seconds`.

        Raises:
            EnvironmentUnknown: the environment is not on the path.
            CellElsewhere: the cell belongs elsewhere.
        """
        self.profile(request.environment)
        token = Token.mint(request.environment, ENROL)
        now = self._clock.now()
        invitation = Invitation(
            id=self._ids.new("inv"),
            cell=request.cell,
            environment=request.environment,
            region=request.region,
            expires=now + timedelta(seconds=seconds),
            used=None,
        )

        def invited(connection: Connection) -> None:
            known = store.place(connection, request.cell)
            if known is not None:
                known.refuse_unless(request.cell, request.environment, request.region)
            store.invite(connection, invitation, token.stored(), now)
            body = {
                "cell": request.cell,
                "environment": request.environment,
                "region": request.region,
                "expires": invitation.expires.isoformat(),
            }
            append(
                connection,
                Entry(kind="cell.invited", subject=invitation.id, actor=by.id, body=body, at=now),
            )

        await self._database.write(invited)
        return EnrolmentToken(
            token=token.reveal(),
            cell=request.cell,
            environment=request.environment,
            region=request.region,
        )

    async def enrol(self, request: EnrolRequest) -> EnrolAnswer:
        """A process of a cell becomes known, and gets its token for control's API.

        A process that asks again with the same keys gets a new token, and its earlier one is void.
        It needs another enrolment token, or the proof that it holds the keys.

        Raises:
            TokenMistyped, EnrolmentTokenRefused: the enrolment token is no good.
            EnvelopeUntrusted: the proof is another's.
            KeyMalformed: a key is none.
            KeyTaken: a key belongs to another cell, or to another process.
            CellElsewhere: the cell belongs to another environment or region.
            ProfileDiffers: it would start from other rules than control.
        """
        token = Token(request.token)
        if token.kind != ENROL:
            raise EnrolmentTokenRefused(reason="it is a token of another kind")
        VerifyKey.parse(request.signing)
        SealingKey.parse(request.sealing)
        return await self._database.write(
            lambda connection: self._enrol(connection, request, token)
        )

    def _enrol(self, connection: Connection, request: EnrolRequest, token: Token) -> EnrolAnswer:
        now = self._clock.now()
        invitation = store.invitation(connection, token.stored())
        if invitation is None:
            raise EnrolmentTokenRefused(reason="it is not known here")
        invitation.refuse_unless_good(now, again=_is_again(connection, request, invitation))
        replica = self._replica(connection, request, invitation)
        issued = Token.mint(invitation.environment, CELL)
        store.use(connection, invitation.id, now)
        store.enrol(connection, replica, issued.stored())
        body = {
            "cell": replica.cell,
            "environment": replica.environment,
            "region": replica.region,
            "signing": replica.signing,
            "sealing": replica.sealing,
            "url": replica.url,
        }
        append(
            connection,
            Entry(kind="cell.enrolled", subject=replica.id, actor=invitation.id, body=body, at=now),
        )
        return EnrolAnswer(
            token=issued.reveal(),
            cell=replica.cell,
            environment=replica.environment,
            region=replica.region,
        )

    def _replica(
        self, connection: Connection, request: EnrolRequest, invitation: Invitation
    ) -> Replica:
        """The process that `request` tells of, if it may be let in on `invitation`."""
        place = store.place(connection, invitation.cell)
        wanted = Place(
            cell=invitation.cell,
            environment=invitation.environment,
            region=invitation.region,
        )
        if place is None:
            store.settle(connection, wanted)
        else:
            place.refuse_unless(wanted.cell, wanted.environment, wanted.region)
        profile = self.profile(wanted.environment)
        if request.profile is not profile:
            raise ProfileDiffers(
                found=request.profile.value, environment=wanted.environment, wanted=profile.value
            )
        for key in (request.signing, request.sealing):
            holder = store.replica_by_key(connection, key)
            if holder is not None and (holder.cell, holder.signing, holder.sealing) != (
                wanted.cell,
                request.signing,
                request.sealing,
            ):
                raise KeyTaken(key=key, cell=holder.cell)
        return Replica(
            id=self._ids.new("rep"),
            cell=wanted.cell,
            environment=wanted.environment,
            region=wanted.region,
            signing=request.signing,
            sealing=request.sealing,
            url=request.url,
            profile=request.profile,
            at=self._clock.now(),
        )

    async def enrolments(self) -> tuple[Enrolment, ...]:
        """Every process that was ever let in, the latest first."""

        def found(connection: Connection) -> tuple[Enrolment, ...]:
            known = self.keyring(connection)
            keyring = None if known is None else known[0]
            return tuple(
                Enrolment(
                    cell=each.cell,
                    environment=each.environment,
                    region=each.region,
                    signing=each.signing,
                    sealing=each.sealing,
                    url=each.url,
                    profile=each.profile,
                    at=each.at,
                    listed=each.listed(keyring),
                )
                for each in store.replicas(connection)
            )

        return await self._database.read(found)

    async def authorize_cell(
        self, text: str, cell: str | None = None, *, listed: bool = False
    ) -> Replica:
        """The process of a cell that calls with the token `text`.

        Args:
            text: as it was handed in.
            cell: that it must be; None for any.
            listed: it must be on the keyring in force.

        Raises:
            TokenMistyped, CellTokenRefused: the token is not good here.
            OtherCell: it belongs to another cell.
            CellUnlisted: it must be on the keyring, and is not.
        """
        token = Token(text)
        if token.kind != CELL:
            raise CellTokenRefused(reason="it is a token of another kind")
        stored = token.stored()

        def found(connection: Connection) -> tuple[Replica | None, Keyring | None]:
            replica = store.replica_by_token(connection, stored)
            known = self.keyring(connection) if listed else None
            return replica, None if known is None else known[0]

        replica, keyring = await self._database.read(found)
        if replica is None:
            raise CellTokenRefused(reason="it is not known here")
        if cell is not None and replica.cell != cell:
            raise OtherCell(own=replica.cell, asked=cell)
        if listed and not replica.listed(keyring):
            raise CellUnlisted(cell=replica.cell)
        return replica

    def cells(self, connection: Connection, environment: str) -> tuple[Cell, ...]:
        """The cells of `environment` that count, by name: enrolled, and on the keyring in force."""
        known = self.keyring(connection)
        replicas = store.replicas(connection, environment)
        return counting(replicas, None if known is None else known[0])

    # --- The keyring ---------------------------------------------------------------------------

    async def put_keyring(self, envelope: str, by: Caller) -> Keyring:
        """The keyring in `envelope`, in force from now on. The one in force changes nothing.

        Raises:
            EnvelopeUntrusted, EnvelopeOfOtherType: no pinned root signed it as a keyring.
            KeyringOlder: its version is not above that in force.
            KeyringUnfit: a key in it is none, or has two holders.
            Invalid or TooLarge kinds: no envelope, or no keyring in it.
        """
        data = envelope.encode()
        keyring = open_keyring(data, roots=self._roots, at_least=1)

        def put(connection: Connection) -> None:
            known = store.keyring(connection)
            if known is not None and known.envelope == envelope:
                return
            if known is not None and keyring.version <= known.version:
                raise KeyringOlder(found=keyring.version, known=known.version)
            now = self._clock.now()
            stored = store.StoredKeyring(version=keyring.version, envelope=envelope)
            digest = Digest.of(data)
            store.add_keyring(connection, stored, str(digest), by.id, now)
            append(
                connection,
                Entry(
                    kind="keyring.put",
                    subject=str(digest),
                    actor=by.id,
                    # Counts: the names of a large keyring would not fit; its digest covers them.
                    body={
                        "version": keyring.version,
                        "control": len(keyring.control),
                        "cells": len(keyring.cells),
                        "people": len(keyring.people),
                    },
                    at=now,
                ),
            )

        await self._database.write(put)
        return keyring

    def keyring(self, connection: Connection) -> tuple[Keyring, str] | None:
        """The keyring in force and its envelope, verified anew; None before there is one.

        Raises:
            EnvelopeUntrusted: the row was altered, or the root that signed it is pinned no more.
        """
        known = store.keyring(connection)
        if known is None:
            return None
        keyring = open_keyring(known.envelope.encode(), roots=self._roots, at_least=known.version)
        return keyring, known.envelope


def _is_again(connection: Connection, request: EnrolRequest, invitation: Invitation) -> bool:
    """Whether a process of that cell asks once more, and proves that it is that process.

    Raises:
        EnvelopeUntrusted: another key signed the proof.
    """
    known = store.replica_by_key(connection, request.signing)
    if request.proof is None or known is None:
        return False
    if (known.cell, known.sealing) != (invitation.cell, request.sealing):
        return False
    key = VerifyKey.parse(request.signing)
    token, said, _ = Possession.verified(request.proof.encode(), [key])
    return (token, said.sealing) == (Digest.of(request.token.encode()), request.sealing)
