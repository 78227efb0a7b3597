"""Texts and values as a reader who looks for a leak would turn them about.

Written apart from the masker on purpose: what the masker overlooks must not be overlooked here for
the same reason.
"""

import base64
import binascii
import html
import json
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from functools import cache, lru_cache
from importlib.resources import files
from typing import Any, Final
from urllib.parse import unquote_plus

_TOKEN: Final = re.compile(r"[^\W\d_]+|\d+")
_MIXED: Final = re.compile(r"(?<![^\W_])(?:[^\W\d_]+\d|\d+[^\W\d_])[^\W_]*")
_HUMP: Final = re.compile(r"(?<=[^\W\d_A-Z])(?=[A-Z])")
_NOT_ALNUM: Final = re.compile(r"[\W_]+")
_RUN: Final = re.compile(r"[A-Za-z0-9+/_-]{12,}")
_CODED: Final = re.compile(r"%[0-9A-Fa-f]{2}|&#?\w{2,8};|\\u[0-9A-Fa-f]{4}")
_JOINED: Final = re.compile(r"[\w.@-]+")
_JOINING: Final = re.compile(r"[_@.\d]")
_DEEPEST: Final = 2
_NO_BLANKS: Final = "\u3000"  # from here on: scripts that write no blanks between words
_DATE: Final = re.compile(r"(\d{4})-?(\d\d)-?(\d\d)(?!\d)")
_SLASHED: Final = re.compile(r"(\d{1,2})[/.](\d{1,2})[/.](\d{4})\Z")
_MONTHS: Final = (
    "january february march april may june july august september october november december"
)


def plain(text: str) -> str:
    """Without invisible characters and differences of form and case."""
    if text.isascii():
        return text.lower()
    seen = "".join(c for c in text if unicodedata.category(c) != "Cf")
    return unicodedata.normalize("NFKC", seen).casefold()


def squeezed(text: str) -> str:
    """Letters and digits alone."""
    return _NOT_ALNUM.sub("", plain(text))


def decodings(text: str, depth: int = 0) -> Iterator[str]:
    """What is in `text` under an encoding: of URLs, HTML, JSON, base 64; also one in another."""
    if depth > _DEEPEST:
        return
    found = []
    if _CODED.search(text):
        opened = html.unescape(unquote_plus(_json_unescaped(text)))
        if opened != text:
            found.append(opened)
    found.extend(inner for run in _RUN.findall(text) if (inner := _from_base64(run)))
    for inner in found:
        yield inner
        yield from decodings(inner, depth + 1)


def tokens(text: str) -> set[str]:
    """Words and numbers, as they are written; `miaLi` is two words too, and `C3001` one."""
    whole = _TOKEN.findall(text)
    parts = _TOKEN.findall(_HUMP.sub(" ", text)) if _HUMP.search(text) else ()
    return {*whole, *parts, *_MIXED.findall(text)}


@dataclass(frozen=True, kw_only=True)
class Haystack:
    """A record of the output, as text, in all its views.

    Attributes:
        raw: as it is.
        squeezed: letters and digits alone.
        words: its words and numbers, in small letters.
        named: those of them that are written like a name, or are part of an identifier.
        decoded: the same of what is in it under an encoding; None: nothing is.
    """

    raw: str
    squeezed: str
    words: frozenset[str]
    named: frozenset[str]
    decoded: "Haystack | None"


def haystack(text: str, *, decode: bool = True) -> Haystack:
    """All views of `text`."""
    written = tokens(text if text.isascii() else unicodedata.normalize("NFKC", _visible(text)))
    inner = "\n".join(decodings(text)) if decode else ""
    named = {plain(word) for word in written if not word.islower()}
    for identifier in _JOINED.findall(text):
        if _JOINING.search(identifier, 0, len(identifier) - 1):
            named.update(plain(word) for word in _TOKEN.findall(identifier))
    return Haystack(
        raw=text,
        squeezed=squeezed(text),
        words=frozenset(plain(word) for word in written),
        named=frozenset(named),
        decoded=haystack(inner, decode=False) if inner else None,
    )


@dataclass(frozen=True, kw_only=True)
class Needle:
    """A value of the source, in the forms in which it would be a leak.

    Attributes:
        exact: as it was.
        words: each is a leak where it stands as a word: parts of names, short numbers.
        runs: each is a leak wherever its letters and digits follow each other.
        name: whether its words are parts of a name.
        common: whether it comes by chance so easily that a pseudonym may be its equal.
    """

    exact: str
    words: frozenset[str]
    runs: frozenset[str]
    name: bool
    common: bool


@lru_cache(maxsize=1 << 16)
def needle(value: str, mask: str) -> Needle | None:
    """The forms of `value`, whose column is masked as `mask`; None: too short to tell."""
    value = value.strip()
    small = squeezed(value)
    if len(small) < 2:
        return None
    if any(c >= _NO_BLANKS for c in small):
        return Needle(
            exact=value, words=frozenset(), runs=frozenset({small}), name=False, common=False
        )
    if mask in {"given_name", "family_name", "name"}:
        words = frozenset(plain(w) for w in _TOKEN.findall(value) if len(w) > 1 and w.isalpha())
        return Needle(exact=value, words=words, runs=frozenset(), name=True, common=False)
    if mask in {"date", "year"} and (day := _date(value)):
        return Needle(exact=value, words=frozenset(), runs=_dates(day), name=False, common=True)
    digits = "".join(c for c in value if c.isdigit())
    runs = {small} if len(small) >= 6 else set()
    if len(digits) >= 7:
        runs.add(digits[-10:] if mask == "phone" else digits)
    if mask == "email":
        local = squeezed(value.partition("@")[0])
        runs |= {local} if len(local) >= 6 and not local.isalpha() else set()
    words = frozenset() if len(small) >= 6 else frozenset({small})
    common = len(small) < 7 and not small.isalpha()
    return Needle(exact=value, words=words, runs=frozenset(runs), name=False, common=common)


@cache
def ambiguous() -> frozenset[str]:
    """Words that are names and words of every day; only written as a name are they one."""
    text = files("seatrial.data.pools").joinpath("common_words.txt").read_text("ascii")
    return frozenset(text.split())


def _visible(text: str) -> str:
    return "".join(c for c in text if unicodedata.category(c) != "Cf")


def _json_unescaped(text: str) -> str:
    return re.sub(r"\\u([0-9A-Fa-f]{4})", lambda found: chr(int(found[1], 16)), text)


def _from_base64(run: str) -> str | None:
    if run.isdigit() or run.isalpha():
        return None
    padded = run.replace("-", "+").replace("_", "/") + "=" * (-len(run) % 4)
    try:
        inner = base64.b64decode(padded, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return None
    return inner if all(c.isprintable() or c.isspace() for c in inner) else None


def _date(text: str) -> date | None:
    try:
        if found := _DATE.match(text):
            return date(int(found[1]), int(found[2]), int(found[3]))
        if found := _SLASHED.match(text):
            first, second, year = int(found[1]), int(found[2]), int(found[3])
            if "/" in text and first <= 12:
                return date(year, first, second)
            return date(year, second, first)
    except ValueError:
        return None
    return None


def _dates(day: date) -> frozenset[str]:
    y, m, d = f"{day.year:04}", day.month, day.day
    month = _MONTHS.split()[m - 1]
    numbers = {f"{y}{m:02}{d:02}", f"{m:02}{d:02}{y}", f"{d:02}{m:02}{y}"}
    ends = ("", "st", "nd", "rd", "th")
    words = {
        form
        for name in (month, month[:3])
        for end in ends
        for form in (f"{name}{d}{end}{y}", f"{d}{end}{name}{y}", f"{d}{end}of{name}{y}")
    }
    return frozenset(numbers | words)


def texts_of(value: Any) -> Iterator[str]:  # noqa: ANN401 - any JSON value
    """Every text, name and number in `value`."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield name
            yield from texts_of(inner)
    elif isinstance(value, list):
        for item in value:
            yield from texts_of(item)
    elif isinstance(value, str):
        yield value
    elif value is not None and not isinstance(value, bool):
        yield json.dumps(value)
