"""The inner door: what an agent may do beside calling models, and what it may wait for."""

from typing import Any, Final

from seatrial.cell.door.service.slots import Slots
from seatrial.cell.llms.service.listening import while_listening
from seatrial.cell.tools.domain.refusals import ArgumentsMalformed
from seatrial.cell.tools.domain.values import DEEPEST, LARGEST_ARGUMENTS
from seatrial.cell.tools.service.actions import Actions
from seatrial.cell.tools.service.waits import Waits
from seatrial.kit.http.answers import answer_json
from seatrial.kit.http.asgi import App, Receive, Scope, Send
from seatrial.kit.http.requests import ClientGone, header, read_json
from seatrial.kit.http.routes import path_values
from seatrial.kit.log import bound

_RETRY: Final = b"seatrial-retry"
_ENVELOPE: Final = 1_024  # bytes beyond the largest arguments, so that those are refused by name


def action_routes(slots: Slots, actions: Actions, waits: Waits) -> list[tuple[str, str, App]]:
    """The endpoints, for `Routes`."""

    async def listed(scope: Scope, _receive: Receive, send: Send) -> None:
        """The actions of the release in the slot."""
        caller = await slots.caller(scope)
        found = [
            {
                "name": each.name,
                "description": each.description,
                "input_schema": each.input_schema,
                "effect": each.effect,
            }
            for each in await actions.listed(caller.slot)
        ]
        await answer_json(send, {"actions": found})

    async def call(scope: Scope, receive: Receive, send: Send) -> None:
        """Perform an action; the answer says whether it succeeded."""
        caller = await slots.caller(scope)
        arguments = await _object(scope, receive)
        retry = header(scope, _RETRY) is not None
        with bound(run=caller.slot.run, agent=caller.slot.agent):
            # Whoever is gone has not got the answer: the same call again is its repetition.
            async with while_listening(receive) as listener:
                called = await actions.call(
                    caller.slot, path_values(scope)["name"], arguments, retry=retry
                )
            if listener.left:
                called.lost()
                raise ClientGone
            try:
                await answer_json(send, called.told.document())
            except BaseException:
                called.lost()
                raise
            called.delivered()

    async def wait(scope: Scope, receive: Receive, send: Send) -> None:
        """Wait for a time or an event."""
        caller = await slots.caller(scope)
        asked = await _object(scope, receive)
        with bound(run=caller.slot.run, agent=caller.slot.agent):
            async with while_listening(receive):
                value = await waits.wait(caller.slot, asked)
        await answer_json(send, {"value": value})

    return [
        ("GET", "/v1/actions", listed),
        ("POST", "/v1/actions/{name}", call),
        ("POST", "/v1/waits", wait),
    ]


async def _object(scope: Scope, receive: Receive) -> dict[str, Any]:
    value = await read_json(
        scope, receive, limit=LARGEST_ARGUMENTS + _ENVELOPE, deepest=DEEPEST, strict=True
    )
    if not isinstance(value, dict):
        raise ArgumentsMalformed
    return value
