"""Rules are taken whole or not; every finding is named by its place."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.data.domain import RulesInvalid
from seatrial.data.rules.leaves import leaves
from seatrial.data.rules.toml import parse_rules, read_rules
from seatrial.data.rules.tree import tree, values_at
from tests.data.making import PEOPLE, rules

HEAD = 'name = "t"\n[tables.t.columns]\n'
SCALARS = st.none() | st.booleans() | st.integers() | st.text("ab", max_size=3)
NESTED = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3)
    ),
)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name = ", "it is not TOML"),
        ('name = "t"\n', "tables"),
        (HEAD + 'a = "direct"\n', "class direct needs `as`, the mask"),
        (HEAD + 'a = { class = "keep", as = "id" }\n', "class keep takes no mask"),
        (HEAD + 'a = { class = "direct", as = "kept" }\n', "cannot be masked as kept"),
        (HEAD + 'a = { class = "quasi", as = "email" }\n', "quasi-identifiers are masked as"),
        (HEAD + 'a = { class = "quasi", as = "zip", kep = 3 }\n', "did you mean 'keep'?"),
        (HEAD + '"a..b" = "keep"\n', "tables.t.columns"),
        (HEAD + 'a = "keep"\n[tables.t.references]\na = "u.b"\n', "not in the rules"),
        (
            HEAD + 'a = { class = "direct", as = "id" }\nb = { class = "direct", as = "id" }\n'
            '[tables.t.references]\na = "t.b"\n',
            "must have one domain and one mask",
        ),
    ],
)
def test_wrong_rules_are_refused_with_the_reason(text: str, said: str) -> None:
    with pytest.raises(RulesInvalid) as refused:
        parse_rules(text, shown="rules.toml")
    assert said in refused.value.message


def test_missing_rules_are_refused(tmp_path: Path) -> None:
    with pytest.raises(RulesInvalid, match="no such file"):
        read_rules(tmp_path / "nowhere.toml")


def test_rules_with_every_default_written_out_are_the_same_rules() -> None:
    of = rules(PEOPLE)
    assert type(of).model_validate(of.as_json()) == of


@given(NESTED)
def test_every_scalar_is_a_leaf_and_what_no_path_covers_has_no_rule(value: object) -> None:
    node = tree(rules().tables["people"].columns)
    found = list(leaves(node, {"plan": 1, "other": value}))
    assert [leaf for leaf in found if leaf.rule is not None] == [
        leaf for leaf in found if leaf.path == "plan"
    ]


def test_paths_pass_through_lists_texts_with_json_and_named_members() -> None:
    of = rules(HEAD + '"a.*.id" = "keep"\n"a.@" = "keep"\n"b.c" = "keep"\n"d.**" = "keep"\n')
    node = tree(of.tables["t"].columns)
    record = {"a": {"x1": [{"id": 7}]}, "b": '{"c": [1, 2]}', "d": {"e": {"f": None}}}
    assert [(path, value) for path, _, value in leaves(node, record)] == [
        ("a.@", "x1"), ("a.*.id", 7), ("b.c", 1), ("b.c", 2),
        ("d.**", "e"), ("d.**", "f"), ("d.**", None),
    ]  # fmt: skip
    assert values_at(record, "a.*.id") == [7]
    assert values_at(record, "a.@") == ["x1"]
