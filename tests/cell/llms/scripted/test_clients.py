"""What the providers' own clients get of the scripted model, in three APIs, plain and streamed."""

import asyncio
import json
import subprocess
from pathlib import Path
from typing import Any, Final

import pytest

from seatrial.cell.llms.scripted.domain import Fault, Rule
from seatrial.cell.llms.scripted.server import provider
from seatrial.cell.llms.scripted.service import Scripted
from seatrial.kit.clock import SystemClock
from seatrial.kit.http.boundary import ErrorBoundary
from seatrial.kit.ids import Ids
from tests.cell.llms.provider import serving
from tests.contract.flags.reference import python_of

CHILD: Final = Path(__file__).with_name("asking.py")
RULES = [
    {
        "when": {"said": r"order (?P<order>#[A-Z]\d+)"},
        "say": "I look for {order}.",
        "calls": [{"name": "find", "arguments": {"order": "{order}", "deep": [{"of": "{order}"}]}}],
    },
    {
        "when": {"after": "find", "told": r'"state": "(?P<state>\w+)"', "heard": "order"},
        "say": "It is {state}.",
    },
    {"when": {"instructed": "be rude"}, "say": "What?"},
    {"say": "Good day to you."},
]
ARGUMENTS = {"order": "#A1", "deep": [{"of": "#A1"}]}
RESULT = json.dumps({"state": "pending"})
HELLO = [{"role": "user", "content": "Hello"}]
GREETED = "Good day to you."


def scripted(*more: dict[str, Any]) -> Scripted:
    return Scripted([Rule.model_validate(each) for each in (*more, *RULES)])


def came(model: Scripted, *steps: tuple[str, Any, bool]) -> list[Any]:
    """What came of each step, in a client's process."""

    async def main() -> Any:
        try:
            python = str(await asyncio.to_thread(python_of, "model-clients"))
        except (OSError, subprocess.CalledProcessError) as fault:
            pytest.skip(f"bench/peers/model-clients.txt cannot be installed: {fault}")
        app = ErrorBoundary(provider(model), Ids(SystemClock()))
        async with serving(app) as address:
            child = await asyncio.create_subprocess_exec(
                python, str(CHILD), address, json.dumps(steps), stdout=asyncio.subprocess.PIPE
            )
            out, _ = await child.communicate()
        return json.loads(out)

    found: list[Any] = asyncio.run(main())
    return found


def chat_result(call: str) -> list[Any]:
    function = {"name": "find", "arguments": json.dumps(ARGUMENTS)}
    calls = [{"id": call, "type": "function", "function": function}]
    return [
        {"role": "assistant", "content": "I look for #A1.", "tool_calls": calls},
        {"role": "tool", "tool_call_id": call, "content": RESULT},
    ]


def responses_result(call: str) -> list[Any]:
    made = {"type": "function_call", "call_id": call, "name": "find"}
    return [
        made | {"arguments": json.dumps(ARGUMENTS)},
        {"type": "function_call_output", "call_id": call, "output": RESULT},
    ]


def messages_result(call: str) -> list[Any]:
    use = {"type": "tool_use", "id": call, "name": "find", "input": ARGUMENTS}
    done = {"type": "tool_result", "tool_use_id": call, "content": RESULT}
    return [{"role": "assistant", "content": [use]}, {"role": "user", "content": [done]}]


RESULTS = {"chat": chat_result, "responses": responses_result, "messages": messages_result}


def test_a_real_client_has_words_and_calls_by_the_rules() -> None:
    question = {"role": "user", "content": "Where is order #A1?"}
    kinds = [(kind, stream) for kind in RESULTS for stream in (False, True)]
    steps = []
    for kind, stream in kinds:
        result = RESULTS[kind]("call_1_0")
        steps += [(kind, asked, stream) for asked in ([question], [question, *result], HELLO)]
    found = came(scripted(), *steps)
    for place in range(len(kinds)):
        (_, words, calls), (_, *told), (_, *greeted) = found[3 * place : 3 * place + 3]
        assert (words, calls) == ("I look for #A1.", [["call_1_0", "find", ARGUMENTS]])
        assert told == ["It is pending.", []]
        assert greeted == [GREETED, []]


FAULTS = {
    Fault.OVERLOADED: "InternalServerError",
    Fault.RATE_LIMITED: "RateLimitError",
    Fault.BROKEN: "InternalServerError",
    Fault.CUT: "APIConnectionError",
    Fault.GARBAGE: None,  # the client's own word
}


def test_a_fault_is_met_as_often_as_it_was_asked_for_and_by_whom() -> None:
    steps: list[tuple[str, Any, bool]] = []
    each = [("chat", HELLO, False), ("messages", HELLO, False)]
    for fault in FAULTS:
        asked = {"fault": fault, "times": 2, "model": "gpt-*"}
        steps += [("faults", asked, False), *each, *each, *each]
    steps += [("faults", {"fault": Fault.OTHER_MODEL}, False), ("chat", HELLO, True)]
    found = came(scripted(), *steps)
    for place, (fault, error) in enumerate(FAULTS.items()):
        _, broken, whole, again, _, mended, _ = found[7 * place : 7 * place + 7]
        for met in (broken, again):
            assert isinstance(met, dict), fault
            assert error in (None, met["error"])
        assert whole == ["claude-x", GREETED, []]
        assert mended == ["gpt-x", GREETED, []]
    assert found[-1] == ["some-other-model", GREETED, []]


def test_what_no_rule_knows_is_refused_with_the_place_and_a_rule_may_end() -> None:
    rules = [RULES[0], {"say": "Wait.", "times": 2}]
    steps = [("chat", HELLO, False)] * 3
    first, second, told = came(Scripted([Rule.model_validate(each) for each in rules]), *steps)
    assert first == second == ["gpt-x", "Wait.", []]
    assert told["error"] == "UnprocessableEntityError"
    assert "turn 1, after user: 'Hello'" in told["told"]
