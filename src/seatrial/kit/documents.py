"""Documents from outside, checked against a model: every finding by its place, no value quoted."""

from typing import get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from seatrial.kit.text import nearest


def findings(kind: type[BaseModel], error: ValidationError) -> str:
    """All that is wrong, as `place: reason; place: reason`; an unknown field suggests a neighbour.

    Values are never quoted: the document may hold a secret in the wrong place.
    """
    return "; ".join(_finding(kind, detail) for detail in error.errors(include_input=False))


def _finding(kind: type[BaseModel], detail: ErrorDetails) -> str:
    place = ".".join(str(part) for part in detail["loc"]) or "the whole"
    if detail["type"] != "extra_forbidden":
        said = detail["msg"].removeprefix("Value error, ")
        return f"{place}: {said[:1].lower()}{said[1:]}"
    near = nearest(str(detail["loc"][-1]), _siblings(kind, detail["loc"]))
    hint = f", did you mean {near!r}?" if near else ""
    return f"{place}: there is no such field{hint}"


def _siblings(kind: type[BaseModel], place: tuple[int | str, ...]) -> set[str]:
    """The fields that could have stood where `place` stands."""
    kinds = {kind}
    for part in place[:-1]:
        inner = {
            model
            for outer in kinds
            if part in outer.model_fields
            for model in _models_in(outer.model_fields[str(part)].annotation)
        }
        kinds = inner or kinds  # a part that is no field is an index, or the tag of a union
    return {name for model in kinds for name in model.model_fields}


def _models_in(annotation: object) -> set[type[BaseModel]]:
    """The models that a field may hold, by themselves, in a union or in a sequence."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return {annotation}
    return {model for inner in get_args(annotation) for model in _models_in(inner)}
