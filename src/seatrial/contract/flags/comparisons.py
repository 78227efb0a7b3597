"""The operators that compare: equality, order, membership, beginnings and ends, versions."""

from collections.abc import Callable, Mapping
from typing import Final

from seatrial.contract.flags.nodes import VARIES, Builder, Compiler, Node, constant
from seatrial.contract.flags.splits import Call
from seatrial.contract.flags.values import (
    Value,
    greater,
    greater_or_equal,
    less,
    less_or_equal,
    loosely_equal,
    text,
)
from seatrial.contract.flags.versions import COMPARISONS, version


def _equals(compiler: Compiler, args: list[Value], root: bool) -> Node:
    a, b = compiler.nodes(args, root=root)
    if isinstance(a.constant, str):
        a, b = b, a
    return Node(
        call=_equals_text(a, b.constant)
        if isinstance(b.constant, str)
        else _both(loosely_equal, a, b),
        plain=True,
    )


def _equals_text(node: Node, wanted: str) -> Call:
    name, value_of = node.attribute, node.call
    if name is not None:

        def call(data: Value) -> Value:
            value = data.get(name)
            return value == wanted if type(value) is str else loosely_equal(value, wanted)

        return call

    def general(data: Value) -> Value:
        value = value_of(data)
        return value == wanted if type(value) is str else loosely_equal(value, wanted)

    return general


def _differs(compiler: Compiler, args: list[Value], root: bool) -> Node:
    equals = _equals(compiler, args, root).call
    return Node(call=lambda data: not equals(data), plain=True)


def _compared(compare: Callable[[Value, Value], Value]) -> Builder:
    """Two arguments, or three for "between"."""

    def build(compiler: Compiler, args: list[Value], root: bool) -> Node:
        nodes = compiler.nodes(args, root=root)
        if len(nodes) == 2:
            return Node(call=_both(compare, *nodes), plain=True)
        a, b, c = (node.call for node in nodes)

        def call(data: Value) -> Value:
            low, middle, high = a(data), b(data), c(data)
            return compare(low, middle) and (high is None or compare(middle, high))

        return Node(call=call, plain=True)

    return build


def _both(function: Callable[[Value, Value], Value], a: Node, b: Node) -> Call:
    first, second = a.call, b.call
    if b.constant is not VARIES and not isinstance(b.constant, list):
        fixed = b.constant
        return lambda data: function(first(data), fixed)
    return lambda data: function(first(data), second(data))


def _contained(compiler: Compiler, args: list[Value], root: bool) -> Node:
    needle, haystack = compiler.nodes(args, root=root)
    if isinstance(haystack.constant, list):
        return Node(call=_in_list(needle, haystack.constant), plain=True)
    return Node(call=_both(_holds, needle, haystack), plain=True)


def _in_list(needle: Node, items: list[Value]) -> Call:
    value_of, known = needle.call, frozenset(items)

    def call(data: Value) -> Value:
        value = value_of(data)
        try:
            return value in known
        except TypeError:  # a list or an object, and there is none among plain values
            return False

    return call


def _holds(needle: Value, haystack: Value) -> bool:
    if isinstance(haystack, list):
        return needle in haystack
    return isinstance(haystack, str) and text(needle) in haystack


def _affix(test: Callable[[str, str], bool]) -> Builder:
    def build(compiler: Compiler, args: list[Value], root: bool) -> Node:
        a, b = compiler.nodes(args, root=root)
        if a.attribute is not None and isinstance(b.constant, str):
            return Node(call=_attribute_affix(test, a.attribute, b.constant), plain=True)
        return Node(call=_both(lambda value, part: _affixed(test, value, part), a, b), plain=True)

    return build


def _attribute_affix(test: Callable[[str, str], bool], name: str, part: str) -> Call:
    def call(data: Value) -> Value:
        value = data.get(name)
        return test(value, part) if isinstance(value, str) else None

    return call


def _affixed(test: Callable[[str, str], bool], value: Value, part: Value) -> Value:
    return test(value, part) if isinstance(value, str) and isinstance(part, str) else None


def _sem_ver(compiler: Compiler, args: list[Value], root: bool) -> Node:
    compare = COMPARISONS[args[1]]
    a, b = (_version_of(node) for node in compiler.nodes((args[0], args[2]), root=root))

    def call(data: Value) -> Value:
        left, right = a(data), b(data)
        return None if left is None or right is None else compare(left, right)

    return Node(call=call, plain=True)


def _version_of(node: Node) -> Call:
    if node.constant is not VARIES:
        return constant(version(node.constant)).call
    call = node.call
    return lambda data: version(call(data))


COMPARING: Final[Mapping[str, Builder]] = {
    "==": _equals,
    "!=": _differs,
    "===": _compared(lambda a, b: bool(a == b)),
    "!==": _compared(lambda a, b: bool(a != b)),
    "<": _compared(less),
    "<=": _compared(less_or_equal),
    ">": _compared(greater),
    ">=": _compared(greater_or_equal),
    "in": _contained,
    "starts_with": _affix(str.startswith),
    "ends_with": _affix(str.endswith),
    "sem_ver": _sem_ver,
}
"""How each of these operators is compiled."""
