"""Tries: each time that a call went out."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Row, bindparam, func, insert, select, update

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
from seatrial.cell.journal.store import tables
from seatrial.cell.journal.store.tables import TRY
from seatrial.kit.database.connection import Connection
from seatrial.kit.database.prepared import Prepared

HISTORY: Final = tables.HISTORY
METADATA: Final = tables.METADATA
# Built once: to build and hash them anew took two thirds of the time of a write.
_ADD: Final = Prepared(insert(TRY))
_END: Final = Prepared(
    update(TRY).where(
        TRY.c.run == bindparam("of_run"),
        TRY.c.attempt == bindparam("of_attempt"),
        TRY.c.seq == bindparam("of_seq"),
        TRY.c.state == str(CallState.INTENT),
    )
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
    _ADD.run(
        connection,
        {
            "run": key.run,
            "attempt": key.attempt,
            "seq": key.seq,
            "row": intent.row,
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
    _END.run(
        connection,
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
    rows = select(TRY).where(TRY.c.run == run).order_by(TRY.c.attempt, TRY.c.seq)
    return [_call(row) for row in connection.execute(rows)]


def totals(connection: Connection, runs: Sequence[str]) -> dict[str, Totals]:
    """The totals of each run that has any call."""
    rows = (
        select(
            TRY.c.run,
            func.count().label("calls"),
            func.coalesce(func.sum(TRY.c.input_tokens), 0).label("input_tokens"),
            func.coalesce(func.sum(TRY.c.output_tokens), 0).label("output_tokens"),
            func.coalesce(func.sum(TRY.c.cost_usd), 0.0).label("cost_usd"),
        )
        .where(
            TRY.c.run.in_(list(runs)),
            TRY.c.kind.in_(_COUNTED),
            TRY.c.state != str(CallState.REFUSED),
        )
        .group_by(TRY.c.run)
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
    last = select(func.max(TRY.c.seq)).where(TRY.c.run == run, TRY.c.attempt == attempt)
    seq = connection.execute(last).scalar() or 0
    return Reached(seq=seq, totals=totals(connection, [run]).get(run, Totals()))


def _call(row: Row[Any]) -> Call:
    return Call(
        key=CallKey(run=row.run, attempt=row.attempt, seq=row.seq),
        intent=Intent(
            kind=CallKind(row.kind),
            row=row.row,
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
