"""Identifiers that keep their shape: digits become digits, letters letters, check digits right."""

import re
import string
from collections.abc import Callable
from typing import Final

from seatrial.data.masking.keyed import Domain, Permutation

_ALPHABETS: Final = (string.digits, string.ascii_lowercase, string.ascii_uppercase)
_KIND: Final = {letter: kind for kind, letters in enumerate(_ALPHABETS) for letter in letters}
_FEWEST: Final = 100  # possible values below which a shape hides nothing
_LONGEST: Final = 512  # letters and digits; the time grows with their square, and none is an id
_IBAN: Final = re.compile(r"[A-Z]{2}\d{2}[A-Z0-9]{11,30}\Z")
_INT32: Final = 1 << 31
_INT64: Final = 1 << 63


class Unfit(ValueError):
    """A value that a mask does not fit; the message says why, without the value."""


class Shaped:
    """Replaces the letters and digits of a text by others, each shape within itself.

    Args:
        domain: whose key shuffles.
        digits_only: leave letters as they are.
    """

    def __init__(self, domain: Domain, *, digits_only: bool = False) -> None:
        self._domain = domain
        self._kinds = 1 if digits_only else len(_ALPHABETS)
        self._shuffles: dict[str, Permutation] = {}
        self._numbers: dict[int, Permutation] = {}  # of digits alone, by how many there are

    def of(self, text: str) -> str:
        """The pseudonym of `text`.

        Raises:
            Unfit: too few letters and digits to hide in, too many for an identifier, or letters
            that are not ASCII.
        """
        if len(text) > _LONGEST:
            raise Unfit(f"it is longer than {_LONGEST} characters, so it is no identifier")
        if text.isascii() and text.isdigit():  # the usual case, three times as fast
            return self._number(text)
        kinds = [_KIND.get(letter, len(_ALPHABETS)) for letter in text]
        places = [place for place, kind in enumerate(kinds) if kind < self._kinds]
        if not text.isascii() and any(map(self._is_foreign, text)):
            raise Unfit("it has letters or digits outside ASCII")
        size, number = 1, 0
        for place in places:
            alphabet = _ALPHABETS[kinds[place]]
            size *= len(alphabet)
            number = number * len(alphabet) + alphabet.index(text[place])
        if size < _FEWEST:
            raise Unfit("it has too few letters and digits to hide in")
        number = self._shuffle(text, kinds, size).of(number)
        shown = list(text)
        for place in reversed(places):
            alphabet = _ALPHABETS[kinds[place]]
            number, index = divmod(number, len(alphabet))
            shown[place] = alphabet[index]
        return "".join(shown)

    def _number(self, text: str) -> str:
        size = 10 ** len(text)
        if size < _FEWEST:
            raise Unfit("it has too few letters and digits to hide in")
        shuffle = self._numbers.get(size)
        if shuffle is None:
            shuffle = self._numbers[size] = self._shuffle(text, [0] * len(text), size)
        return str(shuffle.of(int(text))).zfill(len(text))

    def _is_foreign(self, letter: str) -> bool:
        return not letter.isascii() and (letter.isalnum() if self._kinds > 1 else letter.isdigit())

    def _shuffle(self, text: str, kinds: list[int], size: int) -> Permutation:
        # What stays is part of the label: two prefixes share no pattern.
        label = "".join(
            "09aA"[kind + 1] if kind < self._kinds else letter
            for letter, kind in zip(text, kinds, strict=True)
        )
        found = self._shuffles.get(label)
        if found is None:
            if len(self._shuffles) > 4096:
                self._shuffles.clear()
            found = self._shuffles[label] = Permutation(self._domain, label, size)
        return found


class Whole:
    """Replaces whole numbers by others of the same width: 32 bits stay 32, sign stays sign."""

    def __init__(self, domain: Domain) -> None:
        self._narrow = Permutation(domain, "int32", _INT32)
        self._wide = Permutation(domain, "int64", _INT64 - _INT32)

    def of(self, number: int) -> int:
        """The pseudonym of `number`; raises `Unfit` beyond 63 bits."""
        size = abs(number)
        if size >= _INT64:
            raise Unfit("it is larger than 63 bits")
        masked = self._narrow.of(size) if size < _INT32 else self._wide.of(size - _INT32) + _INT32
        return -masked if number < 0 else masked


def with_luhn(text: str, masked: Callable[[str], str], keep: int = 0) -> str:
    """`text` with its digits masked but for the first `keep`, its last one a right check digit.

    A check digit that was wrong stays as wrong as it was, so that no two become the same.
    """
    digits = [letter for letter in text if letter.isdigit() and letter.isascii()]
    if len(digits) < keep + 4:
        raise Unfit("it has too few digits")
    *body, last = digits
    wrong = (int(last) - luhn(body)) % 10
    front = body[:keep]
    changed = [*front, *masked("".join(body[keep:]))]
    filled = iter([*changed, str((luhn(changed) + wrong) % 10)])
    return "".join(
        next(filled) if letter.isdigit() and letter.isascii() else letter for letter in text
    )


def luhn(body: list[str]) -> int:
    """The check digit that belongs behind `body` (ISO/IEC 7812)."""
    doubled = (int(digit) * (2 - place % 2) for place, digit in enumerate(reversed(body)))
    return -sum(number - 9 if number > 9 else number for number in doubled) % 10


def is_luhn(digits: str) -> bool:
    """Whether the last of `digits` is the check digit of those before."""
    return luhn(list(digits[:-1])) == int(digits[-1])


def masked_iban(text: str, masked: Callable[[str], str]) -> str:
    """An IBAN of the same country and shape, with right check digits (ISO 13616)."""
    compact = "".join(text.split()).upper()
    if not _IBAN.match(compact):
        raise Unfit("it is no IBAN")
    country, body = compact[:2], masked(compact[4:])
    check = 98 - _mod97(f"{body}{country}00")
    filled = iter(f"{country}{check:02}{body}")
    return "".join(letter if letter.isspace() else next(filled) for letter in text)


def is_iban(text: str) -> bool:
    """Whether `text`, without spaces, is an IBAN with right check digits."""
    compact = "".join(text.split()).upper()
    return bool(_IBAN.match(compact)) and _mod97(compact[4:] + compact[:4]) == 1


def _mod97(text: str) -> int:
    return int("".join(str(int(letter, 36)) for letter in text)) % 97
