"""Rows of calls."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Column, Float, Row, Table, Text, bindparam, func, insert, select, update

from seatrial.cell.journal.domain.calls import (
    Call,
    CallKey,
    CallKind,
    CallState,
    Intent,
    Result,
    Tokens,
    Totals,
)
from seatrial.kit.database.connection import Connection
from seatrial.kit.database.dialects import Int64, UtcDateTime, metadata
from seatrial.kit.database.history import History

HISTORY: Final = History.of("seatrial.cell.journal.migrations")
METADATA: Final = metadata()
CALL: Final = Table(
    "call",
    METADATA,
    Column("run", Text, primary_key=True),
    Column("attempt", Int64, primary_key=True),
    Column("seq", Int64, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("provider", Text),
    Column("route", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("started", UtcDateTime, nullable=False),
    Column("ended", UtcDateTime),
    Column("latency_ms", Float),
    Column("first_byte_ms", Float),
    Column("status", Int64),
    Column("answered", Text),
    Column("request_digest", Text),
    Column("request_bytes", Int64, nullable=False),
    Column("response_bytes", Int64),
    Column("input_tokens", Int64),
    Column("output_tokens", Int64),
    Column("cache_read_tokens", Int64),
    Column("cache_write_tokens", Int64),
    Column("cost_usd", Float),
    Column("error", Text),
)
# Built once: to build and hash them anew took two thirds of the time of a write.
_ADD: Final = insert(CALL)
_END: Final = update(CALL).where(
    CALL.c.run == bindparam("of_run"),
    CALL.c.attempt == bindparam("of_attempt"),
    CALL.c.seq == bindparam("of_seq"),
    CALL.c.state == str(CallState.INTENT),
)
_COUNTED: Final = (str(CallKind.MODEL), str(CallKind.TOOL))


@dataclass(frozen=True, kw_only=True, slots=True)
class Reached:
    """How far an attempt came, for a process that goes on with it.

    Attributes:
        seq: the last number given.
        totals: of the whole run.
    """

    seq: int
    totals: Totals


def add(connection: Connection, key: CallKey, intent: Intent) -> None:
    """Keep an intent."""
    connection.execute(
        _ADD,
        {
            "run": key.run,
            "attempt": key.attempt,
            "seq": key.seq,
            "kind": str(intent.kind),
            "name": intent.name,
            "provider": intent.provider,
            "route": intent.route,
            "state": str(CallState.INTENT),
            "started": intent.started,
            "request_digest": intent.request_digest,
            "request_bytes": intent.request_bytes,
        },
    )


def end(connection: Connection, key: CallKey, result: Result) -> None:
    """Keep a result, if the call has none."""
    tokens = result.tokens
    connection.execute(
        _END,
        {
            "of_run": key.run,
            "of_attempt": key.attempt,
            "of_seq": key.seq,
            "state": str(result.state),
            "ended": result.ended,
            "latency_ms": result.latency_ms,
            "first_byte_ms": result.first_byte_ms,
            "status": result.status,
            "answered": result.answered,
            "response_bytes": result.response_bytes,
            "input_tokens": tokens and tokens.input,
            "output_tokens": tokens and tokens.output,
            "cache_read_tokens": tokens and tokens.cache_read,
            "cache_write_tokens": tokens and tokens.cache_write,
            "cost_usd": result.cost_usd,
            "error": result.error,
        },
    )


def calls(connection: Connection, run: str) -> list[Call]:
    """Every call of a run, in order."""
    rows = select(CALL).where(CALL.c.run == run).order_by(CALL.c.attempt, CALL.c.seq)
    return [_call(row) for row in connection.execute(rows)]


def totals(connection: Connection, runs: Sequence[str]) -> dict[str, Totals]:
    """The totals of each run that has any call."""
    rows = (
        select(
            CALL.c.run,
            func.count().label("calls"),
            func.coalesce(func.sum(CALL.c.input_tokens), 0).label("input_tokens"),
            func.coalesce(func.sum(CALL.c.output_tokens), 0).label("output_tokens"),
            func.coalesce(func.sum(CALL.c.cost_usd), 0.0).label("cost_usd"),
        )
        .where(
            CALL.c.run.in_(list(runs)),
            CALL.c.kind.in_(_COUNTED),
            CALL.c.state != str(CallState.REFUSED),
        )
        .group_by(CALL.c.run)
    )
    return {
        row.run: Totals(
            calls=int(row.calls),
            input_tokens=int(row.input_tokens),
            output_tokens=int(row.output_tokens),
            cost_usd=float(row.cost_usd),
        )
        for row in connection.execute(rows)
    }


def reached(connection: Connection, run: str, attempt: int) -> Reached:
    """How far an attempt came."""
    last = select(func.max(CALL.c.seq)).where(CALL.c.run == run, CALL.c.attempt == attempt)
    seq = connection.execute(last).scalar() or 0
    return Reached(seq=seq, totals=totals(connection, [run]).get(run, Totals()))


def _call(row: Row[Any]) -> Call:
    return Call(
        key=CallKey(run=row.run, attempt=row.attempt, seq=row.seq),
        intent=Intent(
            kind=CallKind(row.kind),
            name=row.name,
            provider=row.provider,
            route=row.route,
            started=row.started,
            request_digest=row.request_digest,
            request_bytes=row.request_bytes,
        ),
        result=None if row.ended is None else _result(row),
    )


def _result(row: Row[Any]) -> Result:
    known = row.input_tokens is not None
    return Result(
        state=CallState(row.state),
        ended=row.ended,
        latency_ms=row.latency_ms,
        first_byte_ms=row.first_byte_ms,
        status=row.status,
        answered=row.answered,
        response_bytes=row.response_bytes,
        tokens=Tokens(
            input=row.input_tokens,
            output=row.output_tokens,
            cache_read=row.cache_read_tokens,
            cache_write=row.cache_write_tokens,
        )
        if known
        else None,
        cost_usd=row.cost_usd,
        error=row.error,
    )
