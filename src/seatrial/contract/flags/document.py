"""A definition's text as data. JSON is taken strictly: two readers must never differ on it."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from math import isfinite
from typing import Final

from seatrial.contract.flags.findings import Finding, FlagsTooLarge, Place, found
from seatrial.contract.flags.values import Value

LARGEST: Final = 8 << 20  # bytes; 1,000 flags with three rules each take 0.3 MiB
DEEPEST: Final = 200  # lists and objects inside one another, anywhere in the document

Document = dict[str, Value]
"""A definition as read: objects, lists, text, numbers, booleans and null."""


def read(text: str | bytes) -> tuple[Document, list[Finding]]:
    """The definition that `text` holds, and everything that is wrong with it as JSON.

    A finding is a key that stands twice, a number or text that JSON or Unicode does not know, or
    too deep a nesting. Where no object can be read at all, the document is empty.

    Raises:
        FlagsTooLarge: it is larger than `LARGEST`.
    """
    raw = text.encode(errors="surrogatepass") if isinstance(text, str) else text
    if len(raw) > LARGEST:
        raise FlagsTooLarge(size=len(raw), limit=LARGEST)
    twice: list[tuple[Document, str]] = []

    def gathered(pairs: list[tuple[str, Value]]) -> Document:
        item = dict(pairs)
        if len(item) != len(pairs):
            twice.append((item, _repeated(pairs)))
        return item

    try:
        document = json.loads(raw.decode(), object_pairs_hook=gathered, parse_constant=float)
    except (ValueError, RecursionError) as fault:
        return {}, [_unreadable(fault)]
    if not isinstance(document, dict):
        return {}, [found("not_an_object", None)]
    return document, list(_doubtful(document, {id(item): name for item, name in twice}))


def _unreadable(fault: Exception) -> Finding:
    if isinstance(fault, json.JSONDecodeError):
        where = f"{fault.msg}, line {fault.lineno}, column {fault.colno}"
        return found("not_json", None, fault=where)
    if isinstance(fault, UnicodeDecodeError):
        return found("not_utf8", None, byte=fault.start)
    if isinstance(fault, RecursionError):
        return found("nested_too_deep", None, limit=DEEPEST)
    return found("not_json", None, fault=fault)


def _repeated(pairs: list[tuple[str, Value]]) -> str:
    times = Counter(name for name, _ in pairs)
    return next(name for name, count in times.items() if count > 1)


def _doubtful(document: Document, repeated: Mapping[int, str]) -> Iterator[Finding]:
    """What the reader of JSON lets through, with its place."""
    pending: list[tuple[Value, Place, int]] = [(document, None, 1)]
    while pending:
        value, place, depth = pending.pop()
        if not isinstance(value, dict | list):
            yield from _doubtful_scalar(value, place)
        elif depth > DEEPEST:
            yield found("nested_too_deep", place, limit=DEEPEST)
        elif isinstance(value, list):
            pending += [(item, (place, at), depth + 1) for at, item in enumerate(value)]
        else:
            if id(value) in repeated:
                name = repeated[id(value)]
                yield found("key_twice", (place, name), name=name)
            for name in value:
                yield from _doubtful_scalar(name, place)
            pending += [(item, (place, name), depth + 1) for name, item in value.items()]


def _doubtful_scalar(value: Value, place: Place) -> Iterator[Finding]:
    if isinstance(value, float):
        if not isfinite(value):  # 1e999 is good JSON, and Python reads it as infinity
            yield found("number_endless", place)
    elif isinstance(value, str) and not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            yield found("not_unicode", place)
