import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.contract.flags.resolution import ErrorCode, FlagKind, Reason, Resolution, typed
from seatrial.contract.flags.splits import Generation
from tests.contract.flags.strategies import CONTEXTS, DEFINITIONS, VALUES
from tests.contract.flags.writing import NOW, answer, document, flag, taken

USER = {"targetingKey": "user-1"}


def summary(resolution: Resolution) -> tuple[Any, ...]:
    return resolution.reason, resolution.variant, resolution.value, resolution.error


@pytest.mark.parametrize(
    ("properties", "expected"),
    [
        ({}, (Reason.STATIC, "off", False, None)),
        ({"targeting": {}}, (Reason.STATIC, "off", False, None)),
        ({"targeting": {"var": "none"}}, (Reason.DEFAULT, "off", False, None)),
        ({"targeting": {"if": [True, "on"]}}, (Reason.TARGETING_MATCH, "on", True, None)),
        ({"state": "DISABLED"}, (Reason.DISABLED, None, None, None)),
        ({"defaultVariant": None}, (Reason.DEFAULT, None, None, None)),
        ({"defaultVariant": ""}, (Reason.DEFAULT, None, None, None)),
        ({"defaultVariant": None, "targeting": {"var": "x"}}, (Reason.DEFAULT, None, None, None)),
        ({"defaultVariant": "gone"}, (Reason.ERROR, None, None, ErrorCode.GENERAL)),
        ({"targeting": {"cat": ["gone"]}}, (Reason.ERROR, None, None, ErrorCode.GENERAL)),
        ({"targeting": {"/": [1, 0]}}, (Reason.ERROR, None, None, ErrorCode.GENERAL)),
    ],
)  # fmt: skip
def test_an_answer_has_openfeatures_reason(properties: Any, expected: tuple[Any, ...]) -> None:
    text = json.dumps({"flags": {"f": flag(**properties)}})
    assert summary(taken(text).evaluate("f", USER, NOW)) == expected


def test_a_flag_that_is_not_there_is_not_found() -> None:
    answered = taken(document()).evaluate("g", USER, NOW)
    assert summary(answered) == (Reason.ERROR, None, None, ErrorCode.FLAG_NOT_FOUND)
    assert "'g'" in str(answered.message)


@pytest.mark.parametrize(
    ("found", "variants", "variant"),
    [(True, {"true": "yes"}, "true"), (False, {"false": "no"}, "false"), (1, {"1": "one"}, "1"),
     (1.5, {"1.5": "x"}, "1.5"), ([], {"[]": "list"}, "[]")],
)  # fmt: skip
def test_what_a_rule_gives_is_read_as_a_variants_name(
    found: Any, variants: Any, variant: str
) -> None:
    answered = answer({"if": [True, found]}, {}, variants=variants, defaultVariant=None)
    assert answered.variant == variant


def test_metadata_of_a_flag_goes_over_that_of_the_whole() -> None:
    text = json.dumps(
        {
            "flags": {"f": flag(metadata={"owner": "them", "ticket": 7}), "g": flag()},
            "metadata": {"owner": "us", "version": "3"},
        }
    )
    definition = taken(text)
    both = {"owner": "them", "version": "3", "ticket": 7}
    assert definition.evaluate("f", {}, NOW).metadata == both
    assert definition.evaluate("g", {}, NOW).metadata == {"owner": "us", "version": "3"}


@pytest.mark.parametrize(
    ("rule", "on"),
    [
        ({"==": [{"var": "$flagd.flagKey"}, "f"]}, True),
        ({"==": [{"var": "$flagd.timestamp"}, NOW]}, True),
        ({">": [{"var": ["$flagd.timestamp", 0]}, NOW]}, False),
        ({"!": [{"missing": ["$flagd.timestamp"]}]}, True),
        ({"==": [{"var": {"cat": ["$flagd", ".flagKey"]}}, "f"]}, True),
        ({"in": ["f", {"map": [[{"var": "$flagd"}], {"var": "flagKey"}]}]}, True),
    ],
)  # fmt: skip
def test_flagds_own_names_are_in_the_context_and_cannot_be_forged(rule: Any, on: bool) -> None:
    forged = {"$flagd": {"flagKey": "g", "timestamp": 1}}
    assert answer({"if": [rule, "on", "off"]}, forged).value is on
    assert forged == {"$flagd": {"flagKey": "g", "timestamp": 1}}


@given(definition=DEFINITIONS, context=st.one_of(CONTEXTS, VALUES))
def test_evaluation_never_raises_nor_changes_what_it_is_given(
    definition: dict[str, Any], context: Any
) -> None:
    text = json.dumps(definition)
    before = repr(context)
    for generation in Generation:
        compiled = taken(text, generation)
        for key in definition["flags"]:
            answered = compiled.evaluate(key, context, NOW)
            assert (answered.error is not None) is (answered.reason is Reason.ERROR)
            assert (answered.message is not None) is (answered.reason is Reason.ERROR)
            assert compiled.evaluate(key, context, NOW) == answered
    assert repr(context) == before


@pytest.mark.parametrize("generation", list(Generation))
@pytest.mark.parametrize(
    "context",
    [{}, {"targetingKey": None}, {"targetingKey": ""}, {"targetingKey": 0}, {"targetingKey": []}],
)
def test_without_a_targeting_key_a_split_leaves_the_default(
    generation: Generation, context: dict[str, Any]
) -> None:
    answered = answer({"fractional": [["on", 100]]}, context, generation)
    assert summary(answered) == (Reason.DEFAULT, "off", False, None)


@pytest.mark.parametrize("user", [7, ["u"], {"u": 1}, True, "\ud800"])
def test_an_odd_targeting_key_is_an_error_in_v2_and_the_default_in_v3(user: Any) -> None:
    split = {"fractional": [["on", 100]]}
    assert answer(split, {"targetingKey": user}, Generation.V2).error is ErrorCode.GENERAL
    assert answer(split, {"targetingKey": user}, Generation.V3).reason is Reason.DEFAULT


def test_a_value_without_a_cbor_form_draws_nobody() -> None:
    deep: Any = {}
    for _ in range(5_000):
        deep = {"a": deep}
    split = {"fractional": [{"var": "x"}, ["on", 100]]}
    for value in ("\ud800", {"a": "\udfff"}, deep, {"a": "x" * (2 << 20)}):
        assert answer(split, {"x": value}, Generation.V3).reason is Reason.DEFAULT


def test_v3_draws_by_any_value_where_v2_draws_by_text_alone() -> None:
    split = {"fractional": [{"var": "account"}, ["on", 100]]}
    for account in (7, 7.5, True, {"id": 7}):
        assert answer(split, {"account": account}, Generation.V3).variant == "on"
        assert answer(split, {"account": account}, Generation.V2).reason is Reason.DEFAULT


GROWING = {
    "text": {"reduce": [[0] * 99, {"cat": [{"var": "accumulator"}] * 2}, "xx"]},
    "list": {"reduce": [[0] * 99, {"merge": [{"var": "accumulator"}] * 2}, [1]]},
    "nested list": {"reduce": [[0] * 24, [{"var": "accumulator"}, {"var": "accumulator"}], [1]]},
    "number": {"reduce": [[0] * 99, {"*": [{"var": "accumulator"}] * 2}, 10]},
    "text of a list": {"cat": [{"map": [{"var": "many"}, {"cat": ["x" * 200]}]}, ["y" * 900]]},
}


@pytest.mark.parametrize("name", GROWING)
def test_a_rule_that_grows_without_end_is_stopped(name: str) -> None:
    rule = {"if": [{"==": [GROWING[name], "x"]}, "on", "off"]}
    answered = answer(rule, {"many": [0] * 6_000})
    assert answered.error is ErrorCode.GENERAL
    assert "Outgrown" in str(answered.message)


def test_lists_that_double_inside_one_another_are_never_compared() -> None:
    # Item by item that would be 2**24 comparisons, in one call that nothing can stop.
    both = [GROWING["nested list"], GROWING["nested list"]]
    assert answer({"if": [{"===": both}, "on", "off"]}, {}).error is ErrorCode.GENERAL


def test_a_context_nested_without_end_is_an_error() -> None:
    deep: Any = 1
    for _ in range(5_000):
        deep = [deep]
    answered = answer({"+": [{"var": "deep"}]}, {"deep": deep})
    assert answered.error is ErrorCode.GENERAL


VALUE_OF = {FlagKind.BOOLEAN: True, FlagKind.STRING: "x", FlagKind.OBJECT: {"a": 1}}


@pytest.mark.parametrize("kind", VALUE_OF)
@pytest.mark.parametrize("asked", list(FlagKind))
def test_who_asks_for_another_type_gets_a_mismatch(kind: FlagKind, asked: FlagKind) -> None:
    answered = answer({}, {}, variants={"off": VALUE_OF[kind]})
    assert typed(answered, asked).error is (None if asked is kind else ErrorCode.TYPE_MISMATCH)


def test_a_whole_number_serves_who_asks_for_any_number_and_not_the_reverse() -> None:
    whole, part = (answer({}, {}, variants={"off": value}) for value in (1, 1.0))
    assert typed(whole, FlagKind.FLOAT) is whole
    assert typed(whole, FlagKind.INTEGER) is whole
    assert typed(part, FlagKind.INTEGER).error is ErrorCode.TYPE_MISMATCH


def test_errors_and_defaults_pass_any_type() -> None:
    absent = answer({}, {}, defaultVariant=None)
    assert typed(absent, FlagKind.OBJECT) is absent


@pytest.mark.parametrize(
    ("edit", "changed"),
    [
        ({}, []),
        ({"g": flag()}, ["g"]),
        ({"f": None}, ["f"]),
        ({"f": flag(defaultVariant="on")}, ["f"]),
        ({"f": flag(variants={"on": 1, "off": 0})}, ["f"]),
        ({"f": flag(metadata={"x": 1})}, ["f"]),
        ({"f": flag(targeting={})}, []),
        ({"f": {"variants": {"off": False, "on": True}, "defaultVariant": "off",
                "state": "ENABLED"}}, []),
    ],
)  # fmt: skip
def test_a_definition_knows_which_flags_an_edit_changes(edit: Any, changed: list[str]) -> None:
    before = {"f": flag(), "kept": flag()}
    after = {key: value for key, value in {**before, **edit}.items() if value is not None}
    texts = [json.dumps({"flags": flags}) for flags in (before, after)]
    assert taken(texts[1]).changed(taken(texts[0])) == changed


def test_true_and_one_are_different_values() -> None:
    one, true = (taken(document(variants={"off": {"a": value}})) for value in (1, True))
    assert one.changed(true) == ["f"]


def test_another_generation_changes_every_flag() -> None:
    v2, v3 = (taken(document(), generation) for generation in Generation)
    assert v3.changed(v2) == ["f"]


def test_an_edit_of_a_shared_rule_changes_the_flags_that_use_it() -> None:
    def text(on: bool) -> str:
        flags = {"f": flag({"if": [{"$ref": "e"}, "on"]}), "g": flag()}
        return json.dumps({"flags": flags, "$evaluators": {"e": {"!": [on]}}})

    assert taken(text(on=True)).changed(taken(text(on=False))) == ["f"]
