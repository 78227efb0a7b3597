"""OpenFeature's evaluation context as the plain JSON values that rules run on."""

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from numbers import Integral, Real
from typing import Any, Final

from openfeature.evaluation_context import EvaluationContext

from seatrial.contract.flags.resolution import Context

_PLAIN: Final = frozenset({str, int, float, bool, type(None)})


def context_of(asked: EvaluationContext | None) -> Context:
    """The context that rules see: the attributes, and the targeting key over them.

    What JSON does not know becomes what it would be on its way through OFREP: a date its ISO 8601
    text, a tuple a list, an enum its value, anything else its text. So a flag answers alike here
    and there.
    """
    if asked is None:
        return {}
    context: Context = dict(asked.attributes)
    for name, value in asked.attributes.items():
        if type(value) not in _PLAIN:
            context[name] = _plain(value)
    if asked.targeting_key is not None:
        context["targetingKey"] = asked.targeting_key
    return context


def _plain(value: Any) -> Any:  # noqa: ANN401 - JSON
    if type(value) in _PLAIN:
        return value
    for kind, plain in _KINDS:
        if isinstance(value, kind):
            return plain(value)
    return str(value)


def _object(value: Mapping[Any, Any]) -> dict[str, Any]:
    return {str(name): _plain(item) for name, item in value.items()}


def _list(value: Sequence[Any]) -> list[Any]:
    return [_plain(item) for item in value]


_KINDS: Final[tuple[tuple[type, Callable[[Any], Any]], ...]] = (
    (str, str.__str__),  # of an enum: its value, whatever its own `__str__` says
    (Integral, int),
    (Real, float),
    (Mapping, _object),
    (Sequence, _list),
    (datetime, datetime.isoformat),
    (date, date.isoformat),
)
