"""Rules and values in words, for whoever asks why."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from seatrial.contract.flags.values import Value
from seatrial.kit.text import printable

_LONGEST: Final = 60  # characters of one value
_MOST: Final = 5  # items of one list
_BETWEEN: Final[Mapping[str, str]] = {
    **{
        sign: sign
        for sign in ("==", "===", "!=", "!==", "<", "<=", ">", ">=", "+", "-", "*", "/", "%")
    },
    "and": "and",
    "or": "or",
    "in": "is in",
    "starts_with": "starts with",
    "ends_with": "ends with",
}


def said(rule: Value, *, inside: bool = False) -> str:
    """`rule` as a reader would say it; `inside` another one it may need brackets."""
    if isinstance(rule, list):
        shown = ", ".join(said(item) for item in rule[:_MOST])
        return f"[{shown}, … {len(rule) - _MOST} more]" if len(rule) > _MOST else f"[{shown}]"
    if not isinstance(rule, dict) or not rule:
        return quoted(rule)
    ((operator, args),) = rule.items()
    args = args if isinstance(args, list) else [args]
    if operator == "var" and args and isinstance(args[0], str):
        return args[0] or "everything"
    if operator == "!":
        return f"not {said(args[0], inside=True)}"
    return _joined(operator, args, inside=inside)


def quoted(value: Value) -> str:
    """A value as JSON has it, safe to show, cut where it would swamp a line."""
    text = printable(json.dumps(value, ensure_ascii=False))
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def names_in(rule: Value) -> Iterator[str]:
    """The attributes that `rule` reads, each once and in order."""
    return iter(dict.fromkeys(_names(rule)))


def _joined(operator: str, args: Sequence[Value], *, inside: bool) -> str:
    if operator in _BETWEEN and len(args) > 1:
        text = f" {_BETWEEN[operator]} ".join(said(arg, inside=True) for arg in args)
        return f"({text})" if inside else text
    if operator == "sem_ver":
        return f"version {said(args[0])} {args[1]} {said(args[2])}"
    return f"{operator}({', '.join(said(arg) for arg in args)})"


def _names(rule: Value) -> Iterator[str]:
    if isinstance(rule, list):
        for item in rule:
            yield from _names(item)
    elif isinstance(rule, dict):
        for operator, args in rule.items():
            listed = args if isinstance(args, list) else [args]
            if operator in {"var", "missing"}:
                named = listed[:1] if operator == "var" else listed
                yield from (name for name in named if isinstance(name, str))
            else:
                yield from _names(listed)
