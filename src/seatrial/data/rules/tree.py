"""Rules by path, as a tree that is walked together with a record."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from seatrial.data.rules.domain import ColumnRule

Value: TypeAlias = Any
"""Any JSON value."""

ANY: Final = "*"
BELOW: Final = "**"
NAMES: Final = "@"


@dataclass(kw_only=True)
class Node:
    """What the rules say of the values at one place, and of those below.

    Attributes:
        path: the place, as the rules write it.
        rule: of the value itself.
        names: of its members' names.
        below: of every value in it, at any depth.
        members: by name.
        any: of each member without a node of its own.
    """

    path: str
    rule: ColumnRule | None = None
    names: ColumnRule | None = None
    below: ColumnRule | None = None
    members: "dict[str, Node]" = field(default_factory=dict)
    any: "Node | None" = None

    def of(self, name: str) -> "Node | None":
        """The node of the member `name`."""
        return self.members.get(name, self.any)


def tree(columns: Mapping[str, ColumnRule]) -> Node:
    """All rules of a table, from the record down."""
    root = Node(path="")
    for path, rule in columns.items():
        node = root
        *way, last = path.split(".")
        for name in way:
            node = _step(node, name)
        if last == NAMES:
            node.names = rule
        elif last == BELOW:
            node.below = rule
        else:
            _step(node, last).rule = rule
    return root


def values_at(record: Value, path: str) -> list[Any]:
    """All scalars of `record` that `path` leads to."""
    found = [record]
    for name in path.split("."):
        found = [inner for value in found for inner in _members(value, name)]
    flat: list[Any] = []
    for value in found:
        flat.extend(value if isinstance(value, list) else (value,))
    return [value for value in flat if not isinstance(value, dict | list)]


def _step(node: Node, name: str) -> Node:
    path = f"{node.path}.{name}" if node.path else name
    if name == ANY:
        node.any = node.any or Node(path=path)
        return node.any
    return node.members.setdefault(name, Node(path=path))


def _members(value: Value, name: str) -> list[Any]:
    if isinstance(value, dict):
        if name == NAMES:
            return list(value)
        if name == ANY:
            return list(value.values())
        return [value[name]] if name in value else []
    if isinstance(value, list):
        return [inner for item in value for inner in _members(item, name)]
    return []
