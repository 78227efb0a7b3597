import enum
from collections import UserDict
from datetime import UTC, date, datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from openfeature.evaluation_context import EvaluationContext

from seatrial.sdk.flags.contexts import context_of


class Plan(enum.StrEnum):
    PRO = "pro"


class Old(str, enum.Enum):  # noqa: UP042 - the form that older code has
    PRO = "pro"


class Level(enum.IntEnum):
    HIGH = 3


class Word(str):
    __slots__ = ()


def test_no_context_is_an_empty_one() -> None:
    assert context_of(None) == {}
    assert context_of(EvaluationContext()) == {}


def test_the_targeting_key_goes_over_an_attribute_of_that_name() -> None:
    attributes = {"targetingKey": "theirs", "plan": "pro"}
    assert context_of(EvaluationContext("mine", attributes)) == {
        "targetingKey": "mine",
        "plan": "pro",
    }
    assert context_of(EvaluationContext(None, attributes))["targetingKey"] == "theirs"


@pytest.mark.parametrize(
    ("given", "plain"),
    [
        (Plan.PRO, "pro"), (Old.PRO, "pro"), (Level.HIGH, 3), (Word("x"), "x"), (True, True),
        ((1, (2, Plan.PRO)), [1, [2, "pro"]]), (UserDict(a=(1,)), {"a": [1]}),
        ({1: {"a": Level.HIGH}}, {"1": {"a": 3}}), (Fraction(1, 2), 0.5), (Decimal("1.50"), "1.50"),
        (datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC), "2030-01-02T03:04:05+00:00"),
        (date(2030, 1, 2), "2030-01-02"), (None, None), ([None], [None]),
    ],
)  # fmt: skip
def test_what_json_does_not_know_becomes_what_it_does(given: Any, plain: Any) -> None:
    found = context_of(EvaluationContext("u", {"x": given}))["x"]
    assert (type(found), found) == (type(plain), plain)


def test_the_callers_context_stays_as_it_is() -> None:
    attributes: dict[str, Any] = {"x": (1, 2)}
    context_of(EvaluationContext("u", attributes))["y"] = 1
    assert attributes == {"x": (1, 2)}
