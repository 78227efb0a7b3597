"""`/v1/sessions`: threads of runs, and their turns."""

from datetime import datetime
from typing import Any

from seatrial.cell.door.api.desk import MOST_LISTED, Desk, asked_for, page_size
from seatrial.cell.door.api.shown import sees, told_run, told_session
from seatrial.cell.runs.domain.refusals import CursorMalformed, SessionAmbiguous, SessionUnknown
from seatrial.cell.runs.domain.values import Filter, Session, SessionFilter
from seatrial.contract.runs.access import Caller, CellPermission
from seatrial.kit.http.answers import answer_json
from seatrial.kit.http.asgi import App, Receive, Scope, Send
from seatrial.kit.http.requests import QueryMalformed
from seatrial.kit.http.routes import path_values


def session_routes(desk: Desk) -> list[tuple[str, str, App]]:
    """The endpoints, for `Routes`."""

    async def listed(scope: Scope, _receive: Receive, send: Send) -> None:
        """One page of sessions, the one used last first."""
        caller = await desk.reader(scope)
        found = asked_for(scope, "agent", "after", "limit")
        wanted = _wanted(caller, agent=_plain(found.get("agent")), after=_cursor(found))
        sessions, after = await desk.runs.sessions(wanted, limit=page_size(found))
        told = [told_session(each) for each in sessions]
        await answer_json(send, {"sessions": told, "next": _written(after)})

    async def show(scope: Scope, _receive: Receive, send: Send) -> None:
        """A session and its newest runs."""
        caller = await desk.reader(scope)
        found = asked_for(scope, "agent")
        session = await _session(desk, caller, path_values(scope)["id"], _plain(found.get("agent")))
        told = told_session(session)
        told["runs"] = await _turns(desk, caller, session)
        await answer_json(send, told)

    return [("GET", "/v1/sessions", listed), ("GET", "/v1/sessions/{id}", show)]


async def _session(desk: Desk, caller: Caller, name: str, agent: str | None) -> Session:
    wanted = _wanted(caller, agent=agent, name=name)
    sessions, _ = await desk.runs.sessions(wanted, limit=MOST_LISTED)
    if not sessions:
        raise SessionUnknown(session=name)
    if len(sessions) > 1:
        agents = sorted({f"{each.agent} {each.tenant}".strip() for each in sessions})
        raise SessionAmbiguous(session=name, agents=", ".join(agents))
    return sessions[0]


async def _turns(desk: Desk, caller: Caller, session: Session) -> list[dict[str, Any]]:
    """The session's newest runs that the caller may see, the oldest first."""
    wanted = Filter(session=session.name, agent=session.agent, tenant=session.tenant)
    runs = [run for run in await desk.runs.turns(wanted, limit=MOST_LISTED) if sees(caller, run)]
    return [
        told_run(run, desk.environment, payload=await desk.payload(caller, run))
        for run in reversed(runs)
    ]


def _wanted(
    caller: Caller,
    *,
    agent: str | None,
    name: str | None = None,
    after: tuple[datetime, str] | None = None,
) -> SessionFilter:
    reads = caller.may(CellPermission.READ) or caller.may(CellPermission.PAYLOAD)
    return SessionFilter(
        agent=agent,
        tenant=caller.tenant or None,
        name=name,
        caller=None if reads else caller.id,
        after=after,
    )


def _plain(text: str | None) -> str | None:
    if text is not None and "\0" in text:
        raise QueryMalformed(reason="a value holds a NUL character")
    return text


def _cursor(found: dict[str, str]) -> tuple[datetime, str] | None:
    text = found.get("after")
    if text is None:
        return None
    instant, _, name = text.partition("|")
    try:
        at = datetime.fromisoformat(instant)
    except ValueError:
        raise CursorMalformed(text=text) from None
    if at.tzinfo is None or not name.isprintable():
        raise CursorMalformed(text=text)
    return at, name


def _written(after: tuple[datetime, str] | None) -> str | None:
    return None if after is None else f"{after[0].isoformat().replace('+00:00', 'Z')}|{after[1]}"
