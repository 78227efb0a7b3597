"""Free text, masked: the person's own values first, then patterns, then what a tagger finds.

All texts of one record are searched as one, joined by NUL, since a search has a price of its own.
"""

import base64
import binascii
from collections.abc import Callable, Iterable, Sequence
from operator import itemgetter
from typing import Final

import re2

from seatrial.data.masking.cleaning import cleaned
from seatrial.data.masking.dossiers import Dossier, Span, Squeezed
from seatrial.data.masking.patterns import Patterns

Finder = Callable[[bytes], Iterable[Span]]

_ENCODED: Final = re2.compile(rb"[A-Za-z0-9+/_\-]{12,}={0,2}")
_START: Final = itemgetter(0)
_DEEPEST: Final = 3  # texts inside encoded texts
_BETWEEN: Final = "\0"


class TextMasker:
    """Masks texts.

    Args:
        patterns: what to look for by shape; None: nothing.
        finders: others that look for what is in no record: a tagger, an outside detector.
    """

    def __init__(self, patterns: Patterns | None, finders: Sequence[Finder] = ()) -> None:
        self._patterns = patterns
        self._finders = finders

    def masked(self, texts: Sequence[str], dossiers: Sequence[Dossier]) -> list[str]:
        """`texts`, which speak of the people of `dossiers`, masked."""
        if not texts:
            return []
        joined = _BETWEEN.join(texts)
        if joined.count(_BETWEEN) >= len(texts):
            joined = _BETWEEN.join(text.replace(_BETWEEN, " ") for text in texts)
        return self._masked(joined, dossiers, depth=0).split(_BETWEEN)

    def _masked(self, joined: str, dossiers: Sequence[Dossier], depth: int) -> str:
        text = cleaned(joined).encode(errors="surrogatepass")
        squeezed = Squeezed(text)
        spans = [span for dossier in dossiers for span in dossier.spans(squeezed)]
        if self._patterns is not None:
            spans.extend(self._patterns.spans(text))
        if depth < _DEEPEST:
            spans.extend(self._encoded(text, dossiers, depth))
        for finder in self._finders:
            spans.extend(finder(text))
        return replaced(text, spans).decode(errors="surrogatepass")

    def _encoded(self, text: bytes, dossiers: Sequence[Dossier], depth: int) -> Iterable[Span]:
        """Base 64 whose content must be masked, encoded anew."""
        for hit in _ENCODED.finditer(text):
            inner = _decoded(hit[0])
            if inner is not None:
                masked = self._masked(inner, dossiers, depth + 1)
                if masked != inner:
                    yield Span(hit.start(), hit.end(), base64.b64encode(masked.encode()))


def replaced(text: bytes, spans: list[Span]) -> bytes:
    """`text` with each span replaced; of those that overlap, the longest counts."""
    if not spans:
        return text
    parts: list[bytes] = []
    done = 0
    for start, end, instead in _chosen(sorted(spans, key=_START)):
        parts += (text[done:start], instead)
        done = end
    return b"".join((*parts, text[done:]))


def _chosen(spans: list[Span]) -> list[Span]:
    """Those that count, of spans in the order of their beginnings.

    Most of them touch others, of which one covers all: a name, and its parts.
    """
    chosen: list[Span] = []
    first, longest = 0, spans[0]
    low, high, _ = longest
    for index, span in enumerate(spans):
        start, end, _ = span
        if start >= high:
            chosen += _longest(spans[first:index], longest, high - low)
            first, longest, low, high = index, span, start, end
        elif end > high or end - start > longest[1] - longest[0]:
            longest = max(longest, span, key=_length)
            high = max(high, end)
    return chosen + _longest(spans[first:], longest, high - low)


def _longest(together: list[Span], longest: Span, width: int) -> list[Span]:
    """Of spans that touch each other, the longest, then the longest beside it, and so on."""
    if _length(longest) == width:
        return [longest]
    chosen: list[Span] = []
    for span in sorted(together, key=lambda span: (span.start - span.end, span.start)):
        if all(span.end <= other.start or other.end <= span.start for other in chosen):
            chosen.append(span)
    return sorted(chosen, key=_START)


def _length(span: Span) -> int:
    return span[1] - span[0]


def _decoded(found: bytes) -> str | None:
    """The text that `found` is base 64 of; None where it is none."""
    plain = found.rstrip(b"=").translate(bytes.maketrans(b"-_", b"+/"))
    if plain.isdigit() or (plain.isalpha() and (plain.islower() or plain.isupper())):
        return None
    try:
        inner = base64.b64decode(plain + b"=" * (-len(plain) % 4), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return None
    return inner if inner.isprintable() or inner.replace("\n", " ").isprintable() else None
