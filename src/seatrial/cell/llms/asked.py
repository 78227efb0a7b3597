"""What a model call asks for, read without changing a byte of it.

The bytes that came in go out again, so the provider must read them as we did. JSON that names a key
twice has two readings, and some readers take `Model` for `model`: whoever could send such a body
would have one model be judged and another answer. Such bodies are refused.
"""

import json
import re
from dataclasses import dataclass
from typing import Any, Final

from seatrial.cell.llms.domain import ModelCallMalformed
from seatrial.kit.http.json_body import parse

_LONGEST: Final = 200  # characters of a model's name
_DEEPEST: Final = 64
_KEY: Final = "model"
_QUOTED: Final = b'"model"'
_SPELLED: Final = re.compile(rb"\\u00[46][4-9cdfCDF]")
"""An escape of one of the letters of `model`, by which the key could be written otherwise."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """What was asked.

    Attributes:
        model: the name.
        stream: whether the answer shall come in parts.
    """

    model: str
    stream: bool


def asked(body: bytes) -> Asked:
    """What a body asks for.

    Raises:
        ModelCallMalformed: it is no object, names no model, or names it twice.
        JsonMalformed, JsonTooDeep: it is no JSON.
    """
    value: Any = parse(body, deepest=_DEEPEST)
    if not isinstance(value, dict):
        raise ModelCallMalformed(reason="it is no object")
    if body.count(_QUOTED) != 1 or _SPELLED.search(body):
        json.loads(body, object_pairs_hook=_once)  # ten times as slow, and seldom needed
    if sum(name.lower() == _KEY for name in value) > 1:
        raise ModelCallMalformed(reason="`model` stands twice, in different letters")
    model = value.get(_KEY)
    if not isinstance(model, str) or not 0 < len(model) <= _LONGEST:
        raise ModelCallMalformed(reason=f"`model` is no name of 1 to {_LONGEST} characters")
    return Asked(model=model, stream=value.get("stream") is True)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if sum(name == _KEY for name, _ in pairs) > 1:
        raise ModelCallMalformed(reason="`model` stands twice")
    return dict(pairs)
