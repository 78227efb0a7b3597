"""What the dialects share."""

import json
from dataclasses import dataclass
from typing import Any

from seatrial.kit.http.events import Event, encode


@dataclass(frozen=True)
class Frame:
    """What surrounds an answer: the same question has the same bytes for an answer.

    Attributes:
        own: names the answer.
        model: that answers.
        created: when it was made, in seconds since 1970; the same for all.
    """

    own: str
    model: str
    created: int = 0

    def named(self, kind: str) -> str:
        """An id of that kind."""
        return f"{kind}_{self.own}"


def text_of(content: Any) -> str:  # noqa: ANN401 - any JSON value
    """The words of a content, which is text or a list of parts."""
    if content is None:
        return ""
    if isinstance(content, str):
        return content
    return "".join(str(part.get("text", "")) for part in content if isinstance(part, dict))


def data_line(value: dict[str, Any]) -> bytes:
    """An event without a name."""
    return encode(Event(data=json.dumps(value)))


def named_line(value: dict[str, Any]) -> bytes:
    """An event that is named by its type."""
    return encode(Event(data=json.dumps(value), event=value["type"]))
