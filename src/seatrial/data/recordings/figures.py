"""What a conversation came to, in numbers."""

from collections.abc import Iterable
from typing import Final, Literal, Self

from pydantic import BaseModel, ConfigDict

from seatrial.data.recordings.domain import Recording

SCHEMA: Final = "seatrial/figures/v1"


class Figures(BaseModel):
    """One conversation in numbers, as it was recorded or as it was played.

    Attributes:
        name: of the conversation.
        release: that had it, or the model where no release is known.
        succeeded: the verdict on its end; None where there is none.
        path: the tools that were called, in order.
        tokens: of all questions and answers; None where nobody counted.
        cost_usd: of all answers; None where it is not known.
        seconds: from each of the person's messages to its answer; empty where nobody took the time.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_name: Literal["seatrial/figures/v1"] = SCHEMA
    name: str
    release: str
    succeeded: bool | None
    path: tuple[str, ...]
    tokens: int | None
    cost_usd: float | None
    seconds: tuple[float, ...]

    @classmethod
    def of(cls, recording: Recording) -> Self:
        """Those of a recording."""
        steps = list(recording.steps)
        tokens = [n for it in steps for n in (it.input_tokens, it.output_tokens) if n is not None]
        costs = [each.cost_usd for each in steps if each.cost_usd is not None]
        return cls(
            name=recording.name,
            release=recording.model,
            succeeded=recording.succeeded,
            path=tuple(call.name for call in recording.calls),
            tokens=sum(tokens) if tokens else None,
            cost_usd=round(sum(costs), 6) if costs else None,
            seconds=tuple(_waited(recording)),
        )


def _waited(recording: Recording) -> Iterable[float]:
    for turn in recording.turns:
        seconds = [each.seconds for each in turn.steps if each.seconds is not None]
        if seconds and not turn.cut:
            yield round(sum(seconds), 3)
