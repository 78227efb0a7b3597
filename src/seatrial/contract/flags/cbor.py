"""Values as bytes, one way only: CBOR in its deterministic form (RFC 8949, section 4.2).

Generation v3 of `fractional` hashes these bytes. Whole floats are written as integers first, so
that `1` and `1.0`, which JSON does not tell apart, share a bucket.
"""

import struct
from typing import Final

_SHORT: Final = 24  # below this a length or number fits into the head byte
_LARGEST: Final = 1 << 20  # bytes; a bucketing value that long is a mistake or an attack
_NAN: Final = b"\xf9\x7e\x00"
_SIMPLE: Final = {False: b"\xf4", True: b"\xf5", None: b"\xf6"}
_UNSIGNED, _NEGATIVE, _BYTES, _TEXT, _LIST, _MAP, _TAG = range(7)


def encoded(value: object) -> bytes:
    """`value` in deterministic CBOR.

    Args:
        value: what JSON knows; a map's keys are text.

    Raises:
        ValueError: it has no such form: another type, text that is no Unicode, or over 1 MiB.
    """
    if isinstance(value, str):
        return encoded_text(value)
    if value is None or isinstance(value, bool):
        return _SIMPLE[value]
    if isinstance(value, int):
        return _integer(value)
    if isinstance(value, float):
        return _float(value)
    if isinstance(value, list | tuple):
        return _joined(_head(_LIST, len(value)), [encoded(item) for item in value])
    if isinstance(value, dict):
        pairs = sorted((encoded(name), item) for name, item in value.items())
        return _joined(_head(_MAP, len(value)), [name + encoded(item) for name, item in pairs])
    raise ValueError(f"a {type(value).__name__} has no CBOR form here")


def encoded_text(text: str) -> bytes:
    """`encoded` for text alone, which is what users are mostly known by."""
    raw = text.encode()
    length = len(raw)
    return (0x60 + length).to_bytes() + raw if length < _SHORT else _head(_TEXT, length) + raw


def list_head(length: int) -> bytes:
    """What stands before the items of a list of `length`."""
    return _head(_LIST, length)


def _joined(head: bytes, parts: list[bytes]) -> bytes:
    if sum(map(len, parts)) > _LARGEST:
        raise ValueError(f"a value of more than {_LARGEST} bytes is not hashed")
    return head + b"".join(parts)


def _integer(value: int) -> bytes:
    kind, count = (_UNSIGNED, value) if value >= 0 else (_NEGATIVE, -1 - value)
    if count < 1 << 64:
        return _head(kind, count)
    raw = count.to_bytes((count.bit_length() + 7) // 8)
    return _head(_TAG, 2 + kind) + _head(_BYTES, len(raw)) + raw


def _float(value: float) -> bytes:
    if value.is_integer() and -(2.0**63) <= value <= 2**64 - 1:
        return _integer(int(value))
    if value != value:  # noqa: PLR0124 - the test for NaN
        return _NAN
    for head, form in ((b"\xf9", ">e"), (b"\xfa", ">f")):
        try:
            raw = struct.pack(form, value)
        except OverflowError:
            continue
        if struct.unpack(form, raw)[0] == value:
            return head + raw
    return b"\xfb" + struct.pack(">d", value)


def _head(kind: int, count: int) -> bytes:
    lead = kind << 5
    if count < _SHORT:
        return bytes((lead + count,))
    for code, size in ((24, 1), (25, 2), (26, 4)):
        if count < 1 << 8 * size:
            return bytes((lead + code,)) + count.to_bytes(size)
    return bytes((lead + 27,)) + count.to_bytes(8)
