"""A typed action: what an agent may propose, and how an environment's cell performs it.

An action names its connector, never an address: each environment binds the name to an instance of
its own, so that the same release writes into staging's database in staging.
"""

import enum
from typing import Annotated, Final, Literal, Self

from pydantic import Field, model_validator

from seatrial.contract.documents import Document, JsonObject, Slug, Text

LONGEST_STATEMENT: Final = 20_000  # characters
_ADDRESS: Final = r"^[^:\\]+\.py:[A-Za-z_][A-Za-z0-9_]*$"
_PATH: Final = r"^/[^\s?#\\]*$"


class Effect(enum.StrEnum):
    """What performing an action twice would mean; decides how a cut one is recovered."""

    READ = "read"
    IDEMPOTENT = "idempotent"
    RECONCILABLE = "reconcilable"
    TRANSACTIONAL = "transactional"
    IRREVERSIBLE = "irreversible"


class Review(enum.StrEnum):
    """When a person must approve an action before it is performed."""

    NEVER = "never"
    ALWAYS = "always"


class FunctionCall(Document):
    """Performed by a function of the bundle, in a process of the cell's that is not the agent's.

    Attributes:
        kind: `function`.
        function: `path/to/file.py:name`; called with the arguments by name, and with `db`, an open
            transaction, where the action's connector is a database.
    """

    kind: Literal["function"] = "function"
    function: Annotated[str, Field(pattern=_ADDRESS, max_length=300)]


class SqlCall(Document):
    """Performed by one statement on a database.

    Attributes:
        kind: `sql`.
        statement: takes the arguments as `:name`, and `:seatrial_key` for the idempotency key.
    """

    kind: Literal["sql"] = "sql"
    statement: Annotated[str, Field(min_length=1, max_length=LONGEST_STATEMENT)]


class HttpRequest(Document):
    """A request that is made of an action's arguments.

    Attributes:
        method: of HTTP.
        path: below the connector's address; `{name}` takes an argument, `{seatrial_key}` the
            idempotency key.
        query: arguments that go into the query.
    """

    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"] = "POST"
    path: Annotated[str, Field(pattern=_PATH, max_length=1_000)]
    query: Annotated[tuple[str, ...], Field(max_length=100)] = ()


class HttpCall(HttpRequest):
    """Performed by a request. Arguments in neither path nor query make up its JSON body.

    Attributes:
        kind: `http`.
        key_header: the header that carries the idempotency key of a write.
        lookup: asks whether a write with a key has happened: 2xx with the answer to give, or 404.
    """

    kind: Literal["http"] = "http"
    key_header: Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9-]{0,63}$")] = "Idempotency-Key"
    lookup: HttpRequest | None = None


class InProcess(Document):
    """Run by the agent itself. It is declared to have no effect, and nothing checks that.

    Attributes:
        kind: `in_process`.
    """

    kind: Literal["in_process"] = "in_process"


Perform = Annotated[FunctionCall | SqlCall | HttpCall | InProcess, Field(discriminator="kind")]


class Tool(Document):
    """A typed action that the agent may propose.

    Attributes:
        effect: its class.
        description: for the model and for reviewers.
        input_schema: JSON Schema of its arguments.
        perform: how; None for nothing yet, and then it is refused.
        connector: the name of what it is performed on, which each environment binds.
        review: when a person must approve it.
        timeout_seconds: after so many it is given up, and its outcome is unknown if it writes.
    """

    effect: Effect
    description: Text = ""
    input_schema: JsonObject
    perform: Perform | None = None
    connector: Slug | None = None
    review: Review = Review.NEVER
    timeout_seconds: Annotated[float, Field(gt=0, le=600)] = 30.0

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if isinstance(self.perform, SqlCall | HttpCall) and self.connector is None:
            raise ValueError("name the `connector` that the environment binds")
        if isinstance(self.perform, InProcess) and (
            self.effect is not Effect.READ or self.connector or self.review is not Review.NEVER
        ):
            raise ValueError("what an agent runs by itself has effect `read`, and nothing else")
        if (
            self.effect is Effect.RECONCILABLE
            and isinstance(self.perform, HttpCall)
            and self.perform.lookup is None
        ):
            raise ValueError("a reconcilable action needs `lookup`, which asks what happened")
        if self.effect is Effect.RECONCILABLE and isinstance(self.perform, FunctionCall | SqlCall):
            raise ValueError("only a request can be reconcilable; on a database, transactional")
        if self.effect is Effect.TRANSACTIONAL and (
            isinstance(self.perform, HttpCall) or (self.perform and self.connector is None)
        ):
            raise ValueError("a transactional action writes into a database: name its `connector`")
        return self
