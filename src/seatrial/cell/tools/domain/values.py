"""What is shown, told and performed."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Self

import orjson

from seatrial.cell.journal.domain.records import Body
from seatrial.cell.tools.domain.refusals import ActionFailed, ActionRejected
from seatrial.contract.releases.actions import Effect, Tool
from seatrial.kit.crypto.digests import Digest
from seatrial.kit.errors import SeatrialError

REVIEW: Final = "review:"
"""How the question begins by which a person is asked of an action."""

EVENT: Final = "event:"
"""How the question begins by which something outside is waited for."""

LARGEST_ARGUMENTS: Final = 1 << 20  # bytes
LARGEST_RESULT: Final = 4 << 20
DEEPEST: Final = 64


@dataclass(frozen=True, kw_only=True, slots=True)
class Shown:
    """An action as an agent may see it.

    Attributes:
        name: in the release.
        description: for the model.
        input_schema: JSON Schema of its arguments.
        effect: its class.
    """

    name: str
    description: str
    input_schema: Mapping[str, Any]
    effect: Effect


@dataclass(frozen=True, kw_only=True, slots=True)
class Told:
    """What an agent is told of a call.

    Attributes:
        ok: whether `value` is a result; else `error` says why there is none.
        value: any JSON value.
        error: a sentence.
        code: its stable name.
    """

    ok: bool
    value: Any = None
    error: str | None = None
    code: str | None = None

    @classmethod
    def failed(cls, error: SeatrialError) -> Self:
        """What is told of an error that the agent may do something about."""
        return cls(ok=False, error=error.message, code=error.code)

    @classmethod
    def raised(cls, words: str) -> Self:
        """What a function says of its own failure, in its own words."""
        return cls(ok=False, error=words, code=ActionFailed.code)

    def document(self) -> dict[str, Any]:
        """As JSON."""
        if self.ok:
            return {"ok": True, "value": self.value}
        return {"ok": False, "error": self.error, "code": self.code}

    def body(self) -> Body:
        """As it is recorded."""
        return Body(content=orjson.dumps(self.document()), status=200)

    @classmethod
    def read(cls, body: Body) -> Self:
        """What was recorded."""
        found = orjson.loads(body.content)
        return cls(
            ok=found["ok"],
            value=found.get("value"),
            error=found.get("error"),
            code=found.get("code"),
        )


@dataclass(frozen=True, kw_only=True)
class Performing:
    """One call as a connector performs it.

    Attributes:
        action: its name.
        tool: its declaration.
        arguments: that fit its schema.
        key: the idempotency key: the same in every attempt at the same call.
        run: whose.
        release: of the code that performs it, where it is a function.
        seed: of random numbers.
    """

    action: str
    tool: Tool
    arguments: Mapping[str, Any] = field(repr=False)
    key: str
    run: str
    release: Digest
    seed: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Rehearsed:
    """One call, or wait for an event, as a recording answers it.

    Attributes:
        run: whose.
        name: of the action, or of the wait, which begins with `EVENT`.
        arguments: of the action.
        key: of its row.
        occurrence: how often the run has made it, from 1.
    """

    run: str
    name: str
    arguments: Mapping[str, Any] = field(repr=False)
    key: str
    occurrence: int


def rejected(action: str, answer: Mapping[str, Any]) -> Told | None:
    """What an agent is told where a person has answered the review of `action`; None for yes."""
    if answer.get("approved") is True:
        return None
    reason = answer.get("reason") or "no reason given"
    return Told.failed(ActionRejected(action=action, reason=reason))
