"""Outside text: made safe to show, and likened to what was probably meant."""

import difflib
from collections.abc import Iterable


def printable(text: str) -> str:
    r"""`text` with each character that could drive a terminal or break a line as `\x1b`, `\n`."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The one of `known` that `name` is most likely a mistyping of; None where none is near."""
    return next(iter(difflib.get_close_matches(name, list(known), n=1)), None)


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """`; did you mean 'x'` for the nearest of `known`, else nothing: a tail for a message."""
    near = nearest(name, known)
    return f"; did you mean {near!r}" if near else ""
