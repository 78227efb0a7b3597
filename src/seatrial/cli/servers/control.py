"""What a command asks of control, by name. Every path of its API that commands use stands here."""

from dataclasses import dataclass
from typing import Final

from seatrial.cli.servers.domain import AnswerUnexpected
from seatrial.cli.servers.peer import Peer, segment
from seatrial.contract.documents import DocumentInvalid
from seatrial.contract.releases.release import Release, opened
from seatrial.contract.switch.answers import (
    Enrolments,
    EnrolmentToken,
    Generations,
    Keys,
    ReleaseAnswer,
    Releases,
    SignedKeyring,
)
from seatrial.contract.switch.api import (
    DeployRequest,
    Enrolment,
    EnrolmentTokenRequest,
    GenerationRow,
    Missing,
    OrderAnswer,
    OrderRequest,
    Plan,
    PlanRequest,
    ReleaseRow,
    Status,
    TokenRequest,
    TokenRow,
)
from seatrial.contract.switch.requests import RollbackRequest
from seatrial.kit.crypto.digests import Digest
from seatrial.kit.errors import SeatrialError

_MOST_ASKED: Final = 2_000  # digests in one question


@dataclass(frozen=True, kw_only=True)
class Control:
    """Control's API."""

    peer: Peer

    async def status(self) -> Status:
        """Everything on one page."""
        return self.peer.read(Status, (await self.peer.get("/v1/status")).value)

    async def missing(self, digests: tuple[Digest, ...]) -> tuple[Digest, ...]:
        """Those of `digests` whose blobs control does not have."""
        asked = Missing(digests=digests[:_MOST_ASKED])
        answer = await self.peer.post("/v1/blobs/missing", asked.document())
        return self.peer.read(Missing, answer.value).digests

    async def upload(self, digest: Digest, content: bytes) -> None:
        """Hand a blob over."""
        await self.peer.put_bytes(f"/v1/blobs/{digest}", content)

    async def deploy(self, request: DeployRequest) -> ReleaseRow:
        """Hand a release in; the same release again is answered as before."""
        answer = await self.peer.post("/v1/releases", request.document())
        return self.peer.read(ReleaseRow, answer.value)

    async def releases(
        self, agent: str | None = None, after: str | None = None, limit: int | None = None
    ) -> Releases:
        """A page of releases, newest first."""
        answer = await self.peer.get("/v1/releases", agent=agent, after=after, limit=limit)
        return self.peer.read(Releases, answer.value)

    async def release(self, name: str) -> tuple[ReleaseRow, Release]:
        """One release whole, by `agent@number` or digest.

        Raises:
            ReleaseAltered: its content is not the one that its digest names.
            AnswerUnexpected: it is another than the one asked for.
        """
        value = (await self.peer.get(f"/v1/releases/{segment(name)}")).value
        answer = self.peer.read(ReleaseAnswer, value)
        if name not in {answer.row.name, str(answer.row.release)}:
            raise AnswerUnexpected(peer=self.peer.name, reason=f"{name} was asked for")
        try:
            return answer.row, opened(answer.release, answer.row.release)
        except DocumentInvalid as error:
            raise AnswerUnexpected(peer=self.peer.name, reason=error.message) from None

    async def plan(self, environment: str, request: PlanRequest) -> Plan:
        """What would happen."""
        path = f"/v1/environments/{segment(environment)}/plan"
        return self.peer.read(Plan, (await self.peer.post(path, request.document())).value)

    async def order(self, environment: str, request: OrderRequest) -> OrderAnswer:
        """Have a signed plan carried out."""
        path = f"/v1/environments/{segment(environment)}/orders"
        return self.peer.read(OrderAnswer, (await self.peer.post(path, request.document())).value)

    async def rollback(self, environment: str, request: RollbackRequest) -> GenerationRow:
        """Go back on the token's permission alone, without a person's signature."""
        path = f"/v1/environments/{segment(environment)}/rollback"
        answer = await self.peer.post(path, request.document())
        return self.peer.read(GenerationRow, answer.value)

    async def generations(self, environment: str, limit: int) -> tuple[GenerationRow, ...]:
        """Generations, newest first."""
        path = f"/v1/environments/{segment(environment)}/generations"
        return self.peer.read(
            Generations, (await self.peer.get(path, limit=limit)).value
        ).generations

    async def generation(self, environment: str, generation: int, wait: int = 0) -> GenerationRow:
        """One generation, with how far each cell has come; at most `wait` seconds later."""
        path = f"/v1/environments/{segment(environment)}/generations/{generation}"
        return self.peer.read(GenerationRow, (await self.peer.get(path, wait=wait)).value)

    async def keyring(self) -> bytes | None:
        """The envelope of the keyring in force; None while there is none."""
        try:
            value = (await self.peer.get("/v1/keyring")).value
        except SeatrialError as error:
            if error.status == 404:
                return None
            raise
        return self.peer.read(SignedKeyring, value).envelope.encode()

    async def put_keyring(self, envelope: bytes) -> None:
        """Put a keyring in force."""
        signed = SignedKeyring(envelope=envelope.decode())
        await self.peer.call("PUT", "/v1/keyring", body=signed.document())

    async def keys(self) -> Keys:
        """Control's own keys and its root keys, as it names them itself."""
        return self.peer.read(Keys, (await self.peer.get("/v1/keys")).value)

    async def enrolments(self) -> tuple[Enrolment, ...]:
        """Processes that asked to be known."""
        value = (await self.peer.get("/v1/enrolments")).value
        return self.peer.read(Enrolments, value).enrolments

    async def enrol(self, request: EnrolmentTokenRequest) -> EnrolmentToken:
        """A one-use token with which a cell's process may ask to be known."""
        answer = await self.peer.post("/v1/enrolment-tokens", request.document())
        return self.peer.read(EnrolmentToken, answer.value)

    async def new_token(self, request: TokenRequest) -> TokenRow:
        """A token for control's API, shown once."""
        answer = await self.peer.post("/v1/tokens", request.document())
        return self.peer.read(TokenRow, answer.value)
