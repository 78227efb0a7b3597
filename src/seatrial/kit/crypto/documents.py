"""JSON from people and other systems, read strictly.

What a lenient reader would settle in silence (two members of one name, NaN, an integer that a
double cannot hold) is refused here, so that no two readers can understand one document differently.
"""

import json
from typing import Final

import orjson

from seatrial.kit.crypto.values import (
    DEEPEST,
    Json,
    JsonTooDeep,
    JsonTooLarge,
    Repeated,
    refuse_unfit,
)
from seatrial.kit.errors import Invalid

LARGEST_DOCUMENT: Final = 1 << 20  # bytes


class JsonMalformed(Invalid):
    """The document is not JSON: {reason}, at line {line}, column {column}."""

    code = "json_malformed"
    cause = "A character is missing, superfluous, or not UTF-8; NaN and comments are not JSON."
    remedy = "Mend the document at the place named."


def strict_json(data: bytes, *, largest: int = LARGEST_DOCUMENT, deepest: int = DEEPEST) -> Json:
    """The value of the JSON document `data`; `canonical` takes whatever this returns.

    Args:
        data: UTF-8 text without a byte order mark.
        largest: bytes it may have.
        deepest: values that may stand on the way from the root to a leaf, 128 at most.

    Raises:
        JsonTooLarge: more bytes.
        JsonMalformed: not JSON; says where.
        JsonUnfit: a member stands twice, a number cannot be kept; gives the path.
        JsonTooDeep: deeper.
    """
    if len(data) > largest:
        raise JsonTooLarge(size=len(data), limit=largest)
    try:
        orjson.loads(data)  # the stricter reader, and it tells the place
    except orjson.JSONDecodeError as error:
        raise JsonMalformed(reason=error.msg, line=error.lineno, column=error.colno) from None
    try:
        value: Json = json.loads(data, object_pairs_hook=_object)
    except RecursionError:
        raise JsonTooDeep(limit=deepest) from None
    refuse_unfit(value, deepest)
    return value


def _object(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    members = dict(pairs)
    if len(members) == len(pairs):
        return members
    names = [name for name, _ in pairs]
    return Repeated(pairs, next(name for name in names if names.count(name) > 1))
