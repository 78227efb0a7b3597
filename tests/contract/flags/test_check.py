"""What is taken and what is refused, beside flagd's JSON Schema (flags.json, targeting.json)."""

import json
from typing import Any

import pytest

from seatrial.contract.flags.arguments import ARITIES
from seatrial.contract.flags.check import checked
from seatrial.contract.flags.findings import KINDS, Severity
from seatrial.contract.flags.rules import OPERATORS
from tests.contract.flags.writing import ON_OFF, document, flag, taken

X: dict[str, Any] = {"var": "x"}


def refusals(definition: dict[str, Any]) -> list[tuple[str, str]]:
    return [(finding.code, finding.place) for finding in checked(definition)]


def rule_refusals(rule: Any, **evaluators: Any) -> list[tuple[str, str]]:
    return refusals({"flags": {"f": flag(rule)}, "$evaluators": evaluators})


def test_every_operator_that_may_be_written_is_compiled() -> None:
    assert set(OPERATORS) == set(ARITIES)


@pytest.mark.parametrize(
    "operator", sorted(set(ARITIES) - {"missing_some", "sem_ver", "fractional", "var", "missing"})
)
def test_an_operator_takes_as_many_arguments_as_the_schema_says(operator: str) -> None:
    least, most = ARITIES[operator]
    for count in range(5):
        fits = least <= count <= most
        codes = [code for code, _ in rule_refusals({operator: [X] * count})]
        assert codes == ([] if fits else ["arguments_count"])


@pytest.mark.parametrize(
    "rule",
    [
        {}, {"if": [True]}, {"!": X}, {"!!": "x"}, {"!": [[]]}, {"var": ""}, {"var": 1},
        {"var": None}, {"var": []}, {"var": ["x", [1]]}, {"var": [X]}, {"var": "$flagd.flagKey"},
        {"var": "$flagd"}, {"missing": []}, {"missing_some": [1, ["x"]]}, {"if": [[1, [X]]]},
        {"fractional": [["on"]]}, {"fractional": [X]}, {"fractional": [["on", 2147483648]]},
        {"fractional": [X, ["on", X], [X, 1.0]]}, {"fractional": [[True, 1], [None, 1], [1.5]]},
        {"fractional": [[{"fractional": [["on"]]}, 1]]}, {"starts_with": [X, ""]},
        {"sem_ver": ["1.0.0", "=", X]},
        # Not in the schema, and evaluated alike by every engine
        {"$ref": "e"}, {"fractional": [{"$ref": "e"}, ["on", {"$ref": "e"}]]},
        {"sem_ver": ["v1.2", ">", {"cat": ["1", "2"]}]},
    ],
)  # fmt: skip
def test_what_the_schema_takes_is_taken(rule: Any) -> None:
    assert rule_refusals(rule, e={"!": [True]}) == []
    taken(json.dumps({"flags": {"f": flag(rule)}, "$evaluators": {"e": {"!": [True]}}}))


T = "/flags/f/targeting"


@pytest.mark.parametrize(
    ("rule", "code", "place"),
    [
        ("on", "not_a_rule", T),
        ([], "not_a_rule", T),
        ({"foo": [1]}, "operator_unknown", f"{T}/foo"),
        ({"?:": [1, 2, 3]}, "operator_unknown", f"{T}/?:"),
        ({"log": ["x"]}, "operator_unknown", f"{T}/log"),
        ({"if": [[{"foo": 1}]]}, "operator_unknown", f"{T}/if/0/0/foo"),
        ({"==": [1, 1], "!=": [1, 1]}, "operators_several", T),
        ({"if": [{}]}, "rule_empty", f"{T}/if/0"),
        ({"==": X}, "arguments_not_listed", f"{T}/=="),
        ({"missing": "x"}, "arguments_not_listed", f"{T}/missing"),
        ({"missing": ["x", 1]}, "argument_shape", f"{T}/missing"),
        ({"missing_some": ["1", ["x"]]}, "argument_shape", f"{T}/missing_some"),
        ({"missing_some": [True, ["x"]]}, "argument_shape", f"{T}/missing_some"),
        ({"missing_some": [1, X]}, "argument_shape", f"{T}/missing_some"),
        ({"starts_with": [X, 1]}, "argument_shape", f"{T}/starts_with"),
        ({"sem_ver": [X, "==", "1.0.0"]}, "argument_shape", f"{T}/sem_ver/1"),
        ({"sem_ver": [X, X, "1.0.0"]}, "argument_shape", f"{T}/sem_ver/1"),
        ({"sem_ver": [1, "=", X]}, "argument_shape", f"{T}/sem_ver/0"),
        ({"var": "$flagd.foo"}, "name_reserved", f"{T}/var"),
        ({"fractional": []}, "arguments_count", f"{T}/fractional"),
        ({"fractional": ["x", ["on", 1]]}, "arm_shape", f"{T}/fractional/0"),
        ({"fractional": [["on", 1], X]}, "arm_shape", f"{T}/fractional/1"),
        ({"fractional": [[]]}, "arm_shape", f"{T}/fractional/0"),
        ({"fractional": [["on", 1, 2]]}, "arm_shape", f"{T}/fractional/0"),
        ({"fractional": [["on", 1.5]]}, "weight_shape", f"{T}/fractional/0/1"),
        ({"fractional": [["on", -1]]}, "weight_shape", f"{T}/fractional/0/1"),
        ({"fractional": [["on", True]]}, "weight_shape", f"{T}/fractional/0/1"),
        ({"fractional": [["on", None]]}, "weight_shape", f"{T}/fractional/0/1"),
        ({"if": [{"$ref": "gone"}]}, "reference_unknown", f"{T}/if/0"),
        ({"if": [{"$ref": 1}]}, "reference_unknown", f"{T}/if/0"),
    ],
)  # fmt: skip
def test_a_rule_is_refused_at_the_place_that_is_wrong(rule: Any, code: str, place: str) -> None:
    assert rule_refusals(rule) == [(code, place)]


@pytest.mark.parametrize(
    ("definition", "code", "place"),
    [
        ({}, "no_flags", ""),
        ({"flags": {"f": flag(targeting=None)}}, "not_a_rule", T),
        ({"flags": []}, "no_flags", "/flags"),
        ({"flags": {}, "$evaluators": []}, "evaluators_shape", "/$evaluators"),
        ({"flags": {}, "$evaluators": {"e": 1}}, "not_a_rule", "/$evaluators/e"),
        ({"flags": {}, "$evaluators": {"": {}}}, "name_shape", "/$evaluators/"),
        ({"flags": {}, "metadata": []}, "metadata_shape", "/metadata"),
        ({"flags": {}, "metadata": {"flagSetId": 1}}, "metadata_shape", "/metadata/flagSetId"),
        ({"flags": {}, "metadata": {"x": None}}, "metadata_shape", "/metadata/x"),
        ({"flags": {}, "metadata": {"": 1}}, "metadata_shape", "/metadata/"),
        ({"flags": {"": flag()}}, "name_shape", "/flags/"),
        ({"flags": {"a\nb": flag()}}, "name_shape", "/flags/a\nb"),
        ({"flags": {"f": []}}, "flag_shape", "/flags/f"),
        ({"flags": {"f": flag(targetting={})}}, "property_unknown", "/flags/f/targetting"),
        ({"flags": {"f": flag(state="enabled")}}, "state_unknown", "/flags/f/state"),
        ({"flags": {"f": flag(state=None)}}, "state_unknown", "/flags/f/state"),
        ({"flags": {"f": flag(state=[])}}, "state_unknown", "/flags/f/state"),
        ({"flags": {"f": flag(defaultVariant=True)}}, "default_shape", "/flags/f/defaultVariant"),
        ({"flags": {"f": flag(variants={})}}, "no_variants", "/flags/f/variants"),
        ({"flags": {"f": {"state": "ENABLED"}}}, "no_variants", "/flags/f/variants"),
        ({"flags": {"f": flag(variants={"a": [1]})}}, "variant_shape", "/flags/f/variants/a"),
        ({"flags": {"f": flag(variants={"a": None})}}, "variant_shape", "/flags/f/variants/a"),
        ({"flags": {"f": flag(variants={"": 1})}}, "name_shape", "/flags/f/variants/"),
        ({"flags": {"f": flag(variants={"a": 1, "b": "x"})}}, "variants_mixed",
         "/flags/f/variants/b"),
        ({"flags": {"f": flag(variants={"a": 1, "b": True})}}, "variants_mixed",
         "/flags/f/variants/b"),
        ({"flags": {"f": flag(variants={"a": 2**53})}}, "number_unsafe", "/flags/f/variants/a"),
        ({"flags": {"f": flag(metadata={"x": [1]})}}, "metadata_shape", "/flags/f/metadata/x"),
    ],
)  # fmt: skip
def test_a_flag_is_refused_at_the_place_that_is_wrong(
    definition: dict[str, Any], code: str, place: str
) -> None:
    assert refusals(definition) == [(code, place)]


def test_references_in_a_circle_are_refused_with_the_way_round() -> None:
    found = checked(
        {
            "flags": {"f": flag({"$ref": "a"})},
            "$evaluators": {"a": {"!": [{"$ref": "b"}]}, "b": {"!": [{"$ref": "a"}]}},
        }
    )
    assert [(finding.code, finding.place) for finding in found] == [
        ("reference_circle", "/$evaluators/b/!/0")
    ]
    assert "a → b → a" in found[0].meaning


def nested(rule: Any, times: int) -> Any:
    for _ in range(times):
        rule = {"!": [rule]}
    return rule


def test_a_rule_of_a_hundred_levels_is_refused_and_one_of_64_evaluated() -> None:
    for levels in (64, 100):
        assert [code for code, _ in rule_refusals(nested(X, levels))] == ["rule_too_deep"]
    assert taken(document(targeting=nested(X, 63))).evaluate("f", {"x": True}, 0).error is not None


def test_shared_rules_cannot_be_chained_past_the_limit_either_way_round() -> None:
    links = {f"e{at}": nested({"$ref": f"e{at + 1}"}, 20) for at in range(200)}
    links["e200"] = {"!": [True]}
    for evaluators in (links, dict(reversed(links.items()))):
        codes = {code for code, _ in rule_refusals({"$ref": "e0"}, **evaluators)}
        assert codes == {"rule_too_deep"}


def test_a_rule_that_grows_when_shared_rules_are_written_out_is_refused() -> None:
    evaluators: dict[str, Any] = {
        f"e{at}": {"and": [{"$ref": f"e{at + 1}"}] * 10} for at in range(9)
    }
    evaluators["e9"] = {"and": [True]}
    assert ("rule_too_long", T) in rule_refusals({"$ref": "e0"}, **evaluators)


def test_loops_over_written_lists_cannot_multiply_without_end() -> None:
    rule: Any = {"var": ""}
    for _ in range(4):
        rule = {"map": [[1] * 100, rule]}
    assert rule_refusals(rule) == [("rule_too_long", T)]


def test_many_rules_that_each_fit_are_refused_together() -> None:
    rule = {"and": [{"!": [X]}] * 20_000}
    flags = {f"f{number}": flag({"$ref": "e"}) for number in range(20)}
    found = refusals({"flags": flags, "$evaluators": {"e": rule}})
    assert {code for code, _ in found} == {"rule_too_long"}


def test_everything_that_is_wrong_is_found_at_once() -> None:
    a = flag({"if": [{"foo": 1}, {"bar": 2}]}, state=1)
    found = refusals({"flags": {"a": a, "b": {"variants": ON_OFF}}})
    assert {place for _, place in found} == {
        "/flags/a/state", "/flags/a/targeting/if/0/foo", "/flags/a/targeting/if/1/bar",
        "/flags/b/state",
    }  # fmt: skip


def test_each_finding_says_what_to_do() -> None:
    for code, kind in KINDS.items():
        assert kind.meaning.endswith("."), code
        assert kind.remedy.endswith((".", "}}}}", "….", "…")), code
        assert isinstance(kind.severity, Severity)
