"""`fractional`: which share of the whole a user falls into, in both generations that are in use.

A generation fixes the bytes that are hashed; changing it moves nearly every user, so it is a
setting that a release records and never a default of this code.
"""

import enum
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, Final

from seatrial.contract.flags.cbor import encoded, encoded_text, list_head
from seatrial.contract.flags.hashing import murmur3
from seatrial.contract.flags.values import Value

Call = Callable[[Value], Value]
"""A compiled rule: data in, value out."""

LARGEST_TOTAL: Final = (1 << 31) - 1  # what the weights of one split may sum to
_USER: Final = "targetingKey"


class Generation(enum.StrEnum):
    """Which bytes are hashed to draw a user's bucket."""

    V2 = "v2"
    """UTF-8 of the text; by default the flag's key followed by the targeting key. Text only."""

    V3 = "v3"
    """Deterministic CBOR of any value; by default of [flag key, targeting key]."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shares:
    """The arms of a split, laid side by side on 0 … total - 1.

    Attributes:
        variants: one for each arm; None leaves the user to the default variant.
        bounds: where each arm ends; it begins where the one before ends.
        total: the sum of the weights, 1 to `LARGEST_TOTAL`.
    """

    variants: tuple[Any, ...]
    bounds: tuple[int, ...]
    total: int

    def bucket(self, drawn: int) -> int:
        """Which of the `total` buckets the hash `drawn` falls into."""
        return drawn * self.total >> 32

    def variant(self, drawn: int) -> object:
        """The variant of the arm that holds the hash `drawn`."""
        return self.variants[bisect_right(self.bounds, self.bucket(drawn))]


@dataclass(frozen=True, slots=True, kw_only=True)
class Draw:
    """How one user fell into a share.

    Attributes:
        subject: the value that was hashed.
        drawn: its hash, 0 to 2**32 - 1.
        shares: the arms that were drawn from.
    """

    subject: Value
    drawn: int
    shares: Shares


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """One `fractional` rule, compiled.

    Attributes:
        generation: which bytes are hashed.
        flag_key: the flag it stands in; None inside `map` and its like, where data is one item.
        calls: each argument of the rule, in order.
        fixed: the arms hold no rules.
        shares: the arms, if they are fixed and their weights can be drawn from.
        by_rule: the first argument says what is hashed; otherwise the targeting key is.
    """

    generation: Generation
    flag_key: str | None
    calls: tuple[Call, ...]
    fixed: bool
    shares: Shares | None
    by_rule: bool

    def draw(self, data: Value) -> Draw | None:
        """How `data` is drawn, or None where there is nothing to hash or to draw from.

        Raises:
            Exception: whatever a rule or an odd targeting key may cause; flagd's engines answer
                GENERAL there, and so does evaluation.
        """
        args = [call(data) for call in self.calls]
        subject, arms = _SUBJECTS[self.generation](args, data, self.flag_key)
        raw = _BYTES[self.generation](subject)
        shares = None if raw is None else shares_of(arms)
        if raw is None or shares is None:
            return None
        return Draw(subject=subject, drawn=murmur3(raw), shares=shares)

    def call(self) -> Call:
        """The rule as a function of data; the usual forms take a short way to the same answer."""
        if self.shares is not None and (self.by_rule or self.flag_key is not None):
            return _SHORT_WAYS[self.generation, self.by_rule](self, self.shares)
        return self._long_way

    def _long_way(self, data: Value) -> Value:
        draw = self.draw(data)
        return None if draw is None else draw.shares.variant(draw.drawn)


def is_by_rule(args: Sequence[Value]) -> bool:
    """Whether the first argument of a `fractional` rule says what is hashed, and is no arm."""
    return not isinstance(args[0], list)


def laid_out(args: Sequence[Value]) -> tuple[bool, Shares | None]:
    """Whether the arms of a `fractional` rule are fixed (they hold no rules), and their shares."""
    arms = args[1:] if is_by_rule(args) else args
    fixed = not any(isinstance(part, list | dict) for arm in arms for part in arm)
    return fixed, shares_of(arms) if fixed else None


def shares_of(arms: Sequence[Any]) -> Shares | None:
    """The arms laid side by side, or None if one is no arm or the weights sum to none or too much.

    An arm is `[variant]`, of weight 1, or `[variant, weight]`; a weight below 0 counts as 0.
    """
    weights = []
    for arm in arms:
        if not isinstance(arm, list) or not 1 <= len(arm) <= 2:
            return None
        weight = arm[1] if len(arm) == 2 else 1
        if not isinstance(weight, int) or isinstance(weight, bool):
            return None
        weights.append(max(0, weight))
    bounds = tuple(accumulate(weights))
    if not bounds or not 0 < bounds[-1] <= LARGEST_TOTAL:
        return None
    return Shares(variants=tuple(arm[0] for arm in arms), bounds=bounds, total=bounds[-1])


_Subject = tuple[Value, Sequence[Value]]
"""What is hashed, None for nothing, and the arms."""


def _text_subject(args: list[Value], data: Value, flag_key: str | None) -> _Subject:
    if isinstance(args[0], str):
        return args[0], args[1:]
    salt = _salt(data, flag_key)
    user = data.get(_USER)
    return salt + user if user else None, args


def _cbor_subject(args: list[Value], data: Value, flag_key: str | None) -> _Subject:
    if not isinstance(args[0], list):
        return args[0], args[1:]
    user = data.get(_USER)
    return [_salt(data, flag_key), user] if isinstance(user, str) and user else None, args


def _salt(data: Value, flag_key: str | None) -> Value:
    return data.get("$flagd", {}).get("flagKey", "") if flag_key is None else flag_key


def _text_bytes(subject: Value) -> bytes | None:
    raw: bytes = subject.encode() if subject else b""
    return raw or None


def _cbor_bytes(subject: Value) -> bytes | None:
    try:
        return None if subject is None else encoded(subject)
    except (ValueError, RecursionError):
        return None


_SUBJECTS: Final = {Generation.V2: _text_subject, Generation.V3: _cbor_subject}
_BYTES: Final = {Generation.V2: _text_bytes, Generation.V3: _cbor_bytes}


def _text_by_user(split: Split, shares: Shares) -> Call:
    variants, bounds, total = shares.variants, shares.bounds, shares.total
    salt = split.flag_key or ""

    def call(data: Value) -> Value:
        user = data.get(_USER)
        if not user:
            return None
        return variants[bisect_right(bounds, murmur3((salt + user).encode()) * total >> 32)]

    return call


def _text_by_rule(split: Split, shares: Shares) -> Call:
    subject, otherwise = split.calls[0], split._long_way  # noqa: SLF001 - of this module

    def call(data: Value) -> Value:
        value = subject(data)
        if not isinstance(value, str):
            return otherwise(data)
        return shares.variant(murmur3(value.encode())) if value else None

    return call


def _cbor_by_user(split: Split, shares: Shares) -> Call:
    variants, bounds, total = shares.variants, shares.bounds, shares.total
    salt = list_head(2) + encoded_text(split.flag_key or "")

    def call(data: Value) -> Value:
        user = data.get(_USER)
        if not isinstance(user, str) or not user:
            return None
        try:
            encoded_user = encoded_text(user)
        except ValueError:
            return None
        return variants[bisect_right(bounds, murmur3(salt + encoded_user) * total >> 32)]

    return call


def _cbor_by_rule(split: Split, shares: Shares) -> Call:
    subject, otherwise = split.calls[0], split._long_way  # noqa: SLF001 - of this module

    def call(data: Value) -> Value:
        value = subject(data)
        if isinstance(value, list):
            return otherwise(data)
        raw = _cbor_bytes(value)
        return None if raw is None else shares.variant(murmur3(raw))

    return call


_SHORT_WAYS: Final = {
    (Generation.V2, False): _text_by_user,
    (Generation.V2, True): _text_by_rule,
    (Generation.V3, False): _cbor_by_user,
    (Generation.V3, True): _cbor_by_rule,
}
