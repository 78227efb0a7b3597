import json

import pytest

from seatrial.contract.flags.definition import compiled
from seatrial.contract.flags.document import DEEPEST, LARGEST, read
from seatrial.contract.flags.findings import FlagsInvalid, FlagsTooLarge
from seatrial.contract.flags.splits import Generation
from tests.contract.flags.writing import document

FLAG = '{"flags": {"f": {"state": "ENABLED", "variants": {"on": %s}}}}'


@pytest.mark.parametrize(
    ("text", "code", "place"),
    [
        ("", "not_json", ""),
        ('{"flags": {', "not_json", ""),
        ("[]", "not_an_object", ""),
        ("null", "not_an_object", ""),
        ("\ufeff{}", "not_json", ""),
        (b'{"flags": "\xff"}', "not_utf8", ""),
        (FLAG % "NaN", "number_endless", "/flags/f/variants/on"),
        (FLAG % "-Infinity", "number_endless", "/flags/f/variants/on"),
        (FLAG % "1e999", "number_endless", "/flags/f/variants/on"),
        (FLAG % ("9" * 5000), "not_json", ""),
        (FLAG % '"\\ud800"', "not_unicode", "/flags/f/variants/on"),
        ('{"flags": {"\\udfff": {}}}', "not_unicode", "/flags"),
        (FLAG % '{"a/b~": {"x": 1, "y": 1, "x": 2}}', "key_twice",
         "/flags/f/variants/on/a~1b~0/x"),
        ('{"flags": {}, "flags": {}}', "key_twice", "/flags"),
        ("[" * 100_000, "nested_too_deep", ""),
        (FLAG % ("[" * DEEPEST + "]" * DEEPEST), "nested_too_deep",
         f"/flags/f/variants/on{'/0' * (DEEPEST - 4)}"),
    ],
)  # fmt: skip
def test_what_two_readers_might_read_differently_is_refused(
    text: str | bytes, code: str, place: str
) -> None:
    _, findings = read(text)
    assert [(finding.code, finding.place) for finding in findings] == [(code, place)]
    with pytest.raises(FlagsInvalid) as refused:
        compiled(text, generation=Generation.V2)
    assert findings[0].meaning in str(refused.value)


def test_every_fault_is_found_at_once() -> None:
    _, findings = read('{"flags": {"a": NaN, "b": "\\ud800", "c": {"x": 1, "x": 2}}}')
    assert {finding.place for finding in findings} == {"/flags/a", "/flags/b", "/flags/c/x"}


def test_a_rule_of_ten_megabytes_is_refused_before_it_is_read() -> None:
    rule = {"in": [{"var": "id"}, ["user-1234567"] * 700_000]}
    with pytest.raises(FlagsTooLarge) as refused:
        compiled(document(targeting=rule), generation=Generation.V2)
    assert str(LARGEST) in str(refused.value)


def test_a_long_list_of_users_is_taken_if_it_fits() -> None:
    users = [f"user-{number}" for number in range(200_000)]
    rule = {"if": [{"in": [{"var": "targetingKey"}, users]}, "on", "off"]}
    definition = compiled(document(targeting=rule), generation=Generation.V2)
    assert definition.evaluate("f", {"targetingKey": users[-1]}, 0).variant == "on"
    assert definition.evaluate("f", {"targetingKey": "user--1"}, 0).variant == "off"


def test_bytes_and_text_read_alike() -> None:
    text = json.dumps({"flags": {}, "metadata": {"é": "日本"}}, ensure_ascii=False)
    assert read(text) == read(text.encode())
