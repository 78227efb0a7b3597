"""An agent behind OpenAI's APIs: `/v1/chat/completions`, `/v1/responses`, `/v1/models`.

`model` is the agent's slug. The agent is given `{"messages": …}`, or `{"input": …}` with
`instructions` where there are any; text that it returns is the content, all else is so as JSON.
Parameters of sampling are the agent's own affair and are passed over; what would change the form
of the answer (`tools`, `n`) is refused.
"""

import logging
from collections.abc import Awaitable, Callable, Collection
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, TypeAlias

from seatrial.cell.door.api import openai_shapes as shapes
from seatrial.cell.door.api.desk import Desk, carried, idempotency_key, seen_generation
from seatrial.cell.door.api.openai_streams import completion_events, failure, response_events
from seatrial.cell.door.api.operations import Operating
from seatrial.cell.door.api.shown import sees_payload
from seatrial.cell.door.domain import Operation, ParameterRefused, ResponseUnknown
from seatrial.cell.runs.domain.refusals import RunUnknown
from seatrial.cell.runs.domain.values import Asked, Run, SessionFilter
from seatrial.cell.switch.domain import AgentUnknown
from seatrial.contract.runs.access import Caller, CellPermission
from seatrial.contract.runs.states import RunState
from seatrial.kit.errors import SeatrialError
from seatrial.kit.http.answers import answer_json, error_messages
from seatrial.kit.http.asgi import App, Headers, Receive, Scope, Send
from seatrial.kit.http.event_stream import EventStream
from seatrial.kit.http.requests import ClientGone, HeaderMalformed, header, read_json
from seatrial.kit.http.routes import path_values
from seatrial.kit.log import log_error

Active: TypeAlias = Callable[[], Awaitable[tuple[Collection[str], datetime]]]
"""Slugs of the agents that are active, and since when."""

_LOG: Final = logging.getLogger(__name__)
_WAIT: Final = 600.0  # seconds; as long as OpenAI's own clients wait
_OWN: Final = frozenset({b"content-type", b"content-length"})
# Its clients send a failed request again by themselves; the agent would run twice.
_FINAL: Final[Headers] = [(b"x-should-retry", b"false")]
_SESSION: Final = "session"


def openai_routes(desk: Desk, active: Active) -> list[tuple[str, str, App]]:
    """The endpoints, for `Routes`."""
    door = _Openai(desk, active)
    return [
        ("GET", "/v1/models", _shaped(door.models)),
        ("GET", "/v1/models/{id}", _shaped(door.model)),
        (
            "POST",
            "/v1/chat/completions",
            Operating(desk.environment, Operation.RUN, _shaped(door.complete)),
        ),
        (
            "POST",
            "/v1/responses",
            Operating(desk.environment, Operation.RUN, _shaped(door.respond)),
        ),
    ]


@dataclass(frozen=True, kw_only=True)
class _Request:
    """What was sent, and by whom."""

    caller: Caller
    body: dict[str, Any]
    scope: Scope
    desk: Desk

    def text(self, name: str) -> str | None:
        value = self.body.get(name)
        if value is not None and not isinstance(value, str):
            raise ParameterRefused(param=name, reason="it is no text")
        return value

    def flag(self, name: str) -> bool:
        value = self.body.get(name)
        if value is not None and not isinstance(value, bool):
            raise ParameterRefused(param=name, reason="it is neither true nor false")
        return bool(value)

    @property
    def slug(self) -> str:
        slug = self.text("model")
        if not slug:
            raise ParameterRefused(param="model", reason="it is missing; it names the agent")
        return slug

    @property
    def metadata(self) -> dict[str, str]:
        found = self.body.get("metadata")
        if found is None:
            return {}
        if not isinstance(found, dict) or not all(isinstance(v, str) for v in found.values()):
            raise ParameterRefused(param="metadata", reason="it is no object of texts")
        return found

    @property
    def session(self) -> str | None:
        given = header(self.scope, b"seatrial-session")
        if given is not None and not given.isascii():
            raise HeaderMalformed(name="seatrial-session", reason="it is not ASCII")
        return given.decode() if given is not None else self.metadata.get(_SESSION)

    def asked(self, value: dict[str, Any], session: str | None) -> Asked:
        tags = {name: text for name, text in self.metadata.items() if name != _SESSION}
        return Asked(
            agent=self.slug,
            input=value,
            caller=self.caller.id,
            caller_name=self.caller.name,
            payload=self.caller.may(CellPermission.PAYLOAD),
            tenant=self.caller.tenant,
            session=session,
            tags=tags,
            key=idempotency_key(self.scope),
            seen=seen_generation(self.scope),
            counted=self.desk.counts(tags),
        )


class _Openai:
    def __init__(self, desk: Desk, active: Active) -> None:
        self._desk = desk
        self._active = active

    async def models(self, scope: Scope, _receive: Receive, send: Send) -> None:
        """The agents that are active, as models."""
        await self._desk.caller(scope, CellPermission.INVOKE, CellPermission.READ)
        slugs, since = await self._active()
        await answer_json(send, shapes.models(slugs, since))

    async def model(self, scope: Scope, _receive: Receive, send: Send) -> None:
        """One of them."""
        await self._desk.caller(scope, CellPermission.INVOKE, CellPermission.READ)
        slug = path_values(scope)["id"]
        slugs, since = await self._active()
        if slug not in slugs:
            raise AgentUnknown(agent=slug, environment=self._desk.environment)
        await answer_json(send, shapes.model(slug, since))

    async def complete(self, scope: Scope, receive: Receive, send: Send) -> None:
        """A chat completion, whole or in parts."""
        request = await self._request(scope, receive)
        messages = request.body.get("messages")
        if not isinstance(messages, list) or not messages:
            raise ParameterRefused(param="messages", reason="it is no list, or an empty one")
        if not all(isinstance(each, dict) and "role" in each for each in messages):
            raise ParameterRefused(param="messages", reason="one of them is no object with a role")
        _refuse_other_forms(request)
        asked = request.asked({"messages": messages}, request.session)
        if not request.flag("stream"):
            await self._whole(send, asked, shapes.completion)
            return
        options = request.body.get("stream_options")
        with_usage = isinstance(options, dict) and options.get("include_usage") is True
        accepted, follower = await self._desk.runs.start(asked)
        run = accepted.run
        async with aclosing(self._desk.runs.events(run, follower=follower)) as events:
            told = completion_events(run, events, with_usage=with_usage)
            await self._stream(run).answer(scope, receive, send, told)

    async def respond(self, scope: Scope, receive: Receive, send: Send) -> None:
        """A response, whole or in parts."""
        request = await self._request(scope, receive)
        given = request.body.get("input")
        if not isinstance(given, str | list) or not given:
            raise ParameterRefused(param="input", reason="it is neither text nor a list of items")
        _refuse_other_forms(request)
        value: dict[str, Any] = {"input": given}
        instructions = request.text("instructions")
        if instructions is not None:
            value["instructions"] = instructions
        previous = request.text("previous_response_id")
        asked = request.asked(value, await self._thread(request, previous))
        if not request.flag("stream"):
            await self._whole(
                send,
                asked,
                lambda run: shapes.response(
                    run, text=shapes.text_of(run.output), previous=previous
                ),
            )
            return
        accepted, follower = await self._desk.runs.start(asked)
        run = accepted.run
        async with aclosing(self._desk.runs.events(run, follower=follower)) as events:
            told = response_events(run, events, previous=previous)
            await self._stream(run).answer(scope, receive, send, told)

    async def _request(self, scope: Scope, receive: Receive) -> _Request:
        caller = await self._desk.caller(scope, CellPermission.INVOKE)
        body = await read_json(scope, receive, limit=self._desk.largest, strict=False)
        if not isinstance(body, dict):
            raise ParameterRefused(param="body", reason="it is no object")
        return _Request(caller=caller, body=body, scope=scope, desk=self._desk)

    async def _whole(
        self, send: Send, asked: Asked, shape: Callable[[Run], dict[str, Any]]
    ) -> None:
        accepted, follower = await self._desk.runs.start(asked, end_only=True)
        run = await self._desk.ended(accepted.run, follower, _WAIT)
        if run.state is RunState.SUCCEEDED:
            await answer_json(send, shape(run), headers=carried(run))
            return
        headers = [*carried(run), *_FINAL]
        if run.over:
            await answer_json(send, failure(run), status=500, headers=headers)
            return
        told = shapes.error_body(
            f"The run {run.id} has not ended yet; follow it at /v1/runs/{run.id}.",
            status=504,
            code="run_unfinished",
        )
        await answer_json(send, told, status=504, headers=headers)

    async def _thread(self, request: _Request, previous: str | None) -> str | None:
        """The session of a response: the one named, that of the previous one, or a new one."""
        if previous is not None:
            return await self._session_of(request, previous)
        conversation = request.body.get("conversation")
        if isinstance(conversation, dict):
            conversation = conversation.get("id")
        if conversation is not None and not isinstance(conversation, str):
            raise ParameterRefused(param="conversation", reason="it is no id")
        named = conversation or request.session
        if named is not None or request.body.get("store") is False:
            return named
        return self._desk.ids.new("session")

    async def _session_of(self, request: _Request, previous: str) -> str:
        try:
            run = await self._desk.runs.get(shapes.run_named(previous))
        except RunUnknown:
            raise ResponseUnknown(response=previous) from None
        if run.agent != request.slug or not run.session:
            raise ResponseUnknown(response=previous)
        if not sees_payload(request.caller, run) and not await self._began(request.caller, run):
            raise ResponseUnknown(response=previous)
        return run.session

    async def _began(self, caller: Caller, run: Run) -> bool:
        """Whether the run's session belongs to the name of the caller's token."""
        if caller.tenant != run.tenant:
            return False
        wanted = SessionFilter(agent=run.agent, tenant=run.tenant, name=run.session)
        found, _ = await self._desk.runs.sessions(wanted, limit=1)
        return any(each.owner == caller.name for each in found)

    def _stream(self, run: Run) -> EventStream:
        return EventStream(lifetime=self._desk.lifetime, headers=carried(run))


def _refuse_other_forms(request: _Request) -> None:
    """Refuse what would make the answer another one than text by the agent."""
    for name in ("tools", "functions"):
        if request.body.get(name):
            raise ParameterRefused(param=name, reason="an agent brings its own tools")
    if request.body.get("n") not in {None, 1}:
        raise ParameterRefused(param="n", reason="an agent gives one answer")
    if request.flag("background"):
        raise ParameterRefused(
            param="background", reason="start the run at /v1/agents/{slug}/runs with mode async"
        )


def _shaped(app: App) -> App:
    """`app`, whose errors are told as OpenAI's clients can read them."""

    async def shaped(scope: Scope, receive: Receive, send: Send) -> None:
        begun = False

        async def noting(message: Any) -> None:  # noqa: ANN401 - an ASGI message
            nonlocal begun
            begun = True
            await send(message)

        try:
            await app(scope, receive, noting)
        except ClientGone:
            raise
        except SeatrialError as error:
            if begun:
                raise
            log_error(_LOG, error)
            start, _ = error_messages(error)
            headers = [pair for pair in start["headers"] if pair[0] not in _OWN]
            await answer_json(send, shapes.told_error(error), status=error.status, headers=headers)

    return shaped
