"""What a value of each kind becomes: texts by the domain's key, whole numbers as whole numbers."""

import ipaddress
import math
import re
import unicodedata
from collections.abc import Callable
from typing import Final

from seatrial.data.masking import dates, pools
from seatrial.data.masking.keyed import Domain
from seatrial.data.masking.shapes import Shaped, Unfit, Whole, masked_iban, with_luhn
from seatrial.data.rules.domain import Check, Class, ColumnRule, Format, Mask

REDACTED: Final = "[redacted]"
HIDDEN: Final = "[secret]"

_WORD: Final = re.compile(r"[^\W\d_]+(?:['\u2019][^\W\d_]+)*")
_RUN: Final = re.compile("[0-9]+")
_NUMBER: Final = re.compile(r"-?\d+(?:\.\d+)?\Z")
_PARTICLES: Final = frozenset({"van", "von", "de", "da", "der", "den", "di", "del", "la", "le"})
_TITLES: Final = frozenset({"mr", "mrs", "ms", "miss", "dr", "prof", "sir", "madam", "jr", "sr"})

TextMask = Callable[[str], str]


class Pseudonyms:
    """All masks under one key.

    Args:
        key: 32 bytes.
    """

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._domains: dict[str, Domain] = {}

    def domain(self, name: str) -> Domain:
        """The domain `name` under this key."""
        found = self._domains.get(name)
        if found is None:
            found = self._domains[name] = Domain(self._key, name)
        return found

    def text_mask(self, rule: ColumnRule, domain: str) -> TextMask:
        """What turns the texts of a column into pseudonyms. It raises `Unfit`.

        Not of dates, which go by the person: see `shift`.
        """
        if rule.kind is Class.SECRET:
            return lambda _text: HIDDEN
        of = self.domain(domain)
        make = _BY_MASK[rule.mask or Mask.REDACTED]
        return make(self, of, rule)

    def whole_mask(self, rule: ColumnRule, domain: str) -> Callable[[int], int]:
        """What turns the whole numbers of a column into others."""
        if rule.kind is Class.SECRET:
            return lambda _number: 0
        if rule.mask is Mask.BAND:
            return lambda number: number // rule.width * rule.width
        return Whole(self.domain(domain)).of

    def shift(self, person: str, most: int) -> int:
        """By how many days the dates of `person` move: 1 to `most`."""
        return 1 + self.domain("shift").number(person) % most

    def given_name(self, text: str) -> str:
        """Another given name, in the same case."""
        return self._from_pool(text, "given_name", pools.GIVEN)

    def family_name(self, text: str) -> str:
        """Another family name, in the same case."""
        return self._from_pool(text, "family_name", pools.FAMILY)

    def name(self, text: str) -> str:
        """A name, word by word: its parts are those that `given_name` and `family_name` give.

        Titles and initials stay; the last word is the family's, unless a comma says otherwise.
        """
        words = [w for w in _WORD.finditer(text) if w[0].lower() not in _TITLES | _PARTICLES]
        turned = "," in text
        shown, end = "", 0
        for place, word in enumerate(words):
            family = place == 0 if turned else place == len(words) - 1 and place > 0
            masked = self.family_name(word[0]) if family else self.given_name(word[0])
            shown += text[end : word.start()] + masked
            end = word.end()
        return shown + text[end:]

    def _from_pool(self, text: str, domain: str, kind: str) -> str:
        names = pools.pool(kind)
        number = self.domain(domain).number(folded(text))
        return in_case_of(text, names[number % len(names)])


def folded(text: str) -> str:
    """What two spellings of one value have in common."""
    if text.isascii():  # the usual case, three times as fast
        return " ".join(text.lower().split())
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def in_case_of(text: str, name: str) -> str:
    """`name` in capitals or small letters, as `text` is."""
    if text.isupper() and len(text) > 1:
        return name.upper()
    return name.lower() if text.islower() else name


def _pooled(kind: str) -> Callable[[Pseudonyms, Domain, ColumnRule], TextMask]:
    names = pools.pool(kind)

    def make(_: Pseudonyms, of: Domain, _rule: ColumnRule) -> TextMask:
        return lambda text: in_case_of(text, names[of.number(folded(text)) % len(names)])

    return make


def _name(every: Pseudonyms, _of: Domain, _rule: ColumnRule) -> TextMask:
    return every.name


def _id(_: Pseudonyms, of: Domain, rule: ColumnRule) -> TextMask:
    if rule.format is Format.HASHED:
        return of.codes("k")
    shaped = Shaped(of, digits_only=rule.format is Format.DIGITS)
    if rule.check is Check.LUHN:
        return lambda text: with_luhn(text, shaped.of, 0)
    return shaped.of


def _number(_: Pseudonyms, of: Domain, _rule: ColumnRule) -> TextMask:
    return Shaped(of, digits_only=True).of


def _phone(_: Pseudonyms, of: Domain, _rule: ColumnRule) -> TextMask:
    shaped = Shaped(of, digits_only=True)

    def masked(text: str) -> str:
        """By its digits alone: one number is one pseudonym, however it is written."""
        runs = _RUN.findall(text)
        digits = "".join(runs)
        kept = max(0, len(digits) - 10)  # a country's code
        filled = digits[:kept] + shaped.of(digits[kept:])
        between = _RUN.split(text)
        shown, used = between[0], 0
        for run, rest in zip(runs, between[1:], strict=True):
            shown += filled[used : used + len(run)] + rest
            used += len(run)
        return shown

    return masked


def _card(_: Pseudonyms, of: Domain, rule: ColumnRule) -> TextMask:
    shaped = Shaped(of, digits_only=True)
    return lambda text: with_luhn(text, shaped.of, rule.keep)


def _iban(_: Pseudonyms, of: Domain, _rule: ColumnRule) -> TextMask:
    shaped = Shaped(of)
    return lambda text: masked_iban(text, shaped.of)


def _handle(mark: str, after: str) -> Callable[[Pseudonyms, Domain, ColumnRule], TextMask]:
    """`given.family.code`: 65 bits in all, so that unique ones stay unique."""
    given, family = pools.pool(pools.GIVEN), pools.pool(pools.FAMILY)

    def make(_: Pseudonyms, of: Domain, _rule: ColumnRule) -> TextMask:
        def masked(text: str) -> str:
            number = of.number(folded(text))
            first = given[number % len(given)].lower()
            number //= len(given)
            last = family[number % len(family)].lower()
            code = number // len(family) & 0xFFFFFFFFFF
            return f"{first}{mark}{last}{mark}{code:010x}{after}"

        return masked

    return make


def _street(_: Pseudonyms, of: Domain, _rule: ColumnRule) -> TextMask:
    streets = pools.pool(pools.STREET)

    def masked(text: str) -> str:
        number = of.number(folded(text))
        house, number = 1 + number % 9899, number // 9899
        suffix, number = pools.SUFFIXES[number % len(pools.SUFFIXES)], number // len(pools.SUFFIXES)
        return f"{house} {streets[number % len(streets)]} {suffix}"

    return masked


def _unit(_: Pseudonyms, of: Domain, _rule: ColumnRule) -> TextMask:
    def masked(text: str) -> str:
        word = next((w for w in text.split() if w.isalpha()), "Unit")
        return f"{word} {1000 + of.number(folded(text)) % 9000}"  # wider than real ones are

    return masked


def _zip(_: Pseudonyms, _of: Domain, rule: ColumnRule) -> TextMask:
    def masked(text: str) -> str:
        kept, rest = text[: rule.keep], text[rule.keep :]
        return kept + "".join(
            "0" if letter.isdigit() else "X" if letter.isalpha() else letter for letter in rest
        )

    return masked


def _year(_: Pseudonyms, _of: Domain, _rule: ColumnRule) -> TextMask:
    return dates.year_of


def _band(_: Pseudonyms, _of: Domain, rule: ColumnRule) -> TextMask:
    def masked(text: str) -> str:
        if not _NUMBER.match(text.strip()):
            raise Unfit("it is no number")
        return str(math.floor(float(text) / rule.width) * rule.width)

    return masked


def _ip(_: Pseudonyms, of: Domain, _rule: ColumnRule) -> TextMask:
    def masked(text: str) -> str:
        try:
            address = ipaddress.ip_address(text.strip())
        except ValueError:
            raise Unfit("it is no IP address") from None
        number = of.number(str(address))
        if address.version == 4:
            return str(ipaddress.IPv4Address((10 << 24) | number & 0xFFFFFF))
        return str(ipaddress.IPv6Address((0xFD << 120) | number & ((1 << 120) - 1)))

    return masked


def _redacted(_: Pseudonyms, _of: Domain, _rule: ColumnRule) -> TextMask:
    return lambda _text: REDACTED


def _kept(_: Pseudonyms, _of: Domain, _rule: ColumnRule) -> TextMask:
    return lambda text: text


_BY_MASK: Final[dict[Mask, Callable[[Pseudonyms, Domain, ColumnRule], TextMask]]] = {
    Mask.ID: _id,
    Mask.GIVEN_NAME: _pooled(pools.GIVEN),
    Mask.FAMILY_NAME: _pooled(pools.FAMILY),
    Mask.NAME: _name,
    Mask.EMAIL: _handle(".", "@example.com"),
    Mask.USERNAME: _handle("_", ""),
    Mask.PHONE: _phone,
    Mask.STREET: _street,
    Mask.UNIT: _unit,
    Mask.CITY: _pooled(pools.CITY),
    Mask.ZIP: _zip,
    Mask.YEAR: _year,
    Mask.BAND: _band,
    Mask.NUMBER: _number,
    Mask.CARD: _card,
    Mask.IBAN: _iban,
    Mask.IP: _ip,
    Mask.REDACTED: _redacted,
    Mask.KEPT: _kept,
}
