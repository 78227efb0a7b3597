"""A second look at the output by shape alone, apart from the masker's patterns."""

import re
from collections.abc import Iterator
from typing import Final

_EMAIL: Final = re.compile(r"[\w.+%-]+@([\w-]+(?:\.[\w-]+)+)")
_CARD: Final = re.compile(r"(?<![\d.])(?:\d[ -]?){12,18}\d(?![\d.])")
_SSN: Final = re.compile(r"(?<![\d-])\d{3}-\d{2}-\d{4}(?![\d-])")
_PHONE: Final = re.compile(
    r"(?<!\w)(?:\+\d[\d .()-]{8,16}\d|\(\d{3}\) ?\d{3}-\d{4}|\d{3}-\d{3}-\d{4})(?!\w)"
)
_KEY: Final = re.compile(r"AKIA[0-9A-Z]{16}|gh[pousr]_\w{30,}|-----BEGIN [A-Z ]*PRIVATE KEY")
_MADE_UP: Final = frozenset({"example.com", "example.org", "example.net"})


def shapes_in(text: str) -> Iterator[tuple[str, str]]:
    """Kind and value of whatever in `text` is by its shape a direct identifier or a secret."""
    if "@" in text:
        for hit in _EMAIL.finditer(text):
            yield "email", hit[0]
    for hit in _CARD.finditer(text):
        if _has_check_digit(hit[0]):
            yield "card", hit[0]
    for hit in _SSN.finditer(text):
        yield "ssn", hit[0]
    for hit in _PHONE.finditer(text):
        yield "phone", hit[0]
    for hit in _KEY.finditer(text):
        yield "secret", hit[0]


def is_made_up(kind: str, value: str) -> bool:
    """Whether a value of this shape is known to be nobody's: an address of a reserved domain."""
    return kind == "email" and value.rpartition("@")[2].lower() in _MADE_UP


def _has_check_digit(text: str) -> bool:
    digits = [int(c) for c in text if c.isdigit()]
    if not 13 <= len(digits) <= 19 or digits[0] not in {3, 4, 5, 6}:
        return False
    total = 0
    for place, digit in enumerate(reversed(digits)):
        doubled = digit * 2 if place % 2 else digit
        total += doubled - 9 if doubled > 9 else doubled
    return total % 10 == 0
