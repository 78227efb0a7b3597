"""Releases and blobs over HTTP."""

import asyncio
from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Query, Request, Response
from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope, Send

from seatrial.contract.documents import Slug
from seatrial.contract.releases.difference import ComponentChange
from seatrial.contract.switch.answers import (
    AgentRow,
    Agents,
    ComponentDifference,
    Difference,
    FieldDifference,
    ReleaseAnswer,
    Releases,
)
from seatrial.contract.switch.api import DeployRequest, Missing, Permission, ReleaseRow
from seatrial.control.catalog.blobs import Blob
from seatrial.control.catalog.domain import BlobMissing, UploadStalled
from seatrial.control.catalog.service import Activity, Catalog
from seatrial.control.identity.domain import Caller, Dependency, Guard
from seatrial.kit.crypto.digests import Digest
from seatrial.kit.database.connection import Connection
from seatrial.kit.database.database import Database
from seatrial.kit.http.requests import ClientGone

NOTHING: Final = "nothing"
"""Names no release: what a first release is compared with."""

_STALL: Final = 30.0  # seconds that may pass without any part of a blob
_FOR_EVER: Final = "private, max-age=31536000, immutable"


def router(
    service: Catalog, database: Database, guard: Guard, reader: Dependency, activity: Activity
) -> APIRouter:
    """The endpoints of releases and blobs.

    Args:
        service: of this room.
        database: that it reads.
        guard: lets in who has a permission.
        reader: lets in who may read, and the cells on the keyring.
        activity: tells in which environments each release is active.
    """
    routes = APIRouter()
    routes.include_router(_blobs(service, guard, reader))
    routes.include_router(_releases(service, database, guard, reader, activity))
    return routes


def _blobs(service: Catalog, guard: Guard, reader: Dependency) -> APIRouter:
    routes = APIRouter(tags=["blobs"])
    deployer = Depends(guard(Permission.DEPLOY))
    known = Depends(reader)

    @routes.post("/v1/blobs/missing")
    async def list_missing(request: Missing, caller: Annotated[Caller, known]) -> Missing:
        """Tell which of these blobs are not here."""
        del caller
        return Missing(digests=await service.blobs.missing(request.digests))

    @routes.head("/v1/blobs/{digest}")
    async def look_for_blob(digest: str, caller: Annotated[Caller, known]) -> Response:
        """Tell whether a blob is here, and its size."""
        del caller
        named = Digest.parse(digest)
        size = await service.blobs.size(named)
        if size is None:
            raise BlobMissing(digest=digest)
        return Response(headers=_headers(named, size), media_type="application/octet-stream")

    @routes.get("/v1/blobs/{digest}", response_class=Response)
    async def get_blob(digest: str, caller: Annotated[Caller, known]) -> Response:
        """Hand out a blob."""
        del caller
        named = Digest.parse(digest)
        return _BlobResponse(named, await service.blobs.open(named))

    @routes.put("/v1/blobs/{digest}", status_code=204)
    async def put_blob(digest: str, request: Request, caller: Annotated[Caller, deployer]) -> None:
        """Take a blob in, whole or not at all; its digest is checked."""
        del caller
        named = Digest.parse(digest)
        async with aclosing(_parts(request, named)) as parts:
            await service.blobs.put(named, parts)

    return routes


def _releases(
    service: Catalog, database: Database, guard: Guard, reader: Dependency, activity: Activity
) -> APIRouter:
    routes = APIRouter(tags=["releases"])
    _lists(routes, service, database, guard, activity)
    _single(routes, service, database, guard, reader, activity)
    return routes


def _lists(
    routes: APIRouter, service: Catalog, database: Database, guard: Guard, activity: Activity
) -> None:
    deployer = Depends(guard(Permission.DEPLOY))
    known = Depends(guard(Permission.READ))

    @routes.post("/v1/releases", status_code=201, response_model_exclude_none=True)
    async def deploy_release(
        request: DeployRequest, caller: Annotated[Caller, deployer]
    ) -> ReleaseRow:
        """Take a release in; one that is here already keeps its number."""
        release = await service.deploy(request, caller)
        return release.row(await database.read(activity))

    @routes.get("/v1/agents")
    async def list_agents(caller: Annotated[Caller, known]) -> Agents:
        """List all agents by slug."""
        del caller
        agents = await database.read(service.agents)
        return Agents(
            agents=tuple(
                AgentRow(
                    agent=each.slug,
                    owner=each.owner,
                    description=each.description,
                    latest=each.latest,
                )
                for each in agents
            )
        )

    @routes.get("/v1/releases", response_model_exclude_none=True)
    async def list_releases(
        caller: Annotated[Caller, known],
        agent: Slug | None = None,
        after: Annotated[str | None, Query(pattern=r"^[a-z0-9_]{1,64}$")] = None,
        limit: Annotated[int, Query(ge=1, le=500)] = 50,
    ) -> Releases:
        """List releases, the newest first."""
        del caller

        def found(connection: Connection) -> Releases:
            # One more than asked for tells whether there is a next page.
            page = service.releases(connection, agent, after, limit + 1)
            active = activity(connection)
            return Releases(
                releases=tuple(each.row(active) for each in page[:limit]),
                next=page[limit - 1].id if len(page) > limit else None,
            )

        return await database.read(found)


def _single(
    routes: APIRouter,
    service: Catalog,
    database: Database,
    guard: Guard,
    reader: Dependency,
    activity: Activity,
) -> None:
    known = Depends(guard(Permission.READ))

    @routes.get("/v1/releases/{ref}", response_model_exclude_none=True)
    async def get_release(ref: str, caller: Annotated[Caller, Depends(reader)]) -> ReleaseAnswer:
        """Show a release by `agent@number` or digest, with all that belongs to it."""
        del caller

        def found(connection: Connection) -> ReleaseAnswer:
            digest = service.resolve(connection, ref)
            return ReleaseAnswer.read(
                {
                    "row": service.known(connection, digest).row(activity(connection)),
                    "release": service.release(connection, digest).document(),
                    "provenance": service.provenance(connection, digest),
                }
            )

        return await database.read(found)

    @routes.get("/v1/releases/{before}/difference/{after}", response_model_exclude_none=True)
    async def compare_releases(
        before: str, after: str, caller: Annotated[Caller, known]
    ) -> Difference:
        """Show every field that differs; `nothing` as `before` shows the whole of `after`."""
        del caller

        def found(connection: Connection) -> Difference:
            old = None if before == NOTHING else service.resolve(connection, before)
            new = service.resolve(connection, after)
            changes = service.difference(connection, old, new)
            return Difference(before=old, after=new, components=_components(changes))

        return await database.read(found)


def _components(changes: Iterable[ComponentChange]) -> tuple[ComponentDifference, ...]:
    return tuple(
        ComponentDifference(
            address=change.address,
            change=change.change,
            fields=tuple(
                FieldDifference(path=each.path, before=each.before, after=each.after)
                for each in change.fields
            ),
        )
        for change in changes
    )


async def _parts(request: Request, digest: Digest) -> AsyncGenerator[bytes, None]:
    """The request's body as it arrives."""
    stream = request.stream()
    while True:
        try:
            async with asyncio.timeout(_STALL):
                part = await anext(stream)
        except StopAsyncIteration:
            return
        except TimeoutError:
            raise UploadStalled(digest=str(digest), seconds=_STALL) from None
        except ClientDisconnect:
            raise ClientGone from None
        yield part


def _headers(digest: Digest, size: int) -> dict[str, str]:
    return {"content-length": str(size), "etag": f'"{digest.hex}"', "cache-control": _FOR_EVER}


class _BlobResponse(Response):
    """A blob, part by part: starlette's own streaming would not close the file at once."""

    media_type = "application/octet-stream"

    def __init__(self, digest: Digest, blob: Blob) -> None:
        super().__init__(headers=_headers(digest, blob.size))
        self._parts = blob.parts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it; a part that cannot be read cuts the answer."""
        del scope, receive
        async with aclosing(self._parts) as parts:
            start = {
                "type": "http.response.start",
                "status": self.status_code,
                "headers": self.raw_headers,
            }
            await send(start)
            async for part in parts:
                await send({"type": "http.response.body", "body": part, "more_body": True})
        await send({"type": "http.response.body", "body": b""})
