"""The switch over HTTP: plans, orders and generations for people; levels and reports for cells."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Query, Request, Response

from seatrial.contract.switch.answers import Generations
from seatrial.contract.switch.api import (
    GenerationRow,
    OrderAnswer,
    OrderRequest,
    Permission,
    Plan,
    PlanRequest,
    Status,
)
from seatrial.contract.switch.desired import Desired
from seatrial.contract.switch.requests import ExcludeRequest, RollbackRequest, Said
from seatrial.control.environments.domain import OtherCell, Replica
from seatrial.control.identity.domain import Caller, Guard
from seatrial.control.promotions.domain.switching import Until
from seatrial.control.promotions.service.promotions import Promotions
from seatrial.kit.http.asgi import Receive, Scope, Send
from seatrial.kit.http.event_stream import EventStream
from seatrial.kit.http.events import Event
from seatrial.kit.http.lifetime import Lifetime

LONGEST_WAIT: Final = 60.0
"""Seconds that one request may wait; longer waits ask again."""

CellGuard = Callable[..., Awaitable[Replica]]
"""The dependency that yields the process of a cell that calls."""

_Wait = Annotated[float, Query(ge=0, le=LONGEST_WAIT)]
_Limit = Annotated[int, Query(ge=1, le=200)]


_ENVIRONMENT: Final = "/environments/{environment}"
_OPTIONS: Final[dict[str, Any]] = {"tags": ["promotions"], "response_model": None}


def router(
    service: Promotions, guard: Guard, cell_guard: CellGuard, lifetime: Lifetime
) -> APIRouter:
    """All routes.

    Args:
        service: behind them.
        guard: lets in who has a permission.
        cell_guard: lets in the cell that the path names.
        lifetime: of the process; streams end with it.
    """
    routes = APIRouter(prefix="/v1")
    _orders(routes, service, guard)
    _generations(routes, service, guard)
    _for_cells(routes, service, cell_guard, lifetime)
    return routes


def _orders(routes: APIRouter, service: Promotions, guard: Guard) -> None:
    reader = Depends(guard(Permission.READ))
    # Which permission an order needs stands in what was signed, so the use case asks for it.
    somebody = Annotated[Caller, reader]

    @routes.get("/status", dependencies=[reader], responses=_told(Status), **_OPTIONS)
    async def status() -> Response:
        """Everything on one page."""
        return _json(await service.status())

    @routes.post(f"{_ENVIRONMENT}/plan", dependencies=[reader], responses=_told(Plan), **_OPTIONS)
    async def plan(environment: str, request: PlanRequest) -> Response:
        """What would happen, ready to be signed, and what stands in its way."""
        return _json(await service.plan(request, environment))

    @routes.post(f"{_ENVIRONMENT}/orders", responses=_told(OrderAnswer, 202), **_OPTIONS)
    async def order(environment: str, request: OrderRequest, caller: somebody) -> Response:
        """Carry out a signed plan. `met: false` says that it is kept until its gates are met."""
        return _json(await service.order(request, environment, caller), status=202)

    @routes.post(f"{_ENVIRONMENT}/rollback", responses=_told(GenerationRow, 202), **_OPTIONS)
    async def rollback(
        environment: str,
        request: RollbackRequest,
        caller: Annotated[Caller, Depends(guard(Permission.ROLLBACK))],
    ) -> Response:
        """Go back to an earlier generation's releases, at once."""
        return _json(await service.rollback(request, environment, caller), status=202)


def _generations(routes: APIRouter, service: Promotions, guard: Guard) -> None:
    reader = Depends(guard(Permission.READ))
    one = f"{_ENVIRONMENT}/generations/{{generation}}"

    @routes.get(
        f"{_ENVIRONMENT}/generations",
        dependencies=[reader],
        responses=_told(Generations),
        **_OPTIONS,
    )
    async def generations(environment: str, limit: _Limit = 50) -> Response:
        """The newest generations, whatever became of them."""
        return _json(Generations(generations=await service.generations(environment, limit)))

    @routes.get(one, dependencies=[reader], responses=_told(GenerationRow), **_OPTIONS)
    async def generation(
        environment: str, generation: int, wait: _Wait = 0.0, until: Until = Until.EVERYWHERE
    ) -> Response:
        """One generation; with `wait`, as soon as it has come as far as `until` says."""
        return _json(await service.wait(environment, generation, until, wait))

    @routes.post(f"{one}/exclude", responses=_told(GenerationRow), **_OPTIONS)
    async def exclude(
        environment: str,
        generation: int,
        request: ExcludeRequest,
        caller: Annotated[Caller, Depends(guard(Permission.PROMOTE))],
    ) -> Response:
        """Go on without a cell that does not prepare."""
        return _json(await service.exclude(request, environment, generation, caller))


def _for_cells(
    routes: APIRouter, service: Promotions, cell_guard: CellGuard, lifetime: Lifetime
) -> None:
    process = Annotated[Replica, Depends(cell_guard)]
    options: dict[str, Any] = {"tags": ["cells"], "response_model": None}
    stream = EventStream(lifetime=lifetime, retry=500)

    @routes.post("/cells/{cell}/facts", status_code=204, **options)
    async def facts(cell: str, said: Said, caller: process) -> Response:
        """What a cell counted of a release's runs."""
        _refuse_other(caller, cell)
        await service.evidence(said.envelope, caller.cell)
        return Response(status_code=204)

    @routes.post("/cells/{cell}/reports", status_code=204, **options)
    async def report(cell: str, said: Said, caller: process) -> Response:
        """How far a cell has come with a generation."""
        _refuse_other(caller, cell)
        await service.report(said.envelope, cell)
        return Response(status_code=204)

    @routes.get("/cells/{cell}/desired", responses=_told(Desired), **options)
    async def desired(
        cell: str,
        request: Request,
        caller: process,
        wait: _Wait = 0.0,
        current: Annotated[int | None, Query(ge=0, lt=2**53)] = None,
    ) -> Response:
        """What the cell shall run, with a strong `ETag`; with `wait`, once that has changed."""
        _refuse_other(caller, cell)
        met = request.headers.get("if-none-match", "").strip().strip('"')
        tag, body = await service.desired_after(
            met, cell, caller.environment, current, wait if met else 0.0
        )
        headers = {"etag": f'"{tag}"', "cache-control": "no-cache"}
        if tag == met:
            return Response(status_code=304, headers=headers)
        return Response(body, media_type="application/json", headers=headers)

    @routes.get("/cells/{cell}/events", **options)
    async def events(cell: str, request: Request, caller: process) -> Response:
        """Server-sent events: `changed`, with the entity tag of `desired`, at once and anew."""
        _refuse_other(caller, cell)
        await request.body()
        return _Events(stream, _changed(service.tags(cell, caller.environment)))


class _Events(Response):
    """Hands the connection to an event stream."""

    def __init__(self, stream: EventStream, events: AsyncIterator[Event]) -> None:
        super().__init__()
        self._stream = stream
        self._events = events

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Stream."""
        await self._stream.answer(scope, receive, send, self._events)


async def _changed(tags: AsyncIterator[str]) -> AsyncIterator[Event]:
    try:
        async for tag in tags:
            yield Event(event="changed", data=tag)
    finally:
        close = getattr(tags, "aclose", None)
        if close is not None:
            await close()


def _refuse_other(caller: Replica, cell: str) -> None:
    if caller.cell != cell:
        raise OtherCell(own=caller.cell, asked=cell)


def _json(answer: Any, *, status: int = 200) -> Response:  # noqa: ANN401 - a document
    body = answer.model_dump_json(exclude_none=True)
    return Response(body, status_code=status, media_type="application/json")


def _told(document: type[Any], status: int = 200) -> dict[int | str, dict[str, Any]]:
    """What a route answers, for the OpenAPI document."""
    return {status: {"model": document}}
