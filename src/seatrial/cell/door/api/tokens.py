"""`/v1/tokens`: who may call this cell."""

from datetime import timedelta
from typing import Annotated, Any, Final

from pydantic import Field

from seatrial.cell.door.api.operations import Operating
from seatrial.cell.door.domain import AccessToken, Operation
from seatrial.cell.door.service.access import Access
from seatrial.contract.documents import Document
from seatrial.contract.runs.access import CellPermission
from seatrial.kit.http.answers import answer_empty, answer_json
from seatrial.kit.http.asgi import App, Receive, Scope, Send
from seatrial.kit.http.requests import read_json
from seatrial.kit.http.routes import path_values

_LARGEST: Final = 65_536  # bytes of a request
_NO_STORE: Final = [(b"cache-control", b"no-store")]


class TokenOrder(Document):
    """What a new token shall be.

    Attributes:
        name: for people and the log.
        permissions: what it may do.
        tenant: the only one that it may touch; empty for all.
        expires_seconds: until it expires; None for never.
    """

    name: Annotated[str, Field(min_length=1, max_length=120)]
    permissions: Annotated[frozenset[CellPermission], Field(min_length=1)]
    tenant: Annotated[str, Field(max_length=120)] = ""
    expires_seconds: Annotated[int, Field(ge=1, le=315_360_000)] | None = None


def token_routes(access: Access, environment: str) -> list[tuple[str, str, App]]:
    """The endpoints, for `Routes`."""

    async def listed(scope: Scope, _receive: Receive, send: Send) -> None:
        """List the tokens, without their texts."""
        caller = await access.admit(scope, CellPermission.ADMIN)
        await answer_json(send, {"tokens": [_told(each) for each in await access.listed(caller)]})

    async def make(scope: Scope, receive: Receive, send: Send) -> None:
        """Make a token that may do no more than its maker; its text is told once."""
        caller = await access.admit(scope, CellPermission.ADMIN)
        order = TokenOrder.read(await read_json(scope, receive, limit=_LARGEST))
        seconds = order.expires_seconds
        made, token = await access.make(
            name=order.name,
            permissions=order.permissions,
            tenant=order.tenant,
            lifetime=None if seconds is None else timedelta(seconds=seconds),
            by=caller,
        )
        told = _told(made) | {"token": token.reveal()}
        await answer_json(send, told, status=201, headers=_NO_STORE)

    async def revoke(scope: Scope, _receive: Receive, send: Send) -> None:
        """Revoke a token."""
        caller = await access.admit(scope, CellPermission.ADMIN)
        await access.revoke(path_values(scope)["id"], caller)
        await answer_empty(send)

    return [
        ("GET", "/v1/tokens", listed),
        ("POST", "/v1/tokens", Operating(environment, Operation.GRANT, make)),
        ("DELETE", "/v1/tokens/{id}", Operating(environment, Operation.REVOKE, revoke)),
    ]


def _told(token: AccessToken) -> dict[str, Any]:
    return {
        "id": token.id,
        "name": token.name,
        "tenant": token.tenant,
        "permissions": sorted(str(each) for each in token.permissions),
        "created": token.created,
        "expires": token.expires,
        "revoked": token.revoked,
    }
