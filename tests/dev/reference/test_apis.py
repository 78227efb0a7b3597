"""The pages of both APIs and of the log tell what the code does, and all of it."""

import re
from typing import Any

import pytest

from dev.reference.house import PACKAGE, ROOT
from dev.reference.pages import cell_api, control_api, log_entries
from dev.reference.schemas import described, fields

_OPEN_IN_CONTROL = {"GET /v1/keys", "POST /v1/enrolments"}
_OPEN_IN_CELL = {"GET /metrics"}


def test_every_room_that_answers_callers_of_a_cell_is_on_the_page() -> None:
    imported = re.compile(r"import .*?(\w+_routes)\b|, (\w+_routes)\b")
    served, told = (
        {one or other for one, other in imported.findall((ROOT / path).read_text())}
        for path in (f"src/{PACKAGE}/main/cell_rooms.py", "dev/reference/pages/cell_api.py")
    )
    assert served
    assert served == told


def test_every_endpoint_of_a_cell_but_the_metrics_asks_for_a_permission() -> None:
    assert {e.title for e in cell_api.endpoints() if not e.permissions} == _OPEN_IN_CELL


def test_every_endpoint_of_a_cell_that_changes_something_names_its_operation() -> None:
    for endpoint in cell_api.endpoints():
        assert bool(endpoint.operation) == (endpoint.method != "GET"), endpoint.title


def test_every_endpoint_of_a_cell_says_what_it_does() -> None:
    assert not [e.title for e in (*cell_api.endpoints(), *cell_api.inner()) if not e.does]


def test_the_bodies_of_a_cell_are_told_field_by_field() -> None:
    text = cell_api.render()
    for endpoint in cell_api.endpoints():
        for document in endpoint.documents:
            part = text.partition(f"\n### {document.__name__}\n")[2].partition("\n### ")[0]
            assert all(f"| `{name}` |" in part for name in document.model_fields)
    reading = {e.title for e in cell_api.endpoints() if e.documents}
    assert {"POST /v1/agents/{slug}/runs", "POST /v1/tokens", "PUT /v1/secrets/{name}"} <= reading


def test_no_more_operations_of_control_are_open_than_those_that_must_be() -> None:
    _, asked = control_api.api()
    unasked = {
        f"{method.upper()} {path}" for (method, path), who in asked.items() if "`" not in who
    }
    by_token_of_cell = {title for title in unasked if "/v1/cells/" in title}
    assert unasked - by_token_of_cell == _OPEN_IN_CONTROL


def test_every_operation_of_control_is_on_the_page_with_what_it_does() -> None:
    app, asked = control_api.api()
    text = control_api.render()
    assert asked
    for method, path in asked:
        assert f"| `{method.upper()} {path}` |" in text
        assert app.openapi()["paths"][path][method]["description"]


def test_every_kind_of_log_entry_has_its_meaning_and_no_meaning_lacks_its_kind() -> None:
    assert log_entries.kinds().keys() == log_entries.MEANINGS.keys()
    assert set(log_entries.kinds().values()) == log_entries.writers()


@pytest.mark.parametrize(
    ("schema", "text"),
    [
        ({"type": "string", "maxLength": 5}, "text, at most 5 long"),
        ({"type": "string", "format": "date-time"}, "time"),
        ({"type": "integer", "minimum": 0, "exclusiveMaximum": 9}, "integer, at least 0, under 9"),
        ({"type": "number", "maximum": 0.5}, "number, at most 0.5"),
        ({"type": "array", "items": {"type": "boolean"}}, "list of true or false"),
        ({"type": "array"}, "list"),
        ({"anyOf": [{"type": "string"}, {"type": "null"}]}, "text or null"),
        ({"enum": ["a", "b"]}, "`a` or `b`"),
        ({"const": "a"}, "`a`"),
        ({"$ref": "#/components/schemas/Known"}, "[Known](#known)"),
        ({"$ref": "#/$defs/Other"}, "`Other`"),
        ({"type": "object", "additionalProperties": {"type": "string"}}, "object of text"),
        ({"type": "object"}, "object"),
        ({}, "any JSON value"),
    ],
)
def test_a_schema_is_told_in_plain_words(schema: dict[str, Any], text: str) -> None:
    assert described(schema, {"Known": "[Known](#known)"}) == text


def test_a_field_that_may_be_left_out_shows_what_then_holds() -> None:
    schema = {
        "required": ["a"],
        "properties": {
            "a": {"type": "string"},
            "b": {"type": "integer", "default": 5},
            "c": {"type": "boolean", "default": False},
            "d": {"type": "string", "default": ""},
            "e": {"type": "string"},
        },
    }
    rows = fields(schema, {}).splitlines()[2:]
    assert [row.rpartition(" | ")[2] for row in rows] == [
        "needed |",
        "`5` |",
        "`false` |",
        "empty |",
        "none |",
    ]
