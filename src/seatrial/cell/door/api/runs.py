"""`/v1/agents/{slug}/runs` and `/v1/runs`: start, follow, list, judge, and decide what goes on."""

from contextlib import aclosing
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal

from pydantic import Field

from seatrial.cell.door.api.desk import (
    Desk,
    asked_for,
    carried,
    idempotency_key,
    page_size,
    seen_generation,
)
from seatrial.cell.door.api.operations import Operating
from seatrial.cell.door.api.shown import owns, sees_payload, told_run, told_said
from seatrial.cell.door.domain import (
    Operation,
    PriorityReserved,
    operation_allowed,
    refuse_forbidden,
)
from seatrial.cell.journal.domain.rows import Mode as RunMode
from seatrial.cell.runs.domain.refusals import CursorMalformed, RunRefused, RunUnknown
from seatrial.cell.runs.domain.rules import LARGEST_WORD
from seatrial.cell.runs.domain.values import (
    INTERACTIVE_PRIORITY,
    Asked,
    Choice,
    Feedback,
    Filter,
    Run,
)
from seatrial.contract.documents import DigestField, Document, JsonObject
from seatrial.contract.runs.access import Caller, CellPermission
from seatrial.contract.runs.states import Lane, Mode, Outcome, RunState, WaitReason
from seatrial.kit.http.answers import answer_json
from seatrial.kit.http.asgi import App, Receive, Scope, Send
from seatrial.kit.http.event_stream import EventStream, last_event_id
from seatrial.kit.http.requests import QueryMalformed, read_json
from seatrial.kit.http.routes import path_values
from seatrial.kit.ids import IdMalformed, born

_WAIT: Final = 60.0  # seconds
_LONGEST_WAIT: Final = 600.0
_RETRY: Final = 1_000  # milliseconds before a listener whose stream broke comes back
_LONGEST_REASON: Final = 4_000  # characters
_LARGEST_FIXTURE: Final = 8 << 20  # bytes
_SAID: Final = 1_200_000  # bytes of feedback with a correction


class Call(Document):
    """A run is asked for.

    Attributes:
        fixture: what answers the run's actions, and nothing else does; before production alone.
        release: on which a fixture is tried; None for the one in force.
    """

    input: Any
    session: str | None = None
    mode: Mode = Mode.WAIT
    wait_seconds: Annotated[float, Field(strict=True, ge=0, le=_LONGEST_WAIT)] = _WAIT
    timeout_seconds: Annotated[float | None, Field(strict=True)] = None
    priority: Annotated[int, Field(strict=True, ge=0, le=9)] = INTERACTIVE_PRIORITY
    lane: Lane = Lane.INTERACTIVE
    tags: dict[str, str] = Field(default_factory=dict)
    fixture: JsonObject | None = None
    release: DigestField | None = None


class Verdict(Document):
    """An outcome is said."""

    outcome: Outcome
    note: str = ""


class Decision(Document):
    """What is to become of a run that waits."""

    reason: Annotated[str, Field(max_length=_LONGEST_REASON)] = ""


class Again(Document):
    """A run is to be replayed or shadowed.

    Attributes:
        release: on which, by digest; None for its own.
    """

    release: str | None = None


class Opinion(Document):
    """Feedback is given; at least one of its fields."""

    thumbs: Literal["up", "down"] | None = None
    score: Annotated[float | None, Field(strict=True, ge=0, le=1)] = None
    comment: str = ""
    correction: Any = None


def run_routes(desk: Desk) -> list[tuple[str, str, App]]:
    """The endpoints, for `Routes`."""
    runs = _Endpoints(desk)

    def operating(operation: Operation, app: App) -> App:
        return Operating(desk.environment, operation, app)

    return [
        ("POST", "/v1/agents/{slug}/runs", operating(Operation.RUN, runs.start)),
        ("GET", "/v1/runs", runs.listed),
        ("GET", "/v1/runs/{id}", runs.show),
        ("GET", "/v1/runs/{id}/events", runs.events),
        ("POST", "/v1/runs/{id}/cancel", operating(Operation.CANCEL, runs.cancel)),
        ("POST", "/v1/runs/{id}/redrive", operating(Operation.REDRIVE, runs.redrive)),
        ("POST", "/v1/runs/{id}/outcome", operating(Operation.OUTCOME, runs.outcome)),
        ("POST", "/v1/runs/{id}/feedback", operating(Operation.FEEDBACK, runs.feedback)),
        ("POST", "/v1/runs/{id}/events/{name}", operating(Operation.EVENT, runs.hear)),
        ("POST", "/v1/runs/{id}/resume", operating(Operation.RESUME, runs.resume)),
        ("POST", "/v1/runs/{id}/abandon", operating(Operation.ABANDON, runs.abandon)),
        ("POST", "/v1/runs/{id}/restart", operating(Operation.RESTART, runs.restart)),
        ("POST", "/v1/runs/{id}/replay", operating(Operation.REPLAY, runs.replay)),
        ("POST", "/v1/runs/{id}/shadow", operating(Operation.SHADOW, runs.shadow)),
    ]


@dataclass(frozen=True, kw_only=True)
class _Asking:
    caller: Caller
    call: Call
    asked: Asked


class _Endpoints:
    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def start(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Accept a run and answer in the mode that was asked for."""
        asking = await self._asking(scope, receive)
        if asking.call.mode is Mode.ASYNC:
            accepted = await self._desk.runs.accept(asking.asked)
            await self._answer(send, accepted.run, status=202)
        elif asking.call.mode is Mode.STREAM:
            await self._stream(asking, scope, receive, send)
        else:
            accepted, follower = await self._desk.runs.start(asking.asked, end_only=True)
            run = await self._desk.ended(accepted.run, follower, asking.call.wait_seconds)
            await self._answer(send, run, status=200 if run.over else 202)

    async def listed(self, scope: Scope, _receive: Receive, send: Send) -> None:
        """One page of runs, without payloads."""
        caller = await self._desk.reader(scope)
        found = asked_for(
            scope,
            "agent", "state", "session", "release", "tag", "local", "dead", "waits",
            "after", "limit",
        )  # fmt: skip
        listed, after = await self._desk.runs.listed(
            _filter(found, caller), after=_cursor(found), limit=page_size(found)
        )
        environment = self._desk.environment
        told = [told_run(run, environment, payload=False) for run in listed]
        await answer_json(send, {"runs": told, "next": after})

    async def show(self, scope: Scope, _receive: Receive, send: Send) -> None:
        """One run, with all that was said of it where the caller sees payloads."""
        caller = await self._desk.reader(scope)
        run = await self._desk.run(scope, caller)
        payload = await self._desk.payload(caller, run)
        told = told_run(run, self._desk.environment, payload=payload)
        if payload:
            told["said"] = [told_said(each) for each in await self._desk.judge.said(run.id)]
        await answer_json(send, told, headers=carried(run))

    async def events(self, scope: Scope, receive: Receive, send: Send) -> None:
        """A run's events from where the listener left off."""
        caller = await self._desk.reader(scope)
        run = await self._desk.run(scope, caller)
        payload = await self._desk.payload(caller, run)
        seen = last_event_id(scope) or ""
        after = int(seen) if seen.isascii() and seen.isdigit() and len(seen) <= 18 else 0
        async with aclosing(self._desk.runs.events(run, after=after)) as events:
            await self._answering(run).answer(
                scope, receive, send, self._desk.stream(events, payload=payload)
            )

    async def cancel(self, scope: Scope, _receive: Receive, send: Send) -> None:
        """End a run now."""
        caller = await self._desk.caller(scope, CellPermission.OPERATE, CellPermission.INVOKE)
        run = await self._reached(scope, caller)
        changed = await self._desk.runs.cancel(run.id)
        await self._answer_to(send, caller, changed)

    async def redrive(self, scope: Scope, _receive: Receive, send: Send) -> None:
        """Send a failed run on its way again."""
        caller = await self._desk.caller(scope, CellPermission.OPERATE)
        run = await self._reached(scope, caller)
        changed = await self._desk.runs.redrive(run.id)
        await self._answer_to(send, caller, changed, status=202)

    async def hear(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Tell a run of an outside event."""
        caller = await self._desk.caller(scope, CellPermission.OPERATE, CellPermission.INVOKE)
        value = await read_json(scope, receive, limit=LARGEST_WORD + 1, strict=False)
        run = await self._reached(scope, caller)
        changed = await self._desk.runs.tell_event(run.id, path_values(scope)["name"], value)
        await self._answer_to(send, caller, changed, status=202)

    async def resume(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a run go on that has strayed."""
        caller, run, choice = await self._chosen(scope, receive)
        changed = await self._desk.runs.resume(run.id, choice)
        await self._answer_to(send, caller, changed, status=202)

    async def abandon(self, scope: Scope, receive: Receive, send: Send) -> None:
        """End a run that waits."""
        caller, run, choice = await self._chosen(scope, receive)
        changed = await self._desk.runs.abandon(run.id, choice)
        await self._answer_to(send, caller, changed)

    async def restart(self, scope: Scope, receive: Receive, send: Send) -> None:
        """End a run that waits, and start it anew."""
        caller, run, choice = await self._chosen(scope, receive)
        anew = await self._desk.runs.restart(run.id, choice)
        await self._answer_to(send, caller, anew, status=202)

    async def replay(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run a run again on its recorded answers; whoever may do that sees its payloads."""
        caller, run, release = await self._followed(scope, receive)
        fresh = await self._desk.runs.replay(run.id, caller=caller.id, release=release)
        await self._answer_to(send, caller, fresh, status=202)

    async def shadow(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run a run again, asking its models anew and writing nowhere."""
        caller, run, release = await self._followed(scope, receive)
        fresh = await self._desk.runs.shadow(run.id, caller=caller.id, release=release)
        await self._answer_to(send, caller, fresh, status=202)

    async def _followed(self, scope: Scope, receive: Receive) -> tuple[Caller, Run, str | None]:
        await self._desk.caller(scope, CellPermission.PAYLOAD)
        caller = await self._desk.caller(scope, CellPermission.OPERATE)
        again = Again.read(await read_json(scope, receive, limit=65_536))
        run = await self._reached(scope, caller)
        await self._desk.payload(caller, run)
        return caller, run, again.release

    async def _chosen(self, scope: Scope, receive: Receive) -> tuple[Caller, Run, Choice]:
        caller = await self._desk.caller(scope, CellPermission.OPERATE)
        decision = Decision.read(await read_json(scope, receive, limit=65_536))
        run = await self._reached(scope, caller)
        return caller, run, Choice(by=caller.id, why=decision.reason)

    async def outcome(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Say what became of a run."""
        caller = await self._desk.caller(scope, CellPermission.OPERATE)
        verdict = Verdict.read(await read_json(scope, receive, limit=65_536))
        run = await self._reached(scope, caller)
        changed = await self._desk.judge.outcome(
            run.id, verdict.outcome, note=verdict.note, by=caller.id
        )
        await self._answer_to(send, caller, changed)

    async def feedback(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Say what somebody thinks of a run's answer."""
        caller = await self._desk.caller(scope, CellPermission.OPERATE, CellPermission.INVOKE)
        opinion = Opinion.read(await read_json(scope, receive, limit=_SAID, strict=False))
        run = await self._reached(scope, caller)
        feedback = Feedback(
            thumbs={"up": True, "down": False, None: None}[opinion.thumbs],
            score=opinion.score,
            comment=opinion.comment,
            correction=opinion.correction,
        )
        said = await self._desk.judge.feedback(run.id, feedback, by=caller.id)
        await answer_json(send, told_said(said), status=201, headers=carried(run))

    async def _asking(self, scope: Scope, receive: Receive) -> _Asking:
        desk = self._desk
        caller = await desk.caller(scope, CellPermission.INVOKE)
        rehearses = operation_allowed(desk.environment, Operation.REHEARSE)
        limit = desk.largest + (_LARGEST_FIXTURE if rehearses else 0)
        body = await read_json(scope, receive, limit=limit, strict=False)
        call = Call.read(body)
        if call.priority < INTERACTIVE_PRIORITY and not caller.may(CellPermission.OPERATE):
            raise PriorityReserved(name=caller.name, priority=call.priority)
        agent = path_values(scope)["slug"]
        follows = await self._rehearsed(agent, call)
        asked = Asked(
            agent=agent,
            input=call.input,
            caller=caller.id,
            caller_name=caller.name,
            payload=caller.may(CellPermission.PAYLOAD),
            tenant=caller.tenant,
            session=call.session,
            lane=call.lane,
            priority=call.priority,
            tags=call.tags,
            timeout_seconds=call.timeout_seconds,
            key=idempotency_key(scope),
            seen=seen_generation(scope),
            counted=follows is None and desk.counts(call.tags),
            mode=RunMode.LIVE if follows is None else RunMode.FIXTURE,
            follows=follows,
            release=call.release,
        )
        return _Asking(caller=caller, call=call, asked=asked)

    async def _rehearsed(self, agent: str, call: Call) -> str | None:
        """The digest of the fixture that answers the run; None for a run in the world."""
        if call.fixture is None:
            if call.release is not None:
                raise RunRefused(reason="`release` stands beside `fixture` alone")
            return None
        refuse_forbidden(self._desk.environment, Operation.REHEARSE)
        return await self._desk.give_fixture(call.fixture, agent, call.release)

    async def _stream(self, asking: _Asking, scope: Scope, receive: Receive, send: Send) -> None:
        runs = self._desk.runs
        accepted, follower = await runs.start(asking.asked)
        async with aclosing(runs.events(accepted.run, follower=follower)) as events:
            await self._answering(accepted.run).answer(
                scope, receive, send, self._desk.stream(events, payload=True)
            )

    def _answering(self, run: Run) -> EventStream:
        return EventStream(lifetime=self._desk.lifetime, retry=_RETRY, headers=carried(run))

    async def _reached(self, scope: Scope, caller: Caller) -> Run:
        """The run in the path, for one who may act on it."""
        run = await self._desk.runs.get(path_values(scope)["id"])
        operates = caller.may(CellPermission.OPERATE) and caller.tenant in {"", run.tenant}
        if not operates and not (owns(caller, run) and caller.tenant in {"", run.tenant}):
            raise RunUnknown(run=run.id)
        return run

    async def _answer(self, send: Send, run: Run, *, status: int = 200) -> None:
        """Answer the one who has just sent the input."""
        headers = list(carried(run))
        if status == 202:
            headers.append((b"location", f"/v1/runs/{run.id}".encode()))
        told = told_run(run, self._desk.environment, payload=True)
        await answer_json(send, told, status=status, headers=headers)

    async def _answer_to(self, send: Send, caller: Caller, run: Run, *, status: int = 200) -> None:
        payload = sees_payload(caller, run) and await self._desk.payload(caller, run)
        told = told_run(run, self._desk.environment, payload=payload)
        await answer_json(send, told, status=status, headers=carried(run))


def _filter(found: dict[str, str], caller: Caller) -> Filter:
    reads = caller.may(CellPermission.READ) or caller.may(CellPermission.PAYLOAD)
    state = found.get("state")
    if state is not None and state not in set(RunState):
        raise QueryMalformed(reason=f"`state` is one of {', '.join(RunState)}")
    tag = None
    if "tag" in found:
        name, colon, value = found["tag"].partition(":")
        if not colon:
            raise QueryMalformed(reason="`tag` is `name:value`")
        tag = (name, value)
    waits = found.get("waits")
    if waits is not None and waits not in set(WaitReason):
        raise QueryMalformed(reason=f"`waits` is one of {', '.join(WaitReason)}")
    for value in found.values():
        if "\0" in value:
            raise QueryMalformed(reason="a value holds a NUL character")
    return Filter(
        agent=found.get("agent"),
        state=None if state is None else RunState(state),
        waits=None if waits is None else WaitReason(waits),
        session=found.get("session"),
        release=found.get("release"),
        tag=tag,
        local=_flag(found, "local"),
        dead=_flag(found, "dead"),
        tenant=caller.tenant or None,
        caller=None if reads else caller.id,
    )


def _flag(found: dict[str, str], name: str) -> bool | None:
    given = found.get(name)
    if given not in {None, "true", "false"}:
        raise QueryMalformed(reason=f"`{name}` is `true` or `false`")
    return None if given is None else given == "true"


def _cursor(found: dict[str, str]) -> str | None:
    after = found.get("after")
    if after is not None:
        try:
            born(after, "run")
        except IdMalformed:
            raise CursorMalformed(text=after) from None
    return after
