"""Names of calls. The bodies are those that the clients named send, byte for byte in their form."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.cell.journal.domain.keys import (
    Call,
    Dialect,
    effect_key,
    exact,
    masked,
    said_at,
    scripted,
)
from seatrial.cell.journal.domain.rows import Kind

_ROUTES = {
    Dialect.OPENAI_CHAT: "POST /v1/chat/completions",
    Dialect.OPENAI_RESPONSES: "POST /v1/responses",
    Dialect.ANTHROPIC_MESSAGES: "POST /v1/messages",
    Dialect.MCP_TOOL: "POST /mcp",
    Dialect.ACTION: "POST /actions",
}


def _call(body: Any, dialect: Dialect = Dialect.OPENAI_CHAT, **fields: Any) -> Call:
    data = body if isinstance(body, bytes) else json.dumps(body, separators=(",", ":")).encode()
    known: dict[str, Any] = {
        "kind": Kind.MODEL,
        "dialect": dialect,
        "route": _ROUTES[dialect],
        "name": "m",
        "body": data,
    }
    return Call(**(known | fields))


def _chat(one: str, other: str, **more: Any) -> dict[str, Any]:
    """As OpenAI Agents, Pydantic AI and LangChain send a second turn."""
    calls = [
        {"id": coined, "type": "function", "function": {"name": "look", "arguments": '{"q":"x"}'}}
        for coined in (one, other)
    ]
    return {
        "model": "m",
        "messages": [
            {"role": "system", "content": "be good"},
            {"role": "user", "content": "hello"},
            {"role": "assistant", "content": None, "tool_calls": calls},
            {"role": "tool", "tool_call_id": one, "content": "rx"},
            {"role": "tool", "tool_call_id": other, "content": "ry"},
        ],
        **more,
    }


def _responses(one: str, other: str, item: str = "fc_1", **more: Any) -> dict[str, Any]:
    return {
        "model": "m",
        "input": [
            {"role": "user", "content": "hello"},
            {"type": "function_call", "id": item, "call_id": one, "name": "f", "arguments": "{}"},
            {"type": "function_call", "call_id": other, "name": "f", "arguments": "{}"},
            {"type": "function_call_output", "call_id": one, "output": "rx"},
            {"type": "function_call_output", "call_id": other, "output": "ry"},
        ],
        **more,
    }


def _messages(one: str, other: str, **more: Any) -> dict[str, Any]:
    return {
        "model": "m",
        "max_tokens": 64,
        "system": "be good",
        "messages": [
            {"role": "user", "content": "hello"},
            {
                "role": "assistant",
                "content": [
                    {"type": "tool_use", "id": one, "name": "look", "input": {"id": "mine"}},
                    {"type": "tool_use", "id": other, "name": "look", "input": {}},
                ],
            },
            {
                "role": "user",
                "content": [
                    {"type": "tool_result", "tool_use_id": one, "content": "rx"},
                    {"type": "tool_result", "tool_use_id": other, "content": "ry"},
                ],
            },
        ],
        **more,
    }


_SECOND_TURN = {
    Dialect.OPENAI_CHAT: _chat,
    Dialect.OPENAI_RESPONSES: _responses,
    Dialect.ANTHROPIC_MESSAGES: _messages,
}
_NAMES = st.text(st.characters(codec="ascii", categories=("L", "N")), min_size=1, max_size=12)
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@pytest.mark.parametrize("dialect", list(_SECOND_TURN))
@given(names=st.lists(_NAMES, min_size=4, max_size=4, unique=True))
def test_what_ids_look_like_is_not_in_the_key(dialect: Dialect, names: list[str]) -> None:
    body = _SECOND_TURN[dialect]
    assert exact(_call(body(*names[:2]), dialect)) == exact(_call(body(*names[2:]), dialect))


@pytest.mark.parametrize("dialect", list(_SECOND_TURN))
def test_which_result_belongs_to_which_call_is_in_the_key(dialect: Dialect) -> None:
    body = _SECOND_TURN[dialect]("a", "b")
    crossed = json.loads(json.dumps(body))
    last = crossed.get("messages", crossed.get("input"))
    if dialect is Dialect.ANTHROPIC_MESSAGES:
        last = last[-1]["content"]
    member = {"openai_chat": "tool_call_id", "openai_responses": "call_id"}.get(
        dialect, "tool_use_id"
    )
    last[-1][member], last[-2][member] = last[-2][member], last[-1][member]
    assert exact(_call(body, dialect)) != exact(_call(crossed, dialect))


def test_what_a_provider_keeps_is_named_by_its_own_id() -> None:
    kept = [{"type": "item_reference", "id": f"msg_{number}"} for number in (1, 2)]
    for one, other in (
        ({"previous_response_id": "resp_1"}, {"previous_response_id": "resp_2"}),
        ({"conversation": "conv_1"}, {"conversation": "conv_2"}),
        ({"input": kept[:1]}, {"input": kept[1:]}),
    ):
        calls = (_call(body, Dialect.OPENAI_RESPONSES) for body in (one, other))
        assert len({exact(call) for call in calls}) == 2


@pytest.mark.parametrize(
    ("dialect", "marks"),
    [
        (Dialect.OPENAI_CHAT, {"metadata": {"trace": "1"}, "prompt_cache_key": "run", "user": "u"}),
        (Dialect.OPENAI_RESPONSES, {"metadata": {"trace": "1"}, "safety_identifier": "x"}),
        (Dialect.ANTHROPIC_MESSAGES, {"metadata": {"user_id": "u"}}),
    ],
)
def test_transport_is_not_in_the_key_and_all_else_is(dialect: Dialect, marks: Any) -> None:
    body = _SECOND_TURN[dialect]
    assert exact(_call(body("a", "b"), dialect)) == exact(_call(body("a", "b", **marks), dialect))
    for more in ({"stream": True}, {"temperature": 1}, {"meta": marks}):
        assert exact(_call(body("a", "b"), dialect)) != exact(
            _call(body("a", "b", **more), dialect)
        )


def test_a_tool_call_is_its_name_and_arguments() -> None:
    def message(number: int, arguments: Any, **params: Any) -> dict[str, Any]:
        params = {"name": "pay", "arguments": arguments, **params}
        return {"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": params}

    first = _call(message(1, {"id": 7, "_meta": 1}), Dialect.MCP_TOOL)
    again = message(2, {"id": 7, "_meta": 1}, _meta={"progressToken": 9, "traceparent": "00-1"})
    assert exact(first) == exact(_call(again, Dialect.MCP_TOOL))
    assert exact(first) != exact(_call(message(1, {"id": 8, "_meta": 1}), Dialect.MCP_TOOL))
    assert exact(first) != exact(_call(message(1, {"id": 7, "_meta": 2}), Dialect.MCP_TOOL))


@given(value=st.dictionaries(st.text(), _JSON, max_size=5))
def test_spelling_is_not_in_the_key(value: dict[str, Any]) -> None:
    spellings = (
        json.dumps(value).encode(),
        json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode(),
        json.dumps(dict(reversed(value.items())), indent=2).encode(),
    )
    assert len({exact(_call(body, Dialect.ACTION)) for body in spellings}) == 1


@given(one=_JSON, other=_JSON)
def test_equal_keys_are_equal_values(one: Any, other: Any) -> None:
    same = exact(_call(one, Dialect.ACTION)) == exact(_call(other, Dialect.ACTION))
    assert same == (json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True))


def test_kind_route_and_name_are_in_the_key() -> None:
    calls = [
        _call({}),
        _call({}, kind=Kind.ACTION),
        _call({}, route="POST /v1/chat"),
        _call({}, name="n"),
        _call({}, route="POST /v1/chat/completionsm", name=""),
    ]
    assert len({exact(call) for call in calls}) == len(calls)


@pytest.mark.parametrize(
    "body",
    [
        b'{"a":1,"a":1}',
        b'{"a":9007199254740993}',
        b'{"a":"\\ud800"}',
        b"not json",
        b"",
        b'{"a":NaN}',
        b"[" * 200 + b"]" * 200,
        b'{"a":1e999}',
        b"\xff\xfe",
    ],
)
def test_what_has_no_canonical_form_answers_to_its_very_bytes(body: bytes) -> None:
    assert exact(_call(body)) == exact(_call(body))
    assert exact(_call(body)) != exact(_call(body + b" "))
    assert exact(_call(body)) != exact(_call({"a": 1}))
    assert masked(_call(body)) != exact(_call(body))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("it is 2026-11-26", "it is 2026-12-01"),
        ("at 2026-11-26T01:02:03.123456+00:00.", "at 2027-01-01T23:59:59Z."),
        ("at 2026-11-26 01:02:03", "at 2026-11-26 14:02:59"),
        ("Thu, 26 Nov 2026 01:02:03 GMT", "Fri, 4 Dec 2026 11:12:13 GMT"),
        ("Today is Thursday, November 26, 2026.", "Today is Friday, March 5, 2027."),
        ("Thu Nov 26 01:02:03 2026", "Mon Nov 30 11:02:03 2026"),
        ("26.11.2026 or 11/26/2026", "01.12.2026 or 12/1/2026"),
        ("at 9:05 PM", "at 9:05 PM"),
        ("at 09:05 PM", "at 10:15 AM"),
        ("ts=1764120000 ms=1764120000123", "ts=1764990000 ms=1764990000999"),
        ("ts=1764120000.25", "ts=1764120001.75"),
        ("6f1c2a44-1111-4abc-8def-0123456789ab", "00000000-2222-4abc-8def-ffffffffffff"),
        ("run 6f1c2a4411114abc8def0123456789ab", "run 0000000022224abc8defffffffffffff"),
    ],
)
def test_times_and_ids_are_not_in_the_masked_key(one: str, other: str) -> None:
    def asked(text: str) -> Call:
        return _call({"messages": [{"role": "user", "content": text}]})

    assert masked(asked(one)) == masked(asked(other))
    if one != other:
        assert exact(asked(one)) != exact(asked(other))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("order 12345", "order 12346"),
        ("order 1234567890123456789", "order 1234567890123456780"),
        ("pay 100 EUR", "pay 200 EUR"),
        ("v1.2.3", "v1.2.4"),
        ("abc1764120000", "abc1764120001"),
        ("deadbeef", "deadbeee"),
    ],
)
def test_all_else_is_in_the_masked_key(one: str, other: str) -> None:
    assert masked(_call({"a": one})) != masked(_call({"a": other}))


def test_a_script_is_met_by_turn_and_what_was_said_last() -> None:
    expected = said_at(1, "rx\nry")
    for dialect, body in _SECOND_TURN.items():
        assert scripted(_call(body("a", "b"), dialect)) == expected
    first = _call(
        {"messages": [{"role": "system", "content": "s"}, {"role": "user", "content": "q"}]}
    )
    assert scripted(first) == said_at(0, "q")
    assert scripted(_call({"input": "q"}, Dialect.OPENAI_RESPONSES)) == said_at(0, "q")
    assert scripted(_call(b"no json")) != scripted(first)


@given(st.tuples(*[_NAMES] * 3), st.tuples(*[_NAMES] * 3), st.integers(1, 3), st.integers(1, 3))
def test_an_effect_is_named_by_run_action_key_and_occurrence(
    one: tuple[str, str, str], other: tuple[str, str, str], first: int, second: int
) -> None:
    same = effect_key(*one, first) == effect_key(*other, second)
    assert same == ((one, first) == (other, second))
