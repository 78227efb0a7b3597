"""Spans of runs and their calls, as OTLP/HTTP carries them in JSON.

https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding: ids are hexadecimal, times are
nanoseconds as decimal strings, 64-bit integers are strings, enums are numbers. Ids are computed
from names, so that what is told later of a run (an outcome, a second export) is of the same span.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from seatrial.cell.journal.domain.calls import Call, CallKind, CallState, Totals
from seatrial.cell.runs.domain.values import Run
from seatrial.cell.telemetry import domain as names
from seatrial.contract.runs.states import RunState

_INTERNAL, _CLIENT = 1, 3  # kinds of span
_SERVER: Final = 2
_OK, _FAILED = 1, 2  # codes of status
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_OPERATIONS: Final = {"/v1/embeddings": "embeddings"}

Attribute = str | int | float | bool | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Span:
    """One span.

    Attributes:
        trace: 32 hexadecimal digits.
        id: 16 of them.
        parent: the id of the span that it is in; empty for none.
        name: for people.
        kind: OTLP's number.
        start: when it began.
        end: when it ended.
        attributes: those that are None are left out.
        error: why it failed; None where it did not.
    """

    trace: str
    id: str
    parent: str
    name: str
    kind: int
    start: datetime
    end: datetime
    attributes: Mapping[str, Attribute]
    error: str | None


def spans(run: Run, calls: Sequence[Call], totals: Totals) -> list[Span]:
    """The spans of a run that has ended: its own, and one for each call."""
    whole = _run_span(run, totals)
    return [whole, *(_call_span(whole, run, call) for call in calls)]


def request_body(told: Iterable[Span], resource: Mapping[str, Attribute]) -> dict[str, Any]:
    """The body of an export request."""
    scope = {"name": "seatrial"}
    return {
        "resourceSpans": [
            {
                "resource": {"attributes": _attributes(resource)},
                "scopeSpans": [{"scope": scope, "spans": [_span(span) for span in told]}],
            }
        ]
    }


def trace_of(run: str) -> str:
    """The id of a run's trace."""
    return hashlib.sha256(f"seatrial trace {run}".encode()).hexdigest()[:32]


def _id_of(*parts: object) -> str:
    text = " ".join(map(str, parts))
    return hashlib.sha256(f"seatrial span {text}".encode()).hexdigest()[:16]


def _run_span(run: Run, totals: Totals) -> Span:
    start = run.created
    return Span(
        trace=trace_of(run.id),
        id=_id_of(run.id),
        parent="",
        name=f"invoke_agent {run.agent}",
        kind=_SERVER,
        start=start,
        end=max(run.ended or start, start),
        attributes={
            names.OPERATION: "invoke_agent",
            names.AGENT: run.agent,
            names.AGENT_VERSION: run.release_name or None,
            names.CONVERSATION: run.session,
            names.RUN: run.id,
            names.RUN_STATE: str(run.state),
            names.ATTEMPT: run.attempt,
            names.LOCAL: run.local,
            names.RELEASE: None if run.release is None else str(run.release),
            names.GENERATION: run.generation,
            names.OUTCOME: None if run.judgement is None else str(run.judgement.outcome),
            names.INPUT_TOKENS: totals.input_tokens,
            names.OUTPUT_TOKENS: totals.output_tokens,
            names.COST: totals.cost_usd,
            names.ERROR: None if run.failure is None else run.failure.code,
        },
        # The message of a failure may quote the agent's data, and payloads stay home.
        error=run.failure.code if run.failure and run.state is RunState.FAILED else None,
    )


def _call_span(whole: Span, run: Run, call: Call) -> Span:
    intent, result = call.intent, call.result
    failed = result is None or result.state is not CallState.DONE
    code = "call_cut" if result is None else (result.error or "").partition(":")[0]
    prompt = intent.kind is CallKind.PROMPT
    operation = "prompt" if prompt else _OPERATIONS.get(intent.route, "chat")
    end = result.ended if result else run.ended or intent.started
    return Span(
        trace=whole.trace,
        id=_id_of(run.id, call.key.attempt, call.key.seq),
        parent=whole.id,
        name=f"{operation} {intent.name}",
        kind=_INTERNAL if prompt else _CLIENT,
        start=intent.started,
        end=max(end, intent.started),
        attributes={
            names.AGENT: run.agent,
            names.RUN: run.id,
            names.ATTEMPT: call.key.attempt,
            names.ERROR: code if failed else None,
            **(_of_prompt(call) if prompt else _of_model(call, operation)),
        },
        error=code if failed else None,
    )


def _of_prompt(call: Call) -> dict[str, Attribute]:
    digest = None if call.result is None else call.result.answered
    return {names.PROMPT: call.intent.name, names.PROMPT_DIGEST: digest}


def _of_model(call: Call, operation: str) -> dict[str, Attribute]:
    result = call.result
    asked: dict[str, Attribute] = {
        names.OPERATION: operation,
        names.PROVIDER: call.intent.provider,
        names.MODEL_ASKED: call.intent.name,
    }
    if result is None:
        return asked
    told: dict[str, Attribute] = {
        names.MODEL_ANSWERED: result.answered,
        names.STATUS: result.status,
        names.FIRST_BYTE: result.first_byte_ms,
        names.COST: result.cost_usd,
    }
    tokens = result.tokens
    if tokens is None:
        return asked | told
    used: dict[str, Attribute] = {
        names.INPUT_TOKENS: tokens.input,
        names.OUTPUT_TOKENS: tokens.output,
        names.CACHE_READ_TOKENS: tokens.cache_read,
        names.CACHE_WRITE_TOKENS: tokens.cache_write,
    }
    return asked | told | used


def _span(span: Span) -> dict[str, Any]:
    status: dict[str, Any] = {"code": _OK}
    if span.error is not None:
        status = {"code": _FAILED, "message": span.error}
    told = {
        "traceId": span.trace,
        "spanId": span.id,
        "name": span.name,
        "kind": span.kind,
        "startTimeUnixNano": _nanoseconds(span.start),
        "endTimeUnixNano": _nanoseconds(span.end),
        "attributes": _attributes(span.attributes),
        "status": status,
    }
    return {**told, "parentSpanId": span.parent} if span.parent else told


def _attributes(values: Mapping[str, Attribute]) -> list[dict[str, Any]]:
    return [
        {"key": key, "value": _value(value)} for key, value in values.items() if value is not None
    ]


def _value(value: str | float | bool) -> dict[str, Any]:
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}
    if isinstance(value, float):
        return {"doubleValue": value}
    return {"stringValue": value}


def _nanoseconds(instant: datetime) -> str:
    return str((instant - _EPOCH) // _MICROSECOND * 1000)
