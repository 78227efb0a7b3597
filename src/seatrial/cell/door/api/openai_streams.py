"""The events of a run as OpenAI's clients expect a stream."""

from collections.abc import AsyncIterator
from typing import Any, Final

import orjson

from seatrial.cell.door.api import openai_shapes as shapes
from seatrial.cell.runs.domain.values import EventKind, Run, RunEvent
from seatrial.contract.runs.states import RunState
from seatrial.kit.http.events import Event

RESTARTED: Final = "run_restarted"
_BROKEN: Final = frozenset((EventKind.RESTARTED, EventKind.WAITING))
"""What is told from its beginning again afterwards."""

_CUT: Final = (
    "The agent was begun again after a part of its answer had been sent; the new answer may differ."
)


async def completion_events(
    run: Run, events: AsyncIterator[RunEvent], *, with_usage: bool
) -> AsyncIterator[Event]:
    """A chat completion in parts."""
    yield _data(shapes.completion_chunk(run, {"role": "assistant", "content": ""}))
    sent = False
    async for event in events:
        if event.kind is EventKind.CHUNK:
            sent = True
            yield _data(shapes.completion_chunk(run, {"content": shapes.text_of(event.data)}))
        elif event.kind in _BROKEN and sent:
            yield _data(shapes.error_body(_CUT, status=500, code=RESTARTED))
            return
        elif event.kind is EventKind.ENDED and event.run is not None:
            ended = event.run
            if ended.state is not RunState.SUCCEEDED:
                yield _data(failure(ended))
                return
            if not sent:
                text = shapes.text_of(ended.output)
                yield _data(shapes.completion_chunk(run, {"content": text}))
            yield _data(shapes.completion_chunk(run, {}, finish="stop"))
            if with_usage:
                yield _data(shapes.completion_chunk(ended, None))
    yield Event(data="[DONE]")


async def response_events(
    run: Run, events: AsyncIterator[RunEvent], *, previous: str | None
) -> AsyncIterator[Event]:
    """A response in parts."""
    script = _Response(run, previous)
    for told in script.opening():
        yield told
    async for event in events:
        if event.kind is EventKind.CHUNK:
            yield script.delta(shapes.text_of(event.data))
        elif event.kind in _BROKEN and script.text:
            yield script.event("error", code=RESTARTED, message=_CUT, param=None)
            return
        elif event.kind is EventKind.ENDED and event.run is not None:
            for told in script.closing(event.run):
                yield told


class _Response:
    """The parts of one response, numbered."""

    def __init__(self, run: Run, previous: str | None) -> None:
        self._run = run
        self._previous = previous
        self._number = -1
        self._place = {
            "item_id": shapes.named(run.id, "msg_"),
            "output_index": 0,
            "content_index": 0,
        }
        self.text = ""

    def event(self, kind: str, **more: Any) -> Event:
        self._number += 1
        told = {"type": kind, "sequence_number": self._number, **more}
        return Event(data=orjson.dumps(told).decode(), event=kind)

    def opening(self) -> list[Event]:
        begun = shapes.response(self._run, previous=self._previous, status="in_progress")
        return [
            self.event("response.created", response=begun),
            self.event("response.in_progress", response=begun),
            self.event(
                "response.output_item.added",
                output_index=0,
                item=shapes.message(self._run, None),
            ),
            self.event("response.content_part.added", **self._place, part=shapes.part("")),
        ]

    def delta(self, text: str) -> Event:
        self.text += text
        return self.event("response.output_text.delta", **self._place, delta=text, logprobs=[])

    def closing(self, run: Run) -> list[Event]:
        if run.state is not RunState.SUCCEEDED:
            failed = shapes.response(run, previous=self._previous, status="failed")
            return [self.event("response.failed", response=failed)]
        told = [] if self.text else [self.delta(shapes.text_of(run.output))]
        text, item = self.text, shapes.message(run, self.text)
        done = shapes.response(run, text=text, previous=self._previous)
        return [
            *told,
            self.event("response.output_text.done", **self._place, text=text, logprobs=[]),
            self.event("response.content_part.done", **self._place, part=shapes.part(text)),
            self.event("response.output_item.done", output_index=0, item=item),
            self.event("response.completed", response=done),
        ]


def failure(run: Run) -> dict[str, Any]:
    """Why a run has no answer."""
    if run.failure is None:
        return shapes.error_body(f"The run is {run.state}.", status=500, code=f"run_{run.state}")
    return shapes.error_body(run.failure.message, status=500, code=run.failure.code)


def _data(value: dict[str, Any]) -> Event:
    return Event(data=orjson.dumps(value).decode())
