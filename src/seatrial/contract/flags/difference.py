"""What an edit does to users: how many move, from which variant to which, and who moves back."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from seatrial.contract.flags.definition import Definition, Flag
from seatrial.contract.flags.findings import Finding, Place, found
from seatrial.contract.flags.resolution import Context, Reason, Resolution
from seatrial.contract.flags.shares import HASHES, moved
from seatrial.contract.flags.splits import Shares, is_by_rule, laid_out
from seatrial.contract.flags.values import Value

CODE_DEFAULT: Final = "(default in the code)"
"""Stands for the variant of a user who is left to the caller's default."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """Users of the sample who go from one variant to another.

    Attributes:
        before: the variant; `CODE_DEFAULT`, or the error in brackets, where there is none.
        after: the same for the edited definition.
        users: how many.
    """

    before: str
    after: str
    users: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FlagDifference:
    """What an edit does to one flag.

    Attributes:
        key: the flag, which is new, gone or different.
        asked: how many users the sample has.
        moves: who of them moves, the largest group first.
        findings: what its author should know; of splits the shares are exact, not of the sample.
    """

    key: str
    asked: int
    moves: tuple[Move, ...]
    findings: tuple[Finding, ...]

    @property
    def moved(self) -> int:
        """How many users of the sample move."""
        return sum(move.users for move in self.moves)


def differences(
    before: Definition, after: Definition, users: Sequence[Context], now: int
) -> list[FlagDifference]:
    """What the edit from `before` to `after` does to each flag that it changes.

    Args:
        before: what is in force.
        after: what would be.
        users: a sample of contexts.
        now: the time at which both are asked, in seconds since 1970.
    """
    return [_difference(key, before, after, users, now) for key in after.changed(before)]


def numbered_users(count: int) -> list[Context]:
    """A sample where there is no better one: `user-0`, `user-1`, … without attributes."""
    return [{"targetingKey": f"user-{number}"} for number in range(count)]


def _difference(
    key: str, before: Definition, after: Definition, users: Sequence[Context], now: int
) -> FlagDifference:
    pairs = Counter(
        (_label(before.evaluate(key, user, now)), _label(after.evaluate(key, user, now)))
        for user in users
    )
    moves = tuple(
        Move(before=was, after=will_be, users=count)
        for (was, will_be), count in pairs.most_common()
        if was != will_be
    )
    findings: tuple[Finding, ...] = ()
    if key in before.flags and key in after.flags:
        findings = tuple(_findings(before.flags[key], after.flags[key], moves))
    return FlagDifference(key=key, asked=len(users), moves=moves, findings=findings)


def _label(resolution: Resolution) -> str:
    if resolution.reason is Reason.ERROR:
        return f"({resolution.error})"
    return CODE_DEFAULT if resolution.variant is None else resolution.variant


def _findings(before: Flag, after: Flag, moves: tuple[Move, ...]) -> Iterator[Finding]:
    place: Place = ((None, "flags"), after.key)
    if before.generation is not after.generation:
        yield found("generation_changed", place)
    for name, value in after.variants.items():
        if name in before.variants and _text(before.variants[name]) != _text(value):
            yield found("value_changed", ((place, "variants"), name), name=name)
    same = True
    for pair in _pairs(before.targeting, after.targeting, (place, "targeting")):
        same &= pair is not None
        if pair is not None:
            where, was, will_be = pair
            shares = {names: count / HASHES for names, count in moved(was, will_be).items()}
            yield from _back(where, shares, "{:.4%} of this split's users")
    if not same:
        counts = {(move.before, move.after): move.users for move in moves}
        yield from _back(place, counts, "{:,} of the sample")


def _back(
    place: Place, moves: Mapping[tuple[Value, Value], float], amount: str
) -> Iterator[Finding]:
    left: dict[Value, float] = {}
    joined: dict[Value, float] = {}
    for (was, will_be), count in moves.items():
        left[was] = left.get(was, 0) + count
        joined[will_be] = joined.get(will_be, 0) + count
    for name, count in left.items():
        gone, come = amount.format(count), joined.get(name)
        if come:
            texts = {"left": gone, "joined": amount.format(come)}
            yield found("users_moved_back", place, name=name, **texts)
        else:
            yield found("users_leave", place, name=name, left=gone)


def _pairs(
    before: Value, after: Value, place: Place
) -> Iterator[tuple[Place, Shares, Shares] | None]:
    """The splits that stand at the same place in both rules; None where these differ otherwise."""
    if isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for at, (was, will_be) in enumerate(zip(before, after, strict=True)):
            yield from _pairs(was, will_be, (place, at))
    elif isinstance(before, dict) and isinstance(after, dict) and before.keys() == after.keys():
        for operator, was in before.items():
            own: Place = (place, operator)
            pair = _split_pair(was, after[operator]) if operator == "fractional" else None
            if pair is None:
                yield from _pairs(was, after[operator], own)
            else:
                yield own, *pair
    elif _text(before) != _text(after):
        yield None


def _split_pair(before: list[Value], after: list[Value]) -> tuple[Shares, Shares] | None:
    """The shares of both, if they hash the same and their arms are fixed."""
    subjects = [_text(args[0]) if is_by_rule(args) else "" for args in (before, after)]
    (_, was), (_, will_be) = laid_out(before), laid_out(after)
    if was is None or will_be is None or subjects[0] != subjects[1]:
        return None
    return was, will_be


def _text(value: Value) -> str:
    return json.dumps(value, sort_keys=True)
