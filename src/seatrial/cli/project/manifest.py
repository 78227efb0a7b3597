"""`seatrial.toml`: the file that makes a folder a project, read whole and told of all at once."""

import re
import tomllib
from pathlib import Path
from typing import Annotated, Any, Final, Self

from pydantic import AfterValidator, BeforeValidator, Field, ValidationError, model_validator

from seatrial.cli.project.domain import ProjectInvalid, ProjectMissing
from seatrial.contract.documents import ComponentName, Document, JsonObject, Slug, Text
from seatrial.contract.releases.actions import (
    Effect,
    FunctionCall,
    HttpCall,
    InProcess,
    Perform,
    Review,
    SqlCall,
    Tool,
)
from seatrial.contract.releases.components import Limits, Model
from seatrial.kit.documents import findings

FILE: Final = "seatrial.toml"
LARGEST: Final = 262_144  # bytes of seatrial.toml
_MOST: Final = 200  # prompts, models, actions, secrets, patterns: of each
_VARIABLE: Final = re.compile(r"[A-Z][A-Z0-9_]{1,99}\Z")
# Keys of well-known providers that are made of capitals alone, as a variable's name is.
_KEYLIKE: Final = re.compile(r"(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{12,}\Z")
_MOVING: Final = re.compile(r"(?:^|[-:@/._])latest\Z", re.IGNORECASE)


def _path(value: str) -> str:
    parts = value.split("/")
    if "\\" in value or value.startswith("/") or not {"", ".", ".."}.isdisjoint(parts):
        raise ValueError("a path starts at the project's folder, with `/`, and stays inside it")
    return value


def _pin(value: object) -> object:
    """`"openai:gpt-4.1"` is short for `{ provider = "openai", model = "gpt-4.1" }`."""
    if not isinstance(value, str):
        return value
    provider, colon, name = value.partition(":")
    if not colon:
        raise ValueError("a model is `provider:model`, such as `openai:gpt-4.1-mini-2025-04-14`")
    return {"provider": provider, "model": name}


def _pinned(value: Model) -> Model:
    if _MOVING.search(value.model):
        raise ValueError("a name that moves (`latest`) pins nothing; name the exact version")
    return value


def _reference(value: object) -> object:
    """A secret by reference. The value is never quoted: it may be the secret itself."""
    if not isinstance(value, str) or not _VARIABLE.match(value) or _KEYLIKE.match(value):
        raise ValueError(
            "a secret stands here by the name of a variable, such as OPENAI_API_KEY; if this is "
            "the secret itself, take it out, and replace it where it was made"
        )
    return value


ProjectPath = Annotated[str, Field(min_length=1, max_length=240), AfterValidator(_path)]
Pin = Annotated[Model, BeforeValidator(_pin), AfterValidator(_pinned)]
Reference = Annotated[str, BeforeValidator(_reference)]
Patterns = Annotated[
    tuple[Annotated[str, Field(min_length=1, max_length=240)], ...], Field(max_length=_MOST)
]


class Agent(Document):
    """`[agent]`.

    Attributes:
        name: the agent's slug.
        entry: `path/to/file.py:object`.
        owner: who answers for it.
        description: what it is for.
        python: the version that it runs on, such as `3.11`; empty for the one that deploys.
    """

    name: Slug
    entry: Annotated[str, Field(pattern=r"^[^:\\]+\.py:[A-Za-z_][A-Za-z0-9_]*$", max_length=300)]
    owner: Text = ""
    description: Text = ""
    python: Annotated[str, Field(pattern=r"^(3\.[0-9]{1,2})?$")] = ""


class Action(Document):
    """`[actions.NAME]`.

    Attributes:
        effect: what performing it twice would mean.
        description: for the model and for reviewers.
        input: JSON Schema of its arguments: a file's path, or the schema itself as a table.
        function: `path/to/file.py:name`, by which the cell performs it; or
        sql: a statement; or
        http: a request; or
        pure: the agent runs it itself, and it has no effect; of the four at most one.
        connector: what it is performed on; each environment binds the name.
        review: when a person must approve it.
        timeout_seconds: after so many it is given up.
    """

    effect: Effect = Effect.READ
    description: Text = ""
    input: ProjectPath | JsonObject
    function: str | None = None
    sql: str | None = None
    http: HttpCall | None = None
    pure: bool = False
    connector: Slug | None = None
    review: Review = Review.NEVER
    timeout_seconds: float = 30.0

    @model_validator(mode="after")
    def _fits(self) -> Self:
        ways = (self.function is not None, self.sql is not None, self.http is not None, self.pure)
        if sum(ways) > 1:
            raise ValueError("one of `function`, `sql`, `http` and `pure` says how it is performed")
        if not self.pure and "effect" not in self.model_fields_set:
            raise ValueError("`effect` is missing: read, idempotent, reconcilable, transactional …")
        self.tool({})
        return self

    def tool(self, schema: JsonObject) -> Tool:
        """The action as a release holds it, with the schema of its arguments."""
        return Tool(
            effect=self.effect,
            description=self.description,
            input_schema=schema,
            perform=self._perform(),
            connector=self.connector,
            review=self.review,
            timeout_seconds=self.timeout_seconds,
        )

    def _perform(self) -> Perform | None:
        if self.function is not None:
            return FunctionCall(function=self.function)
        if self.sql is not None:
            return SqlCall(statement=self.sql)
        return InProcess() if self.pure else self.http


class Bundle(Document):
    """`[bundle]`.

    Attributes:
        include: patterns of what the standing list leaves out and is wanted.
        exclude: patterns of what is not wanted; they win.
    """

    include: Patterns = ()
    exclude: Patterns = ()


class Dependencies(Document):
    """`[dependencies]`.

    Attributes:
        requirements: a file of requirements; empty for those of pyproject.toml.
    """

    requirements: Annotated[
        str, Field(max_length=240), AfterValidator(lambda v: v and _path(v))
    ] = ""


class Manifest(Document):
    """The whole file."""

    agent: Agent
    models: Annotated[dict[ComponentName, Pin], Field(max_length=_MOST, default_factory=dict)]
    prompts: Annotated[
        dict[ComponentName, ProjectPath], Field(max_length=_MOST, default_factory=dict)
    ]
    actions: Annotated[dict[ComponentName, Action], Field(max_length=_MOST, default_factory=dict)]
    limits: Limits = Limits()
    secrets: Annotated[dict[Slug, Reference], Field(max_length=_MOST, default_factory=dict)]
    bundle: Bundle = Bundle()
    dependencies: Dependencies = Dependencies()


def find(start: Path) -> Path:
    """The project's folder: `start`, or the nearest above it that holds seatrial.toml.

    Raises:
        ProjectMissing: none does.
    """
    start = start.absolute()
    for folder in (start, *start.parents):
        if (folder / FILE).is_file():
            return folder
    raise ProjectMissing(folder=str(start))


def read(folder: Path) -> Manifest:
    """The manifest of the project in `folder`.

    Raises:
        ProjectMissing: it has none.
        ProjectInvalid: with every finding by its place.
    """
    path = folder / FILE
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST + 1)
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        raise ProjectMissing(folder=str(folder)) from None
    except OSError as error:
        raise ProjectInvalid(path=str(path), findings=error.strerror or str(error)) from None
    return parse(content, str(path))


def parse(content: bytes, path: str) -> Manifest:
    """The manifest whose text is `content`; raises `ProjectInvalid`."""
    if len(content) > LARGEST:
        raise ProjectInvalid(path=path, findings=f"it is larger than {LARGEST} bytes")
    try:
        document: dict[str, Any] = tomllib.loads(content.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise ProjectInvalid(path=path, findings=f"it is not UTF-8: {error.reason}") from None
    except (tomllib.TOMLDecodeError, ValueError, RecursionError) as error:
        raise ProjectInvalid(path=path, findings=f"it is not TOML: {_said(error)}") from None
    try:
        return Manifest.model_validate(document)
    except ValidationError as error:
        raise ProjectInvalid(path=path, findings=findings(Manifest, error)) from None


def _said(error: Exception) -> str:
    """What the reader says, without the text that it quotes: it may be a secret."""
    text = "it nests too deep" if isinstance(error, RecursionError) else str(error)
    return re.sub(r"(['\"]).{20,}\1", "'…'", text)
