"""The operators of rules and what each takes, as flagd's JSON Schema for targeting has it."""

from collections.abc import Callable, Mapping
from typing import Final

from seatrial.contract.flags.findings import Finding, Place, found
from seatrial.contract.flags.values import Value

MANY: Final = 1 << 30
ARITIES: Final[Mapping[str, tuple[int, int]]] = {
    **dict.fromkeys(("if", "and", "or", "+", "-", "max", "min", "merge", "cat"), (1, MANY)),
    **dict.fromkeys(("==", "===", "!=", "!==", ">", ">=", "%", "/", "in"), (2, 2)),
    **dict.fromkeys(("map", "filter", "all", "none", "some"), (2, 2)),
    **dict.fromkeys(("starts_with", "ends_with", "missing_some"), (2, 2)),
    **dict.fromkeys(("<", "<=", "substr"), (2, 3)),
    **dict.fromkeys(("reduce", "sem_ver"), (3, 3)),
    **dict.fromkeys(("!", "!!"), (1, 1)),
    "*": (2, MANY),
    "fractional": (1, MANY),
    "var": (0, MANY),
    "missing": (0, MANY),
}
"""The operators, and how many arguments each takes at least and at most."""

LOOPS: Final = frozenset({"map", "filter", "all", "none", "some", "reduce"})
BARE: Final = frozenset({"!", "!!", "var"})
"""Operators whose one argument may stand without a list around it."""

_OWN: Final = "$flagd."
_OWN_NAMES: Final = frozenset({"$flagd.flagKey", "$flagd.timestamp"})
_VERSION_TESTS: Final = frozenset({"=", "!=", ">", "<", ">=", "<=", "~", "^"})


def counted(operator: str) -> str:
    """How many arguments `operator` takes, in words."""
    least, most = ARITIES[operator]
    if least == most:
        return str(least)
    return f"{least} or more" if most == MANY else f"{least} to {most}"


def is_arm(value: Value) -> bool:
    """Whether `value` is written as an arm of a split: a variant, and perhaps a weight."""
    return isinstance(value, list) and 1 <= len(value) <= 2


def _var(args: list[Value], place: Place) -> list[Finding]:
    key = args[0] if args else ""
    if isinstance(key, str) and key.startswith(_OWN) and key not in _OWN_NAMES:
        return [found("name_reserved", place, name=key)]
    return []


def _missing(args: list[Value], place: Place) -> list[Finding]:
    return [] if _are_texts(args) else _wants("missing", "names, each a text", place)


def _missing_some(args: list[Value], place: Place) -> list[Finding]:
    if _is_number(args[0]) and isinstance(args[1], list) and _are_texts(args[1]):
        return []
    return _wants("missing_some", "a number and a list of names", place)


def _text_test(args: list[Value], place: Place) -> list[Finding]:
    if all(isinstance(arg, str | dict) for arg in args):
        return []
    return _wants("starts_with and ends_with", "texts and rules", place)


def _sem_ver(args: list[Value], place: Place) -> list[Finding]:
    findings = []
    if not isinstance(args[1], str) or args[1] not in _VERSION_TESTS:
        findings += _wants("sem_ver", "one of = != > < >= <= ~ ^", (place, 1))
    for at in (0, 2):
        if not isinstance(args[at], str | dict):
            findings += _wants("sem_ver", "a version as text, or a rule", (place, at))
    return findings


def _fractional(args: list[Value], place: Place) -> list[Finding]:
    findings: list[Finding] = []
    for at, arm in enumerate(args):
        own: Place = (place, at)
        if isinstance(arm, dict) and at == 0:
            continue
        if not is_arm(arm):
            findings.append(found("arm_shape", own))
        elif len(arm) == 2 and not isinstance(arm[1], dict) and not _is_weight(arm[1]):
            findings.append(found("weight_shape", (own, 1)))
    return findings


SHAPES: Final[Mapping[str, Callable[[list[Value], Place], list[Finding]]]] = {
    "var": _var,
    "missing": _missing,
    "missing_some": _missing_some,
    "starts_with": _text_test,
    "ends_with": _text_test,
    "sem_ver": _sem_ver,
    "fractional": _fractional,
}
"""What the operators that are choosy about their arguments find wrong with them."""


def _wants(operator: str, wanted: str, place: Place) -> list[Finding]:
    return [found("argument_shape", place, name=operator, wanted=wanted)]


def _is_number(value: Value) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_weight(value: Value) -> bool:
    return _is_number(value) and value >= 0 and value == int(value)


def _are_texts(values: list[Value]) -> bool:
    return all(isinstance(value, str) for value in values)
