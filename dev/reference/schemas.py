"""A JSON schema in words: the fields of a document as a table."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from dev.reference.markdown import code, table, words

Schema = Mapping[str, Any]

_REF: Final = "#/components/schemas/"
_LOCAL: Final = "#/$defs/"
_NAMES: Final = {
    "string": "text",
    "integer": "integer",
    "number": "number",
    "boolean": "true or false",
    "null": "null",
    "object": "object",
}
_FORMATS: Final = {"date-time": "time"}
_LIMITS: Final = (
    ("minimum", "at least {}"),
    ("exclusiveMinimum", "over {}"),
    ("maximum", "at most {}"),
    ("exclusiveMaximum", "under {}"),
    ("maxLength", "at most {} long"),
    ("maxItems", "at most {} of them"),
)


def described(schema: Schema, linked: Mapping[str, str]) -> str:
    """What a value may be, such as `text, at most 120 long`.

    Args:
        schema: of the value.
        linked: what stands for each named schema, by its name.
    """
    return ", ".join([_kind(schema, linked), *_limits(schema)])


def fields(schema: Schema, linked: Mapping[str, str]) -> str:
    """The table of a document's fields."""
    needed = set(schema.get("required", ()))
    rows = [
        (code(name), described(each, linked), _presence(name, each, needed))
        for name, each in schema.get("properties", {}).items()
    ]
    return table(("field", "value", "left out"), rows)


def name_of(reference: str) -> str:
    """The name of the schema that a `$ref` refers to."""
    return reference.removeprefix(_REF).removeprefix(_LOCAL)


def _kind(schema: Schema, linked: Mapping[str, str]) -> str:
    if "$ref" in schema:
        name = name_of(schema["$ref"])
        return linked.get(name, code(name))
    for several in ("anyOf", "oneOf"):
        if several in schema:
            return " or ".join(described(each, linked) for each in schema[several])
    if "allOf" in schema:
        return " and ".join(_kind(each, linked) for each in schema["allOf"])
    if "enum" in schema:
        return words([str(each) for each in schema["enum"]], "or")
    if "const" in schema:
        return code(str(schema["const"]))
    return _typed(schema, linked)


def _typed(schema: Schema, linked: Mapping[str, str]) -> str:
    kind = schema.get("type")
    if kind == "array":
        inner = schema.get("items")
        return f"list of {_kind(inner, linked)}" if inner else "list"
    if kind == "object" and isinstance(schema.get("additionalProperties"), Mapping):
        values = schema["additionalProperties"]
        return f"object of {_kind(values, linked)}" if values else "object"
    if kind is None:
        return "any JSON value"
    return _FORMATS.get(schema.get("format", ""), _NAMES[kind])


def _limits(schema: Schema) -> Iterator[str]:
    for name, told in _LIMITS:
        if name in schema:
            yield told.format(_number(schema[name]))


def _number(limit: Any) -> str:  # noqa: ANN401 - a number of JSON
    return str(int(limit)) if float(limit).is_integer() else str(limit)


def _presence(name: str, schema: Schema, needed: set[str]) -> str:
    if name in needed:
        return "needed"
    default = schema.get("default")
    if default is None:
        return "none"
    if isinstance(default, bool):
        return code(str(default).lower())
    return code(str(default)) if default not in ("", [], {}) else "empty"
