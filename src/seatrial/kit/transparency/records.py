"""An entry's one spelling: the bytes that its leaf hash covers, and its line in an export.

The leaf's data is the canonical JSON (RFC 8785) of an object with the members actor, at, body,
index, kind, previous and subject, so anyone can make the hash again without our code.
"""

import re
from datetime import UTC, datetime
from typing import Final

from seatrial.kit.crypto.canonical import canonical, parse_canonical
from seatrial.kit.crypto.values import JsonTooLarge
from seatrial.kit.transparency.domain import LARGEST_BODY, Entry, LogEntryUnfit, Record
from seatrial.kit.transparency.merkle import leaf_hash

LARGEST_LINE: Final = LARGEST_BODY * 6 + (8 << 10)  # bytes; a body is text within it, so escaped

_KIND: Final = re.compile(r"[a-z][a-z0-9._-]{0,63}\Z")
_LONGEST: Final = 200  # characters of subject and actor
_TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z\Z")
_HASH: Final = re.compile(r"[0-9a-f]{64}\Z")
_TEXTS: Final = frozenset(("actor", "at", "body", "kind", "leaf", "previous", "subject"))


def recorded(entry: Entry, index: int, previous: str) -> Record:
    """`entry` at its place in the log, after the entry with the leaf hash `previous`.

    Raises:
        LogEntryUnfit: a part of it cannot be kept.
        JsonUnfit, JsonTooDeep: the body holds what JSON does not have.
        JsonTooLarge: the body is larger than 16 KiB.
    """
    _refuse_unfit(entry)
    body = canonical(entry.body)
    if len(body) > LARGEST_BODY:
        raise JsonTooLarge(size=len(body), limit=LARGEST_BODY)
    record = Record(
        index=index,
        at=entry.at,
        kind=entry.kind,
        subject=entry.subject,
        actor=entry.actor,
        body=body.decode(),
        leaf="",
        previous=previous,
    )
    return _with_leaf(record, leaf_of(record))


def leaf_of(record: Record) -> str:
    """The leaf hash that `record` must have, whatever it says it has."""
    return leaf_hash(leaf_data(record)).hex()


def leaf_data(record: Record) -> bytes:
    """What the leaf hash covers."""
    # Put together by hand, as the body is canonical already: this takes 3 µs, parsing it 9.
    return b'{"actor":%b,"at":"%b","body":%b,"index":%d,"kind":%b,"previous":%b,"subject":%b}' % (
        canonical(record.actor),
        _instant(record.at).encode(),
        record.body.encode(errors="surrogatepass"),
        record.index,
        canonical(record.kind),
        canonical(record.previous),
        canonical(record.subject),
    )


def line(record: Record) -> bytes:
    """`record` as one line of an export, canonical JSON without a line break."""
    return canonical(
        {
            "actor": record.actor,
            "at": _instant(record.at),
            "body": record.body,
            "index": record.index,
            "kind": record.kind,
            "leaf": record.leaf,
            "previous": record.previous,
            "subject": record.subject,
        }
    )


def parse_line(data: bytes) -> Record:
    """The record of one line of an export, not verified in any way.

    Raises:
        LogEntryUnfit: a member is missing, too many, or of the wrong form.
        JsonNotCanonical, JsonTooLarge, JsonTooDeep: no line that `line` wrote.
    """
    document = parse_canonical(data, LARGEST_LINE)
    if not isinstance(document, dict) or document.keys() != _TEXTS | {"index"}:
        raise LogEntryUnfit(reason="its line has other members than an entry has")
    index = document["index"]
    texts = {name: text for name in _TEXTS if isinstance(text := document[name], str)}
    if len(texts) < len(_TEXTS) or type(index) is not int:
        raise LogEntryUnfit(reason="a member of its line is of another type")
    at = texts.pop("at")
    if not _HASH.match(texts["leaf"]) or not _TIME.match(at):
        raise LogEntryUnfit(reason="its time or its hash is none")
    try:
        return Record(index=index, at=datetime.fromisoformat(at), **texts)
    except ValueError:
        raise LogEntryUnfit(reason=f"there is no time {at}") from None


def _refuse_unfit(entry: Entry) -> None:
    if not _KIND.match(entry.kind):
        raise LogEntryUnfit(reason=f"its kind {entry.kind!r} is no word")
    for part, text in (("subject", entry.subject), ("actor", entry.actor)):
        if not 0 < len(text) <= _LONGEST or not text.isprintable():
            raise LogEntryUnfit(reason=f"its {part} {text!r} is empty, too long or not printable")
    if entry.at.tzinfo is None:
        raise LogEntryUnfit(reason=f"its time {entry.at} has no time zone")
    if type(entry.body) is not dict:
        raise LogEntryUnfit(reason="its body is no object")


def _instant(at: datetime) -> str:
    return f"{at.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='microseconds')}Z"


def _with_leaf(record: Record, leaf: str) -> Record:
    return Record(
        index=record.index,
        at=record.at,
        kind=record.kind,
        subject=record.subject,
        actor=record.actor,
        body=record.body,
        leaf=leaf,
        previous=record.previous,
    )
