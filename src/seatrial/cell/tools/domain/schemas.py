"""Arguments against an action's schema."""

from functools import lru_cache
from typing import Any, Final, Protocol

import jsonschema_rs
import orjson

from seatrial.cell.tools.domain.refusals import ArgumentsRefused, SchemaRefused
from seatrial.cell.tools.domain.values import LARGEST_ARGUMENTS

_MOST_KEPT: Final = 1_024
_LONGEST: Final = 500  # characters of a reason; it quotes the arguments


class _Validator(Protocol):
    def validate(self, instance: Any) -> None:  # noqa: ANN401 - any JSON value
        ...


def refuse_large(action: str, arguments: bytes) -> None:
    """Raise `ArgumentsRefused` for more than are taken."""
    if len(arguments) > LARGEST_ARGUMENTS:
        reason = f"they have more than {LARGEST_ARGUMENTS} bytes"
        raise ArgumentsRefused(action=action, reason=reason)


def refuse_unfit(action: str, schema: dict[str, Any], arguments: dict[str, Any]) -> None:
    """Raise `ArgumentsRefused` for arguments that do not fit.

    Raises:
        SchemaRefused: the schema is none, or refers to something outside itself.
    """
    try:
        validator = _validator(orjson.dumps(schema, option=orjson.OPT_SORT_KEYS))
    except (jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError, ValueError) as error:
        raise SchemaRefused(action=action, reason=_cut(str(error).splitlines()[0])) from None
    try:
        validator.validate(arguments)
    except jsonschema_rs.ValidationError as error:
        place = "".join(f"[{part!r}]" for part in error.instance_path)
        reason = f"{error.message}, at {place}" if place else error.message
        raise ArgumentsRefused(action=action, reason=_cut(reason)) from None


@lru_cache(maxsize=_MOST_KEPT)
def _validator(schema: bytes) -> _Validator:
    # By default a reference to elsewhere is fetched over the network, and a pattern may take
    # exponential time.
    return jsonschema_rs.validator_for(
        orjson.loads(schema), retriever=_refuse, pattern_options=jsonschema_rs.RegexOptions()
    )


def _refuse(uri: str) -> Any:  # noqa: ANN401 - what the library wants
    raise ValueError(f"{uri!r} is elsewhere, and nothing is fetched")


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
