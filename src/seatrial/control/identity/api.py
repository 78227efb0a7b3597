"""Tokens over HTTP."""

from typing import Annotated

from fastapi import APIRouter, Depends

from seatrial.contract.switch.answers import Tokens
from seatrial.contract.switch.api import Permission, TokenRequest, TokenRow
from seatrial.control.identity.domain import Caller, Guard
from seatrial.control.identity.service import Identity


def router(service: Identity, guard: Guard) -> APIRouter:
    """The endpoints of tokens; all of them need the permission `admin`."""
    routes = APIRouter(tags=["tokens"])
    admin = Depends(guard(Permission.ADMIN))

    @routes.post("/v1/tokens", status_code=201, response_model_exclude_none=True)
    async def make_token(request: TokenRequest, caller: Annotated[Caller, admin]) -> TokenRow:
        """Make a token; this answer alone shows it."""
        return await service.make(request, caller)

    @routes.get("/v1/tokens", response_model_exclude_none=True)
    async def list_tokens(caller: Annotated[Caller, admin]) -> Tokens:
        """List all tokens, the newest first."""
        del caller
        return Tokens(tokens=await service.list())

    @routes.delete("/v1/tokens/{token_id}", response_model_exclude_none=True)
    async def revoke_token(token_id: str, caller: Annotated[Caller, admin]) -> TokenRow:
        """Revoke a token, at once and for good."""
        return await service.revoke(token_id, caller)

    return routes
