import json
from typing import Any

import pytest
from hypothesis import given

from seatrial.contract.flags.findings import KINDS, Finding, FlagsInvalid, Severity
from seatrial.contract.flags.lint import linted
from seatrial.contract.flags.resolution import ErrorCode
from seatrial.contract.flags.splits import Generation
from tests.contract.flags.strategies import CONTEXTS, DEFINITIONS
from tests.contract.flags.writing import NOW, document, flag, taken

SALTED = {"cat": [{"var": "$flagd.flagKey"}, {"var": "email"}]}
TEST = {"var": "x"}
T = "/flags/f/targeting"


def lint(text: str, generation: Generation = Generation.V3) -> list[tuple[str, str]]:
    return [(finding.code, finding.place) for finding in linted(text, generation=generation)]


GOOD: list[dict[str, Any]] = [
    {},
    {"targeting": {"if": [TEST, "on", "off"]}},
    {"targeting": {"if": [TEST, True, {"fractional": [["on", 5], ["off", 95]]}]},
     "variants": {"on": 1, "off": 2, "true": 3}},
    {"targeting": {"fractional": [SALTED, ["on", 0], ["off", 100]]}},
    {"targeting": {"var": "variant"}},
    {"targeting": {"if": [{"sem_ver": [TEST, ">", "v1.2"]}, "on", None]}},
    {"targeting": {"if": [{"in": [TEST, ["a", "b"]]}, "on"]}},
    {"targeting": {"if": [{"some": [TEST, {"fractional": [SALTED, [True]]}]}, "on"]}},
]  # fmt: skip


@pytest.mark.parametrize("properties", GOOD)
def test_a_sound_flag_has_no_findings(properties: dict[str, Any]) -> None:
    assert lint(document(**properties)) == []


SPLIT = {"fractional": [["on", 0], ["off", 0]]}
FOUND: list[tuple[str, str, dict[str, Any]]] = [
    ("default_unknown", "/flags/f/defaultVariant", {"defaultVariant": "of"}),
    ("no_default", "/flags/f", {"defaultVariant": None}),
    ("numbers_mixed", "/flags/f/variants", {"variants": {"off": 1, "on": 1.5}}),
    ("variant_unknown", f"{T}/if/1", {"targeting": {"if": [TEST, "onn", {"if": [TEST, "on"]}]}}),
    ("variant_unknown", f"{T}/if/1", {"targeting": {"if": [TEST, True, "on"]}}),
    ("variant_unknown", f"{T}/fractional/0/0", {"targeting": {"fractional": [["onn"], ["on"]]}}),
    ("variant_unused", "/flags/f/variants/on", {"targeting": {"if": [TEST, "off"]}}),
    ("split_impossible", f"{T}/fractional", {"targeting": SPLIT}),
    ("split_impossible", f"{T}/fractional",
     {"targeting": {"fractional": [["on", 5.0], ["off", 95]]}}),
    ("split_impossible", f"{T}/fractional", {"targeting": {"fractional": [["on", 2**31]]}}),
    ("split_unsalted", f"{T}/fractional/0",
     {"targeting": {"fractional": [{"var": "email"}, ["on", 1]]}}),
    ("split_in_loop", f"{T}/if/0/some/1/fractional",
     {"targeting": {"if": [{"some": [TEST, {"fractional": [[True]]}]}, "on"]}}),
    ("version_unreadable", f"{T}/if/0/sem_ver/2",
     {"targeting": {"if": [{"sem_ver": [TEST, ">", "1.x"]}, "on"]}}),
    ("branch_never", f"{T}/if/0", {"targeting": {"if": [False, "on", "off"]}}),
    ("branch_never", f"{T}/if/2", {"targeting": {"if": [True, "on", TEST, "off"]}}),
    ("branch_never", f"{T}/if/2", {"targeting": {"if": [TEST, "on", {"var": "x"}, "off"]}}),
    ("list_never_equal", f"{T}/if/0/==/1", {"targeting": {"if": [{"==": [TEST, ["a"]]}, "on"]}}),
]  # fmt: skip


@pytest.mark.parametrize(("code", "place", "properties"), FOUND)
def test_a_doubtful_flag_is_found_at_its_place(
    code: str, place: str, properties: dict[str, Any]
) -> None:
    assert lint(document(**properties)) == [(code, place)]


@pytest.mark.parametrize("key", ["a/b", "a b", "a?b", "größe", "a%b"])
def test_a_key_that_breaks_in_a_url_is_found(key: str) -> None:
    assert [code for code, _ in lint(document(key))] == ["key_awkward"]


def test_a_split_by_an_attribute_is_noted_where_numbers_are_not_hashed() -> None:
    text = document(targeting={"fractional": [{"var": "account"}, ["on"], ["off"]]})
    place = f"{T}/fractional/0"
    assert ("split_text_only", place) in lint(text, Generation.V2)
    assert ("split_text_only", place) not in lint(text, Generation.V3)


def test_shared_rules_are_judged_where_they_stand_and_unused_ones_are_found() -> None:
    text = json.dumps(
        {
            "$schema": "https://flagd.dev/schema/v0/flags.json",
            "evaluators": {},
            "flags": {"f": flag({"if": [TEST, {"$ref": "used"}]})},
            "$evaluators": {"used": {"if": [TEST, "gone", {"$ref": "too"}]}, "too": {"var": "y"},
                            "idle": {"if": [False, 1]}},
        }
    )  # fmt: skip
    assert sorted(lint(text)) == [
        ("branch_never", "/$evaluators/idle/if/0"),
        ("evaluator_unused", "/$evaluators/idle"),
        ("property_ignored", "/evaluators"),
        ("variant_unknown", "/$evaluators/used/if/1"),
    ]


def test_what_is_refused_is_all_that_lint_says() -> None:
    found = linted(
        '{"flags": {"f": {"state": 1, "variants": {"x": []}}}}', generation=Generation.V2
    )
    assert {finding.severity for finding in found} == {Severity.REFUSED}
    assert len(found) == 2
    assert lint('{"x": 1, "x": 2}') == [("key_twice", "/x")]


@given(definition=DEFINITIONS)
def test_a_definition_is_refused_by_lint_exactly_if_it_is_not_taken(
    definition: dict[str, Any],
) -> None:
    text = json.dumps(definition)
    refused = any(
        finding.severity is Severity.REFUSED for finding in linted(text, generation=Generation.V2)
    )
    try:
        taken(text)
    except FlagsInvalid:
        assert refused
    else:
        assert not refused


@given(definition=DEFINITIONS, context=CONTEXTS)
def test_a_default_that_fails_was_foretold(
    definition: dict[str, Any], context: dict[str, Any]
) -> None:
    text = json.dumps(definition)
    findings = linted(text, generation=Generation.V2)
    for key, properties in definition["flags"].items():
        answer = taken(text).evaluate(key, context, NOW)
        if answer.error is ErrorCode.GENERAL and not properties.get("targeting"):
            assert ("default_unknown", f"/flags/{key}/defaultVariant") in [
                (finding.code, finding.place) for finding in findings
            ]


def test_each_kind_of_finding_is_shown_in_these_tests() -> None:
    # Those of edits are shown in test_difference, those that refuse in test_check and _document.
    shown = {code for code, _, _ in FOUND}
    here = {"key_awkward", "split_text_only", "evaluator_unused", "property_ignored"}
    elsewhere = {"users_moved_back", "users_leave", "generation_changed", "value_changed"}
    judged = {code for code, kind in KINDS.items() if kind.severity is not Severity.REFUSED}
    assert judged == shown | here | elsewhere


def test_a_finding_reads_as_two_sentences() -> None:
    found = linted(document(defaultVariant="of"), generation=Generation.V2)
    assert found == [
        Finding(
            code="default_unknown",
            severity=Severity.ERROR,
            place="/flags/f/defaultVariant",
            meaning="The default variant 'of' is no variant: whoever falls back on it gets an "
            "error.",
            remedy="Name one of: on, off.",
        )
    ]
