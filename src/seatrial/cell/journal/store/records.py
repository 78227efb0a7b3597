"""Rows of calls, and their bodies. Who no longer holds a run writes nothing."""

import zlib
from collections.abc import Collection, Iterator
from datetime import datetime
from typing import Any, Final

from sqlalchemy import (
    Column,
    LargeBinary,
    Table,
    Text,
    UniqueConstraint,
    bindparam,
    delete,
    func,
    select,
    update,
)
from sqlalchemy import Row as SqlRow

from seatrial.cell.journal.domain.records import Body, Recorded
from seatrial.cell.journal.domain.rows import Effect, Kind, Row, RowState
from seatrial.kit.database.connection import Connection
from seatrial.kit.database.dialects import Int64, UtcDateTime, metadata, upsert
from seatrial.kit.database.history import History

HISTORY: Final = History.of("seatrial.cell.journal.migrations")
METADATA: Final = metadata()
CALL: Final = Table(
    "recorded_call",
    METADATA,
    Column("run", Text, primary_key=True),
    Column("seq", Int64, primary_key=True),
    Column("attempt", Int64, nullable=False),
    Column("kind", Text, nullable=False),
    Column("effect", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("occurrence", Int64, nullable=False),
    Column("state", Text, nullable=False),
    Column("answer", Text),
    Column("waived", Int64, nullable=False),
    Column("begun", UtcDateTime, nullable=False),
    Column("settled", UtcDateTime),
    UniqueConstraint("run", "kind", "key", "occurrence"),
)
BODY: Final = Table(
    "recorded_body",
    METADATA,
    Column("run", Text, primary_key=True),
    Column("seq", Int64, primary_key=True),
    Column("side", Text, primary_key=True),
    Column("status", Int64),
    Column("media", Text, nullable=False),
    Column("size", Int64, nullable=False),
    Column("stored", Int64, nullable=False),
    Column("content", LargeBinary, nullable=False),
)
REQUEST: Final = "request"
ANSWER: Final = "answer"

_LEVEL: Final = 1  # 2 kB of chat: 40 us and half the size; level 6 takes twice as long for 5 % more
_OF_RUN: Final = select(CALL).where(CALL.c.run == bindparam("of_run")).order_by(CALL.c.seq)
_INTENT: Final = upsert(CALL)
_BEGIN: Final = _INTENT.on_conflict_do_update(
    index_elements=(CALL.c.run, CALL.c.seq),
    set_={"attempt": _INTENT.excluded.attempt, "state": _INTENT.excluded.state},
    where=CALL.c.state.in_([str(RowState.INTENT), str(RowState.CLEARED)])
    & (CALL.c.key == _INTENT.excluded.key),
).returning(CALL.c.seq)
_SETTLE: Final = (
    update(CALL)
    .where(
        CALL.c.run == bindparam("of_run"),
        CALL.c.seq == bindparam("of_seq"),
        CALL.c.state.not_in([str(RowState.DONE), str(RowState.FAILED)]),
    )
    .values(
        attempt=bindparam("attempt"),
        state=bindparam("state"),
        answer=bindparam("answer"),
        settled=bindparam("settled"),
    )
)
_PUT: Final = upsert(BODY)
_KEEP: Final = _PUT.on_conflict_do_update(
    index_elements=(BODY.c.run, BODY.c.seq, BODY.c.side),
    set_={
        name: getattr(_PUT.excluded, name)
        for name in ("status", "media", "size", "stored", "content")
    },
)
_BODIES: Final = select(BODY).where(BODY.c.run == bindparam("of_run"))
_ONE: Final = _BODIES.where(BODY.c.seq == bindparam("of_seq"), BODY.c.side == bindparam("side"))


def rows(connection: Connection, run: str) -> list[Recorded]:
    """All that is recorded of a run, in order."""
    return [_recorded(row) for row in connection.execute(_OF_RUN, {"of_run": run})]


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
    return connection.execute(_BEGIN, values).first() is not None


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
    return connection.execute(_SETTLE, values).rowcount == 1


def waive(connection: Connection, run: str, seqs: Collection[int]) -> None:
    """A person has said that the agent need not come back to these."""
    asked = update(CALL).where(CALL.c.run == run, CALL.c.seq.in_(sorted(seqs)))
    connection.execute(asked.values(waived=1))


def keep(connection: Connection, run: str, seq: int, side: str, body: Body) -> None:
    """Keep a body; the newest of its call and side stays."""
    content = zlib.compress(body.content, _LEVEL)
    connection.execute(
        _KEEP,
        {
            "run": run,
            "seq": seq,
            "side": side,
            "status": body.status,
            "media": body.media,
            "size": len(body.content),
            "stored": len(content),
            "content": content,
        },
    )


def body(connection: Connection, run: str, seq: int, side: str) -> Body | None:
    """A body, if it is kept."""
    row = connection.execute(_ONE, {"of_run": run, "of_seq": seq, "side": side}).first()
    return None if row is None else _body(row)


def requests(connection: Connection, run: str, seqs: Collection[int]) -> Iterator[tuple[int, Body]]:
    """The kept requests of some calls of a run."""
    asked = _BODIES.where(BODY.c.side == REQUEST, BODY.c.seq.in_(sorted(seqs)))
    for row in connection.execute(asked, {"of_run": run}):
        yield row.seq, _body(row)


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
    )


def _body(row: SqlRow[Any]) -> Body:
    return Body(content=zlib.decompress(row.content), media=row.media, status=row.status)
