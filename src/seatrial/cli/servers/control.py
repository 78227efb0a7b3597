"""What a command asks of control, by name. Every path of its API that commands use stands here."""

import json
from dataclasses import dataclass
from typing import Final

from seatrial.cli.servers.domain import AnswerUnexpected
from seatrial.cli.servers.peer import Peer, segment
from seatrial.contract.documents import DocumentInvalid
from seatrial.contract.releases.release import Release, opened
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

    async def releases(self, agent: str | None = None) -> tuple[ReleaseRow, ...]:
        """Releases, newest first."""
        answer = await self.peer.get("/v1/releases", agent=agent)
        return self.peer.rows(ReleaseRow, answer.value, "releases")

    async def release(self, name: str) -> tuple[ReleaseRow, Release]:
        """One release whole, by `agent@number` or digest, checked against its name."""
        value = (await self.peer.get(f"/v1/releases/{segment(name)}")).value
        if not isinstance(value, dict):
            raise AnswerUnexpected(peer=self.peer.name, reason="a release is no object")
        row = self.peer.read(ReleaseRow, value.get("row"))
        try:
            return row, opened(value.get("release"), row.release)
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

    async def generation(self, environment: str, generation: int) -> GenerationRow:
        """One generation, with how far each cell has come."""
        path = f"/v1/environments/{segment(environment)}/generations/{generation}"
        return self.peer.read(GenerationRow, (await self.peer.get(path)).value)

    async def keyring(self) -> bytes | None:
        """The envelope of the keyring in force; None while there is none."""
        try:
            value = (await self.peer.get("/v1/keyring")).value
        except SeatrialError as error:
            if error.status == 404:
                return None
            raise
        return json.dumps(value).encode()

    async def put_keyring(self, envelope: bytes) -> None:
        """Put a keyring in force."""
        await self.peer.call("PUT", "/v1/keyring", body=json.loads(envelope))

    async def keys(self) -> tuple[str, ...]:
        """Control's own keys, as it names them itself."""
        value = (await self.peer.get("/v1/keys")).value
        found = value.get("control") if isinstance(value, dict) else None
        if not isinstance(found, list) or not all(isinstance(each, str) for each in found):
            raise AnswerUnexpected(peer=self.peer.name, reason="there are no keys in it")
        return tuple(found)

    async def enrolments(self) -> tuple[Enrolment, ...]:
        """Processes that asked to be known."""
        answer = await self.peer.get("/v1/enrolments")
        return self.peer.rows(Enrolment, answer.value, "enrolments")

    async def enrol(self, request: EnrolmentTokenRequest) -> str:
        """A one-use token with which a cell's process may ask to be known."""
        value = (await self.peer.post("/v1/enrolment-tokens", request.document())).value
        if not isinstance(value, dict) or not isinstance(value.get("token"), str):
            raise AnswerUnexpected(peer=self.peer.name, reason="there is no token in it")
        token: str = value["token"]
        return token

    async def new_token(self, request: TokenRequest) -> TokenRow:
        """A token for control's API, shown once."""
        answer = await self.peer.post("/v1/tokens", request.document())
        return self.peer.read(TokenRow, answer.value)
