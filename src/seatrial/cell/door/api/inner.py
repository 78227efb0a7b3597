"""The inner door: models and prompts for agents' processes, on 127.0.0.1 alone."""

import logging
from collections.abc import Awaitable, Callable
from typing import Any, Final

from seatrial.cell.door.service.prompts import Prompts
from seatrial.cell.door.service.slots import Slots
from seatrial.cell.llms.domain import CallWithoutRun, Dialect, Route
from seatrial.cell.llms.service.calls import Exchange, ModelCalls
from seatrial.cell.llms.service.refusals import body_of, headers_of
from seatrial.kit.errors import SeatrialError
from seatrial.kit.http.answers import answer_json
from seatrial.kit.http.asgi import App, Message, Receive, Scope, Send
from seatrial.kit.http.requests import ClientGone
from seatrial.kit.http.routes import path_values
from seatrial.kit.log import bound, log_error

_LOG: Final = logging.getLogger(__name__)


def inner_routes(slots: Slots, models: ModelCalls, prompts: Prompts) -> list[tuple[str, str, App]]:
    """The endpoints, for `Routes`."""

    async def run(scope: Scope, _receive: Receive, send: Send) -> None:
        """Which run is in the slot."""
        slot = (await slots.caller(scope)).slot
        told = {
            "run": slot.run,
            "attempt": slot.attempt,
            "agent": slot.agent,
            "environment": slot.environment,
            "release": str(slot.release),
            "slot": slot.slot,
        }
        await answer_json(send, told)

    async def prompt(scope: Scope, _receive: Receive, send: Send) -> None:
        """A prompt of the release, or its draft where the run asks for drafts."""
        caller = await slots.caller(scope)
        found = await prompts.fetch(caller, path_values(scope)["name"])
        told = {
            "name": found.name,
            "text": found.text,
            "digest": str(found.digest),
            "draft": found.draft,
        }
        await answer_json(send, told)

    async def listed(scope: Scope, _receive: Receive, send: Send) -> None:
        """The models that the release pins."""
        caller = await slots.caller(scope)
        if caller.slot.run is None:
            raise CallWithoutRun
        pins = caller.pins or await models.pins(caller.slot.release)
        data = [_pin(model, names[0]) for model, names in sorted(pins.providers.items())]
        await answer_json(send, _page(data))

    return [
        ("GET", "/v1/run", run),
        ("GET", "/v1/prompts/{name}", prompt),
        ("GET", "/v1/models", _in_dialect(Dialect.OPENAI, listed)),
        *(("POST", f"/v1{route}", _calling(slots, models, route)) for route in Route),
    ]


def _calling(slots: Slots, models: ModelCalls, route: Route) -> App:
    async def call(scope: Scope, receive: Receive, send: Send) -> None:
        """A call of a pinned model, in its provider's own words."""
        caller = await slots.caller(scope)
        exchange = Exchange(scope=scope, receive=receive, send=send)
        with bound(run=caller.slot.run, agent=caller.slot.agent):
            await models.call(caller.slot, route, exchange, pins=caller.pins)

    return _in_dialect(route.dialect, call)


def _in_dialect(dialect: Dialect, app: Callable[[Scope, Receive, Send], Awaitable[None]]) -> App:
    """`app`, whose refusals are told as the provider would tell them.

    What fails after the answer has begun goes on to the boundary, which cuts the connection.
    """

    async def told(scope: Scope, receive: Receive, send: Send) -> None:
        started = False

        async def noting(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await app(scope, receive, noting)
        except SeatrialError as error:
            if started or isinstance(error, ClientGone):
                raise
            log_error(_LOG, error)
            body = body_of(error, dialect)
            await answer_json(send, body, status=error.status, headers=headers_of(error))

    return told


def _pin(model: str, provider: str) -> dict[str, Any]:
    """A model as both dialects list one."""
    return {
        "id": model,
        "object": "model",
        "type": "model",
        "display_name": model,
        "created": 0,
        "created_at": "1970-01-01T00:00:00Z",
        "owned_by": provider,
    }


def _page(data: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "object": "list",
        "data": data,
        "has_more": False,
        "first_id": data[0]["id"] if data else None,
        "last_id": data[-1]["id"] if data else None,
    }
