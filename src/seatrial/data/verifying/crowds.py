"""k-anonymity: with how many others a person shares the quasi-identifiers that the output shows."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np


def short_hash(value: object) -> int:
    """64 bits that stand for a value while sets of millions are compared."""
    data = repr(value).encode(errors="surrogatepass")
    return int.from_bytes(hashlib.blake2b(data, digest_size=8).digest(), "big")


@dataclass(kw_only=True)
class Crowds:
    """People by their combination of quasi-identifiers, 16 bytes a record.

    Attributes:
        paths: of the quasi-identifiers.
    """

    paths: tuple[str, ...]
    _pairs: list[np.ndarray] = field(default_factory=list)

    def add(self, combinations: Sequence[object], persons: Sequence[object]) -> None:
        """Note some records: what they show, and of whom."""
        hashes = [
            (short_hash(shown), short_hash(person))
            for shown, person in zip(combinations, persons, strict=True)
        ]
        if hashes:
            self._pairs.append(np.array(hashes, dtype=np.uint64))

    def smallest(self) -> int:
        """k: people in the smallest crowd; 0 where there is nobody."""
        if not self._pairs:
            return 0
        pairs = np.unique(np.concatenate(self._pairs), axis=0)
        _, sizes = np.unique(pairs[:, 0], return_counts=True)
        return int(sizes.min())

    def alone(self, k: int) -> int:
        """How many people stand in a crowd of fewer than `k`."""
        if not self._pairs:
            return 0
        pairs = np.unique(np.concatenate(self._pairs), axis=0)
        _, sizes = np.unique(pairs[:, 0], return_counts=True)
        return int(sizes[sizes < k].sum())


@dataclass(kw_only=True)
class Values:
    """The values of one path, 8 bytes each: whether they are unique, whether others are in them."""

    _parts: list[np.ndarray] = field(default_factory=list)

    def add(self, values: Sequence[object]) -> None:
        """Note some values."""
        if values:
            self._parts.append(np.array([short_hash(v) for v in values], dtype=np.uint64))

    def all(self) -> np.ndarray:
        """All of them."""
        return np.concatenate(self._parts) if self._parts else np.array([], dtype=np.uint64)

    def repeated(self) -> int:
        """How many are there more than once, beyond the first."""
        values = self.all()
        return len(values) - len(np.unique(values))

    def missing_from(self, others: "Values") -> int:
        """How many are not among `others`."""
        values = self.all()
        return int((~np.isin(values, np.unique(others.all()))).sum())
