"""What a flag answers: value, variant and reason, in OpenFeature's words."""

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType, UnionType
from typing import Any, Final

from seatrial.contract.flags.values import Value

Context = dict[str, Any]
"""Who is asking: `targetingKey` and attributes, each of them what JSON knows."""

Metadata = Mapping[str, str | int | float | bool]


class Reason(enum.StrEnum):
    """Why a value was answered, in OpenFeature's words."""

    STATIC = "STATIC"
    TARGETING_MATCH = "TARGETING_MATCH"
    DEFAULT = "DEFAULT"
    DISABLED = "DISABLED"
    ERROR = "ERROR"


class ErrorCode(enum.StrEnum):
    """What went wrong, in OpenFeature's words."""

    FLAG_NOT_FOUND = "FLAG_NOT_FOUND"
    TYPE_MISMATCH = "TYPE_MISMATCH"
    GENERAL = "GENERAL"


class FlagKind(enum.StrEnum):
    """The types under which OpenFeature's clients ask for a flag."""

    BOOLEAN = "boolean"
    STRING = "string"
    INTEGER = "integer"
    FLOAT = "float"
    OBJECT = "object"


_TYPES: Final[Mapping[FlagKind, type | UnionType]] = {
    FlagKind.BOOLEAN: bool,
    FlagKind.STRING: str,
    FlagKind.INTEGER: int,
    FlagKind.FLOAT: int | float,
    FlagKind.OBJECT: dict,
}
NO_METADATA: Final[Metadata] = MappingProxyType({})
_LONGEST_SHOWN: Final = 100  # characters of a value that a message quotes


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolution:
    """An answer. One is made for each variant when a definition is compiled, and shared since.

    Attributes:
        reason: why.
        variant: the variant's name; None leaves the caller to the default in the code.
        value: the variant's value. An object is shared too: copy it before you change it.
        metadata: the flag's, over the whole definition's.
        error: what went wrong, if the reason is ERROR.
        message: the same in words.
    """

    reason: Reason
    variant: str | None = None
    value: Value = None
    metadata: Metadata = field(default_factory=lambda: NO_METADATA)
    error: ErrorCode | None = None
    message: str | None = None


def not_found(key: str) -> Resolution:
    """The answer for a flag that is not there."""
    return failed(f"There is no flag {shown(key)}.", {}, ErrorCode.FLAG_NOT_FOUND)


def typed(resolution: Resolution, kind: FlagKind) -> Resolution:
    """`resolution`, or TYPE_MISMATCH if its value is not of the kind that the caller asked for."""
    value = resolution.value
    # Python counts True as a number; a caller who wants a number does not.
    fits = isinstance(value, _TYPES[kind]) and (
        kind is FlagKind.BOOLEAN or not isinstance(value, bool)
    )
    if fits or resolution.variant is None:
        return resolution
    return failed(
        f"Asked for a flag of kind {kind}, but variant {shown(resolution.variant)} is a "
        f"{type(value).__name__}.",
        resolution.metadata,
        ErrorCode.TYPE_MISMATCH,
    )


def failed(message: str, metadata: Metadata, error: ErrorCode) -> Resolution:
    """An answer that is an error."""
    return Resolution(reason=Reason.ERROR, error=error, message=message, metadata=metadata)


def shown(value: object) -> str:
    """`value` in quotes, cut where it would swamp a message."""
    text = str(value)
    return repr(text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}…")
