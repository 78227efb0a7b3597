"""Everything that can be said against a definition, before anybody is answered by it."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Final

from seatrial.contract.flags.arguments import LOOPS
from seatrial.contract.flags.check import checked, kind_of
from seatrial.contract.flags.document import Document, read
from seatrial.contract.flags.findings import Finding, Place, found
from seatrial.contract.flags.splits import Generation, is_by_rule, laid_out
from seatrial.contract.flags.values import Value, truth
from seatrial.contract.flags.versions import version

_TOP: Final = frozenset({"$schema", "flags", "$evaluators", "metadata"})
_AWKWARD: Final = re.compile(r"[^\w.~-]")
_COMPUTED: Final = object()
_Node = tuple[str, list[Value], Place, bool]
"""An operator, its arguments, its place, and whether it stands in a loop."""


def linted(text: str | bytes, *, generation: Generation) -> list[Finding]:
    """All findings. If one of them is `refused`, the definition is not taken; there are then no
    others, for what cannot be read cannot be judged.

    Raises:
        FlagsTooLarge: `text` is longer than a definition may be.
    """
    document, findings = read(text)
    return findings or checked(document) or list(_Lint(document, generation).whole())


class _Lint:
    def __init__(self, document: Document, generation: Generation) -> None:
        self._document = document
        self._generation = generation
        self._evaluators: Document = document.get("$evaluators", {})

    def whole(self) -> Iterator[Finding]:
        for name in self._document:
            if name not in _TOP:
                yield found("property_ignored", (None, name), name=name)
        used: set[str] = set()
        for name, rule in self._evaluators.items():
            place: Place = ((None, "$evaluators"), name)
            yield from self._rules(rule, place)
        for key, flag in self._document["flags"].items():
            place = ((None, "flags"), key)
            yield from _key(key, place)
            yield from self._flag(flag, place)
            used |= self._reached(flag.get("targeting"))
        for name in self._evaluators.keys() - used:
            yield found("evaluator_unused", ((None, "$evaluators"), name))

    def _flag(self, flag: Document, place: Place) -> Iterator[Finding]:
        variants: Document = flag["variants"]
        known = ", ".join(variants)
        default = flag.get("defaultVariant")
        if not default:
            yield found("no_default", place)
        elif default not in variants:
            yield found("default_unknown", (place, "defaultVariant"), name=default, known=known)
        numbers = {type(value) for value in variants.values() if kind_of(value) == "number"}
        if len(numbers) > 1:
            yield found("numbers_mixed", (place, "variants"))
        targeting = flag.get("targeting")
        if targeting:
            yield from self._rules(targeting, (place, "targeting"))
            yield from self._results(targeting, place, variants, default)

    def _results(
        self, targeting: Value, place: Place, variants: Document, default: str | None
    ) -> Iterator[Finding]:
        unused = dict.fromkeys(name for name in variants if name != default)
        computed = False
        for value, where in self._ends(targeting, (place, "targeting")):
            computed |= value is _COMPUTED
            name = _variant_named(value)
            unused.pop(name, None)
            if value is not _COMPUTED and value is not None and name not in variants:
                known = ", ".join(variants)
                yield found("variant_unknown", where, name=name, known=known)
        if not computed:
            for name in unused:
                yield found("variant_unused", ((place, "variants"), name), name=name)

    def _ends(self, rule: Value, place: Place) -> Iterator[tuple[Value, Place]]:
        """What a rule may give where that is written out, `_COMPUTED` where it is not."""
        operator, args = _parts(rule)
        own: Place = (place, operator)
        if operator == "$ref":
            yield from self._ends(self._evaluators[args[0]], ((None, "$evaluators"), args[0]))
        elif operator == "if":
            for at in (*range(1, len(args), 2), *([len(args) - 1] if len(args) % 2 else [])):
                yield from self._ends(args[at], (own, at))
        elif operator == "fractional":
            for at, arm in enumerate(args):
                if isinstance(arm, list):
                    yield from self._ends(arm[0], ((own, at), 0))
        else:
            yield (_COMPUTED if isinstance(rule, dict | list) else rule), place

    def _reached(self, rule: Value) -> set[str]:
        """The shared rules that `rule` uses, and those that they use."""
        if isinstance(rule, list):
            return set().union(*map(self._reached, rule))
        if not isinstance(rule, dict):
            return set()
        name = rule.get("$ref")
        if name is not None:
            return {name} | self._reached(self._evaluators[name])
        return set().union(*map(self._reached, rule.values()))

    def _rules(self, rule: Value, place: Place) -> Iterator[Finding]:
        for node in _nodes(rule, place, looped=False):
            operator = node[0]
            if operator == "fractional":
                yield from self._split(node)
            elif operator in _JUDGES:
                yield from _JUDGES[operator](node)

    def _split(self, node: _Node) -> Iterator[Finding]:
        _, args, place, looped = node
        fixed, shares = laid_out(args)
        if fixed and shares is None:
            yield found("split_impossible", place)
        if not is_by_rule(args):
            if looped:
                yield found("split_in_loop", place)
            return
        operator, inner = _parts(args[0])
        if operator == "var" and inner and isinstance(inner[0], str):
            yield found("split_unsalted", (place, 0), name=inner[0])
            if self._generation is Generation.V2 and inner[0] != "targetingKey":
                yield found("split_text_only", (place, 0), name=inner[0])


def _key(key: str, place: Place) -> Iterator[Finding]:
    awkward = _AWKWARD.search(key)
    if awkward or not key.isascii():
        character = awkward[0] if awkward else next(c for c in key if not c.isascii())
        yield found("key_awkward", place, character=character)


def _if(node: _Node) -> Iterator[Finding]:
    _, args, place, _ = node
    seen: set[str] = set()
    decided = False
    for at in range(0, len(args) - 1, 2):
        test = args[at]
        said = json.dumps(test, sort_keys=True)
        if decided:
            yield found("branch_never", (place, at), why="a test before it always holds")
        elif said in seen:
            yield found("branch_never", (place, at), why="the same test stands before it")
        elif not isinstance(test, dict | list):
            decided = truth(test)
            if not decided:
                yield found("branch_never", (place, at), why="its test never holds")
        seen.add(said)


def _sem_ver(node: _Node) -> Iterator[Finding]:
    _, args, place, _ = node
    for at in (0, 2):
        text = args[at]
        if isinstance(text, str) and version(text) is None:
            yield found("version_unreadable", (place, at), text=text)


def _equals(node: _Node) -> Iterator[Finding]:
    _, args, place, _ = node
    for at, arg in enumerate(args):
        if isinstance(arg, list):
            yield found("list_never_equal", (place, at))


_JUDGES: Final[Mapping[str, Callable[[_Node], Iterator[Finding]]]] = {
    "if": _if,
    "sem_ver": _sem_ver,
    "==": _equals,
    "!=": _equals,
}


def _nodes(rule: Value, place: Place, *, looped: bool) -> Iterator[_Node]:
    """Every operator in `rule`, the outer ones first."""
    if isinstance(rule, list):
        for at, item in enumerate(rule):
            yield from _nodes(item, (place, at), looped=looped)
    operator, args = _parts(rule)
    if operator:
        own: Place = (place, operator)
        yield operator, args, own, looped
        for at, arg in enumerate(args):
            yield from _nodes(arg, (own, at), looped=looped or (operator in LOOPS and at == 1))


def _parts(rule: Value) -> tuple[str, list[Value]]:
    if not isinstance(rule, dict) or not rule:
        return "", []
    ((operator, args),) = rule.items()
    return operator, args if isinstance(args, list) else [args]


def _variant_named(value: Value) -> str:
    """The variant that a rule means by `value`."""
    return str(value).lower() if isinstance(value, bool) else str(value)
