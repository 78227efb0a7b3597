"""What is asked of a model, whatever the dialect, and the rules of who answers it how."""

import enum
import fnmatch
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final, Self

import re2
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from seatrial.kit.errors import Invalid

_HOLE: Final = re.compile(r"\{([A-Za-z_]\w*)\}")
_BYTES_A_TOKEN: Final = 4  # of English text, about: enough for budgets that nobody pays


class ScriptRefused(Invalid):
    """{path!r} is no script of a model: {reason}."""

    code = "script_refused"
    cause = "A rule has an unknown field or a broken pattern, or says nothing and breaks nothing."
    remedy = "Compare it with the how-to page on scripted models."


class Unscripted(Invalid):
    """No rule and no recording answers this: {asked}."""

    code = "model_unscripted"
    cause = "The conversation went another way than the script knows."
    remedy = "Add a rule; where recordings are played, agent or tools did otherwise than then."
    status = 422


class QuestionUnreadable(Invalid):
    """The question is in another form: {reason}."""

    code = "question_unreadable"
    cause = "The body is not what this API of a model takes."
    remedy = "Send what the provider's own client sends."


class BreakRefused(Invalid):
    """That is no fault: {reason}."""

    code = "break_refused"
    cause = "The body names no known fault."
    remedy = 'Send such as {{"fault": "overloaded", "times": 3}}.'


class Role(enum.StrEnum):
    """Who said something."""

    SYSTEM = "system"
    USER = "user"
    ASSISTANT = "assistant"
    TOOL = "tool"


@dataclass(frozen=True, kw_only=True)
class Heard:
    """A message of the question.

    Attributes:
        role: whose it is.
        text: its words; of a tool, its result.
        tool: which one it was; empty for others, or where nobody knows.
    """

    role: Role
    text: str
    tool: str = ""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A question to a model.

    Attributes:
        model: that is asked.
        heard: all messages, in order.
        stream: whether the answer is wanted in parts.
        usage: whether a stream tells its tokens.
        size: bytes of the question.
    """

    model: str
    heard: tuple[Heard, ...]
    stream: bool
    usage: bool = True
    size: int = 0

    def texts(self, role: Role) -> list[str]:
        """What was said in that role."""
        return [each.text for each in self.heard if each.role is role]

    @property
    def summary(self) -> str:
        """Enough to find the place."""
        last = self.heard[-1] if self.heard else Heard(role=Role.USER, text="")
        who = last.tool or last.role
        turn = len(self.texts(Role.USER))
        return f"model {self.model!r}, turn {turn}, after {who}: {last.text[:160]!r}"


@dataclass(frozen=True, kw_only=True)
class Calling:
    """A call that the model asks for."""

    id: str
    name: str
    arguments: Mapping[str, Any]

    @property
    def text(self) -> str:
        """The arguments as the model writes them."""
        return json.dumps(self.arguments)


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What the model says.

    Attributes:
        content: its words; None where it only calls.
        calls: what it asks for.
        input_tokens: of the question.
        output_tokens: of the answer.
    """

    content: str | None
    calls: tuple[Calling, ...] = ()
    input_tokens: int
    output_tokens: int

    @property
    def words(self) -> Iterator[str]:
        """The words in parts, as a stream brings them."""
        yield from re.findall(r"\S+\s*|\s+", self.content or "")


class Fault(enum.StrEnum):
    """What can be wrong with a provider."""

    OVERLOADED = "overloaded"
    RATE_LIMITED = "rate_limited"
    BROKEN = "broken"
    CUT = "cut"
    GARBAGE = "garbage"
    SILENT = "silent"
    OTHER_MODEL = "other_model"


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class When(_Part):
    """What must hold for a rule to answer; patterns are RE2 and are searched for.

    Attributes:
        model: a name; `*` stands for any characters.
        said: in the person's last message.
        heard: in any message of the person.
        after: the tool whose result came last; None: the person spoke last.
        told: in the last tool's result.
        instructed: in the instructions.
        turn: which of the person's messages is the last, from 1.
    """

    model: str = "*"
    said: str | None = None
    heard: str | None = None
    after: str | None = None
    told: str | None = None
    instructed: str | None = None
    turn: Annotated[int, Field(ge=1)] | None = None

    @field_validator("said", "heard", "told", "instructed")
    @classmethod
    def _compiles(cls, value: str | None) -> str | None:
        if value is not None:
            try:
                re2.compile(value)
            except re2.error as error:
                raise ValueError(f"{value!r} is no pattern: {error}") from None
        return value

    @property
    def names(self) -> set[str]:
        """The groups that its patterns name."""
        patterns = (self.said, self.heard, self.told)
        return {name for each in patterns if each for name in re2.compile(each).groupindex}

    def fits(self, asked: Asked) -> dict[str, str] | None:
        """What the named groups found; None if the rule does not fit."""
        people, tools = asked.texts(Role.USER), asked.texts(Role.TOOL)
        last = asked.heard[-1] if asked.heard else None
        tool = last.tool if last is not None and last.role is Role.TOOL else None
        if (
            not fnmatch.fnmatchcase(asked.model, self.model)
            or tool != self.after
            or (self.turn is not None and len(people) != self.turn)
        ):
            return None
        found: dict[str, str] = {}
        for pattern, texts in (
            (self.instructed, asked.texts(Role.SYSTEM)),
            (self.said, people[-1:]),
            (self.heard, people[::-1]),
            (self.told, tools[-1:]),
        ):
            if pattern is None:
                continue
            match = next((m for text in texts if (m := re2.search(pattern, text))), None)
            if match is None:
                return None
            found |= {name: part or "" for name, part in match.groupdict().items()}
        return found


class Call(_Part):
    """A call to ask for; `{name}` in its arguments is what the group `name` found."""

    name: str
    arguments: dict[str, Any] = {}


class Rule(_Part):
    """One rule; the first that fits answers.

    Attributes:
        when: what must hold.
        say: the words; `{name}` is what the group `name` found.
        calls: what to ask for.
        fault: what goes wrong instead.
        delay_seconds: before the answer begins.
        times: how often it answers before it fits no more; None: always.
    """

    when: When = When()
    say: str | None = None
    calls: tuple[Call, ...] = ()
    fault: Fault | None = None
    delay_seconds: Annotated[float, Field(ge=0, le=600)] = 0.0
    times: Annotated[int, Field(ge=1)] | None = None

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.say is None and not self.calls and self.fault is None:
            raise ValueError("it has neither `say` nor `calls` nor `fault`")
        said = [self.say or "", json.dumps([each.arguments for each in self.calls])]
        unknown = {name for text in said for name in _HOLE.findall(text)} - self.when.names
        if unknown:
            raise ValueError(f"no pattern has a group {', '.join(sorted(unknown))}")
        return self

    def answer(self, asked: Asked, found: Mapping[str, str]) -> Answer:
        """The answer to `asked`."""
        content = None if self.say is None else _filled(self.say, found)
        number = len(asked.heard)
        calls = tuple(
            Calling(id=f"call_{number}_{place}", name=each.name,
                    arguments=_filled(each.arguments, found))
            for place, each in enumerate(self.calls)
        )  # fmt: skip
        size = len(content or "") + sum(len(each.name) + len(each.text) for each in calls)
        return Answer(
            content=content,
            calls=calls,
            input_tokens=_tokens(asked.size),
            output_tokens=_tokens(size),
        )


class Script(_Part):
    """A file of rules."""

    rules: Annotated[tuple[Rule, ...], Field(min_length=1)]


class Break(_Part):
    """A fault on request.

    Attributes:
        fault: what goes wrong.
        times: with how many questions.
        model: of which models; `*` stands for any characters.
    """

    fault: Fault
    times: Annotated[int, Field(ge=1, le=1_000_000)] = 1
    model: str = "*"


@dataclass(frozen=True, kw_only=True)
class Reply:
    """What is to happen to a question.

    Attributes:
        answer: what is said; None where a fault leaves nothing to say.
        fault: what goes wrong.
        delay: seconds before anything happens.
    """

    answer: Answer | None = None
    fault: Fault | None = None
    delay: float = 0.0


NO_ANSWER: Final = Answer(content="", input_tokens=0, output_tokens=0)


def _filled(value: Any, found: Mapping[str, str]) -> Any:  # noqa: ANN401 - any JSON value
    if isinstance(value, str):
        return _HOLE.sub(lambda hole: found.get(hole[1], hole[0]), value)
    if isinstance(value, Mapping):
        return {name: _filled(each, found) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_filled(each, found) for each in value]
    return value


def _tokens(size: int) -> int:
    return max(1, -(-size // _BYTES_A_TOKEN))
