"""Reads what others write: chat messages, simulations of tau2-bench, trajectories of tau-bench."""

import enum
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from functools import partial
from typing import Any, Final

from seatrial.data.recordings.domain import RecordedCall, Recording, Step, Turn, Wanted

Message = Mapping[str, Any]


class Form(enum.StrEnum):
    """Whose files are read."""

    TAU2 = "tau2"
    TAU1 = "tau1"


class Unfit(ValueError):
    """A conversation has no script; the text says why."""


Found = tuple[str, Callable[[], Recording]]
"""A conversation's name, and how to read it; that raises `Unfit`."""


def found(form: Form, data: Any, model: str | None) -> Iterator[Found]:  # noqa: ANN401 - any JSON
    """The conversations in a file.

    Args:
        form: of the file.
        data: its JSON.
        model: that answered, where the file does not say.

    Raises:
        KeyError, TypeError, ValueError: it has another form.
    """
    yield from _READ[form](data, model)


def _tau2(data: Any, model: str | None) -> Iterator[Found]:  # noqa: ANN401
    named = model or str(data["info"]["agent_info"]["llm"])
    tasks = {str(each["id"]): each for each in data["tasks"]}
    for each in data["simulations"]:
        task = tasks[str(each["task_id"])]
        yield _name(each), partial(_simulation, each, task, named)


def _simulation(each: Message, task: Message, model: str) -> Recording:
    verdict = (each.get("reward_info") or {}).get("db_check") or {}
    wanted = (task.get("evaluation_criteria") or {}).get("actions")
    return Recording(
        name=_name(each),
        model=model,
        task=str(each["task_id"]),
        turns=tuple(turns_of(each["messages"])),
        succeeded=verdict.get("db_match"),
        wants=None if wanted is None else tuple(_wanted(call, "arguments") for call in wanted),
    )


def _tau1(data: Any, model: str | None) -> Iterator[Found]:  # noqa: ANN401
    if model is None:
        raise ValueError("it does not say which model answered; name it with --model")
    for each in data:
        yield _name(each), partial(_trajectory, each, model)


def _trajectory(each: Message, model: str) -> Recording:
    wanted = each["info"]["task"]["actions"]
    return Recording(
        name=_name(each),
        model=model,
        task=str(each["task_id"]),
        turns=tuple(turns_of(each["traj"])),
        succeeded=_rewarded(each),
        wants=tuple(_wanted(call, "kwargs") for call in wanted),
    )


def _rewarded(each: Message) -> bool | None:
    """Whether the world stands as wanted; None where a reward of 0 is for something else.

    A task may also want words to be said, and a conversation that was cut was judged by nothing.
    """
    if each["reward"] == 1:
        return True
    judged = ((each["info"].get("reward_info") or {}).get("info") or {}).get("r_actions")
    return None if judged is None else judged == 1


def _name(each: Message) -> str:
    return f"{each['task_id']}/{each.get('trial') or 0}"


_READ: Final = {Form.TAU2: _tau2, Form.TAU1: _tau1}


def _wanted(call: Message, arguments: str) -> Wanted:
    return Wanted(name=call["name"], arguments=call[arguments])


def turns_of(messages: Iterable[Message], *, whole: bool = False) -> Iterator[Turn]:
    """The turns of a conversation; the greeting before the first and a last farewell are none.

    Args:
        messages: in the form of OpenAI's chat completions, or of tau2-bench.
        whole: refuse one that was cut while a call was open; else its last call is left out.

    Raises:
        Unfit: a result has no call, a call no result, or arguments are no JSON object.
    """
    said: str | None = None
    steps: list[Step] = []
    waiting: list[dict[str, Any]] = []  # calls of the last step that have no result yet
    before: Message = {}
    for message in messages:
        role = message["role"]
        if waiting and role != "tool":
            raise Unfit(f"the call of {waiting[0]['name']} has no result")
        if role == "user":
            if message.get("tool_calls"):
                raise Unfit("the person calls tools, which is not to be scripted")
            if said is not None and steps:
                yield Turn(said=said, steps=tuple(steps))
            said, steps = str(message.get("content") or ""), []
        elif role == "assistant" and said is not None:
            waiting = [_call(call) for call in message.get("tool_calls") or ()]
            steps.append(_step(message, before))
        elif role == "tool":
            _answer(steps, waiting, message)
        before = message
    if whole and waiting:
        raise Unfit(f"the call of {waiting[0]['name']} has no result")
    if said is not None and steps:
        yield Turn(said=said, steps=tuple(steps), cut=bool(steps[-1].calls))


def _step(message: Message, before: Message) -> Step:
    usage = message.get("usage") or {}
    return Step(
        content=message.get("content"),
        input_tokens=usage.get("prompt_tokens"),
        output_tokens=usage.get("completion_tokens"),
        cost_usd=message.get("cost") or None,  # nothing: whoever recorded it knew no price
        seconds=_seconds(before.get("timestamp"), message.get("timestamp")),
    )


def _answer(steps: list[Step], waiting: list[dict[str, Any]], result: Message) -> None:
    """Put a result where its call is, in the last step."""
    name = result.get("tool_call_id") or result.get("id")
    place = next((n for n, call in enumerate(waiting) if call["id"] == name), None)
    if place is None:
        raise Unfit(f"the result {name!r} belongs to no call")
    if place:
        raise Unfit("results stand in another order than their calls")
    done = RecordedCall(**waiting.pop(0), result=str(result.get("content") or ""))
    steps[-1] = steps[-1].model_copy(update={"calls": (*steps[-1].calls, done)})


def _call(call: Message) -> dict[str, Any]:
    inner = call.get("function") or call
    arguments = inner["arguments"]
    if isinstance(arguments, str):
        try:
            arguments = json.loads(arguments)
        except ValueError:
            raise Unfit(f"the arguments of {inner['name']} are no JSON") from None
    if not isinstance(arguments, dict):
        raise Unfit(f"the arguments of {inner['name']} are no JSON object")
    return {"id": str(call["id"]), "name": inner["name"], "arguments": arguments}


def _seconds(before: str | None, now: str | None) -> float | None:
    if before is None or now is None:
        return None
    passed = datetime.fromisoformat(now) - datetime.fromisoformat(before)
    return max(0.0, round(passed.total_seconds(), 3))
