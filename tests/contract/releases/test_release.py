"""A release is named by its content, whatever order it was put together in."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.contract.documents import DocumentInvalid
from seatrial.contract.releases.actions import Effect, Tool
from seatrial.contract.releases.components import (
    Code,
    Component,
    Kind,
    Limits,
    Model,
    Prompt,
    component,
)
from seatrial.contract.releases.difference import Change, difference
from seatrial.contract.releases.release import (
    ReleaseAltered,
    ReleaseNameMalformed,
    assemble,
    opened,
    parse_name,
)
from seatrial.kit.crypto.digests import Digest
from tests.contract.making import release

_CODE = component("main", Code(entry="a.py:f", bundle=Digest.of(b""), python="3.11"))
_PARTS = (
    _CODE,
    component("system", Prompt(text="Hello")),
    component("main", Model(provider="openai", model="gpt-4.1-2025-04-14")),
    component(
        "refund", Tool(effect=Effect.IRREVERSIBLE, input_schema={"default": None, "type": "object"})
    ),
    component("run", Limits(steps=3, cost_usd=0.5)),
)


@given(st.permutations(_PARTS))
def test_the_order_of_components_does_not_matter(parts: list[Component]) -> None:
    assert assemble("support", tuple(parts)).name == assemble("support", _PARTS).name


def test_a_release_survives_being_written_and_read() -> None:
    made = assemble("support", _PARTS)
    again = opened(json.loads(json.dumps(made.document())), made.name)
    assert again == made
    assert again.models["main"].model == "gpt-4.1-2025-04-14"
    assert again.limits == Limits(steps=3, cost_usd=0.5)
    assert again.tools["refund"].input_schema == {"default": None, "type": "object"}
    assert again.prompts["system"].text == "Hello"


def test_every_change_of_one_character_is_another_release() -> None:
    made = release()
    text = json.dumps(made.document())
    changed = text.replace("Be kind.", "Be kind!")
    with pytest.raises(ReleaseAltered):
        opened(json.loads(changed), made.name)


def test_a_component_that_the_manifest_does_not_pin_is_refused() -> None:
    made = release()
    document = made.document()
    parts = [each.document() for each in (*made.components, component("more", Prompt(text="x")))]
    with pytest.raises(ReleaseAltered):
        opened({**document, "components": parts}, made.name)


@pytest.mark.parametrize(
    "parts",
    [
        (),
        (component("system", Prompt(text="x")),),
        (_CODE, component("other", Code(entry="b.py:f", bundle=Digest.of(b""), python="3.11"))),
        (_CODE, _CODE),
        (_CODE, component("a", Limits(steps=1)), component("b", Limits(steps=2))),
        (_CODE, Component(kind=Kind.PROMPT, name="x", body={"words": "?"})),
    ],
)
def test_a_release_without_one_of_each_it_needs_is_refused(parts: tuple[Component, ...]) -> None:
    with pytest.raises(DocumentInvalid):
        assemble("support", parts)


@pytest.mark.parametrize("entry", ["agent.py", "agent:f", "a\\b.py:f", ":f", "a.py:1f", "a.py:f:g"])
def test_an_entry_that_names_no_object_in_a_file_is_refused(entry: str) -> None:
    with pytest.raises(DocumentInvalid):
        Code.read({"entry": entry, "bundle": str(Digest.of(b"")), "python": "3.11"})


def test_a_name_is_a_short_name_or_a_digest_and_nothing_else() -> None:
    assert parse_name("support@14") == ("support", 14)
    digest = Digest.of(b"x")
    assert parse_name(str(digest)) == digest
    for text in ("support", "support@0", "support@", "Support@1", "sha256:12", "a@1\n", "@1"):
        with pytest.raises(ReleaseNameMalformed):
            parse_name(text)


def test_a_difference_names_each_field_and_nothing_that_is_the_same() -> None:
    before, after = assemble("support", _PARTS), assemble("support", (*_PARTS[:1], *_PARTS[2:]))
    (only,) = difference(before, after)
    assert (only.address, only.change) == ("prompt/system", Change.REMOVED)
    changed = assemble("support", (*_PARTS[:4], component("run", Limits(steps=4, cost_usd=0.5))))
    (only,) = difference(before, changed)
    assert only.change is Change.CHANGED
    assert [(each.path, each.before, each.after) for each in only.fields] == [("steps", 3, 4)]
    assert difference(before, before) == ()
    assert len(difference(None, before)) == len(_PARTS)


def test_one_and_true_are_two_values() -> None:
    one = component("t", Tool(effect=Effect.READ, input_schema={"default": 1}))
    true = component("t", Tool(effect=Effect.READ, input_schema={"default": True}))
    assert len(difference(assemble("a", (_CODE, one)), assemble("a", (_CODE, true)))) == 1
