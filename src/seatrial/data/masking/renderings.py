"""The forms in which a text may show a value of a record, each with what stands there instead.

Texts are searched without their separators (see `dossiers`), so one form stands for all ways of
putting blanks, dots and dashes into a number or an identifier.
"""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Final

from seatrial.data.masking import dates
from seatrial.data.masking.pseudonyms import HIDDEN, REDACTED, Pseudonyms
from seatrial.data.masking.shapes import Unfit
from seatrial.data.rules.domain import Class, ColumnRule, Format, Mask

_WORD: Final = re.compile(r"[^\W\d_]{2,}")
_SHAPED: Final = frozenset({Mask.PHONE, Mask.NUMBER, Mask.CARD, Mask.IBAN})
_LONG_NUMBER: Final = re.compile(r"[0-9]{5,}")
_NAMES: Final = frozenset({Mask.GIVEN_NAME, Mask.FAMILY_NAME, Mask.NAME})
_SHORTEST_LOCAL: Final = 5  # characters of an e-mail address before its sign
_SHORTEST_SCATTERED: Final = 7  # letters and digits that may stand apart in a text
_SHORTEST: Final = 2


@dataclass(frozen=True, kw_only=True, slots=True)
class Rendering:
    """One form of one value.

    Attributes:
        form: as a text may write it; case does not count.
        instead: what is written in its place.
        scattered: whether separators may stand inside it.
        name: whether it is a name, whose case is kept and which may be a common word.
        shaped: whether `instead` has the value's own shape, into which separators fit.
    """

    form: str
    instead: str
    scattered: bool = False
    name: bool = False
    shaped: bool = False


def renderings(
    pseudonyms: Pseudonyms, rule: ColumnRule, domain: str, value: object, *, days: int
) -> Iterator[Rendering]:
    """All forms of `value`, whose column has `rule`; `days` is its person's shift."""
    text = str(value).strip()
    if len(text) < _SHORTEST:
        return
    if rule.mask in {Mask.DATE, Mask.YEAR} and (day := dates.read_date(text)):
        yield from _dates(rule, day, days)
        return
    try:
        instead = _instead(pseudonyms, rule, domain, value)
    except Unfit:
        instead = REDACTED
    if rule.mask in _NAMES:
        yield from _names(pseudonyms, rule, text, instead)
        return
    yield from _forms(text, instead, shaped=_keeps_shape(rule))
    if rule.mask is Mask.EMAIL and (at := text.find("@")) >= _SHORTEST_LOCAL:
        yield from _forms(text[:at], instead.partition("@")[0])
    if rule.mask is Mask.PHONE:
        yield from _short_phone(text, instead)
    if rule.mask is Mask.ID:
        yield from _numbers(text, instead)


def _instead(pseudonyms: Pseudonyms, rule: ColumnRule, domain: str, value: object) -> str:
    if rule.kind is Class.SECRET:
        return HIDDEN
    if isinstance(value, int) and not isinstance(value, bool):
        return str(pseudonyms.whole_mask(rule, domain)(value))
    return pseudonyms.text_mask(rule, domain)(str(value))


def _keeps_shape(rule: ColumnRule) -> bool:
    return rule.mask in _SHAPED or (rule.mask is Mask.ID and rule.format is not Format.HASHED)


def _forms(text: str, instead: str, *, shaped: bool = False) -> Iterator[Rendering]:
    for form in _spellings(text):
        scattered = _may_be_scattered(form)
        yield Rendering(form=form, instead=instead, scattered=scattered, shaped=shaped)


def _names(
    pseudonyms: Pseudonyms, rule: ColumnRule, text: str, instead: str
) -> Iterator[Rendering]:
    words = _WORD.findall(text)
    if len(words) == 1 and words[0] == text:
        yield from _named(text, instead)
        return
    yield from _forms(text, instead)
    family = rule.mask is Mask.FAMILY_NAME
    for place, word in enumerate(words):
        last = family or (rule.mask is Mask.NAME and place == len(words) - 1)
        masked = pseudonyms.family_name(word) if last else pseudonyms.given_name(word)
        yield from _named(word, masked)


def _named(word: str, instead: str) -> Iterator[Rendering]:
    for form in _spellings(word):
        yield Rendering(form=form, instead=instead, scattered=not form.isalnum(), name=True)


def _may_be_scattered(form: str) -> bool:
    """Whether separators may stand in it: they do already, or it is too long to come by chance."""
    count = sum(letter.isalnum() for letter in form)
    return count >= _SHORTEST_SCATTERED or count < len(form)


def _dates(rule: ColumnRule, day: date, days: int) -> Iterator[Rendering]:
    then = day.replace(month=1, day=1) if rule.mask is Mask.YEAR else dates.earlier(day, days)
    for form, instead in zip(dates.renderings(day), dates.renderings(then), strict=True):
        yield Rendering(form=form, instead=instead, scattered=True, shaped=True)


def _short_phone(text: str, instead: str) -> Iterator[Rendering]:
    """A number without its country's code."""
    digits, masked = _digits(text), _digits(instead)
    if len(digits) > 10:
        yield Rendering(form=digits[-10:], instead=masked[-10:], scattered=True, shaped=True)


def _numbers(text: str, instead: str) -> Iterator[Rendering]:
    """The long numbers in an identifier: a card that ends in 4421486."""
    for number in _LONG_NUMBER.finditer(text):
        if number[0] != text:
            alike = len(text) == len(instead)
            shown = instead[number.start() : number.end()] if alike else instead
            yield Rendering(form=number[0], instead=shown)


def _digits(text: str) -> str:
    return "".join(letter for letter in text if letter in "0123456789")


def _spellings(text: str) -> Iterator[str]:
    """As it is, and where it has letters beyond ASCII: in capitals, plain, and taken apart."""
    yield text
    if text.isascii():
        return
    yield from {text.lower(), text.upper(), text.title()} - {text}
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    if sum(letter.isalnum() for letter in plain) >= _SHORTEST:
        yield plain
    yield unicodedata.normalize("NFD", text)
