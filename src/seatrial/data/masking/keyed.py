"""Keyed randomness: what a value becomes depends on the key, the domain and the value, on no state.

So the same key gives the same output on any number of processes, and without the key a pseudonym
tells nothing of its value. BLAKE2b with a key is the pseudo-random function: 0.3 µs a value.
"""

import hashlib
import math
from typing import Final

_LETTERS: Final = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's base 32: no i, l, o, u
_ROUNDS: Final = 8
_BITS: Final = 128


class Domain:
    """The pseudo-random function of one domain under one key.

    Args:
        key: 32 bytes.
        name: of the domain. Two domains have nothing in common.
    """

    def __init__(self, key: bytes, name: str) -> None:
        self.name: Final = name
        label = hashlib.blake2b(name.encode(), digest_size=16).digest()
        self._fresh: Final = hashlib.blake2b(key=key, person=label, digest_size=_BITS // 8)

    def number(self, value: str) -> int:
        """128 bits that only the key and the value tell."""
        hashed = self._fresh.copy()
        hashed.update(value.encode(errors="surrogatepass"))
        return int.from_bytes(hashed.digest(), "big")

    def code(self, value: str, length: int = 13) -> str:
        """`length` letters and digits, five bits each: 13 of them collide with chance n²/2**66."""
        return letters(self.number(value), length)


def letters(number: int, length: int) -> str:
    """The lowest bits of `number` as letters and digits, five bits each."""
    return "".join(_LETTERS[(number >> 5 * place) & 31] for place in range(length))


class Permutation:
    """A keyed shuffle of 0 … size-1 that leaves nothing in its place.

    Each number becomes another one and no two become the same, so what was unique stays so with
    no table of what was given away. It is a Feistel network over the two digits of a number in
    base √size (Black and Rogaway 2002), walked until it falls into the range; conjugated with a
    step by one, which has no fixed point.
    """

    def __init__(self, domain: Domain, label: str, size: int) -> None:
        if size < 2:
            raise ValueError(f"{size} value cannot become another one")
        self._domain = domain
        self._label = label
        self._size = size
        self._right = math.isqrt(size - 1) + 1
        self._left = -(-size // self._right)

    def of(self, number: int) -> int:
        """What `number`, within the range, becomes."""
        return self._back((self._there(number) + 1) % self._size)

    def _there(self, number: int) -> int:
        while True:
            left, right = divmod(number, self._right)
            for turn in range(_ROUNDS):
                if turn % 2:
                    right = (right + self._round(turn, left)) % self._right
                else:
                    left = (left + self._round(turn, right)) % self._left
            number = left * self._right + right
            if number < self._size:
                return number

    def _back(self, number: int) -> int:
        while True:
            left, right = divmod(number, self._right)
            for turn in reversed(range(_ROUNDS)):
                if turn % 2:
                    right = (right - self._round(turn, left)) % self._right
                else:
                    left = (left - self._round(turn, right)) % self._left
            number = left * self._right + right
            if number < self._size:
                return number

    def _round(self, turn: int, half: int) -> int:
        return self._domain.number(f"{self._label}\0{turn}\0{half}")
