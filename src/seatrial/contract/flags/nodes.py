"""What a rule is compiled to, and the compiler that the operators' builders are given."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from seatrial.contract.flags.paths import OWN, Path, path_of
from seatrial.contract.flags.splits import Call, Generation, Split, is_by_rule, laid_out
from seatrial.contract.flags.values import Value, truth

VARIES: Final = object()
"""Stands for the constant of a rule that has none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A compiled rule.

    Attributes:
        call: data in, value out.
        constant: what it always gives; `VARIES` if that depends on data.
        attribute: the name, if it is a `var` of one attribute of the context.
        plain: it gives nothing but True, False and None, so its truth is itself.
    """

    call: Call
    constant: Value = VARIES
    attribute: str | None = None
    plain: bool = False


class Compiler:
    """Compiles the rules of one flag.

    Attributes:
        reads_own: some rule reads `$flagd`, or the whole context in which it would stand.
    """

    def __init__(
        self,
        *,
        flag_key: str,
        generation: Generation,
        builders: Mapping[str, "Builder"],
    ) -> None:
        self.reads_own = False
        self._builders = builders
        self._flag_key = flag_key
        self._generation = generation

    def node(self, rule: Value, *, root: bool = True) -> Node:
        """Compile `rule`, which `checked` found to be in order, with shared rules written out.

        Args:
            rule: a rule, a list of rules or a plain value.
            root: its data is the context; inside `map` and its like it is one item.
        """
        if isinstance(rule, list):
            return self._list(rule, root=root)
        if not isinstance(rule, dict) or not rule:
            return constant(rule)
        ((name, args),) = rule.items()
        return self._builders[name](self, args if isinstance(args, list) else [args], root)

    def nodes(self, rules: Sequence[Value], *, root: bool) -> list[Node]:
        """Compile each of `rules`."""
        return [self.node(rule, root=root) for rule in rules]

    def path(self, key: str, *, root: bool) -> Path:
        """The path of `key`, noting whether `$flagd` is on it."""
        path = path_of(key)
        self.reads_own |= root and path[0][0] == OWN
        return path

    def _list(self, items: list[Value], *, root: bool) -> Node:
        # A list is made anew each time: `==` of lists asks whether they are one and the same.
        if not any(isinstance(item, list | dict) for item in items):
            return Node(call=lambda _: items.copy(), constant=items)
        calls = [node.call for node in self.nodes(items, root=root)]
        return Node(call=lambda data: [call(data) for call in calls])

    def split(self, args: list[Value], root: bool) -> Split:
        """The `fractional` rule of these arguments."""
        fixed, shares = laid_out(args)
        return Split(
            generation=self._generation,
            flag_key=self._flag_key if root else None,
            calls=tuple(node.call for node in self.nodes(args, root=root)),
            fixed=fixed,
            shares=shares,
            by_rule=is_by_rule(args),
        )


Builder = Callable[[Compiler, list[Value], bool], Node]
"""Compiles one operator: the compiler, the arguments, and whether data is the context (root)."""


def constant(value: Value) -> Node:
    """What gives `value`, whatever the data."""
    return Node(
        call=lambda _: value, constant=value, plain=value is None or isinstance(value, bool)
    )


def tested(node: Node) -> Call:
    """The truth of what `node` gives."""
    call = node.call
    return call if node.plain else lambda data: truth(call(data))
