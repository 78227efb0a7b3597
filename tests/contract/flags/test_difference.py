import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from seatrial.contract.flags.difference import (
    CODE_DEFAULT,
    FlagDifference,
    differences,
    numbered_users,
)
from seatrial.contract.flags.splits import Generation
from tests.contract.flags.strategies import CONTEXTS, DEFINITIONS
from tests.contract.flags.writing import NOW, document, flag, taken

USERS = numbered_users(1000)


def of_edit(before: Any, after: Any, **properties: Any) -> FlagDifference:
    old, new = (taken(document(targeting=rule, **properties)) for rule in (before, after))
    (difference,) = differences(old, new, USERS, NOW)
    return difference


def split(*weights: int) -> dict[str, Any]:
    return {"fractional": [[name, weight] for name, weight in zip("abc", weights, strict=False)]}


ABC = {"variants": {"a": "1", "b": "2", "c": "3"}, "defaultVariant": "a"}


def codes(difference: FlagDifference) -> list[str]:
    return [finding.code for finding in difference.findings]


def test_growing_the_first_arm_moves_only_those_who_come_to_it() -> None:
    difference = of_edit(split(5, 95), split(25, 75), **ABC)
    assert [(move.before, move.after) for move in difference.moves] == [("b", "a")]
    assert difference.moved == difference.moves[0].users
    assert 150 < difference.moved < 250
    assert codes(difference) == ["users_leave"]
    assert "20.0000% of this split's users leave 'b'" in difference.findings[0].meaning


def test_growing_a_middle_arm_carelessly_warns_that_people_move_back() -> None:
    difference = of_edit(split(10, 10, 80), split(20, 10, 70), **ABC)
    warned = {
        finding.meaning for finding in difference.findings if finding.code == "users_moved_back"
    }
    tenth = "10.0000% of this split's users"
    told = f"{tenth} leave 'b' while {tenth} come to it; a share that grows should only add."
    assert warned == {told}


def test_a_careful_edit_of_the_same_arms_warns_of_nothing() -> None:
    after = {"fractional": [["a", 10], ["b", 10], ["c", 70], ["a", 10]]}
    assert codes(of_edit(split(10, 10, 80), after, **ABC)) == ["users_leave"]


def test_exchanging_the_arms_moves_nearly_everybody_back() -> None:
    after = {"fractional": [["b", 95], ["a", 5]]}
    difference = of_edit(split(5, 95), after, **ABC)
    assert set(codes(difference)) == {"users_moved_back"}


def test_a_share_too_small_for_the_sample_is_still_told() -> None:
    difference = of_edit(split(1, 999_999), split(0, 1_000_000), **ABC)
    assert "0.0001% of this split's users leave 'a'" in difference.findings[0].meaning


def test_other_edits_are_judged_by_the_sample() -> None:
    by_test = {"if": [{"in": [{"var": "targetingKey"}, ["user-1", "user-2"]]}, "a", "b"]}
    difference = of_edit(split(0, 100), by_test, **ABC)
    assert [(move.before, move.after, move.users) for move in difference.moves] == [("b", "a", 2)]
    assert "2 of the sample leave 'b'" in difference.findings[0].meaning


def test_a_split_that_hashes_something_else_is_judged_by_the_sample() -> None:
    by_key = {"fractional": [{"var": "targetingKey"}, ["a", 50], ["b", 50]]}
    difference = of_edit(split(50, 50), by_key, **ABC)
    assert set(codes(difference)) == {"users_moved_back"}
    assert "of the sample" in difference.findings[0].meaning


def test_a_variant_with_another_value_is_told_though_nobody_moves() -> None:
    old, new = (taken(document(variants={"off": value})) for value in ("x", "y"))
    (difference,) = differences(old, new, USERS, NOW)
    assert difference.moves == ()
    assert codes(difference) == ["value_changed"]


def test_flags_that_come_and_go_are_told() -> None:
    old, new = (taken(json.dumps({"flags": {key: flag()}})) for key in ("gone", "new"))
    gone, come = differences(old, new, USERS[:10], NOW)
    assert (gone.key, come.key) == ("gone", "new")
    assert [(m.before, m.after, m.users) for m in gone.moves] == [("off", "(FLAG_NOT_FOUND)", 10)]
    assert [(m.before, m.after, m.users) for m in come.moves] == [("(FLAG_NOT_FOUND)", "off", 10)]


def test_a_disabled_flag_leaves_users_to_the_code() -> None:
    old, new = (taken(document(state=state)) for state in ("ENABLED", "DISABLED"))
    (difference,) = differences(old, new, USERS[:10], NOW)
    assert [(move.before, move.after) for move in difference.moves] == [("off", CODE_DEFAULT)]


def test_another_generation_is_warned_of() -> None:
    text = document(targeting=split(50, 50), **ABC)
    old, new = (taken(text, generation) for generation in Generation)
    (difference,) = differences(old, new, USERS, NOW)
    assert codes(difference)[0] == "generation_changed"
    assert difference.moved > 300


def test_an_edit_of_one_flag_says_nothing_of_the_others() -> None:
    texts = [
        json.dumps({"flags": {"same": flag(), "other": flag(defaultVariant=default)}})
        for default in ("on", "off")
    ]
    old, new = map(taken, texts)
    assert [difference.key for difference in differences(old, new, USERS, NOW)] == ["other"]


@given(before=DEFINITIONS, after=DEFINITIONS, users=st.lists(CONTEXTS, max_size=5))
def test_any_two_definitions_can_be_compared(
    before: dict[str, Any], after: dict[str, Any], users: list[dict[str, Any]]
) -> None:
    old, new = (taken(json.dumps(definition)) for definition in (before, after))
    for difference in differences(old, new, users, NOW):
        assert difference.asked == len(users)
        assert difference.moved <= len(users)
    assert differences(old, old, users, NOW) == []
