"""Runs and sessions as callers see them."""

from datetime import datetime
from typing import Any

from seatrial.cell.runs.domain import rules
from seatrial.cell.runs.domain.values import EventKind, Judgement, Run, RunEvent, Said, Session
from seatrial.contract.runs.access import Caller, CellPermission


def owns(caller: Caller, run: Run) -> bool:
    """Whether the caller started the run."""
    return run.caller == caller.id and caller.may(CellPermission.INVOKE)


def sees(caller: Caller, run: Run) -> bool:
    """Whether the caller may know of the run at all."""
    if caller.tenant not in {"", run.tenant}:
        return False
    reads = caller.may(CellPermission.READ) or caller.may(CellPermission.PAYLOAD)
    return reads or owns(caller, run)


def sees_payload(caller: Caller, run: Run) -> bool:
    """Whether the caller may see what the run holds."""
    return sees(caller, run) and (caller.may(CellPermission.PAYLOAD) or owns(caller, run))


def told_run(run: Run, environment: str, *, payload: bool) -> dict[str, Any]:
    """A run. Without `payload` nothing in it comes from the agent or from people."""
    usage = run.usage
    return {
        "id": run.id,
        "agent": run.agent,
        "release": None if run.release is None else str(run.release),
        "release_name": run.release_name,
        "generation": run.generation,
        "environment": environment,
        "state": run.state,
        "session": run.session,
        "tenant": run.tenant,
        "input": run.input if payload else None,
        "output": run.output if payload else None,
        "error": _error(run, payload=payload),
        "attempt": run.attempt,
        "attempts": run.attempts,
        "priority": run.priority,
        "lane": run.lane,
        "tags": dict(run.tags),
        "local": run.local,
        "dead": run.dead,
        "created": _instant(run.created),
        "started": _instant(run.started),
        "ended": _instant(run.ended),
        "mode": run.mode,
        "follows": run.follows,
        "waits": None if run.waits is None else rules.told_wait(run.waits),
        "outcome": _judgement(run.judgement, payload=payload),
        "usage": {
            "input_tokens": usage.input_tokens,
            "output_tokens": usage.output_tokens,
            "cost_usd": usage.cost_usd,
            "calls": usage.calls,
        },
    }


def told_event(event: RunEvent, environment: str, *, payload: bool) -> dict[str, Any]:
    """What an event says."""
    if event.run is not None:
        return told_run(event.run, environment, payload=payload)
    if event.kind is EventKind.CHUNK:
        return {"data": event.data if payload else None}
    told: dict[str, Any] = {**event.data}
    if event.kind is EventKind.WAITING:
        return told
    return told if payload else {**told, "message": None}


def told_session(session: Session) -> dict[str, Any]:
    """A session."""
    return {
        "id": session.name,
        "agent": session.agent,
        "tenant": session.tenant,
        "release": str(session.release),
        "release_name": session.release_name,
        "generation": session.generation,
        "turns": session.turns,
        "created": _instant(session.created),
        "last": _instant(session.last),
    }


def told_said(said: Said) -> dict[str, Any]:
    """One entry of what was said of a run; it is payload."""
    told: dict[str, Any] = {"id": said.id, "at": _instant(said.at), "by": said.by}
    if said.judgement is not None:
        told |= {"outcome": said.judgement.outcome, "note": said.judgement.note}
    if said.feedback is not None:
        thumbs = {True: "up", False: "down", None: None}[said.feedback.thumbs]
        told |= {
            "thumbs": thumbs,
            "score": said.feedback.score,
            "comment": said.feedback.comment,
            "correction": said.feedback.correction,
        }
    return told


def _error(run: Run, *, payload: bool) -> dict[str, Any] | None:
    if run.failure is None:
        return None
    return {"code": run.failure.code, "message": run.failure.message if payload else None}


def _judgement(judgement: Judgement | None, *, payload: bool) -> dict[str, Any] | None:
    if judgement is None:
        return None
    return {
        "outcome": judgement.outcome,
        "note": judgement.note if payload else None,
        "at": _instant(judgement.at),
        "by": judgement.by,
    }


def _instant(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat().replace("+00:00", "Z")
