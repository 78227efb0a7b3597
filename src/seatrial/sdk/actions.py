"""Actions and waits, for an agent that wants to call them by itself.

An agent needs none of this: its framework's MCP client, or any HTTP client, reaches the same
actions. Whoever calls, the cell performs; nothing is performed in this process.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from urllib.parse import quote

from seatrial.kit.errors import Failed, Invalid
from seatrial.sdk.door import Door


class CallUnsuccessful(Failed):
    """The action {action!r} did not succeed ({told}): {reason}."""

    code = "call_unsuccessful"
    cause = "What it is performed on refused it, or a person did; it had no effect."
    remedy = "Catch it where the agent can do better: other arguments, or another action."

    @property
    def told(self) -> str:
        """The code, such as `action_rejected` or `action_arguments_refused`."""
        return str(self.fields["told"])


class WaitUnclear(Invalid):
    """A wait is for one of `seconds`, `until` and `event`; {given} are given."""

    code = "wait_unclear"
    cause = "One call waits for one thing."
    remedy = "Give one of them."


@dataclass(frozen=True, kw_only=True, slots=True)
class Action:
    """An action that may be called.

    Attributes:
        name: of it.
        description: for the model.
        input_schema: JSON Schema of its arguments.
        effect: `read`, `idempotent`, `reconcilable`, `transactional` or `irreversible`.
    """

    name: str
    description: str
    input_schema: dict[str, Any]
    effect: str


class Actions:
    """The actions of the release that runs.

    Args:
        door: of the cell; None for the one that this process was given.
    """

    def __init__(self, door: Door | None = None) -> None:
        self._door = door or Door.here()

    def listed(self) -> list[Action]:
        """What may be called, by name.

        Raises:
            DoorUnreachable, DoorRefused: the cell does not tell.
        """
        return _listed(self._door.ask("GET", _ACTIONS))

    def call(self, action: str, arguments: Mapping[str, Any] | None = None, /, **more: Any) -> Any:  # noqa: ANN401 - JSON
        """Propose an action, and return its result once the cell has performed it.

        Where a person must approve it, this call does not return in this process: the run waits
        without one, and its next segment gets the result here.

        Args:
            action: its name.
            arguments: by name; any JSON values.
            more: arguments too.

        Raises:
            CallUnsuccessful: it was refused or failed, and had no effect.
            DoorUnreachable, DoorRefused: the cell does not perform it.
        """
        return _value(action, self._door.ask("POST", _path(action), {**(arguments or {}), **more}))

    def wait(
        self,
        *,
        seconds: float | None = None,
        until: datetime | None = None,
        event: str | None = None,
    ) -> Any:  # noqa: ANN401 - JSON
        """Wait, without a process, for one of three things.

        Args:
            seconds: that pass.
            until: a time with an offset.
            event: a name that the outside will tell this run.

        Returns:
            What the event brought; of a time, when it was.

        Raises:
            WaitUnclear: there is none of them, or more than one.
            DoorUnreachable, DoorRefused: the cell does not wait.
        """
        return self._door.ask("POST", _WAITS, _asked(seconds, until, event))["value"]


class AsyncActions:
    """The actions of the release that runs, for a program with a loop.

    Args:
        door: of the cell; None for the one that this process was given.
    """

    def __init__(self, door: Door | None = None) -> None:
        self._door = door or Door.here()

    async def listed(self) -> list[Action]:
        """See `Actions.listed`."""
        return _listed(await self._door.ask_async("GET", _ACTIONS))

    async def call(
        self, action: str, arguments: Mapping[str, Any] | None = None, /, **more: Any
    ) -> Any:  # noqa: ANN401 - JSON
        """See `Actions.call`. What is cancelled may be performed all the same."""
        given = {**(arguments or {}), **more}
        return _value(action, await self._door.ask_async("POST", _path(action), given))

    async def wait(
        self,
        *,
        seconds: float | None = None,
        until: datetime | None = None,
        event: str | None = None,
    ) -> Any:  # noqa: ANN401 - JSON
        """See `Actions.wait`."""
        told = await self._door.ask_async("POST", _WAITS, _asked(seconds, until, event))
        return told["value"]


_ACTIONS: Final = "/v1/actions"
_WAITS: Final = "/v1/waits"


def _path(action: str) -> str:
    return f"{_ACTIONS}/{quote(action, safe='')}"


def _listed(told: Any) -> list[Action]:  # noqa: ANN401 - JSON
    return [
        Action(
            name=each["name"],
            description=each["description"],
            input_schema=each["input_schema"],
            effect=each["effect"],
        )
        for each in told["actions"]
    ]


def _value(action: str, told: Any) -> Any:  # noqa: ANN401 - JSON
    if not told["ok"]:
        raise CallUnsuccessful(action=action, told=told["code"], reason=told["error"].rstrip("."))
    return told["value"]


def _asked(seconds: float | None, until: datetime | None, event: str | None) -> dict[str, Any]:
    moment = None if until is None else until.isoformat()
    known = {"seconds": seconds, "until": moment, "event": event}
    given = {name: value for name, value in known.items() if value is not None}
    if len(given) != 1:
        raise WaitUnclear(given=" and ".join(given) or "none")
    return given
