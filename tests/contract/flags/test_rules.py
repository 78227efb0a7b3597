"""The corners of the operators, each as flagd's own Python engine has it."""

from typing import Any

import pytest

from seatrial.contract.flags.rules import compiler_for
from seatrial.contract.flags.splits import Generation

DATA: dict[str, Any] = {
    "email": "jon@company.com", "n": 7, "zero": 0, "none": None, "yes": True, "list": [1, "a", []],
    "nested": {"list": [{"a": 1}, {"a": 2}], "deep": {"x": "y"}}, "text": "Größe",
    "empty": "", "nan": float("nan"), "inf": float("inf"), "object": {},
}  # fmt: skip


NEITHER = {"starts_with": ["a", {"var": "none"}]}
"""Gives null, being neither true nor false."""


def var(name: str) -> dict[str, str]:
    return {"var": name}


def value(rule: Any, data: Any = DATA) -> Any:
    return compiler_for("f", Generation.V3).node(rule).call(data)


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        # var
        (var("nested.deep.x"), "y"), (var("nested.list.1.a"), 2), (var("list.0"), 1),
        (var("list.length"), 3), (var("text.length"), 5), (var("text.1"), "r"),
        (var("list.-1"), None), (var("list.01"), None), (var("list.9"), None),
        (var("n.x"), None), (var("none.x"), None), ({"var": ["none", "d"]}, "d"),
        ({"var": ["zero", "d"]}, 0), ({"var": ["none", var("n")]}, 7), ({"var": 1}, None),
        ({"map": [var("list"), {"var": 0}]}, [None, "a", None]),
        ({"map": [[[1, 2], "xy"], {"var": 1}]}, [2, "y"]),
        ({"map": [[[1, 2]], {"var": -1}]}, [None]),
        ({"map": [[[1, 2]], {"var": 2}]}, [None]), ({"map": [[[1, 2]], {"var": 0.5}]}, [None]),
        ({"map": [[[1, 2]], {"var": [{"+": ["x"]}]}]}, [None]),
        # truth
        ({"!!": [[]]}, False), ({"!!": [var("object")]}, True), ({"!!": ["0"]}, True),
        ({"!": [var("nan")]}, True), ({"!!": [0.0]}, False), ({"!!": [var("inf")]}, True),
        # choice
        ({"if": [False, 1]}, None), ({"if": [0, 1, "", 2, [0], 3, 4]}, 3), ({"if": [7]}, 7),
        ({"and": [1, "", 2]}, ""), ({"or": [0, [], "x"]}, "x"), ({"and": [1, 2]}, 2),
        ({"or": [0, None]}, None), ({"and": [True, var("none")]}, None), ({"or": [var("n")]}, 7),
        ({"or": [NEITHER, {"==": [1, 2]}]}, False), ({"or": [{"==": [1, 2]}, NEITHER]}, None),
        ({"and": [NEITHER, {"==": [1, 2]}]}, None), ({"and": [{"==": [1, 2]}, NEITHER]}, False),
        # equality
        ({"==": [1, "1"]}, True), ({"==": [0, None]}, True), ({"==": [None, False]}, True),
        ({"==": [None, ""]}, False), ({"==": [[1, 2], "1,2"]}, True), ({"==": ["", 0]}, False),
        ({"==": [[1], [1]]}, False), ({"==": [var("list"), var("list")]}, True),
        ({"map": [[{"map": [[1, 2], ["x"]]}], {"==": [var("0"), var("1")]}]}, [False]),
        ({"==": [var("object"), "[object Object]"]}, True), ({"==": [var("yes"), "1"]}, True),
        ({"==": ["a", var("none")]}, False), ({"==": [var("object"), var("list")]}, False),
        ({"!=": [var("n"), "7"]}, False), ({"===": [1, True]}, True), ({"!==": [1, "1"]}, True),
        # order
        ({"<": [1, "2"]}, True), ({"<": ["10", "9"]}, True), ({"<": [1, 2, 3]}, True),
        ({"<": [1, 3, 2]}, False), ({"<=": [1, 1, None]}, True), ({"<": ["a", var("nan")]}, False),
        ({">": [[2], 1]}, True), ({">=": [None, False]}, True), ({">": ["a", ["B"]]}, True),
        # membership
        ({"in": ["company", var("email")]}, True), ({"in": [7, "1789"]}, True),
        ({"in": [var("list"), ["a"]]}, False), ({"in": [1.0, [1, "a"]]}, True),
        ({"in": [True, [1]]}, True), ({"in": [[], var("list")]}, True), ({"in": [1, 2]}, False),
        ({"in": [var("x"), [None]]}, True), ({"in": ["a", [var("text"), "a"]]}, True),
        # texts
        ({"starts_with": [var("email"), "jon"]}, True), ({"ends_with": [var("n"), "7"]}, None),
        ({"starts_with": ["abc", var("none")]}, None),
        ({"ends_with": ["abc", {"cat": ["c"]}]}, True),
        ({"cat": [1, 1.0, True, None, [1, [2]], var("object")]}, "11Truenull1,2[object Object]"),
        ({"cat": [0.1, " ", 1e21, " ", 1e-7]}, "0.1 1e+21 1e-07"),
        ({"substr": ["Größe", 2]}, "öße"), ({"substr": ["Größe", -2]}, "ße"),
        ({"substr": ["Größe", 1, 2]}, "rö"), ({"substr": ["Größe", 1, -1]}, "röß"),
        ({"substr": ["abc", -9, 1]}, "a"), ({"substr": ["abc", 9]}, ""),
        ({"substr": ["abc", "x"]}, "abc"), ({"substr": ["abc", 0, "x"]}, ""),
        ({"substr": ["abc", 2, -2]}, ""),
        # numbers
        ({"+": ["3", [4], None, True]}, 8.0), ({"-": [3]}, -3), ({"-": [3, None]}, -3),
        ({"-": [5, 3, 1]}, 2), ({"*": [2, "3"]}, 6.0), ({"/": [7, 2]}, 3.5), ({"%": [-7, 3]}, 2),
        ({"min": [3, "2"]}, 2.0), ({"max": [1]}, 1),
        # lists
        ({"merge": [1, [2, [3]], None]}, [1, 2, [3], None]),
        ({"filter": [[1, 0, 2], var("")]}, [1, 2]), ({"filter": ["abc", True]}, []),
        ({"map": [7, True]}, []), ({"all": [[], True]}, False), ({"all": [[1, 2], var("")]}, True),
        ({"some": [[0, 1], var("")]}, True), ({"none": [[], True]}, True), ({"none": [7, 1]}, True),
        ({"reduce": [[1, 2, 3], {"+": [var("current"), var("accumulator")]}, 0]}, 6),
        ({"reduce": [7, var("current"), "first"]}, "first"), ({"reduce": [[], 1, {"a": [1]}]},
                                                               {"a": [1]}),
        ({"map": [var("nested.list"), var("a")]}, [1, 2]),
        ({"missing": ["n", "x", "nested.y", "none"]}, ["x", "nested.y", "none"]),
        ({"missing": ["empty", "zero"]}, ["empty"]), ({"missing": []}, []),
        ({"missing_some": [1, ["n", "x"]]}, []), ({"missing_some": [2, ["n", "x"]]}, ["x"]),
        # versions
        ({"sem_ver": ["v1.2", "=", {"cat": ["1.2.0"]}]}, True),
        ({"sem_ver": [var("n"), ">=", "7"]}, True),
        ({"sem_ver": [var("email"), "=", "1.0.0"]}, None),
    ],
)  # fmt: skip
def test_an_operator_gives_what_it_gives_in_flagd(rule: Any, expected: Any) -> None:
    found = value(rule)
    assert (type(found), found) == (type(expected), expected)


@pytest.mark.parametrize(
    "rule",
    [{"/": [1, 0]}, {"%": [1, 0]}, {"substr": ["abc", var("inf")]},
     {"map": [[[1]], {"var": [{"*": [1e308, 10]}]}]}, {"cat": [{"*": [10, 10]}, var("giant")]}],
)  # fmt: skip
def test_what_fails_in_flagd_fails_here(rule: Any) -> None:
    with pytest.raises((ArithmeticError, ValueError)):
        value(rule, {**DATA, "giant": 10**5000})


def test_in_a_loop_a_split_reads_the_item() -> None:
    items = [
        {"targetingKey": "user-1"},
        {"x": 1},
        {"targetingKey": 7},
        {"$flagd": {"flagKey": "g"}},
    ]
    rule = {"map": [var("items"), {"fractional": [["on", 1]]}]}
    assert value(rule, {"items": items, "targetingKey": "me"}) == ["on", None, None, None]


def test_in_a_loop_the_users_own_flag_is_no_salt() -> None:
    items = [{"targetingKey": f"user-{number}"} for number in range(50)]
    arms = [["on", 50], ["off", 50]]
    rules = [
        {"map": [var("items"), {"fractional": [*subject, *arms]}]}
        for subject in ([], [var("targetingKey")])
    ]
    compilers = (compiler_for("f", Generation.V2) for _ in rules)
    in_loop, unsalted = (
        compiler.node(rule).call({"items": items})
        for compiler, rule in zip(compilers, rules, strict=True)
    )
    assert in_loop == unsalted
    assert set(in_loop) == {"on", "off"}


def test_a_split_whose_arms_are_computed_is_drawn_all_the_same() -> None:
    data = {"targetingKey": "user-1", "n": 7, "zero": 0}
    assert value({"fractional": [["on", var("n")], ["off", var("zero")]]}, data) == "on"
    assert value({"fractional": [["on", var("zero")], [{"cat": ["o", "ff"]}, 1]]}, data) == "off"
    assert value({"fractional": [["on", {"-": [0, 5]}], ["off"]]}, data) == "off"
    assert value({"fractional": [["on", {"/": [4, 2]}]]}, data) is None
    assert value({"fractional": [{"merge": ["on", 1]}]}, data) == "on"
    assert value({"fractional": [["on", {"!": [0]}]]}, data) is None


@pytest.mark.parametrize("arm", [["on", 1], ["on", var("n")]], ids=["fixed", "computed"])
def test_an_empty_text_is_hashed_in_v3_alone(arm: Any) -> None:
    rule, data = {"fractional": [var("empty"), arm]}, {"empty": "", "n": 1}
    found = [compiler_for("f", each).node(rule).call(data) for each in Generation]
    assert found == [None, "on"]
