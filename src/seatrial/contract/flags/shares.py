"""Who moves when the arms of a split are written anew, and how to write them so that few do."""

from collections.abc import Iterator, Mapping, Sequence
from math import gcd, lcm
from typing import Final

from seatrial.contract.flags.splits import LARGEST_TOTAL, Shares
from seatrial.contract.flags.values import Value
from seatrial.kit.errors import Invalid

HASHES: Final = 1 << 32
"""How many hashes there are; a share of them is a share of all users there may ever be."""


class ShareImpossible(Invalid):
    """The shares {shares} of a split over {variants} cannot be laid out."""

    code = "share_impossible"
    cause = (
        "A share is below 0, all are 0, or the weights it takes would sum to more than 2147483647."
    )
    remedy = "Give whole shares from 0 up, of a sum such as 100, 1000 or the one there was."


def moved(before: Shares, after: Shares) -> dict[tuple[Value, Value], int]:
    """How many of the `HASHES` go from one variant to another; exact, where a sample guesses."""
    moves: dict[tuple[Value, Value], int] = {}
    old, new = list(_ends(before)), list(_ends(after))
    begin = 0
    while old and new:
        (was, old_end), (is_now, new_end) = old[0], new[0]
        end = min(old_end, new_end)
        if was != is_now and end > begin:
            moves[was, is_now] = moves.get((was, is_now), 0) + end - begin
        begin = end
        if old_end == end:
            old.pop(0)
        if new_end == end:
            new.pop(0)
    return moves


def reweighted(arms: Sequence[tuple[str, int]], shares: Mapping[str, int]) -> list[tuple[str, int]]:
    """The arms of a split whose variants have new `shares`, moving only the users who must.

    A variant whose share grows keeps all its users, one whose share shrinks gets no new ones, and
    one whose share stays is left alone, whatever their number and order. To that end a variant may
    have several arms: if `a` grows from 5 to 25 at the cost of `c`, then a 5, b 5, c 90 becomes
    a 5, b 5, c 70, a 20.

    Args:
        arms: variant and weight, as they stand.
        shares: the new weight of each variant; one that is missing here gets 0.

    Raises:
        ShareImpossible: a share is below 0, all are, or no total below the limit fits both.
    """
    pieces = [(name, weight) for name, weight in arms if weight > 0]
    total, new_total = sum(weight for _, weight in pieces), sum(shares.values())
    whole = lcm(total, new_total) if total > 0 < new_total else 0
    if not 0 < whole <= LARGEST_TOTAL or min(shares.values()) < 0:
        raise ShareImpossible(shares=dict(shares), variants=[name for name, _ in arms])
    pieces = [(name, weight * (whole // total)) for name, weight in pieces]
    wanted = {name: share * (whole // new_total) for name, share in shares.items()}
    return _reduced(_given(_freed(pieces, wanted), wanted), new_total)


_Pieces = list[tuple[str | None, int]]
"""Variant and size from left to right; None is a piece that was given up."""


def _freed(pieces: Sequence[tuple[str, int]], wanted: Mapping[str, int]) -> _Pieces:
    """The pieces, with what shrinking variants have too much of given up, beside a grower if so."""
    too_much = _sums(pieces)
    for name, share in wanted.items():
        too_much[name] = too_much.get(name, 0) - share
    freed: _Pieces = []
    for at, (name, size) in enumerate(pieces):
        given_up = min(size, max(0, too_much[name]))
        too_much[name] -= given_up
        kept, free = (name, size - given_up), (None, given_up)
        left_grows = at > 0 and too_much[pieces[at - 1][0]] < 0
        freed += (free, kept) if left_grows else (kept, free)
    return [piece for piece in freed if piece[1]]


def _given(pieces: _Pieces, wanted: Mapping[str, int]) -> list[tuple[str, int]]:
    """The pieces, with those that were given up handed to growing variants, neighbours first."""
    have = _sums([(name, size) for name, size in pieces if name is not None])
    needs = {name: share - have.get(name, 0) for name, share in wanted.items()}
    given: list[tuple[str, int]] = []
    for at, (owner, left) in enumerate(pieces):
        if owner is not None:
            given.append((owner, left))
            continue
        size = left
        neighbours = [given[-1][0]] if given else []
        neighbours += [name for name, _ in pieces[at + 1 : at + 2] if name is not None]
        for name in (*neighbours, *needs):
            part = min(size, needs[name])
            size -= part
            needs[name] -= part
            given.append((name, part))
    return given


def _reduced(pieces: Sequence[tuple[str, int]], new_total: int) -> list[tuple[str, int]]:
    """The same shares in few and small numbers, of the sum `new_total` if that is possible."""
    merged: list[tuple[str, int]] = []
    for name, size in pieces:
        if size and merged and merged[-1][0] == name:
            merged[-1] = (name, merged[-1][1] + size)
        elif size:
            merged.append((name, size))
    divisor = gcd(sum(size for _, size in merged) // new_total, *(size for _, size in merged))
    return [(name, size // divisor) for name, size in merged]


def _sums(pieces: Sequence[tuple[str, int]]) -> dict[str, int]:
    sums: dict[str, int] = {}
    for name, size in pieces:
        sums[name] = sums.get(name, 0) + size
    return sums


def _ends(shares: Shares) -> Iterator[tuple[Value, int]]:
    """Each arm's variant, and the hash before which it ends."""
    for variant, bound in zip(shares.variants, shares.bounds, strict=True):
        yield variant, -(-bound * HASHES // shares.total)
