"""Finds names and street addresses by how a text speaks of them."""

import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from typing import Final, NamedTuple

import numpy as np

from seatrial.data.masking.dossiers import Span
from seatrial.data.masking.pseudonyms import Pseudonyms
from seatrial.data.masking.tagging.features import Word, features, is_everyday, is_unknown, words
from seatrial.data.masking.tagging.training import NAME, OTHER, PLACE, STREET, default_weights
from seatrial.data.rules.domain import Class, ColumnRule, Mask

_JOINING: Final = frozenset(",.#/-'")  # marks that stand inside a name or an address
_LINE: Final = re.compile(r"[^\0\n]+")
_MASKED: Final = frozenset({NAME, STREET})
_EAGERNESS: Final = 0.3  # of the largest weight: a name missed is worse than a word masked
_MOST: Final = 4096  # words that are judged at once


class Found(NamedTuple):
    """A name or an address: where it is, in characters, and which of both."""

    start: int
    end: int
    tag: int


class Tagger:
    """Tags texts.

    Args:
        weights: from `training.trained`; those of the product by default.
    """

    def __init__(self, weights: np.ndarray | None = None) -> None:
        self._weights: Final = default_weights() if weights is None else weights
        self._eager: Final = int(np.abs(self._weights).max() * _EAGERNESS)

    def found(self, text: str) -> Iterator[Found]:
        """Every name and address in `text`; neighbours of one kind are one."""
        every = words(text)
        in_capitals = _in_capitals(text)
        for start in range(0, len(every), _MOST):
            part = every[start : start + _MOST]
            scores = self._weights[features(part)].sum(axis=1)
            # In a line with capitals, what has none must be a name beyond doubt: of the finds in
            # labelled foreign sentences 82 instead of 74 in a hundred are right, and none is lost.
            eager = [not (word.text.islower() and in_capitals(word.start)) for word in part]
            scores[:, NAME] += self._eager * np.array(eager)
            tags = scores.argmax(axis=1).tolist()
            _spread(text, part, tags)
            yield from _joined(text, part, tags)


def _in_capitals(text: str) -> Callable[[int], bool]:
    """What tells of a place in `text` whether its line has a capital."""
    lines = list(_LINE.finditer(text))
    starts = [line.start() for line in lines]
    capitals = [line[0] != line[0].lower() for line in lines]
    return lambda place: capitals[bisect_right(starts, place) - 1]


def _spread(text: str, part: list[Word], tags: list[int]) -> None:
    """What stands beside a name and is written like one belongs to it."""
    for order in (range(1, len(part)), range(len(part) - 2, -1, -1)):
        for index in order:
            other = index - 1 if order.step > 0 else index + 1
            if (
                tags[other] == NAME
                and tags[index] in {OTHER, PLACE}
                and is_unknown(part[index].text)
            ):
                first, second = sorted((index, other))
                if text[part[first].end : part[second].start] == " ":
                    tags[index] = NAME


def _joined(text: str, part: list[Word], tags: list[int]) -> Iterator[Found]:
    index = 0
    while index < len(part):
        tag = tags[index]
        behind = index + 1
        while behind < len(part) and _goes_on(text, part, tags, behind, tag):
            behind += 1
        if tag in _MASKED:
            yield from _trimmed(text, part[index].start, part[behind - 1].end, tag)
        index = behind


def _trimmed(text: str, start: int, end: int, tag: int) -> Iterator[Found]:
    """The find without marks at its ends; nothing, if it has no letter."""
    while start < end and not text[start].isalnum():
        start += 1
    while end > start and not text[end - 1].isalnum():
        end -= 1
    found = text[start:end]
    is_member = text[end : end + 2] == '":'  # of JSON inside the text
    is_letter = len(found) == 1 and found.islower()  # of `I\'m`, `the 60s`
    is_word = tag == NAME and (is_letter or is_everyday(found))
    if any(c.isalpha() for c in found) and not is_member and not is_word:
        yield Found(start, end, tag)


def _goes_on(text: str, part: list[Word], tags: list[int], index: int, tag: int) -> bool:
    """Whether the word belongs to the find before it: of one kind, in one line, in one value."""
    between = text[part[index - 1].end : part[index].start]
    joins = part[index].text[0].isalnum() or part[index].text in _JOINING
    return tags[index] == tag and joins and "\n" not in between and "\0" not in between


class TagFinder:
    """The tagger as the text masker uses it: spans of bytes, and the pseudonyms of the tables."""

    def __init__(self, tagger: Tagger, pseudonyms: Pseudonyms) -> None:
        self._tagger = tagger
        self._name = pseudonyms.name
        street = ColumnRule(kind=Class.DIRECT, mask=Mask.STREET)
        self._street = pseudonyms.text_mask(street, street.domain_in("", "street"))

    def __call__(self, text: bytes) -> Iterable[Span]:
        """Every name and address in `text`."""
        shown = text.decode(errors="surrogateescape")
        ascii_only = len(shown) == len(text)
        for found in self._tagger.found(shown):
            value = shown[found.start : found.end]
            masked = self._street(value) if found.tag == STREET else self._name(value)
            start = found.start if ascii_only else len(_bytes(shown[: found.start]))
            yield Span(start, start + len(_bytes(value)), masked.encode(errors="replace"))


def _bytes(text: str) -> bytes:
    return text.encode(errors="surrogateescape")
