"""We answer as flagd's own Python engine does, for whatever may be written and asked."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.contract.flags.definition import compiled
from seatrial.contract.flags.resolution import FlagKind
from seatrial.contract.flags.splits import Generation
from tests.contract.flags.reference import Ask, Reference, ours, reference
from tests.contract.flags.strategies import CONTEXTS, DEFINITIONS, RULES
from tests.contract.flags.writing import NOW, flag

KINDS = {bool: FlagKind.BOOLEAN, str: FlagKind.STRING, dict: FlagKind.OBJECT}
GENERATIONS = pytest.mark.parametrize("generation", list(Generation))
Engines = dict[Generation, Reference]


@pytest.fixture(scope="module")
def engines() -> Iterator[Engines]:
    with reference(Generation.V2) as v2, reference(Generation.V3) as v3:
        yield {Generation.V2: v2, Generation.V3: v3}


def agree(engine: Reference, generation: Generation, text: str, asks: list[Ask]) -> None:
    mine = compiled(text, generation=generation)
    theirs = engine.answers(text, asks, NOW)
    for ask, their in zip(asks, theirs, strict=True):
        assert ours(mine, ask, NOW) == their, ask


@GENERATIONS
@given(definition=DEFINITIONS, contexts=st.lists(CONTEXTS, min_size=4, max_size=8))
def test_every_answer_is_that_of_flagds_own_engine(
    engines: Engines,
    generation: Generation,
    definition: dict[str, Any],
    contexts: list[dict[str, Any]],
) -> None:
    asks: list[Ask] = [
        (key, KINDS.get(type(next(iter(flag["variants"].values()))), FlagKind.FLOAT), context)
        for key, flag in definition["flags"].items()
        for context in contexts
    ]
    agree(engines[generation], generation, json.dumps(definition), asks)


@GENERATIONS
def test_who_asks_for_another_type_gets_the_same_error(
    engines: Engines, generation: Generation
) -> None:
    values: list[dict[str, Any]] = [{"a": True}, {"a": "x"}, {"a": 1}, {"a": 1.0}, {"a": {}}]
    flags = {
        f"f{number}": flag(variants=variants, defaultVariant=default, **properties)
        for number, (variants, default, properties) in enumerate(
            (variants, default, properties)
            for variants in values
            for default in ("a", None, "gone")
            for properties in ({}, {"targeting": {"var": "x"}}, {"state": "DISABLED"})
        )
    }
    asks: list[Ask] = [
        (key, kind, context)
        for key, kind in ((key, kind) for key in (*flags, "missing") for kind in FlagKind)
        for context in ({}, {"x": "a"}, {"x": 1})
        # flagd's engine serves a flag of true and false as 1.0 and 0.0: we do not.
        if not (kind is FlagKind.FLOAT and flags.get(key, {}).get("variants") == {"a": True})
    ]
    agree(engines[generation], generation, json.dumps({"flags": flags}), asks)


SHARED = {  # flagd's engine replaces them in this order, one pass for each
    "chosen": {"if": [{"$ref": "eager"}, "on", {"$ref": "half"}]},
    "eager": {"starts_with": [{"var": "email"}, "j"]},
    "half": {"fractional": [["on", 50], ["off", 50]]},
}


@GENERATIONS
def test_shared_rules_are_those_of_flagds_own_engine(
    engines: Engines, generation: Generation
) -> None:
    rules = (
        {"$ref": "chosen"},
        {"if": [{"and": [{"$ref": "eager"}, True]}, {"$ref": "half"}]},
        {"fractional": [[{"$ref": "half"}, 1], [{"$ref": "chosen"}, 1]]},
    )
    flags = {f"f{number}": flag(rule) for number, rule in enumerate(rules)}
    text = json.dumps({"flags": flags, "$evaluators": SHARED})
    users = [{"targetingKey": f"user-{number}"} for number in range(9)]
    contexts: list[dict[str, Any]] = [{}, {"email": "jon"}, *users]
    asks: list[Ask] = [(key, FlagKind.BOOLEAN, context) for key in flags for context in contexts]
    agree(engines[generation], generation, text, asks)


@given(rule=RULES, context=CONTEXTS)
def test_a_shared_rule_means_what_it_would_mean_if_written_out(
    rule: Any, context: dict[str, Any]
) -> None:
    shared = rule if isinstance(rule, dict) else {"!!": [rule]}
    named: dict[str, Any] = {"$ref": "quoted \\ “name”"}
    texts = (
        json.dumps(
            {
                "flags": {"f": flag({"if": [{"$ref": "outer"}, "on", "off"]})},
                "$evaluators": {"outer": {"!": [named]}, named["$ref"]: shared},
            }
        ),
        json.dumps({"flags": {"f": flag({"if": [{"!": [shared]}, "on", "off"]})}}),
    )
    answers = [
        compiled(text, generation=Generation.V3).evaluate("f", context, NOW) for text in texts
    ]
    assert answers[0] == answers[1]
