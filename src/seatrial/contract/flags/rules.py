"""Rules compiled to functions: JSON is read once, and evaluation only calls.

Each rule becomes a closure over those of its arguments. The forms that make up nearly all rules in
use (an attribute against a constant) have closures of their own, which halves their time; they
answer exactly as the general ones do.
"""

from collections.abc import Mapping
from typing import Final

from seatrial.contract.flags.comparisons import COMPARING
from seatrial.contract.flags.computing import COMPUTING
from seatrial.contract.flags.nodes import Builder, Compiler, Node, constant, tested
from seatrial.contract.flags.paths import at_key, at_path
from seatrial.contract.flags.splits import Call, Generation
from seatrial.contract.flags.values import Value, truth


def compiler_for(flag_key: str, generation: Generation) -> Compiler:
    """A compiler for the rules of one flag, knowing every operator."""
    return Compiler(flag_key=flag_key, generation=generation, builders=OPERATORS)


def written_out(rule: Value, evaluators: Mapping[str, Value]) -> Value:
    """`rule` with every `$ref` replaced by the shared rule that it names."""
    if isinstance(rule, list):
        return [written_out(item, evaluators) for item in rule]
    if not isinstance(rule, dict):
        return rule
    name = rule.get("$ref")
    if name is not None:
        return written_out(evaluators[name], evaluators)
    return {operator: written_out(args, evaluators) for operator, args in rule.items()}


def _var(compiler: Compiler, args: list[Value], root: bool) -> Node:
    key = args[0] if args else ""
    if len(args) > 1:
        fetch = _var(compiler, args[:1], root).call
        return Node(call=_with_default(fetch, compiler.node(args[1], root=root).call))
    if isinstance(key, str) and key:
        path = compiler.path(key, root=root)
        if root and len(path) == 1:
            return Node(call=lambda data: data.get(key), attribute=key)
        return Node(call=lambda data: at_path(data, path))
    compiler.reads_own |= root
    named = compiler.node(key, root=root).call
    return Node(call=lambda data: at_key(data, named(data)))


def _with_default(fetch: Call, default: Call) -> Call:
    def call(data: Value) -> Value:
        otherwise = default(data)
        value = fetch(data)
        return otherwise if value is None else value

    return call


def _missing(compiler: Compiler, args: list[Value], root: bool) -> Node:
    paths = [(name, compiler.path(name, root=root) if name else ()) for name in args]
    return Node(
        call=lambda data: [name for name, path in paths if at_path(data, path) in (None, "")]
    )


def _missing_some(compiler: Compiler, args: list[Value], root: bool) -> Node:
    needed, names = args
    absent = _missing(compiler, names, root).call

    def call(data: Value) -> Value:
        gone = absent(data)
        return [] if len(names) - len(gone) >= needed else gone

    return Node(call=call)


def _if(compiler: Compiler, args: list[Value], root: bool) -> Node:
    nodes = compiler.nodes(args, root=root)
    otherwise = nodes.pop().call if len(nodes) % 2 else constant(None).call
    branches = [
        (tested(test), then.call) for test, then in zip(nodes[::2], nodes[1::2], strict=True)
    ]
    if len(branches) == 1:
        ((first, then),) = branches
        return Node(call=lambda data: then(data) if first(data) else otherwise(data))

    def call(data: Value) -> Value:
        for test, branch in branches:
            if test(data):
                return branch(data)
        return otherwise(data)

    return Node(call=call)


def _and(compiler: Compiler, args: list[Value], root: bool) -> Node:
    return _chained(compiler.nodes(args, root=root), until=False)


def _or(compiler: Compiler, args: list[Value], root: bool) -> Node:
    return _chained(compiler.nodes(args, root=root), until=True)


def _chained(nodes: list[Node], *, until: bool) -> Node:
    """The first value whose truth is `until`, or the last."""
    plain = all(node.plain for node in nodes)
    if plain and len(nodes) == 2:
        a, b = nodes[0].call, nodes[1].call
        if until:
            return Node(call=lambda data: a(data) or b(data), plain=True)
        return Node(call=lambda data: a(data) and b(data), plain=True)
    *before, last = [node.call for node in nodes]

    def call(data: Value) -> Value:
        for one in before:
            value = one(data)
            if truth(value) is until:
                return value
        return last(data)

    return Node(call=call, plain=plain)


def _fractional(compiler: Compiler, args: list[Value], root: bool) -> Node:
    return Node(call=compiler.split(args, root).call())


OPERATORS: Final[Mapping[str, Builder]] = {
    "var": _var,
    "missing": _missing,
    "missing_some": _missing_some,
    "if": _if,
    "and": _and,
    "or": _or,
    "fractional": _fractional,
    **COMPARING,
    **COMPUTING,
}
