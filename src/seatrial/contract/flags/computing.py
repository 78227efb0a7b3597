"""The operators that compute: numbers, texts and lists, and the loops over lists."""

import operator
from collections.abc import Callable, Mapping
from typing import Final

from seatrial.contract.flags.nodes import Builder, Compiler, Node, tested
from seatrial.contract.flags.splits import Call
from seatrial.contract.flags.values import (
    LONGEST_LIST,
    Outgrown,
    Value,
    joined,
    number,
    text,
    truth,
    weighed,
    within,
)


def _applied(function: Callable[..., Value], *, plain: bool = False) -> Builder:
    """A function of the arguments' values, as many as there are."""

    def build(compiler: Compiler, args: list[Value], root: bool) -> Node:
        calls = [node.call for node in compiler.nodes(args, root=root)]
        if len(calls) == 1:
            only = calls[0]
            return Node(call=lambda data: function(only(data)), plain=plain)
        return Node(call=lambda data: function(*[call(data) for call in calls]), plain=plain)

    return build


def _sum(*values: Value) -> Value:
    total: float = 0
    for value in values:
        total += number(value)
    return total


def _product(*values: Value) -> Value:
    product: float = 1
    for value in values:
        product *= number(value)
        if isinstance(product, int):
            within(product)
    return product


def _minus(a: Value, b: Value = None, *_: Value) -> Value:
    return -number(a) if b is None else number(a) - number(b)


def _cat(*values: Value) -> str:
    return joined([text(value) for value in values])


def _merge(*values: Value) -> list[Value]:
    items: list[Value] = []
    for value in values:
        items += value if isinstance(value, list) else [value]
    if len(items) > LONGEST_LIST:
        raise Outgrown(f"a list of more than {LONGEST_LIST} items")
    return items


def _substr(value: Value, start: Value, length: Value = None) -> str:
    """From `start` on, or that far before the end; `length` characters, or all but -`length`."""
    whole, begin = text(value), number(start)
    size = len(whole)
    if begin != begin:  # noqa: PLR0124 - NaN
        first = 0
    elif begin < 0:
        first = 0 if -begin >= size else size - int(-begin)
    else:
        first = min(int(begin), size)
    if length is None:
        return whole[first:]
    count = number(length)
    if count != count:  # noqa: PLR0124 - NaN
        return ""
    last = int(count)
    return whole[first : first + last if last >= 0 else max(first, size + last)]


def _loop(
    body: Callable[[list[Value], Call], Value], *, otherwise: bool | None, plain: bool
) -> Builder:
    """A function of a list and a rule for its items.

    Args:
        body: the function.
        otherwise: the answer for what is no list; None for an empty list.
        plain: see `Node`.
    """

    def build(compiler: Compiler, args: list[Value], root: bool) -> Node:
        items_of = compiler.node(args[0], root=root).call
        item_rule = compiler.node(args[1], root=False)
        each = tested(item_rule) if body is not _mapped else item_rule.call

        def call(data: Value) -> Value:
            items = items_of(data)
            if isinstance(items, list):
                return body(items, each)
            return [] if otherwise is None else otherwise

        return Node(call=call, plain=plain)

    return build


def _mapped(items: list[Value], each: Call) -> list[Value]:
    return [each(item) for item in items]


def _filtered(items: list[Value], test: Call) -> list[Value]:
    return [item for item in items if test(item)]


def _all(items: list[Value], test: Call) -> bool:
    return bool(items) and all(test(item) for item in items)


def _some(items: list[Value], test: Call) -> bool:
    return any(test(item) for item in items)


def _none(items: list[Value], test: Call) -> bool:
    return not _some(items, test)


def _reduce(compiler: Compiler, args: list[Value], root: bool) -> Node:
    items_of = compiler.node(args[0], root=root).call
    step, first = compiler.node(args[1], root=False).call, args[2]

    def call(data: Value) -> Value:
        items = items_of(data)
        if not isinstance(items, list):
            return first
        pair: dict[str, Value] = {"accumulator": first}
        for item in items:
            pair["current"] = item
            pair["accumulator"] = weighed(step(pair))
        return pair["accumulator"]

    return Node(call=call)


COMPUTING: Final[Mapping[str, Builder]] = {
    "!": _applied(lambda value: not truth(value), plain=True),
    "!!": _applied(truth, plain=True),
    "+": _applied(_sum),
    "-": _applied(_minus),
    "*": _applied(_product),
    "/": _applied(lambda a, b: operator.truediv(number(a), number(b))),
    "%": _applied(lambda a, b: operator.mod(number(a), number(b))),
    "min": _applied(lambda *values: min(map(number, values))),
    "max": _applied(lambda *values: max(map(number, values))),
    "cat": _applied(_cat),
    "substr": _applied(_substr),
    "merge": _applied(_merge),
    "map": _loop(_mapped, otherwise=None, plain=False),
    "filter": _loop(_filtered, otherwise=None, plain=False),
    "all": _loop(_all, otherwise=False, plain=True),
    "some": _loop(_some, otherwise=False, plain=True),
    "none": _loop(_none, otherwise=True, plain=True),
    "reduce": _reduce,
}
"""How each of these operators is compiled."""
