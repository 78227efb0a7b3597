"""Why a user gets this answer, in words: which test held, which bucket, where the arms lie."""

from collections.abc import Mapping
from dataclasses import dataclass

from seatrial.contract.flags.definition import Definition, Flag
from seatrial.contract.flags.paths import OWN, at_path, path_of
from seatrial.contract.flags.resolution import Context, Reason, Resolution, not_found
from seatrial.contract.flags.rules import compiler_for
from seatrial.contract.flags.splits import Draw, Generation, Shares, Split
from seatrial.contract.flags.values import Value, truth
from seatrial.contract.flags.wording import names_in, quoted, said


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """An answer and the way to it.

    Attributes:
        resolution: what evaluation answers.
        steps: sentences, in the order of evaluation.
    """

    resolution: Resolution
    steps: tuple[str, ...]


def explained(definition: Definition, key: str, context: Context, now: int) -> Explanation:
    """What the flag `key` answers for `context` at `now`, and why."""
    flag = definition.flags.get(key)
    if flag is None:
        return Explanation(
            resolution=not_found(key), steps=(f"The definition has no flag {key!r}.",)
        )
    resolution = flag.resolve(context, now)
    steps: list[str] = []
    if not flag.enabled:
        steps.append("The flag is disabled; the default in the caller's code answers.")
    elif flag.targeting is None:
        steps.append("The flag has no rule; everybody gets the default variant.")
    else:
        data = {**context, OWN: {"flagKey": key, "timestamp": now}}
        _Way(flag, data, steps).walk(flag.targeting)
    return Explanation(resolution=resolution, steps=(*steps, _end(resolution)))


class _Way:
    """Follows a rule as evaluation does, asking the compiled parts and saying what they answer."""

    def __init__(self, flag: Flag, data: Mapping[str, Value], steps: list[str]) -> None:
        self._flag = flag
        self._data = data
        self._steps = steps

    def walk(self, rule: Value) -> None:
        operator, args = next(iter(rule.items())) if isinstance(rule, dict) and rule else ("", [])
        if operator == "if":
            self._branches(args)
        elif operator == "fractional":
            self._split(args)
        elif operator:
            self._steps.append(f"{said(rule)} gives {self._outcome(rule)}{self._facts(rule)}.")

    def _branches(self, args: list[Value]) -> None:
        for at in range(0, len(args) - 1, 2):
            holds = self._holds(args[at])
            self._steps.append(f"{said(args[at])}: {holds}{self._facts(args[at])}.")
            if holds == "yes":
                self.walk(args[at + 1])
                return
            if holds != "no":
                return
        if len(args) % 2:
            if len(args) > 1:
                self._steps.append("No test holds; the last part of `if` decides.")
            self.walk(args[-1])
        else:
            self._steps.append("No test holds, and nothing is said for that case.")

    def _split(self, args: list[Value]) -> None:
        split = compiler_for(self._flag.key, self._flag.generation).split(args, root=True)
        try:
            draw = split.draw(self._data)
        except Exception as fault:  # noqa: BLE001 - evaluation answers GENERAL here
            self._steps.append(f"The split fails: {type(fault).__name__}: {fault}.")
            return
        if draw is None:
            self._steps.append(f"The split draws nobody: {_why_not(split, args, self._data)}.")
            return
        self._steps += [_arms(draw.shares), _drawn(draw, self._flag.generation)]

    def _holds(self, rule: Value) -> str:
        try:
            return "yes" if truth(self._value(rule)) else "no"
        except Exception as fault:  # noqa: BLE001 - evaluation answers GENERAL here
            return f"fails, {type(fault).__name__}: {fault}"

    def _outcome(self, rule: Value) -> str:
        try:
            return quoted(self._value(rule))
        except Exception as fault:  # noqa: BLE001 - evaluation answers GENERAL here
            return f"no answer, {type(fault).__name__}: {fault}"

    def _value(self, rule: Value) -> Value:
        compiler = compiler_for(self._flag.key, self._flag.generation)
        return compiler.node(rule).call(self._data)

    def _facts(self, rule: Value) -> str:
        """The attributes that the rule reads, as they are."""
        facts = [
            f"{name} is {quoted(at_path(self._data, path_of(name)))}"
            for name in names_in(rule)
            if name and name != OWN
        ]
        return f" ({', '.join(facts)})" if facts else ""


def _arms(shares: Shares) -> str:
    parts, begin = [], 0
    for variant, end in zip(shares.variants, shares.bounds, strict=True):
        lies = f"{begin} to {end - 1}" if end > begin else "none"
        parts.append(f"{quoted(variant)} {lies}")
        begin = end
    return f"Of {shares.total} buckets: {', '.join(parts)}."


def _drawn(draw: Draw, generation: Generation) -> str:
    bucket, variant = draw.shares.bucket(draw.drawn), draw.shares.variant(draw.drawn)
    how = "the text " if generation is Generation.V2 else "the CBOR of "
    return (
        f"Generation {generation} hashes {how}{quoted(draw.subject)} to {draw.drawn}, which is "
        f"bucket {bucket}: {quoted(variant)}."
    )


def _why_not(split: Split, args: list[Value], data: Mapping[str, Value]) -> str:
    if split.fixed and split.shares is None:
        return "its weights sum to 0 or to too much"
    hashed = said(args[0]) if split.by_rule else "targetingKey"
    value = split.calls[0](data) if split.by_rule else data.get("targetingKey")
    doubt = "" if split.fixed else ", or its weights, as computed, cannot be drawn from"
    return f"there is nothing to hash, for {hashed} is {quoted(value)}{doubt}"


def _end(resolution: Resolution) -> str:
    if resolution.reason is Reason.ERROR:
        return f"Answer: an error, {resolution.error}. {resolution.message}"
    if resolution.variant is None:
        return f"Answer: the default in the caller's code, reason {resolution.reason}."
    whose = "the default variant" if resolution.reason is Reason.DEFAULT else "variant"
    return f"Answer: {whose} {resolution.variant!r}, reason {resolution.reason}."
