"""MurmurHash3 (x86, 32 bits, seed 0), the hash behind flagd's `fractional`.

The definition is ours, so that no library can ever move a user. mmh3, compiled, does the same
50 times faster; it is used if it is there and gives our hashes for `_PROOF`, and else it is not.
Algorithm: Austin Appleby's MurmurHash3_x86_32, in the public domain.
"""

import struct
from collections.abc import Callable
from typing import Final

try:
    from mmh3 import mmh3_32_uintdigest as _compiled
except ImportError:  # no wheel for this platform
    _compiled = None  # type: ignore[assignment] # the name stands for a function that is not there

_WORD: Final = 0xFFFFFFFF
_C1: Final = 0xCC9E2D51
_C2: Final = 0x1B873593
# A format for every short key's number of words: building the text each time costs 0.1 µs.
_WORDS: Final = tuple(struct.Struct(f"<{count}I").unpack_from for count in range(64))


def murmur3_by_definition(data: bytes) -> int:
    """The hash of `data`, from 0 to 2**32 - 1."""
    length = len(data)
    count = length >> 2
    words = _WORDS[count](data) if count < len(_WORDS) else struct.unpack_from(f"<{count}I", data)
    state = 0
    for word in words:
        mixed = word * _C1 & _WORD
        state ^= (mixed << 15 | mixed >> 17) * _C2 & _WORD
        state = ((state << 13 | state >> 19) & _WORD) * 5 + 0xE6546B64 & _WORD
    if length & 3:
        tail = int.from_bytes(data[length & ~3 :], "little") * _C1 & _WORD
        state ^= (tail << 15 | tail >> 17) * _C2 & _WORD
    state ^= length
    state = (state ^ state >> 16) * 0x85EBCA6B & _WORD
    state = (state ^ state >> 13) * 0xC2B2AE35 & _WORD
    return state ^ state >> 16


def proven(candidate: Callable[[bytes], int] | None) -> bool:
    """Whether `candidate` is there and gives our hash for data short and long, of any tail."""
    return candidate is not None and all(
        candidate(data) == murmur3_by_definition(data) for data in _PROOF
    )


_PROOF: Final = (
    *(bytes(range(255, 255 - size, -1)) for size in (*range(9), 31, 250)),
    *(text.encode() for text in ("new-checkoutuser-1", "größe", "日本", "🛳")),
    b"\xff" * 1001,
)
murmur3: Final = _compiled if proven(_compiled) else murmur3_by_definition
"""The hash of some bytes, from 0 to 2**32 - 1, by the fastest way that is proven here."""
