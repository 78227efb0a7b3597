"""Who may call control: the dependencies with which its endpoints know their callers."""

from typing import Annotated, Final

from fastapi import Depends
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from seatrial.contract.switch.api import Permission
from seatrial.control.environments.domain import Replica
from seatrial.control.environments.service import CELL, Environments
from seatrial.control.identity.domain import Caller, Dependency, TokenMissing
from seatrial.control.identity.service import Identity
from seatrial.kit.crypto.tokens import Token

_BEARER: Final = HTTPBearer(auto_error=False, description="A token of control, or of a cell.")
_Credentials = Annotated[HTTPAuthorizationCredentials | None, Depends(_BEARER)]


class Access:
    """Makes the dependencies that let callers in."""

    def __init__(self, identity: Identity, environments: Environments) -> None:
        self._identity = identity
        self._environments = environments

    def guard(self, permission: Permission) -> Dependency:
        """Lets in whoever has `permission`."""

        async def known(credentials: _Credentials) -> Caller:
            return await self._identity.authorize(_token(credentials), permission)

        return known

    async def reader(self, credentials: _Credentials) -> Caller:
        """Lets in whoever may read, and every cell on the keyring."""
        return await self._reading(_token(credentials), listed=True)

    async def newcomer(self, credentials: _Credentials) -> Caller:
        """Lets in whoever may read, and every cell that has enrolled."""
        return await self._reading(_token(credentials), listed=False)

    async def _reading(self, text: str, *, listed: bool) -> Caller:
        if Token(text).kind != CELL:
            return await self._identity.authorize(text, Permission.READ)
        replica = await self._environments.authorize_cell(text, listed=listed)
        return Caller(id=replica.id, name=replica.cell, permissions=frozenset({Permission.READ}))

    async def cell(self, cell: str, credentials: _Credentials) -> Replica:
        """Lets in the cell that the path names, and nobody else."""
        return await self._environments.authorize_cell(_token(credentials), cell)


def _token(credentials: HTTPAuthorizationCredentials | None) -> str:
    if credentials is None:
        raise TokenMissing
    return credentials.credentials
