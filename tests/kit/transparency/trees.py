"""The tree as RFC 6962 writes it down: by recursion over all leaves, slow and plain."""

import hashlib
from collections.abc import Sequence

from seatrial.kit.transparency.merkle import Frontier, Range, joined, leaf_hash, subtrees


def root(leaves: Sequence[bytes]) -> bytes:
    """MTH of 2.1."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return hashlib.sha256(b"\x00" + leaves[0]).digest()
    k = split(len(leaves))
    return hashlib.sha256(b"\x01" + root(leaves[:k]) + root(leaves[k:])).digest()


def path(m: int, leaves: Sequence[bytes]) -> list[bytes]:
    """PATH of 2.1.1."""
    if len(leaves) == 1:
        return []
    k = split(len(leaves))
    if m < k:
        return [*path(m, leaves[:k]), root(leaves[k:])]
    return [*path(m - k, leaves[k:]), root(leaves[:k])]


def subproof(m: int, leaves: Sequence[bytes], *, known: bool = True) -> list[bytes]:
    """SUBPROOF of 2.1.2; PROOF is the one with `known`."""
    if m == len(leaves):
        return [] if known else [root(leaves)]
    k = split(len(leaves))
    if m <= k:
        return [*subproof(m, leaves[:k], known=known), root(leaves[k:])]
    return [*subproof(m - k, leaves[k:], known=False), root(leaves[:k])]


def split(n: int) -> int:
    """The largest power of two smaller than `n`."""
    k = 1
    while k * 2 < n:
        k *= 2
    return k


class Kept:
    """A tree that grew leaf by leaf, of which only perfect subtrees are kept, as a log keeps it."""

    def __init__(self, leaves: Sequence[bytes]) -> None:
        self.frontier = Frontier()
        self.nodes: dict[int, bytes] = {}
        for number, leaf in enumerate(leaves):
            self.nodes[number * 2] = leaf_hash(leaf)
            self.frontier, made = self.frontier.grown(leaf_hash(leaf))
            assert not self.nodes.keys() & {position for position, _ in made}
            self.nodes.update(made)

    def hashes(self, ranges: Sequence[Range]) -> tuple[bytes, ...]:
        """The hashes of `ranges`."""
        return tuple(
            joined([self.nodes[position] for position in subtrees(leaves)]) for leaves in ranges
        )
