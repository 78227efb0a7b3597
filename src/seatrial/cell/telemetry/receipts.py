"""The receipt: all that is known of one run, in one view."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from seatrial.cell.journal.domain.calls import Call, CallKind, CallState, Tokens, Totals
from seatrial.cell.journal.domain.decisions import Decided
from seatrial.cell.journal.domain.records import Recorded
from seatrial.cell.runs.domain.rules import attempt_of
from seatrial.cell.runs.domain.values import Failure, Judgement, Run, Said, Stretch
from seatrial.cell.tools.domain.refusals import ArgumentsRefused
from seatrial.cell.tools.domain.values import REVIEW

FORMAT: Final = 1
_NEVER_AT_THE_DOOR: Final = {
    "code": "never_at_the_door",
    "message": "The agent asked its cell for no model and no action. If it does ask a model, it "
    "goes past the journal: take the address from OPENAI_BASE_URL or ANTHROPIC_BASE_URL.",
}
_FROM_RECORD: Final = frozenset(("answered", "approximated", "attached"))


def receipt(  # noqa: PLR0913 - one for each part of it
    run: Run,
    *,
    environment: str,
    calls: Sequence[Call],
    totals: Totals,
    journal: Sequence[Recorded],
    decided: Sequence[tuple[int, Decided]],
    restarts: Sequence[Stretch],
    said: Sequence[Said],
) -> dict[str, Any]:
    """The receipt of `run` as JSON; what is not known yet is null or empty, never left out."""
    retries = [part for stretch in restarts for part in _parts(stretch)]
    waits = [part for stretch in restarts for part in _waits(stretch)]
    asked = [call for call in calls if call.intent.kind is not CallKind.PROMPT]
    output = None if run.failure is not None else run.output
    return {
        "format": FORMAT,
        "run": run.id,
        "agent": run.agent,
        "environment": environment,
        "state": str(run.state),
        "release": {
            "digest": None if run.release is None else str(run.release),
            "name": run.release_name,
            "generation": run.generation,
        },
        "session": run.session,
        "tenant": run.tenant,
        "caller": run.caller,
        "local": run.local,
        "tags": dict(run.tags),
        "created": run.created,
        "started": run.started,
        "ended": run.ended,
        "duration_ms": _milliseconds(run.started, run.ended),
        "input": run.input,
        "attempts": _attempts(run, retries, waits, calls),
        "calls": [_call(call) for call in calls],
        "journal": [_entry(each, calls, decided) for each in journal],
        "validation_failures": [_call(call) for call in calls if _is_unfit(call)],
        "retries": retries,
        "waits": waits,
        "reviews": [_review(each) for each in journal if each.name.startswith(REVIEW)],
        "effect": {"kind": "answer", "output": output} if run.over and not run.failure else None,
        "output": run.output,
        "error": _error(run.failure),
        "warnings": [_NEVER_AT_THE_DOOR] if run.over and not (journal or asked) else [],
        "totals": {
            "calls": totals.calls,
            "input_tokens": totals.input_tokens,
            "output_tokens": totals.output_tokens,
            "cost_usd": totals.cost_usd,
            "cost_known": all(_priced(call) for call in calls),
        },
        "outcome": _judgement(run.judgement),
        "judgements": [_judgement(each.judgement) for each in said if each.judgement is not None],
        "feedback": [_feedback(each) for each in said if each.feedback is not None],
    }


def _attempts(
    run: Run,
    retries: Sequence[dict[str, Any]],
    waits: Sequence[dict[str, Any]],
    calls: Sequence[Call],
) -> list[dict[str, Any]]:
    """Each attempt with what became of it; how one ended is told by the next one's reason."""
    ended = {retry["before"]: retry for retry in retries}
    waited = {wait["attempt"]: wait for wait in waits}
    made: list[dict[str, Any]] = []
    for number in range(1, run.attempt + 1):
        retry = ended.get(number)
        last = number == run.attempt
        if number in waited:
            made.append(_waited(waited[number], calls))
            continue
        error = retry["error"] if retry else (_error(run.failure) if last else None)
        made.append(
            {
                "attempt": number,
                "state": "failed" if error else (str(run.state) if last else "failed"),
                "ended": retry["at"] if retry else (run.ended if last else None),
                "error": error,
                "calls": sum(call.key.attempt == number for call in calls),
            }
        )
    return made


def _waited(wait: dict[str, Any], calls: Sequence[Call]) -> dict[str, Any]:
    """A segment that ended because the run had to wait."""
    return {
        "attempt": wait["attempt"],
        "state": "waited",
        "ended": wait["at"],
        "error": None,
        "calls": sum(call.key.attempt == wait["attempt"] for call in calls),
    }


def _waits(stretch: Stretch) -> list[dict[str, Any]]:
    attempt = attempt_of(stretch.first)
    return [
        {"attempt": attempt, "at": stretch.at, **part}
        for part in stretch.parts
        if isinstance(part, dict) and "reason" in part
    ]


def _is_unfit(call: Call) -> bool:
    """Whether an agent was told that its arguments do not fit."""
    error = None if call.result is None else call.result.error
    return error is not None and error.startswith(f"{ArgumentsRefused.code}:")


def _review(asked: Recorded) -> dict[str, Any]:
    return {
        "call": asked.row.seq,
        "action": asked.name.removeprefix(REVIEW),
        "state": "answered" if asked.row.settled else "asked",
        "asked": asked.begun,
        "answered": asked.settled,
    }


def _parts(stretch: Stretch) -> list[dict[str, Any]]:
    return [
        {
            "before": int(part["attempt"]) - 1,
            "at": stretch.at,
            "error": {"code": part.get("code"), "message": part.get("message")},
        }
        for part in stretch.parts
        if isinstance(part, dict) and "attempt" in part
    ]


def decision(attempt: int, decided: Decided) -> dict[str, Any]:
    """One decision as JSON."""
    return {
        "attempt": attempt,
        "n": decided.n,
        "seq": decided.told.seq,
        "kind": decided.kind,
        "name": decided.name,
        "key": decided.key,
        "decision": decided.told.word,
        "reason": decided.told.reason,
        "at": decided.at,
    }


def _entry(
    recorded: Recorded, calls: Sequence[Call], decided: Sequence[tuple[int, Decided]]
) -> dict[str, Any]:
    """One call of the agent's program, with how often it went out and what that cost."""
    row = recorded.row
    tries = [call.result for call in calls if call.intent.row == row.seq]
    words = [each.told.word for _, each in decided if each.told.seq == row.seq]
    costs = [result.cost_usd for result in tries if result and result.cost_usd is not None]
    return {
        "seq": row.seq,
        "kind": str(row.kind),
        "name": recorded.name,
        "effect": str(row.effect),
        "state": str(row.state),
        "waived": recorded.waived,
        "begun": recorded.begun,
        "settled": recorded.settled,
        "tries": len(tries),
        "cost_usd": sum(costs) if costs else None,
        "answered_from_record": sum(word in _FROM_RECORD for word in words),
    }


def _call(call: Call) -> dict[str, Any]:
    result = call.result
    return {
        "attempt": call.key.attempt,
        "seq": call.key.seq,
        "row": call.intent.row,
        "kind": str(call.intent.kind),
        "name": call.intent.name,
        "provider": call.intent.provider,
        "route": call.intent.route,
        "state": str(CallState.INTENT if result is None else result.state),
        "started": call.intent.started,
        "ended": result and result.ended,
        "latency_ms": result and result.latency_ms,
        "first_byte_ms": result and result.first_byte_ms,
        "status": result and result.status,
        "answered": result and result.answered,
        "mismatch": _mismatch(call),
        "request": {"digest": call.intent.request_digest, "bytes": call.intent.request_bytes},
        "response_bytes": result and result.response_bytes,
        "tokens": None if result is None else _tokens(result.tokens),
        "cost_usd": result and result.cost_usd,
        "error": result and result.error,
    }


def _mismatch(call: Call) -> bool:
    answered = call.result and call.result.answered
    return call.intent.kind is CallKind.MODEL and answered not in {None, call.intent.name}


def _priced(call: Call) -> bool:
    """Whether the price of a call is known; what was refused or not answered has none."""
    result = call.result
    if call.intent.kind is not CallKind.MODEL:
        return True
    if result is None:
        return False
    return result.state is not CallState.DONE or result.cost_usd is not None


def _tokens(tokens: Tokens | None) -> dict[str, int] | None:
    if tokens is None:
        return None
    return {
        "input": tokens.input,
        "output": tokens.output,
        "cache_read": tokens.cache_read,
        "cache_write": tokens.cache_write,
    }


def _error(failure: Failure | None) -> dict[str, str] | None:
    return None if failure is None else {"code": failure.code, "message": failure.message}


def _judgement(judgement: Judgement | None) -> dict[str, Any] | None:
    if judgement is None:
        return None
    return {
        "outcome": str(judgement.outcome),
        "note": judgement.note,
        "at": judgement.at,
        "by": judgement.by,
    }


def _feedback(said: Said) -> dict[str, Any]:
    given = said.feedback
    return {
        "id": said.id,
        "at": said.at,
        "by": said.by,
        "thumbs": None if given is None or given.thumbs is None else _thumbs(given.thumbs),
        "score": given and given.score,
        "comment": given and given.comment,
        "correction": given and given.correction,
    }


def _thumbs(up: bool) -> str:
    return "up" if up else "down"


def _milliseconds(start: datetime | None, end: datetime | None) -> float | None:
    if start is None or end is None:
        return None
    return (end - start).total_seconds() * 1000
