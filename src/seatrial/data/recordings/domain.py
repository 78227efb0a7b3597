"""A recording: one conversation by turns, each with the steps that the model took in it."""

import hashlib
import json
from collections.abc import Iterator
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from seatrial.kit.errors import Invalid

SCHEMA: Final = "seatrial/recording/v1"


class RecordingRefused(Invalid):
    """{path!r} cannot be read as recordings: {reason}."""

    code = "recording_refused"
    cause = "The file is in another form, was cut, or holds a conversation that has no script."
    remedy = "Name its form with `--format`; `--skip-unfit` leaves single conversations out."


class NothingToCompare(Invalid):
    """No conversation of {first!r} is in {second!r} too."""

    code = "nothing_to_compare"
    cause = "Two releases are compared on conversations of the same name."
    remedy = "Play the same recordings to both releases: `seatrial recordings run --out FILE`."


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class RecordedCall(_Part):
    """A call of a tool that the model asked for, and what came of it.

    Attributes:
        id: by which the model named it.
        name: of the tool.
        arguments: a JSON object.
        result: what the model was told, as text.
    """

    id: str
    name: str
    arguments: dict[str, Any]
    result: str


class Step(_Part):
    """One answer of the model.

    Attributes:
        content: its words; None where it only calls.
        calls: what it asks for, in order.
        input_tokens: of the question; None where nobody wrote it down.
        output_tokens: of the answer.
        cost_usd: as it was billed.
        seconds: from the message before it to this one.
    """

    content: str | None = None
    calls: tuple[RecordedCall, ...] = ()
    input_tokens: int | None = None
    output_tokens: int | None = None
    cost_usd: float | None = None
    seconds: float | None = None


class Turn(_Part):
    """What the person said, and every step up to the agent's answer.

    Attributes:
        said: by the person.
        steps: of the model; the last one's content is the agent's answer. None: only the person's
            part is known, and whatever an agent answers is as good as another.
        cut: the conversation ended before the model had answered.
    """

    said: str
    steps: tuple[Step, ...] = ()
    cut: bool = False

    @property
    def answer(self) -> str:
        """What the agent said in the end."""
        return "" if self.cut or not self.steps else self.steps[-1].content or ""


class Wanted(_Part):
    """A call that the task wants to have been made."""

    name: str
    arguments: dict[str, Any]


class Recording(_Part):
    """One conversation.

    Attributes:
        name: unique in its file.
        model: that answered; empty where only the person's part is known.
        turns: in order.
        task: what it was about; two releases are compared by it.
        succeeded: the verdict of whoever recorded it; None where there is none.
        wants: the calls that bring about the right end state.
    """

    schema_name: Literal["seatrial/recording/v1"] = SCHEMA
    name: str
    model: str = ""
    turns: Annotated[tuple[Turn, ...], Field(min_length=1)]
    task: str = ""
    succeeded: bool | None = None
    wants: tuple[Wanted, ...] | None = None

    @property
    def steps(self) -> Iterator[Step]:
        """All of them."""
        for turn in self.turns:
            yield from turn.steps

    @property
    def calls(self) -> Iterator[RecordedCall]:
        """All of them."""
        for step in self.steps:
            yield from step.calls


class Course:
    """How far a conversation has come, as a digest of what the model was told.

    What counts is what people said so far, and what tools said since. Results of earlier turns do
    not: many agents carry on with the words of a session alone, and a turn in which a result was
    another has gone another way already. Instructions belong to the release. Text that is JSON
    counts by its value.

    Args:
        model: that is asked.
    """

    __slots__ = ("_people", "_tools")

    def __init__(self, model: str) -> None:
        self._people = hashlib.sha256(model.encode())
        self._tools = hashlib.sha256()

    def told(self, role: Literal["user", "tool"], text: str) -> None:
        """Note the next message."""
        part = hashlib.sha256(_plain(text).encode()).digest()
        if role == "user":
            self._people.update(part)
            self._tools = hashlib.sha256()
        else:
            self._tools.update(part)

    @property
    def key(self) -> str:
        """The digest now."""
        return self._people.hexdigest() + self._tools.hexdigest()


def courses(recording: Recording) -> Iterator[tuple[str, Step]]:
    """Each step of a recording under the course that led to it."""
    course = Course(recording.model)
    for turn in recording.turns:
        course.told("user", turn.said)
        for step in turn.steps:
            yield course.key, step
            for call in step.calls:
                course.told("tool", call.result)


def _plain(text: str) -> str:
    text = text.strip()
    if not text.startswith(("{", "[")):
        return text
    try:
        return json.dumps(json.loads(text), sort_keys=True)
    except ValueError:
        return text
