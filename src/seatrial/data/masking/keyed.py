"""Keyed randomness: what a value becomes depends on the key, the domain and the value, on no state.

So the same key gives the same output on any number of processes, and without the key a pseudonym
tells nothing of its value. BLAKE2b with a key is the pseudo-random function: 0.3 µs a value.
"""

import hashlib
import math
from collections.abc import Callable
from typing import Final, Protocol, Self

_ROUNDS: Final = 6  # each way; what a value becomes has passed twelve
_BITS: Final = 128

Rounds = tuple[tuple[int, int], ...]
"""Of each round its number, and which half it changes: 0 the left one, 1 the right one."""

_THERE: Final[Rounds] = tuple((turn, turn % 2) for turn in range(_ROUNDS))
_BACK: Final[Rounds] = _THERE[::-1]


class Hash(Protocol):
    """A hash that has read something already."""

    def copy(self) -> Self:
        """Another one that has read the same."""
        ...

    def update(self, data: bytes, /) -> None:
        """Read `data`."""
        ...

    def digest(self) -> bytes:
        """What has been read, hashed."""
        ...


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
        hashed.update(value.encode("utf-8", "surrogatepass"))
        return int.from_bytes(hashed.digest(), "big")

    def codes(self, mark: str) -> Callable[[str], str]:
        """What turns a value into `mark` and 64 bits in hexadecimal digits, blanks left out.

        Among n values two are the same with chance n²/2**65.
        """
        fresh = self._fresh.copy

        def code(value: str) -> str:
            hashed = fresh()
            hashed.update(value.strip().encode("utf-8", "surrogatepass"))
            return mark + hashed.hexdigest()[:16]

        return code

    def sub(self, label: str) -> "Hash":
        """The function of numbers that belongs to `label` in this domain."""
        hashed = self._fresh.copy()
        hashed.update(f"{label}\0".encode(errors="surrogatepass"))
        return hashed


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
        self._size = size
        self._turns = [domain.sub(f"{label}\0{turn}").copy for turn in range(_ROUNDS)]
        self._right = math.isqrt(size - 1) + 1
        self._left = -(-size // self._right)
        half = max(self._left, self._right).bit_length()
        self._width = max(_BITS, half + 7) // 8
        self._digests = 1 if half <= _BITS else half // _BITS + 2  # else a half's front would stay

    def of(self, number: int) -> int:
        """What `number`, within the range, becomes."""
        there = self._walked(number, _THERE, 1)
        return self._walked((there + 1) % self._size, _BACK, -1)

    def _walked(self, number: int, rounds: Rounds, sign: int) -> int:
        """Through all rounds, again until it falls into the range. One loop: a round is 0.5 µs."""
        size, from_bytes = self._size, int.from_bytes
        halves, one = (self._left, self._right), self._digests == 1
        while True:
            digits = list(divmod(number, self._right))
            for turn, changed in rounds:
                hashed = self._turns[turn]()
                hashed.update(digits[1 - changed].to_bytes(self._width, "big"))
                step = from_bytes(hashed.digest() if one else self._long(hashed), "big")
                digits[changed] = (digits[changed] + sign * step) % halves[changed]
            number = digits[0] * self._right + digits[1]
            if number < size:
                return number

    def _long(self, hashed: Hash) -> bytes:
        """As many digests as a half that is longer than one of them needs."""
        parts = []
        for part in range(self._digests):
            counted = hashed.copy()
            counted.update(part.to_bytes(4, "big"))
            parts.append(counted.digest())
        return b"".join(parts)
