"""What is recorded of an arm, whatever the backend behind OpenFeature does."""

from collections.abc import Iterator, Mapping
from dataclasses import FrozenInstanceError
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openfeature import api
from openfeature.evaluation_context import EvaluationContext
from openfeature.exception import ErrorCode, FlagNotFoundError
from openfeature.flag_evaluation import FlagResolutionDetails, Reason
from openfeature.hook import Hook
from openfeature.provider import AbstractProvider, Metadata

from seatrial.sdk.flags.arms import Arm, Arms, ArmUnrecorded

NOON = datetime(2030, 1, 2, 12, tzinfo=UTC)


class Backend(AbstractProvider):
    """Answers what it is told to, or raises it."""

    def __init__(self, answer: FlagResolutionDetails[Any] | Exception) -> None:
        super().__init__()
        self.answer = answer
        self.asked: list[EvaluationContext | None] = []

    def get_metadata(self) -> Metadata:
        return Metadata("theirs")

    def _answered(
        self, flag_key: str, default_value: Any, evaluation_context: EvaluationContext | None = None
    ) -> Any:
        del flag_key, default_value
        self.asked.append(evaluation_context)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    resolve_boolean_details = resolve_string_details = resolve_integer_details = _answered
    resolve_float_details = resolve_object_details = _answered


class Nameless(Backend):
    """Loses its name once it serves."""

    named = True

    def get_metadata(self) -> Metadata:
        if self.named:
            return Metadata("theirs")
        raise OSError("no name")


class Kept:
    """Takes what `Arms` tells."""

    def __init__(self) -> None:
        self.arms: list[tuple[Arm[Any], str, datetime]] = []
        self.troubles: list[ArmUnrecorded] = []

    def record(self, arm: Arm[Any], user: str, at: datetime) -> None:
        self.arms.append((arm, user, at))


@pytest.fixture(autouse=True)
def _no_provider_stays() -> Iterator[None]:
    yield
    api.clear_providers()


def over(backend: Backend, kept: Kept, **changed: Any) -> Arms:
    api.set_provider_and_wait(backend)
    given = {"now": lambda: NOON, "record": kept.record, "trouble": kept.troubles.append, **changed}
    return Arms(client=api.get_client(), **given)


def chosen(
    answer: FlagResolutionDetails[Any] | Exception,
    default: Any,
    *,
    user: str = "ann",
    attributes: Mapping[str, Any] | None = None,
) -> Arm[Any]:
    kept, backend = Kept(), Backend(answer)
    arm = over(backend, kept).choose("flag", user, attributes or {}, default)
    assert kept.arms == [(arm, user, NOON)]
    assert kept.troubles == []
    return arm


def test_an_arm_says_what_was_served_why_and_by_whom() -> None:
    served = FlagResolutionDetails("new", variant="b", reason=Reason.SPLIT)
    assert chosen(served, "old") == Arm(
        flag="flag", variant="b", value="new", reason="SPLIT", backend="theirs"
    )


def test_an_arm_cannot_be_changed() -> None:
    arm = chosen(FlagResolutionDetails("new", variant="b"), "old")
    with pytest.raises(FrozenInstanceError):
        arm.variant = "a"  # type: ignore[misc] # that is what must not work


def test_the_backend_sees_the_user_and_the_attributes() -> None:
    kept, backend = Kept(), Backend(FlagResolutionDetails("new"))
    over(backend, kept).choose("flag", "ann", {"plan": "pro"}, "old")
    (context,) = backend.asked
    assert context is not None
    assert (context.targeting_key, context.attributes) == ("ann", {"plan": "pro"})


def test_the_arm_is_recorded_before_it_is_returned_at_the_time_of_the_clock() -> None:
    told: list[str] = []
    arms = over(
        Backend(FlagResolutionDetails("new", variant="b")),
        Kept(),
        record=lambda arm, user, at: told.append(f"{user} {arm.variant} {at:%H}"),
    )
    told.append(f"returned {arms.choose('flag', 'ann', {}, 'old').value}")
    assert told == ["ann b 12", "returned new"]


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (True, "true"), (False, "false"), ("new", "new"), (3, "3"), (0.5, "0.5"), ("", '""'),
        ({"b": 1, "a": [True]}, '{"a": [true], "b": 1}'), (["x"], '["x"]'), ("x" * 64, "x" * 64),
        ("x" * 65, "sha256:9537c5fdf120482f"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("variant", [None, ""])
def test_a_variant_without_a_name_is_named_by_its_value(
    value: Any, name: str, variant: str | None
) -> None:
    arm = chosen(FlagResolutionDetails(value, variant=variant), value)
    assert (arm.variant, arm.reason, arm.error) == (name, "UNKNOWN", None)


@given(st.dictionaries(st.text(), st.integers() | st.text()), st.data())
def test_equal_values_have_one_name_in_whatever_order_they_come(
    value: dict[str, Any], data: st.DataObject
) -> None:
    turned = dict(data.draw(st.permutations(list(value.items()))))
    one, other = (chosen(FlagResolutionDetails(v), {}) for v in (value, turned))
    assert one.variant == other.variant
    assert len(one.variant) <= 64


@pytest.mark.parametrize(
    ("answer", "error", "message"),
    [
        (FlagNotFoundError("gone"), "FLAG_NOT_FOUND", "gone"),
        (OSError("down"), "GENERAL", "down"),
        (
            FlagResolutionDetails("new", ErrorCode.PARSE_ERROR, "bad", variant="b"),
            "PARSE_ERROR",
            "bad",
        ),
        (FlagResolutionDetails("new", reason=Reason.ERROR, variant="b"), "GENERAL", None),
        (FlagResolutionDetails(3, variant="b"), "TYPE_MISMATCH", "Expected type <class 'str'>"),
    ],
)
def test_an_error_of_the_backend_gives_the_default_and_is_recorded(
    answer: FlagResolutionDetails[Any] | Exception, error: str, message: str | None
) -> None:
    arm = chosen(answer, "old")
    assert (arm.value, arm.variant, arm.reason, arm.error) == ("old", "old", "ERROR", error)
    assert (arm.message or "").startswith(message or "")
    assert arm.backend == "theirs"


@pytest.mark.parametrize(("value", "default"), [(True, 7), (["x"], {"a": 1})])
def test_a_value_of_another_type_is_an_error_where_openfeature_lets_it_pass(
    value: Any, default: Any
) -> None:
    arm = chosen(FlagResolutionDetails(value, variant="b"), default)
    assert (arm.value, arm.error) == (default, "TYPE_MISMATCH")


def test_a_backend_that_cannot_even_say_its_name_costs_nobody_an_arm() -> None:
    kept, backend = Kept(), Nameless(FlagResolutionDetails("new"))
    arms = over(backend, kept)
    backend.named = False
    arm = arms.choose("flag", "ann", {}, "old")
    assert (arm.value, arm.backend, arm.error) == ("old", "", "GENERAL")
    assert "no name" in str(arm.message)
    assert kept.arms == [(arm, "ann", NOON)]


def test_a_hook_that_raises_costs_nobody_an_arm() -> None:
    class Broken(Hook):
        def error(self, *_: Any) -> None:
            raise OSError("hook")

        def before(self, *_: Any) -> None:
            raise OSError("hook")

    kept = Kept()
    arms = over(Backend(FlagResolutionDetails("new")), kept)
    arms.client.add_hooks([Broken()])
    arm = arms.choose("flag", "ann", {}, "old")
    assert (arm.value, arm.error) == ("old", "GENERAL")
    assert kept.arms == [(arm, "ann", NOON)]


def test_a_user_without_a_name_gets_the_default_and_the_backend_is_not_asked() -> None:
    kept, backend = Kept(), Backend(FlagResolutionDetails("new"))
    arm = over(backend, kept).choose("flag", "", {}, "old")
    assert (arm.value, arm.error, arm.backend) == ("old", "TARGETING_KEY_MISSING", "theirs")
    assert backend.asked == []
    assert kept.arms == [(arm, "", NOON)]


def test_a_default_of_no_flags_type_is_the_callers_mistake() -> None:
    kept = Kept()
    with pytest.raises(TypeError, match="default None of flag 'flag'"):
        over(Backend(FlagResolutionDetails("new")), kept).choose("flag", "ann", {}, None)
    assert kept.arms == []


@pytest.mark.parametrize("broken", ["record", "now"])
def test_an_arm_that_cannot_be_recorded_is_told_and_not_lost(broken: str) -> None:
    def fail(*_: Any) -> Any:
        raise OSError("disk full")

    kept = Kept()
    arms = over(Backend(FlagResolutionDetails("new", variant="b")), kept, **{broken: fail})
    assert arms.choose("flag", "ann", {}, "old").value == "new"
    (error,) = kept.troubles
    assert error.fields == {
        "variant": "b",
        "flag": "flag",
        "user": "ann",
        "why": "OSError('disk full')",
    }
    assert kept.arms == []


def test_who_raises_the_trouble_serves_nobody_unrecorded() -> None:
    def fail(*_: Any) -> None:
        raise OSError("disk full")

    def refuse(error: ArmUnrecorded) -> None:
        raise error

    arms = over(Backend(FlagResolutionDetails("new")), Kept(), record=fail, trouble=refuse)
    with pytest.raises(ArmUnrecorded, match="disk full"):
        arms.choose("flag", "ann", {}, "old")
