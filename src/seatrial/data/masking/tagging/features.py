"""Words of a text, and what is seen of each: itself, its shape, its pieces, its neighbours."""

import re
import zlib
from collections.abc import Iterator
from functools import cache, lru_cache
from importlib.resources import files
from typing import Final, NamedTuple

import numpy as np

WIDTH: Final = 15  # bits of a feature's number
COUNT: Final = 22  # features of a word
LEXICAL: Final = (6, 7, 8, 9, 12, 13, 19, 20)  # those that tell its neighbours' letters

_WORD: Final = re.compile(r"[^\W\d_]+(?:['\u2019-][^\W\d_]+)*|\d+|[^\w\s]")
_EDGE: Final = ("", "")
_ENDINGS: Final = ("s", "es", "ed", "d", "ing", "ly", "'s", "n't", "'m", "'ll", "'ve", "'re", "'d")


class Word(NamedTuple):
    """A word, number or mark, and where it stands."""

    text: str
    start: int
    end: int


def words(text: str) -> list[Word]:
    """All words, numbers and marks of `text`."""
    return [Word(hit[0], hit.start(), hit.end()) for hit in _WORD.finditer(text)]


def features(text: list[Word]) -> np.ndarray:
    """What is seen of each word, as numbers of `WIDTH` bits, `COUNT` for each."""
    seen = [_EDGE, _EDGE, *(_seen(word.text) for word in text), _EDGE, _EDGE]
    rows = np.zeros((len(text), COUNT), dtype=np.int32)
    for index in range(len(text)):
        found = _found(*seen[index : index + 5])
        rows[index, : len(found)] = [_number(feature) for feature in found]
    return rows


@lru_cache(maxsize=1 << 15)
def _seen(text: str) -> tuple[str, str]:
    """A word in small letters, and its kind: its shape, and whether it is a word of every day."""
    small = text.lower().replace("\u2019", "'")
    known = any(stem in english() for stem in _stems(small))
    return small, f"{_shape(text)}{'k' if known else 'u'}" if text[0].isalpha() else _shape(text)


def _stems(small: str) -> Iterator[str]:
    """The word, and what it may be a form of."""
    yield small
    for ending in _ENDINGS:
        if small.endswith(ending):
            stem = small.removesuffix(ending)
            yield from (stem, f"{stem}e")
    if small.endswith("ies"):
        yield f"{small.removesuffix('ies')}y"


def is_unknown(text: str) -> bool:
    """Whether it is a word with a capital that is none of every day."""
    return _seen(text)[1] in {"Xxu", "XXu"}


def is_everyday(text: str) -> bool:
    """Whether all of it are words of every day, and one of them is not written as a name."""
    kinds = [_seen(word.text)[1] for word in words(text) if word.text[0].isalpha()]
    return all(kind.endswith("k") for kind in kinds) and any(kind == "xk" for kind in kinds)


def _found(
    earlier: tuple[str, str],
    before: tuple[str, str],
    here: tuple[str, str],
    after: tuple[str, str],
    later: tuple[str, str],
) -> list[str]:
    (word, kind), (word_before, kind_before), (word_after, kind_after) = here, before, after
    return [
        f"w{word}" if kind[-1:] == "k" else f"w{word[-3:]}",
        f"k{kind}",
        f"y{word[-2:]}",
        f"z{word[-3:]}",
        f"a{word[:3]}",
        f"l{kind}{min(len(word), 8)}",
        f"p{word_before}",
        f"n{word_after}",
        f"q{earlier[0]}",
        f"m{later[0]}",
        f"pk{kind_before}",
        f"nk{kind_after}",
        f"kp{kind}{word_before}",
        f"kn{kind}{word_after}",
        f"kk{kind_before}{kind}",
        f"kl{kind}{kind_after}",
        f"kkk{kind_before}{kind}{kind_after}",
        f"kq{earlier[1]}{kind_before}{kind}",
        f"km{kind}{kind_after}{later[1]}",
        f"kz{kind}{later[0]}",
        f"kx{kind}{earlier[0]}",
        f"kyz{earlier[1]}{kind_before}{kind}{kind_after}{later[1]}",
    ]


@cache
def english() -> frozenset[str]:
    """Words of every day, in small letters; from word lists of Mimesis, Faker
    and the prose of Python's own documentation.
    """
    text = files("seatrial.data.masking.tagging").joinpath("english.txt").read_text("ascii")
    return frozenset(text.split())


def _shape(text: str) -> str:
    """`Xx` for Mia, `XX` for MIA, `x` for mia, `9` and how many for a number, else the mark."""
    if text.isdigit():
        return f"9{min(len(text), 5)}"
    if not text[0].isalpha():
        return text
    if text.isupper():
        return "X" if len(text) == 1 else "XX"
    return "Xx" if text[0].isupper() else "x"


def _number(feature: str) -> int:
    return zlib.crc32(feature.encode()) & ((1 << WIDTH) - 1)
