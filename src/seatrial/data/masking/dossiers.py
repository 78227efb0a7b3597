"""What is known of one person, ready to be found in a text: all forms of all their values at once.

The text is searched without its separators and in small letters, so that `+1 (512) 555-0100`,
`512.555.0100` and `mia-li-3668` are all found; a find counts only where it begins and ends as a
value does. One pass of Aho-Corasick finds all forms, whatever their number.
"""

import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from importlib.resources import files
from typing import Final, NamedTuple

import numpy as np
from ahocorasick_rs import BytesAhoCorasick

from seatrial.data.masking.pseudonyms import in_case_of
from seatrial.data.masking.renderings import Rendering

_GAP: Final = bytes(5)  # bytes between two letters that keep these from being one value
_ESCAPE: Final = re.compile(rb"%[0-9A-Fa-f]{2}|\\u[0-9A-Fa-f]{4}|\\[nrtbf]")

_MOST_LAID: Final = 1 << 12  # places of one person whose replacement is kept at hand
_MARKS: Final = bytes(byte for byte in range(128) if not chr(byte).isalnum())
_NO_BLANKS: Final = 0xE3  # first byte of kana, ideographs, Hangul: their words stand in a row
_BEYOND: Final = re.compile(
    rb"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}"
)
_WORDY: Final = np.array(
    [chr(byte).isalnum() if byte < 128 else True for byte in range(256)], dtype=np.bool_
)
_SMALL: Final = np.array(
    [ord(chr(b).lower()) if b < 128 else b for b in range(256)], dtype=np.uint8
)


class Span(NamedTuple):
    """A place in a text (in bytes), and what stands there instead."""

    start: int
    end: int
    instead: bytes


class Squeezed:
    """A text without separators, in small letters, and where each byte of it came from.

    Attributes:
        text: as it is, in UTF-8.
        wordy: 1 for each byte of a letter or digit, 0 for each other and for escapes.
        letters: those bytes alone.
        place: where in the text the byte of `letters` with a given index stands.
    """

    def __init__(self, text: bytes) -> None:
        every = np.frombuffer(text, dtype=np.uint8)
        wordy = _WORDY[every]
        if not text.isascii():
            for found in _BEYOND.finditer(text):
                if unicodedata.category(found[0].decode(errors="replace"))[0] not in "LNM":
                    wordy[found.start() : found.end()] = False
        if b"%" in text or b"\\" in text:
            for found in _ESCAPE.finditer(text):
                wordy[found.start() : found.end()] = False
        self.text: Final = text
        self.wordy: Final = wordy.tobytes()
        places = np.flatnonzero(wordy)
        self.letters: Final = _SMALL[every[places]].tobytes()
        self.place: Final[Callable[[int], int]] = places.item

    def begins_at(self, start: int) -> bool:
        """Whether a value can begin there: no word or number goes on."""
        if start == 0 or not self.wordy[start - 1]:
            return True
        before, here = self.text[start - 1], self.text[start]
        if here >= _NO_BLANKS:
            return True
        return _is_digit(before) != _is_digit(here) or (_is_upper(here) and _is_small(before))

    def ends_at(self, end: int) -> bool:
        """Whether a value can end before it."""
        if end >= len(self.text) or not self.wordy[end]:
            return True
        last, after = self.text[end - 1], self.text[end]
        if after >= _NO_BLANKS:
            return True
        return _is_digit(last) != _is_digit(after) or (_is_upper(after) and _is_small(last))


class Dossier:
    """All forms of one person's values.

    Args:
        known: the forms. Of two that look alike without separators, the first counts.
    """

    def __init__(self, known: Iterable[Rendering]) -> None:
        found: dict[bytes, Rendering] = {}
        for rendering in known:
            key = _squeezed(rendering.form)
            if len(key) > 1:
                found.setdefault(key, rendering)
        self._forms = list(found.values())
        self._keys = list(found)
        self._fixed = [
            None if form.name or form.shaped else form.instead.encode() for form in self._forms
        ]
        self._surely = [_is_no_word(form, key) for key, form in found.items()]
        self._laid: dict[tuple[int, bytes], bytes] = {}
        self._automaton = BytesAhoCorasick(self._keys) if self._keys else None

    def __len__(self) -> int:
        return len(self._keys)

    def spans(self, squeezed: Squeezed) -> Iterator[Span]:
        """Every place where a value of the person stands; they may overlap."""
        if self._automaton is None:
            return
        hits = self._automaton.find_matches_as_indexes(squeezed.letters, overlapping=True)
        text, place, wordy, size = squeezed.text, squeezed.place, squeezed.wordy, len(squeezed.text)
        fixed, surely = self._fixed, self._surely
        for form, first, behind in hits:
            start, end = place(first), place(behind - 1) + 1
            # Asked in this order, and at hand, because most hits end at one of the first two.
            if (
                (not start or not wordy[start - 1] or squeezed.begins_at(start))
                and (end == size or not wordy[end] or squeezed.ends_at(end))
                and (
                    end - start == behind - first
                    or (self._forms[form].scattered and _is_whole(squeezed, start, end))
                )
                and (surely[form] or _is_meant(text, start, end))
            ):
                yield Span(start, end, fixed[form] or self._instead(form, text[start:end]))

    def _instead(self, form: int, found: bytes) -> bytes:
        """What stands instead of `found`, with its separators and case where they fit."""
        instead = self._laid.get((form, found))
        if instead is None:
            if len(self._laid) >= _MOST_LAID:
                self._laid.clear()
            instead = self._laid[form, found] = _fitted(self._forms[form], found)
        return instead


def _squeezed(form: str) -> bytes:
    """The letters of a form as `Squeezed` has them; plain ones ten times as fast."""
    if form.isascii() and "%" not in form and "\\" not in form:
        return form.encode().lower().translate(None, _MARKS)
    return Squeezed(form.encode(errors="replace")).letters


def _fitted(rendering: Rendering, found: bytes) -> bytes:
    if rendering.name:
        return in_case_of(found.decode(errors="replace"), rendering.instead).encode()
    return _laid_in(rendering.instead, found) if rendering.shaped else rendering.instead.encode()


def _is_whole(squeezed: Squeezed, start: int, end: int) -> bool:
    """Of letters that do not stand side by side: whether they are one value all the same."""
    return _GAP not in squeezed.wordy[start : end - 1] and b"\0" not in squeezed.text[start:end]


def _is_digit(byte: int) -> bool:
    return 48 <= byte <= 57


def _is_upper(byte: int) -> bool:
    return 65 <= byte <= 90


def _is_small(byte: int) -> bool:
    return 97 <= byte <= 122


def _is_no_word(rendering: Rendering, key: bytes) -> bool:
    """Whether no place where it is found need be asked if it is a common word there."""
    if not rendering.name:
        return True
    return rendering.form.isalnum() and key.decode(errors="replace") not in common_words()


def _is_meant(text: bytes, start: int, end: int) -> bool:
    """Of a name that may also be a common word: whether it is written like a name here."""
    if text[start:end].decode(errors="replace").lower() not in common_words():
        return True
    around = text[max(start - 1, 0) : start] + text[end : end + 1]
    return _is_upper(text[start]) or any(byte in b"_.@+" or _is_digit(byte) for byte in around)


@cache
def common_words() -> frozenset[str]:
    """Names that are also words of every day, in small letters."""
    text = files("seatrial.data.pools").joinpath("common_words.txt").read_text("ascii")
    return frozenset(text.split())


def _laid_in(instead: str, found: bytes) -> bytes:
    """`instead` with the separators of `found`, if it has as many letters and digits."""
    text = found.decode(errors="replace")
    plain = [letter for letter in instead if letter.isalnum()]
    if len(plain) != sum(letter.isalnum() for letter in text):
        return instead.encode()
    filled = iter(plain)
    return "".join(next(filled) if letter.isalnum() else letter for letter in text).encode()
