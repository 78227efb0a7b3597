"""What a record holds under its rules: each scalar with its path, JSON inside texts too."""

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

import orjson

from seatrial.data.rules.domain import ColumnRule
from seatrial.data.rules.tree import Node, Value


class Leaf(NamedTuple):
    """One scalar of a record; a rule of None says that no path covers it."""

    path: str
    rule: ColumnRule | None
    value: Any


def leaves(node: Node, value: Value) -> Iterator[Leaf]:
    """Every scalar in `value`, which stands at `node`, and every member name that is a value."""
    if isinstance(value, list):
        for item in value:
            yield from leaves(node, item)
    elif isinstance(value, dict):
        if node.below is not None:
            yield from _below(node, value)
            return
        for name, inner in value.items():
            if node.names is not None:
                yield Leaf(f"{node.path}.@", node.names, name)
            of = node.of(name)
            if of is None:
                yield from _uncovered(f"{node.path}.{name}".lstrip("."), inner)
            else:
                yield from leaves(of, inner)
    elif node.rule is None and is_inner(node) and isinstance(value, str):
        yield from leaves(node, parsed(value))
    else:
        rule = node.rule or node.below
        yield Leaf(node.path, rule, value)


def is_inner(node: Node) -> bool:
    """Whether rules speak of what is inside the value there."""
    return bool(node.members or node.any or node.names)


def parsed(text: str) -> Value:
    """The JSON value that `text` holds; `text` itself where it is none."""
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        return text
    return value if isinstance(value, dict | list) else text


def written(value: Value, *, like: str) -> str:
    """`value` as JSON, with blanks after its marks if `like` has some."""
    if '": ' in like[:200]:
        return json.dumps(value, ensure_ascii=False)
    return orjson.dumps(value).decode()


def _below(node: Node, value: Value) -> Iterator[Leaf]:
    if isinstance(value, dict):
        for name, inner in value.items():
            yield Leaf(f"{node.path}.**", node.below, name)
            yield from _below(node, inner)
    elif isinstance(value, list):
        for item in value:
            yield from _below(node, item)
    else:
        yield Leaf(f"{node.path}.**", node.below, value)


def _uncovered(path: str, value: Value) -> Iterator[Leaf]:
    yield Leaf(path, None, value)
