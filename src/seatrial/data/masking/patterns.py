"""Values that tell by their shape what they are: addresses, numbers with check digits, secrets.

RE2 searches in time linear in the text, whatever the text. A set of all patterns first tells which
of them occur at all (40 MB/s); only those are then looked for. A shape alone is not enough: what
has check digits is taken only if they are right.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import re2

from seatrial.data.masking.dossiers import Span
from seatrial.data.masking.pseudonyms import HIDDEN, Pseudonyms
from seatrial.data.masking.shapes import Unfit, is_iban, is_luhn
from seatrial.data.rules.domain import Class, ColumnRule, Mask

_MOST_KEPT: Final = 1 << 12  # finds of one pattern whose pseudonyms are kept at hand


@dataclass(frozen=True, kw_only=True, slots=True)
class Pattern:
    """One shape.

    Attributes:
        name: for reports.
        text: in RE2's language; it must not match across a NUL.
        mask: how what was found is masked; None: it is a secret.
        real: the part of what was found that really is one; None: it only looked like it.
    """

    name: str
    text: str
    mask: Mask | None
    real: Callable[[str], str | None]


def _digits(text: str) -> str:
    return "".join(letter for letter in text if letter in "0123456789")


def _whole(text: str) -> str | None:
    return text


def _whole_if(fits: Callable[[str], bool]) -> Callable[[str], str | None]:
    return lambda text: text if fits(text) else None


def _front_if(fits: Callable[[str], bool]) -> Callable[[str], str | None]:
    """The longest front that fits: a shape in groups may have run into the next number."""

    def front(text: str) -> str | None:
        while text:
            if fits(text):
                return text
            text = text[: max(text.rfind(" "), text.rfind("-"), 0)]
        return None

    return front


def _is_card(text: str) -> bool:
    digits = _digits(text)
    return 13 <= len(digits) <= 19 and digits[0] in "3456" and is_luhn(digits)


def _is_phone(text: str) -> bool:
    digits = _digits(text)
    return 10 <= len(digits) <= 15 and len(set(digits)) > 2


def _is_ssn(text: str) -> bool:
    area, group, serial = text.split("-")
    return area not in {"000", "666"} and area < "900" and group != "00" and serial != "0000"


def _is_ip(text: str) -> bool:
    return all(int(part) < 256 for part in text.split("."))


PATTERNS: Final = (
    Pattern(
        name="email",
        text=r"[A-Za-z0-9][A-Za-z0-9._%+\-]*@[A-Za-z0-9\-]+(?:\.[A-Za-z0-9\-]+)*\.[A-Za-z]{2,}",
        mask=Mask.EMAIL,
        real=_whole,
    ),
    Pattern(
        name="card",
        text=r"\b[3-6]\d(?:[ \-]?\d){11,17}\b",
        mask=Mask.CARD,
        real=_front_if(_is_card),
    ),
    Pattern(
        name="iban",
        text=r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]){11,30}\b",
        mask=Mask.IBAN,
        real=_front_if(is_iban),
    ),
    Pattern(name="ssn", text=r"\b\d{3}-\d{2}-\d{4}\b", mask=Mask.NUMBER, real=_whole_if(_is_ssn)),
    Pattern(
        name="phone",
        # International, North American, or with the zero before a trunk call. Bare digits are not
        # taken: they are as likely the number of an order.
        text=r"\+\d{1,3}(?:[ .\-]?\(?\d{1,4}\)?){2,5}\b|\(\d{3}\) ?\d{3}[ .\-]?\d{4}\b"
        r"|\b(?:1[ .\-])?\d{3}[ .\-]\d{3}[ .\-]\d{4}\b|\b0\d{2,4}[ \-/]\d{3,4}[ \-]?\d{3,4}\b",
        mask=Mask.PHONE,
        real=_whole_if(_is_phone),
    ),
    Pattern(
        name="ip",
        text=r"\b\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}\b",
        mask=Mask.IP,
        real=_whole_if(_is_ip),
    ),
    Pattern(
        name="token",
        text=r"\b(?:AKIA[0-9A-Z]{16}|gh[pousr]_[A-Za-z0-9]{30,}|xox[abprs]-[A-Za-z0-9\-]{10,}"
        r"|sk-[A-Za-z0-9_\-]{20,}|sk_(?:live|test)_[A-Za-z0-9]{16,}"
        r"|eyJ[A-Za-z0-9_\-]{8,}\.eyJ[A-Za-z0-9_\-]{8,}\.[A-Za-z0-9_\-]+)",
        mask=None,
        real=_whole,
    ),
    Pattern(
        name="private key",
        text=r"-----BEGIN [A-Z ]*PRIVATE KEY-----[^\x00]*?-----END [A-Z ]*PRIVATE KEY-----",
        mask=None,
        real=_whole,
    ),
)


class Patterns:
    """All patterns, compiled, masking as the tables do."""

    def __init__(self, pseudonyms: Pseudonyms) -> None:
        self._any: Final[Any] = re2.Set.SearchSet()
        for pattern in PATTERNS:
            self._any.Add(pattern.text)
        self._any.Compile()
        self._compiled: Final = [re2.compile(pattern.text.encode()) for pattern in PATTERNS]
        self._masks: Final = [_mask_of(pseudonyms, pattern) for pattern in PATTERNS]

    def spans(self, text: bytes) -> Iterator[Span]:
        """Every place where one of the patterns stands; they may overlap."""
        for number in self._any.Match(text) or ():
            pattern, mask = PATTERNS[number], self._masks[number]
            for hit in self._compiled[number].finditer(text):
                found = pattern.real(hit[0].decode(errors="replace"))
                if found is not None:
                    yield Span(hit.start(), hit.start() + len(found.encode()), mask(found).encode())


def _mask_of(pseudonyms: Pseudonyms, pattern: Pattern) -> Callable[[str], str]:
    if pattern.mask is None:
        return lambda _found: HIDDEN
    rule = ColumnRule(kind=Class.DIRECT, mask=pattern.mask, keep=0)
    mask = pseudonyms.text_mask(rule, rule.domain_in("", pattern.name))

    @lru_cache(maxsize=_MOST_KEPT)
    def masked(found: str) -> str:
        try:
            return mask(found)
        except Unfit:
            return HIDDEN

    return masked
