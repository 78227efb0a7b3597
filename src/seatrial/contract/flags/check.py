"""Whether a definition may be taken: flagd's JSON Schema for flags, and their rules' grammar."""

import re
from typing import Final

from seatrial.contract.flags.document import Document
from seatrial.contract.flags.findings import Finding, Place, found
from seatrial.contract.flags.grammar import Grammar
from seatrial.contract.flags.values import Value

_STATES: Final = ("ENABLED", "DISABLED")
_PROPERTIES: Final = frozenset(
    {"state", "variants", "defaultVariant", "targeting", "metadata", "source", "selector"}
)
_NAME: Final = re.compile(r"[^\n\r\u2028\u2029]+\Z")
_LARGEST_SAFE: Final = (1 << 53) - 1


def checked(document: Document) -> list[Finding]:
    """Everything for which the definition is refused."""
    flags, evaluators = document.get("flags"), document.get("$evaluators", {})
    if not isinstance(flags, dict):
        return [found("no_flags", (None, "flags") if "flags" in document else None)]
    if not isinstance(evaluators, dict):
        return [found("evaluators_shape", (None, "$evaluators"))]
    grammar = Grammar(evaluators)
    for name in evaluators:
        place: Place = ((None, "$evaluators"), name)
        grammar.findings += _name(name, place)
        grammar.evaluator(name, place)
    if "metadata" in document:
        grammar.findings += _metadata(document["metadata"], (None, "metadata"), whole=True)
    for key, flag in flags.items():
        _flag(key, flag, ((None, "flags"), key), grammar)
    return grammar.findings


def kind_of(value: Value) -> str | None:
    """Which of the four types of flags a variant of this value makes, or None."""
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int | float):
        return "number"
    if isinstance(value, str):
        return "text"
    return "object" if isinstance(value, dict) else None


def _flag(key: str, flag: Value, place: Place, grammar: Grammar) -> None:
    findings = grammar.findings
    findings += _name(key, place)
    if not isinstance(flag, dict):
        findings.append(found("flag_shape", place))
        return
    findings += [
        found("property_unknown", (place, name), name=name)
        for name in flag
        if name not in _PROPERTIES
    ]
    if flag.get("state") not in _STATES:
        findings.append(found("state_unknown", (place, "state")))
    if not isinstance(flag.get("defaultVariant"), str | None):
        findings.append(found("default_shape", (place, "defaultVariant")))
    findings += _variants(flag.get("variants"), (place, "variants"))
    if "metadata" in flag:
        findings += _metadata(flag["metadata"], (place, "metadata"))
    if "targeting" in flag:
        grammar.targeting(flag["targeting"], (place, "targeting"))


def _variants(variants: Value, place: Place) -> list[Finding]:
    if not isinstance(variants, dict) or not variants:
        return [found("no_variants", place)]
    findings: list[Finding] = []
    first = kind_of(next(iter(variants.values())))
    for name, value in variants.items():
        own: Place = (place, name)
        findings += _name(name, own)
        kind = kind_of(value)
        if kind is None:
            findings.append(found("variant_shape", own))
        elif kind != (first := first or kind):
            findings.append(found("variants_mixed", own, kind=kind, first=first))
        elif kind == "number" and abs(value) > _LARGEST_SAFE:
            findings.append(found("number_unsafe", own))
    return findings


def _metadata(metadata: Value, place: Place, *, whole: bool = False) -> list[Finding]:
    if not isinstance(metadata, dict):
        return [found("metadata_shape", place)]
    return [
        found("metadata_shape", (place, name))
        for name, value in metadata.items()
        if not name
        or not isinstance(value, str | int | float)
        or (whole and name in {"flagSetId", "version"} and not isinstance(value, str))
    ]


def _name(name: str, place: Place) -> list[Finding]:
    return [] if _NAME.match(name) else [found("name_shape", place)]
