"""The type of a settings field, in words that a person who writes the file understands."""

import enum
import types
import typing
from collections.abc import Iterator
from pathlib import PurePath
from typing import Annotated, Any, Final

import annotated_types
from pydantic import SecretStr
from pydantic.fields import FieldInfo

from dev.reference.markdown import code, words

_NAMES: Final[dict[object, str]] = {
    bool: "true or false",
    int: "integer",
    float: "number",
    str: "text",
    SecretStr: "secret text",
    types.NoneType: "unset",
}
_UNIONS: Final = (typing.Union, types.UnionType)
_LISTS: Final = (list, tuple, set, frozenset)


def described(field: FieldInfo) -> str:
    """The field's type and its limits: `integer, at least 0, at most 65535`."""
    return _with_limits(field.annotation, field.metadata)


def _with_limits(kind: Any, marks: typing.Iterable[object]) -> str:  # noqa: ANN401 - any annotation
    return ", ".join([_type(kind), *(limit for mark in marks for limit in _limits(mark))])


def _type(kind: Any) -> str:  # noqa: ANN401 - any annotation
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if origin is Annotated:
        return _with_limits(inner[0], inner[1:])
    if origin in _UNIONS:
        return " or ".join(_type(each) for each in inner)
    if origin is typing.Literal:
        return words([str(each) for each in inner], "or")
    if origin in _LISTS:
        return f"list of {_type(inner[0])}"
    return f"table of {_type(inner[1])}" if origin is dict else _plain(kind)


def _plain(kind: Any) -> str:  # noqa: ANN401 - any annotation
    if kind in _NAMES:
        return _NAMES[kind]
    if issubclass(kind, enum.Enum):
        return words([str(member.value) for member in kind], "or")
    return "path" if issubclass(kind, PurePath) else code(kind.__name__)


def _limits(mark: object) -> Iterator[str]:
    match mark:
        case annotated_types.Ge(ge=limit):
            yield f"at least {limit}"
        case annotated_types.Gt(gt=limit):
            yield f"over {limit}"
        case annotated_types.Le(le=limit):
            yield f"at most {limit}"
        case annotated_types.Lt(lt=limit):
            yield f"under {limit}"
        case annotated_types.MinLen(min_length=limit):
            yield f"at least {limit} long"
        case annotated_types.MaxLen(max_length=limit):
            yield f"at most {limit} long"
        case FieldInfo():
            for inner in mark.metadata:
                yield from _limits(inner)
        case _:
            pattern = getattr(mark, "pattern", None)
            if pattern is not None:
                yield f"matching {code(str(pattern))}"
