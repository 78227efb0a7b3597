"""Documents that control and cells exchange: frozen values, each with one form and one digest."""

from typing import Annotated, Any, Final, Self, cast

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    PlainSerializer,
    ValidationError,
)

from seatrial.kit.crypto.digests import Digest
from seatrial.kit.crypto.values import Json
from seatrial.kit.documents import findings
from seatrial.kit.errors import Invalid, SeatrialError


class DocumentInvalid(Invalid):
    """The {kind} is wrong: {findings}."""

    code = "document_invalid"
    cause = "A field is unknown, missing or of the wrong kind; a document is taken whole or not."
    remedy = "Mend the named places, or update the program that reads it to the one that wrote it."


class Document(BaseModel):
    """A value with a canonical form. Unknown fields are refused: they might limit its meaning.

    A field that is None is left out of the form, so that a later version can add one without
    changing the digest of what does not use it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)

    def document(self) -> dict[str, Json]:
        """The value as JSON."""
        return cast("dict[str, Json]", self.model_dump(mode="json", exclude_none=True))

    @property
    def digest(self) -> Digest:
        """The SHA-256 of the canonical form."""
        return Digest.of_json(self.document())

    @classmethod
    def read(cls, value: object) -> Self:
        """The document that `value` is.

        Raises:
            DocumentInvalid: with every finding by its place; no value is quoted.
        """
        try:
            return cls.model_validate(value)
        except ValidationError as error:
            kind = cls.__name__.lower()
            raise DocumentInvalid(kind=kind, findings=findings(cls, error)) from None


def _digest(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        return Digest.parse(value)
    except SeatrialError as error:
        raise ValueError(error.message) from None


def _written(value: Any) -> str:  # noqa: ANN401 - a Digest
    return str(value)


DigestField = Annotated[
    Digest, BeforeValidator(_digest), PlainSerializer(_written, return_type=str)
]
"""A digest, `sha256:…` in JSON."""

JsonObject = dict[str, JsonValue]
"""Any JSON object. (pydantic cannot follow our own recursive `Json`.)"""

SLUG: Final = r"^[a-z][a-z0-9]*(-[a-z0-9]+)*$"
Slug = Annotated[str, Field(pattern=SLUG, max_length=63)]
"""Lower-case letters, digits and single hyphens; stands in URLs, host names and trace tags."""

ComponentName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,119}$")]
"""The name of a component within its kind."""


def _key(value: str) -> str:
    prefix, _, digits = value.partition(":")
    if prefix not in {"ed25519", "x25519"} or len(digits) != 64 or set(digits) - _HEX:
        raise ValueError("a key is `ed25519:` or `x25519:` and 64 hexadecimal digits")
    return value


_HEX: Final = frozenset("0123456789abcdef")
KeyName = Annotated[str, AfterValidator(_key)]
"""A public key by its own name, `ed25519:…` or `x25519:…`."""

Text = Annotated[str, Field(max_length=2_000)]
"""A sentence or two for people."""
