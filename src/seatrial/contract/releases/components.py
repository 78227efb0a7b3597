"""The components of a release: one versioned part of an agent each, named by its digest."""

import enum
from typing import Annotated, Final

from pydantic import Field

from seatrial.contract.documents import (
    ComponentName,
    DigestField,
    Document,
    DocumentInvalid,
    JsonObject,
)
from seatrial.contract.releases.actions import Tool

LARGEST_PROMPT: Final = 262_144  # characters


class Kind(enum.StrEnum):
    """What a component is."""

    CODE = "code"
    PROMPT = "prompt"
    MODEL = "model"
    TOOL = "tool"
    LIMITS = "limits"


class Wheel(Document):
    """A wheel that the code needs.

    Attributes:
        file: its file name.
        content: digest of its bytes.
    """

    file: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.+!-]+\.whl$", max_length=255)]
    content: DigestField


class Code(Document):
    """The agent's own source and what it stands on.

    Attributes:
        entry: `path/to/file.py:object` inside the bundle.
        bundle: digest of the bundle, a deterministic tar (see `releases.bundles`).
        lock: the resolved requirements with their hashes, as pip reads them; empty for none.
        wheels: what the lock names.
        python: the interpreter's version, such as `3.11`.
    """

    entry: Annotated[str, Field(pattern=r"^[^:\\]+\.py:[A-Za-z_][A-Za-z0-9_]*$", max_length=300)]
    bundle: DigestField
    lock: Annotated[str, Field(max_length=1_000_000)] = ""
    wheels: Annotated[tuple[Wheel, ...], Field(max_length=500)] = ()
    python: Annotated[str, Field(pattern=r"^3\.[0-9]{1,2}$")]


class Prompt(Document):
    """A prompt, fetched by its name and pinned for the whole run."""

    text: Annotated[str, Field(max_length=LARGEST_PROMPT)]


class Model(Document):
    """A model pin: in staging and production nothing else may be asked for.

    Attributes:
        provider: whose API, such as `openai`.
        model: the exact name, never one that moves.
    """

    provider: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,39}$")]
    model: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/@-]{0,119}$")]


class Limits(Document):
    """Bounds of one run; what is not set here takes the cell's default, except where a gate asks.

    Attributes:
        timeout_seconds: of one attempt.
        attempts: tries of a run that fails for a passing reason.
        steps: model and tool calls of one run.
        cost_usd: money of one run.
        memory_mb: of the agent's process.
    """

    timeout_seconds: Annotated[float | None, Field(gt=0, le=86_400)] = None
    attempts: Annotated[int | None, Field(ge=1, le=20)] = None
    steps: Annotated[int | None, Field(ge=1, le=10_000)] = None
    cost_usd: Annotated[float | None, Field(gt=0, le=10_000)] = None
    memory_mb: Annotated[int | None, Field(ge=64, le=65_536)] = None


Body = Code | Prompt | Model | Tool | Limits
_BODIES: Final[dict[Kind, type[Body]]] = {
    Kind.CODE: Code,
    Kind.PROMPT: Prompt,
    Kind.MODEL: Model,
    Kind.TOOL: Tool,
    Kind.LIMITS: Limits,
}


class Component(Document):
    """One part of an agent, as it is pinned.

    Attributes:
        kind: what it is.
        name: unique within its kind.
        body: its content; `typed` reads it.
    """

    kind: Kind
    name: ComponentName
    body: JsonObject

    @property
    def address(self) -> str:
        """`kind/name`, unique in a release."""
        return f"{self.kind}/{self.name}"

    def typed(self) -> Body:
        """The body as its kind has it; raises `DocumentInvalid`."""
        return _BODIES[self.kind].read(self.body)


def component(name: str, body: Body) -> Component:
    """The component `name` whose content is `body`."""
    kind = next(kind for kind, known in _BODIES.items() if isinstance(body, known))
    made = Component(kind=kind, name=name, body=body.document())
    if Component.read(made.document()) != made:
        raise DocumentInvalid(kind="component", findings="its body does not survive being written")
    return made
