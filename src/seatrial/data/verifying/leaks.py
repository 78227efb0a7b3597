"""Whether a record of the output still shows a value of the person it speaks of."""

import enum

from seatrial.data.verifying.forms import Haystack, Needle, ambiguous, tokens


class Form(enum.StrEnum):
    """In which form a value was found; the plainest that fits."""

    EXACT = "exact"
    NORMALISED = "normalised"
    DECODED = "decoded"
    AMBIGUOUS = "ambiguous"
    """A word of every day that is also the person's name, written like a word: no leak."""


def found(needle: Needle, where: Haystack, *, codes: bool = False) -> Form | None:
    """The form in which `needle` is in `where`; None: it is not.

    Args:
        needle: a value of the source.
        where: a record of the output.
        codes: whether words in capitals are codes there, of airports or states: no names.
    """
    hit = _in(needle, where)
    if hit is Form.NORMALISED and codes and needle.name and not _as_a_name(needle, where):
        return Form.AMBIGUOUS
    if hit is Form.NORMALISED and needle.exact in where.raw:
        return Form.EXACT
    if hit in {None, Form.AMBIGUOUS} and where.decoded is not None:
        inner = _in(needle, where.decoded)
        return Form.DECODED if inner is Form.NORMALISED else inner or hit
    return hit


def _in(needle: Needle, where: Haystack) -> Form | None:
    if any(run in where.squeezed for run in needle.runs):
        return Form.NORMALISED
    hits = needle.words & where.words
    if not hits:
        return None
    if needle.name and not any(word in where.named or word not in ambiguous() for word in hits):
        return Form.AMBIGUOUS
    return Form.NORMALISED


def _as_a_name(needle: Needle, where: Haystack) -> bool:
    written = tokens(where.raw)
    return any({word, word.capitalize()} & written for word in needle.words)
