"""Rows of calls, and their bodies. Who no longer holds a run writes nothing."""

import zlib
from collections.abc import Collection, Iterator
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Row as SqlRow
from sqlalchemy import bindparam, delete, func, select, update

from seatrial.cell.journal.domain.records import Body, Recorded
from seatrial.cell.journal.domain.rows import SETTLED, Effect, Kind, Row, RowState
from seatrial.cell.journal.store import tables
from seatrial.cell.journal.store.tables import BODY, ROW
from seatrial.kit.database.connection import Connection
from seatrial.kit.database.dialects import upsert
from seatrial.kit.database.prepared import Prepared

HISTORY: Final = tables.HISTORY
METADATA: Final = tables.METADATA
REQUEST: Final = "request"
ANSWER: Final = "answer"

_LEVEL: Final = 1  # 2 kB of chat: 40 us and half the size; level 6 takes twice as long for 5 % more
_OF_RUN: Final = select(ROW).where(ROW.c.run == bindparam("of_run")).order_by(ROW.c.seq)
_ONE_ROW: Final = select(ROW).where(
    ROW.c.run == bindparam("of_run"), ROW.c.seq == bindparam("of_seq")
)
_INTENT: Final = upsert(ROW)
_BEGIN: Final = Prepared(
    _INTENT.on_conflict_do_update(
        index_elements=(ROW.c.run, ROW.c.seq),
        set_={
            name: getattr(_INTENT.excluded, name)
            for name in ("attempt", "state", "answer", "settled")
        },
        where=(ROW.c.key == _INTENT.excluded.key)
        & (
            (ROW.c.state == str(RowState.INTENT))
            | (ROW.c.state == str(RowState.CLEARED))
            # A failure that nothing rests on; see `domain/resuming.py`.
            | ((ROW.c.state == str(RowState.FAILED)) & (ROW.c.effect == str(Effect.READ)))
        ),
    )
)
_SETTLE: Final = Prepared(
    update(ROW)
    .where(
        ROW.c.run == bindparam("of_run"),
        ROW.c.seq == bindparam("of_seq"),
        # Not by `not_in`, whose list is laid out anew for each statement: 30 us.
        ROW.c.state != str(RowState.DONE),
        ROW.c.state != str(RowState.FAILED),
    )
    .values(
        attempt=bindparam("attempt"),
        state=bindparam("state"),
        answer=bindparam("answer"),
        settled=bindparam("settled"),
    )
)
_PUT: Final = upsert(BODY)
_KEEP: Final = Prepared(
    _PUT.on_conflict_do_update(
        index_elements=(BODY.c.run, BODY.c.seq, BODY.c.side),
        set_={
            name: getattr(_PUT.excluded, name)
            for name in ("status", "retry", "media", "size", "stored", "content")
        },
    )
)
_BODIES: Final = select(BODY).where(BODY.c.run == bindparam("of_run"))
_ONE: Final = _BODIES.where(BODY.c.seq == bindparam("of_seq"), BODY.c.side == bindparam("side"))


def rows(connection: Connection, run: str) -> list[Recorded]:
    """All that is recorded of a run, in order."""
    return [_recorded(row) for row in connection.execute(_OF_RUN, {"of_run": run})]


def counted(
    connection: Connection, runs: Collection[str], kinds: Collection[Kind]
) -> dict[str, int]:
    """How many settled rows of some kinds there are in some runs, by key."""
    found = (
        select(ROW.c.key, func.count().label("rows"))
        .where(ROW.c.run.in_(list(runs)), ROW.c.kind.in_([str(kind) for kind in kinds]))
        .where(ROW.c.state.in_([str(state) for state in SETTLED]))
        .group_by(ROW.c.key)
    )
    return {each.key: each.rows for each in connection.execute(found)}


def row(connection: Connection, run: str, seq: int) -> Recorded | None:
    """One row of a run."""
    found = connection.execute(_ONE_ROW, {"of_run": run, "of_seq": seq}).first()
    return None if found is None else _recorded(found)


def begin(connection: Connection, run: str, recorded: Recorded, at: datetime) -> bool:
    """Write an intent, over one of an earlier attempt too; false if anything else stands there."""
    row = recorded.row
    values = {
        "run": run,
        "seq": row.seq,
        "attempt": row.attempt,
        "kind": str(row.kind),
        "effect": str(row.effect),
        "name": recorded.name,
        "key": row.key,
        "occurrence": row.occurrence,
        "state": str(row.state),
        "answer": None,
        "waived": 0,
        "begun": at,
        "settled": None,
    }
    return _BEGIN.run(connection, values) == 1


def settle(connection: Connection, run: str, row: Row, at: datetime) -> bool:
    """Write a result, or that it is unknown or cleared; false where a result stands already."""
    values = {
        "of_run": run,
        "of_seq": row.seq,
        "attempt": row.attempt,
        "state": str(row.state),
        "answer": row.answer,
        "settled": at,
    }
    return _SETTLE.run(connection, values) == 1


def waive(connection: Connection, run: str, seqs: Collection[int]) -> None:
    """A person has said that the agent need not come back to these."""
    asked = update(ROW).where(ROW.c.run == run, ROW.c.seq.in_(sorted(seqs)))
    connection.execute(asked.values(waived=1))


def keep(connection: Connection, run: str, seq: int, side: str, body: Body) -> None:
    """Keep a body; the newest of its call and side stays."""
    _KEEP.run(connection, _kept(run, seq, side, body))


def keep_both(connection: Connection, run: str, seq: int, request: Body, answer: Body) -> None:
    """Keep a call's request and its answer, as `keep`, in one statement."""
    sides = ((REQUEST, request), (ANSWER, answer))
    _KEEP.run_each(connection, [_kept(run, seq, side, body) for side, body in sides])


def _kept(run: str, seq: int, side: str, body: Body) -> dict[str, Any]:
    content = zlib.compress(body.content, _LEVEL)
    return {
        "run": run,
        "seq": seq,
        "side": side,
        "status": body.status,
        "retry": body.retry,
        "media": body.media,
        "size": len(body.content),
        "stored": len(content),
        "content": content,
    }


def body(connection: Connection, run: str, seq: int, side: str) -> Body | None:
    """A body, if it is kept."""
    row = connection.execute(_ONE, {"of_run": run, "of_seq": seq, "side": side}).first()
    return None if row is None else _body(row)


def requests(connection: Connection, run: str, seqs: Collection[int]) -> Iterator[tuple[int, Body]]:
    """The kept requests of some calls of a run."""
    asked = _BODIES.where(BODY.c.side == REQUEST, BODY.c.seq.in_(sorted(seqs)))
    for row in connection.execute(asked, {"of_run": run}):
        yield row.seq, _body(row)


def bodies(
    connection: Connection, run: str, seqs: Collection[int]
) -> Iterator[tuple[int, str, Body]]:
    """The kept bodies of some calls of a run, each with its call and side."""
    asked = _BODIES.where(BODY.c.seq.in_(sorted(seqs)))
    for row in connection.execute(asked, {"of_run": run}):
        yield row.seq, row.side, _body(row)


def held(connection: Connection) -> dict[str, int]:
    """How many bytes the bodies of each run take."""
    found = select(BODY.c.run, func.sum(BODY.c.stored).label("stored")).group_by(BODY.c.run)
    return {row.run: int(row.stored) for row in connection.execute(found)}


def drop(connection: Connection, runs: Collection[str]) -> None:
    """Forget the bodies of runs; their rows stay."""
    connection.execute(delete(BODY).where(BODY.c.run.in_(sorted(runs))))


def _recorded(row: SqlRow[Any]) -> Recorded:
    return Recorded(
        row=Row(
            seq=row.seq,
            attempt=row.attempt,
            kind=Kind(row.kind),
            effect=Effect(row.effect),
            key=row.key,
            occurrence=row.occurrence,
            state=RowState(row.state),
            answer=row.answer,
        ),
        name=row.name,
        waived=bool(row.waived),
        begun=row.begun,
        settled=row.settled,
    )


def _body(row: SqlRow[Any]) -> Body:
    return Body(
        content=zlib.decompress(row.content),
        media=row.media,
        status=row.status,
        retry=row.retry,
    )
