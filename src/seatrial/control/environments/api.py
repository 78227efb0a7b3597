"""Enrolment and the keyring over HTTP."""

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Depends

from seatrial.contract.switch.answers import Enrolments, EnrolmentToken, Keys, SignedKeyring
from seatrial.contract.switch.api import (
    EnrolAnswer,
    EnrolmentTokenRequest,
    EnrolRequest,
    Permission,
)
from seatrial.control.environments.domain import KeyringMissing
from seatrial.control.environments.service import Environments
from seatrial.control.identity.domain import Caller, Dependency, Guard
from seatrial.kit.database.database import Database


def router(
    service: Environments,
    database: Database,
    guard: Guard,
    reader: Dependency,
    control: Sequence[str],
) -> APIRouter:
    """The endpoints of enrolment and the keyring.

    Args:
        service: of this room.
        database: that it reads.
        guard: lets in who has a permission.
        reader: lets in who may read, and cells, also those that no keyring lists yet.
        control: names of the keys of control's processes.
    """
    routes = APIRouter(tags=["environments"])
    admin = Depends(guard(Permission.ADMIN))
    known = Depends(guard(Permission.READ))

    @routes.post("/v1/enrolment-tokens", status_code=201)
    async def invite_cell(
        request: EnrolmentTokenRequest, caller: Annotated[Caller, admin]
    ) -> EnrolmentToken:
        """Make a one-use token for one process of a cell, good for an hour."""
        return await service.invite(request, caller)

    @routes.post("/v1/enrolments", status_code=201)
    async def enrol_cell(request: EnrolRequest) -> EnrolAnswer:
        """Let a process of a cell in; its one-use token is all that it needs."""
        return await service.enrol(request)

    @routes.get("/v1/enrolments")
    async def list_enrolments(caller: Annotated[Caller, known]) -> Enrolments:
        """List every process that was let in, the latest first."""
        del caller
        return Enrolments(enrolments=await service.enrolments())

    _keys(routes, service, database, admin, reader)

    @routes.get("/v1/keys")
    async def get_keys() -> Keys:
        """Name control's keys and the pinned root keys, for comparing fingerprints."""
        return Keys(control=tuple(control), roots=service.roots)

    return routes


def _keys(
    routes: APIRouter,
    service: Environments,
    database: Database,
    admin: Any,  # noqa: ANN401 - a dependency of FastAPI, which has no type of its own
    reader: Dependency,
) -> None:
    @routes.put("/v1/keyring")
    async def put_keyring(
        request: SignedKeyring, caller: Annotated[Caller, admin]
    ) -> SignedKeyring:
        """Put a keyring in force; its version must be above the present one."""
        await service.put_keyring(request.envelope, caller)
        return request

    @routes.get("/v1/keyring")
    async def get_keyring(caller: Annotated[Caller, Depends(reader)]) -> SignedKeyring:
        """Show the keyring in force, under the root's signature."""
        del caller
        found = await database.read(service.keyring)
        if found is None:
            raise KeyringMissing
        return SignedKeyring(envelope=found[1])
