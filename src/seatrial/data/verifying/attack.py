"""The dictionary attack: whether somebody without the key could have made the pseudonyms."""

import base64
import hashlib
from collections.abc import Iterable, Iterator
from typing import Final

from ahocorasick_rs import AhoCorasick

_ALGORITHMS: Final = ("md5", "sha1", "sha256", "sha512", "blake2b", "blake2s")
_SALTS: Final = ("", "salt", "pepper", "secret", "seatrial", "mask", "staging")
_FRONT: Final = 10  # characters of a hash that would tell it


def hits(
    source: Iterable[str], output: Iterable[str], salts: Iterable[str] = ()
) -> tuple[int, int]:
    """How many guesses were tried, and how many of them the output holds.

    Args:
        source: values that an attacker could list: e-mail addresses, identifiers.
        output: the pseudonyms.
        salts: names that an attacker would try as salt: of the snapshot, its tables, its columns.
    """
    guesses = sorted({guess for value in set(source) for guess in _guesses(value, tuple(salts))})
    if not guesses:
        return 0, 0
    found = AhoCorasick(guesses).find_matches_as_indexes("\n".join(output).lower())
    return len(guesses), len({number for number, _, _ in found})


def _guesses(value: str, salts: tuple[str, ...]) -> Iterator[str]:
    for text in {value, value.lower()}:
        for salt in (*_SALTS, *salts):
            for data in (f"{salt}{text}", f"{text}{salt}", f"{salt}:{text}"):
                for algorithm in _ALGORITHMS:
                    digest = hashlib.new(algorithm, data.encode(), usedforsecurity=False).digest()
                    yield digest.hex()[:_FRONT]
                    yield base64.b32encode(digest).decode().lower()[:_FRONT]
                    yield base64.urlsafe_b64encode(digest).decode().lower()[:_FRONT]
