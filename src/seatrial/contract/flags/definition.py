"""A definition compiled: what each flag answers for a context, with OpenFeature's reasons."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from seatrial.contract.flags.check import checked
from seatrial.contract.flags.document import Document, read
from seatrial.contract.flags.findings import refusal
from seatrial.contract.flags.paths import OWN
from seatrial.contract.flags.resolution import (
    NO_METADATA,
    Context,
    ErrorCode,
    Metadata,
    Reason,
    Resolution,
    failed,
    not_found,
    shown,
)
from seatrial.contract.flags.rules import compiler_for, written_out
from seatrial.contract.flags.splits import Generation
from seatrial.contract.flags.values import Value

Resolve = Callable[[Context, int], Resolution]
"""A flag's answer for a context at a time, in whole seconds since 1970."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Flag:
    """One flag, compiled.

    Attributes:
        key: its name.
        enabled: a disabled flag leaves every caller to the default in the code.
        variants: the values, by name.
        default: the variant where the rule does not decide; None: the default in the code.
        targeting: the rule, shared rules written out; None without one.
        metadata: its own, over the whole definition's.
        generation: which bytes its splits hash.
        resolve: its answer.
    """

    key: str
    enabled: bool
    variants: Mapping[str, Value]
    default: str | None
    targeting: Value
    metadata: Metadata
    generation: Generation
    resolve: Resolve = field(repr=False)

    def essence(self) -> str:
        """All that bears on the answer, as text: equal texts answer alike.

        Flags are compared by it, since Python's `==` holds 1, 1.0 and True for equal.
        """
        parts = (self.enabled, self.variants, self.default, self.targeting)
        return json.dumps((*parts, dict(self.metadata), self.generation), sort_keys=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """All flags of one document, compiled.

    Attributes:
        flags: by key.
        metadata: the whole's.
        generation: which bytes splits hash.
    """

    flags: Mapping[str, Flag]
    metadata: Metadata
    generation: Generation

    def evaluate(self, key: str, context: Context, now: int) -> Resolution:
        """What the flag `key` answers for `context`. Never raises: what fails is an ERROR.

        Args:
            key: the flag.
            context: who is asking.
            now: whole seconds since 1970, for rules that read `$flagd.timestamp`.
        """
        flag = self.flags.get(key)
        return not_found(key) if flag is None else flag.resolve(context, now)

    def changed(self, before: "Definition") -> list[str]:
        """The keys of the flags that are new, gone or different since `before`, in order."""
        mine, theirs = self.flags, before.flags
        return sorted(
            key
            for key in mine.keys() | theirs.keys()
            if key not in mine or key not in theirs or mine[key].essence() != theirs[key].essence()
        )


def compiled(text: str | bytes, *, generation: Generation) -> Definition:
    """The definition that `text` holds, ready to answer.

    Raises:
        FlagsInvalid: `text` is no definition; the first finding is told.
        FlagsTooLarge: it is longer than a definition may be.
    """
    document, findings = read(text)
    findings = findings or checked(document)
    if findings:
        raise refusal(findings[0])
    return assembled(document, generation=generation)


def assembled(document: Document, *, generation: Generation) -> Definition:
    """The definition in `document`, in which `checked` found nothing."""
    metadata = document.get("metadata", {})
    evaluators = document.get("$evaluators", {})
    flags = {
        key: _flag(key, source, metadata, evaluators, generation)
        for key, source in document["flags"].items()
    }
    return Definition(
        flags=MappingProxyType(flags), metadata=MappingProxyType(metadata), generation=generation
    )


def _flag(
    key: str,
    source: Document,
    shared: Metadata,
    evaluators: Document,
    generation: Generation,
) -> Flag:
    own = {**shared, **source.get("metadata", {})}
    metadata = MappingProxyType(own) if own else NO_METADATA
    variants: dict[str, Value] = source["variants"]
    default = source.get("defaultVariant") or None
    targeting = written_out(source.get("targeting") or None, evaluators)
    enabled = source["state"] == "ENABLED"
    answers = _Answers(variants, default, metadata)
    if not enabled:
        resolve = _always(Resolution(reason=Reason.DISABLED, metadata=metadata))
    elif targeting is None:
        resolve = _always(answers.fallback(Reason.STATIC))
    else:
        resolve = _decided(key, targeting, answers, generation)
    return Flag(
        key=key,
        enabled=enabled,
        variants=variants,
        default=default,
        targeting=targeting,
        metadata=metadata,
        generation=generation,
        resolve=resolve,
    )


class _Answers:
    """The answers that one flag has in store."""

    def __init__(
        self, variants: Mapping[str, Value], default: str | None, metadata: Metadata
    ) -> None:
        self._variants = variants
        self._default = default
        self._metadata = metadata
        self.matches = {name: self._answer(name, Reason.TARGETING_MATCH) for name in variants}

    def _answer(self, variant: str, reason: Reason) -> Resolution:
        return Resolution(
            reason=reason,
            variant=variant,
            value=self._variants[variant],
            metadata=self._metadata,
        )

    def fallback(self, reason: Reason) -> Resolution:
        """The default variant's answer."""
        if self._default is None:
            return Resolution(reason=Reason.DEFAULT, metadata=self._metadata)
        if self._default not in self._variants:
            return self.failed(f"The default variant {shown(self._default)} is no variant.")
        return self._answer(self._default, reason)

    def odd(self, found: Value) -> Resolution:
        """The answer where the rule gave something else than a variant's name."""
        name = str(found).lower() if isinstance(found, bool) else str(found)
        match = self.matches.get(name)
        return match or self.failed(f"The rule gave {shown(name)}, which is no variant.")

    def failed(self, message: str) -> Resolution:
        """The answer where something in the flag itself is wrong."""
        return failed(message, self._metadata, ErrorCode.GENERAL)


def _always(resolution: Resolution) -> Resolve:
    return lambda _context, _now: resolution


def _decided(key: str, targeting: Value, answers: _Answers, generation: Generation) -> Resolve:
    compiler = compiler_for(key, generation)
    rule, matches = compiler.node(targeting).call, answers.matches
    fallback, own = answers.fallback(Reason.DEFAULT), compiler.reads_own

    def resolve(context: Context, now: int) -> Resolution:
        try:
            if own:
                context = {**context, OWN: {"flagKey": key, "timestamp": now}}
            found = rule(context)
            if found is None:
                return fallback
            return (matches.get(found) if type(found) is str else None) or answers.odd(found)
        except Exception as fault:  # noqa: BLE001 - a rule that fails is an answer, not a crash
            return answers.failed(f"The rule failed, {type(fault).__name__}: {shown(fault)}.")

    return resolve
