"""The Merkle tree of RFC 6962: its root, its proofs, and how they are checked.

A perfect subtree (of 2**level leaves, never to change again) is named by its position, its number
in an in-order walk: leaf i is 2 i, and above it stands one odd number for each inner node. Every
hash of a proof, and every root, is made of a few of these, so a log keeps them and reads nothing
else.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from seatrial.kit.transparency.domain import Consistency, Inclusion, ProofInvalid

EMPTY_ROOT: Final = hashlib.sha256(b"").digest()

_INCLUSION: Final = "inclusion"
_CONSISTENCY: Final = "consistency"

Range = tuple[int, int]
"""Leaves from the first number up to, but not with, the second."""


def leaf_hash(data: bytes) -> bytes:
    """The hash of a leaf that holds `data`."""
    return hashlib.sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of an inner node."""
    return hashlib.sha256(b"\x01" + left + right).digest()


@dataclass(frozen=True, kw_only=True, slots=True)
class Frontier:
    """All that is needed of a tree to let it grow.

    Attributes:
        size: number of leaves.
        hashes: of the perfect subtrees that it consists of, from the left; one for each bit of
            `size` that is 1.
    """

    size: int = 0
    hashes: tuple[bytes, ...] = ()

    def grown(self, leaf: bytes) -> tuple["Frontier", tuple[tuple[int, bytes], ...]]:
        """The tree with one leaf more, and the inner nodes that it completes, by position."""
        hashes, made = [*self.hashes, leaf], []
        level, rest = 0, self.size
        while rest & 1:
            level, rest = level + 1, rest >> 1
            right, left = hashes.pop(), hashes.pop()
            hashes.append(node_hash(left, right))
            made.append((_position(level, rest), hashes[-1]))
        return Frontier(size=self.size + 1, hashes=tuple(hashes)), tuple(made)

    @property
    def root(self) -> bytes:
        """The hash that stands for all leaves."""
        return joined(self.hashes)


def subtrees(leaves: Range) -> tuple[int, ...]:
    """Positions of the perfect subtrees that `leaves`, one range of a proof, consist of."""
    start, stop = leaves
    found = []
    while start < stop:
        level = (stop - start).bit_length() - 1
        found.append(_position(level, start >> level))
        start += 1 << level
    return tuple(found)


def joined(hashes: Sequence[bytes]) -> bytes:
    """The hash of neighbouring perfect subtrees, from the left, each smaller than the last."""
    if not hashes:
        return EMPTY_ROOT
    whole = hashes[-1]
    for left in reversed(hashes[:-1]):
        whole = node_hash(left, whole)
    return whole


def inclusion_ranges(index: int, size: int) -> tuple[Range, ...]:
    """The ranges whose hashes prove that leaf `index` is in the tree of `size`, lowest first."""
    if not 0 <= index < size:
        raise ValueError(f"a tree of {size} has no leaf {index}")
    start, stop, ranges = 0, size, []
    while stop - start > 1:
        middle = start + _split(stop - start)
        if index < middle:
            ranges.append((middle, stop))
            stop = middle
        else:
            ranges.append((start, middle))
            start = middle
    return tuple(reversed(ranges))


def consistency_ranges(old: int, size: int) -> tuple[Range, ...]:
    """The ranges whose hashes prove that the tree of `size` begins with that of `old`."""
    if not 0 < old <= size:
        raise ValueError(f"nothing can prove that a tree of {size} continues one of {old}")
    start, stop, ranges = 0, size, []
    while stop != old:
        middle = start + _split(stop - start)
        if old <= middle:
            ranges.append((middle, stop))
            stop = middle
        else:
            ranges.append((start, middle))
            start = middle
    if start:
        ranges.append((start, stop))  # else it is the old tree itself, whose root is known
    return tuple(reversed(ranges))


def verify_inclusion(leaf: bytes, proof: Inclusion, root: bytes) -> None:
    """Return if `proof` shows that `leaf` stands at its index in the tree of `root` (RFC 9162).

    Args:
        leaf: the leaf's hash, made by whoever verifies from the entry itself.
        proof: as the log gave it.
        root: of the tree of `proof.size`, from a verified checkpoint.

    Raises:
        ProofInvalid: it does not.
    """
    if not 0 <= proof.index < proof.size:
        raise ProofInvalid(kind=_INCLUSION, reason="its index is beyond its size")
    at, last = proof.index, proof.size - 1
    whole = leaf
    for given in _sound(proof.hashes, _INCLUSION):
        if last == 0:
            raise ProofInvalid(kind=_INCLUSION, reason="it is too long")
        if at & 1 or at == last:
            whole = node_hash(given, whole)
            at, last = _risen(at, last)
        else:
            whole = node_hash(whole, given)
        at, last = at >> 1, last >> 1
    if last:
        raise ProofInvalid(kind=_INCLUSION, reason="it is too short")
    if whole != root:
        raise ProofInvalid(kind=_INCLUSION, reason="it leads to another root")


def verify_consistency(old_root: bytes, proof: Consistency, root: bytes) -> None:
    """Return if `proof` shows that the tree of `root` begins with that of `old_root` (RFC 9162).

    Raises:
        ProofInvalid: it does not. From the empty tree nothing can be proved: every tree continues
            it, so such a proof is refused rather than taken to mean something.
    """
    if not 0 < proof.old <= proof.size:
        raise ProofInvalid(kind=_CONSISTENCY, reason=f"it goes from {proof.old} to {proof.size}")
    hashes = list(_sound(proof.hashes, _CONSISTENCY))
    if proof.old == proof.size:
        if hashes or old_root != root:
            raise ProofInvalid(kind=_CONSISTENCY, reason="of one size there are two roots")
        return
    if proof.old & (proof.old - 1) == 0:
        hashes.insert(0, old_root)  # a perfect subtree of the new tree
    if _both_roots(proof, hashes) != (old_root, root):
        raise ProofInvalid(kind=_CONSISTENCY, reason="it leads to another root")


def _both_roots(proof: Consistency, hashes: Sequence[bytes]) -> tuple[bytes, bytes]:
    """The roots of the old and the new tree that `hashes` lead to."""
    if not hashes:
        raise ProofInvalid(kind=_CONSISTENCY, reason="it is too short")
    at, last = proof.old - 1, proof.size - 1
    while at & 1:
        at, last = at >> 1, last >> 1
    before = after = hashes[0]
    for given in hashes[1:]:
        if last == 0:
            raise ProofInvalid(kind=_CONSISTENCY, reason="it is too long")
        if at & 1 or at == last:
            before, after = node_hash(given, before), node_hash(given, after)
            at, last = _risen(at, last)
        else:
            after = node_hash(after, given)
        at, last = at >> 1, last >> 1
    if last:
        raise ProofInvalid(kind=_CONSISTENCY, reason="it is too short")
    return before, after


def _risen(at: int, last: int) -> tuple[int, int]:
    """Up past the levels on which the node stands alone at the right edge."""
    while at and not at & 1:
        at, last = at >> 1, last >> 1
    return at, last


def _sound(hashes: Sequence[bytes], kind: str) -> Iterator[bytes]:
    for given in hashes:
        if len(given) != len(EMPTY_ROOT):
            raise ProofInvalid(kind=kind, reason="it holds what is no SHA-256")
        yield given


def _split(size: int) -> int:
    """The largest power of two smaller than `size`: how many leaves are on the left."""
    return 1 << ((size - 1).bit_length() - 1)


def _position(level: int, index: int) -> int:
    return index << (level + 1) | ((1 << level) - 1)
