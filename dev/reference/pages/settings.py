"""The page of settings: each process, each table of its file, each field."""

import enum
import json
from collections.abc import Iterator
from pathlib import PurePath
from typing import Any, Final, get_args, get_origin

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from dev.reference.field_types import described
from dev.reference.markdown import block, code, page, section, table
from dev.reference.page import Page
from seatrial.kit.settings import (
    ENVIRONMENT_DELIMITER,
    ENVIRONMENT_PREFIX,
    ProcessSettings,
)
from seatrial.main import settings as declared

_INTRO: Final = f"""\
A process reads one TOML file, checks it whole before anything starts, and names every wrong field.
A value comes from the environment (`{ENVIRONMENT_PREFIX}SECTION{ENVIRONMENT_DELIMITER}FIELD`), else
from the file, else it is the default. `seatrial settings check FILE` shows what is in force."""


def render() -> str:
    """The page for every process's settings."""
    return page("Settings", _INTRO, *(told(process) for process in processes()))


def processes() -> list[type[ProcessSettings]]:
    """The settings classes of `seatrial.main.settings`, in the order of the file."""
    return [
        found
        for found in vars(declared).values()
        if isinstance(found, type)
        and issubclass(found, ProcessSettings)
        and found.__module__ == declared.__name__
    ]


def fields(model: type[BaseModel], path: tuple[str, ...]) -> Iterator[tuple[str, FieldInfo]]:
    """Each field below `model` that holds a value, with its dotted name."""
    for name, field in model.model_fields.items():
        inner = field.annotation
        if get_origin(inner) is dict:  # tables that their owner names
            yield from fields(get_args(inner)[1], (*path, name, "NAME"))
        elif isinstance(inner, type) and issubclass(inner, BaseModel):
            yield from fields(inner, (*path, name))
        else:
            yield ".".join((*path, name)), field


def told(process: type[ProcessSettings]) -> str:
    """The settings of one process: a table for each section, and the file that says it all."""
    sections = []
    lines: list[str] = []
    for name, field in process.model_fields.items():
        inner, named = field.annotation, name
        if get_origin(inner) is dict:  # tables that their owner names
            inner, named = get_args(inner)[1], f"{name}.NAME"
        if not (isinstance(inner, type) and issubclass(inner, BaseModel)):
            raise TypeError(f"{process.__name__}.{name} is no section")
        rows = [_row(dotted, value) for dotted, value in fields(inner, (named,))]
        head = ("field", "type", "default", "meaning", "environment variable")
        sections.append(section(3, code(f"[{named}]"), _prose(inner), table(head, rows)))
        if named == name:
            lines += _toml(name, inner)
    whole = section(3, "The file, with every default", block("toml", "\n".join(lines)))
    return section(2, process.__name__, _prose(process), *sections, whole)


def _prose(model: type[BaseModel]) -> str:
    return " ".join((model.__doc__ or "").split())


def _row(dotted: str, field: FieldInfo) -> tuple[str, ...]:
    variable = ENVIRONMENT_PREFIX + dotted.upper().replace(".", ENVIRONMENT_DELIMITER)
    default = "required" if field.is_required() else code(_value(_default(field)))
    return (code(dotted), described(field), default, field.description or "", code(variable))


def _toml(name: str, model: type[BaseModel]) -> Iterator[str]:
    yield f"[{name}]"
    for dotted, field in fields(model, ()):
        value = None if field.is_required() else _default(field)
        # TOML has no null: a field that is unset by default is shown as a comment.
        yield f"# {dotted} =" if value is None else f"{dotted} = {_value(value)}"
    yield ""


def _default(field: FieldInfo) -> Any:  # noqa: ANN401 - a default is of any type
    return field.get_default(call_default_factory=True, validated_data={})


def _value(value: object) -> str:
    """A default as TOML writes it."""
    if value is None:
        return "unset"
    if isinstance(value, SecretStr):
        return _value(value.get_secret_value())
    if isinstance(value, enum.Enum):
        return _value(value.value)
    if isinstance(value, list | tuple | set | frozenset):
        return f"[{', '.join(_value(each) for each in value)}]"
    if isinstance(value, PurePath):
        return _value(value.as_posix())
    return json.dumps(value, ensure_ascii=False)


SETTINGS: Final = Page(path="docs/reference/settings.md", render=render)
