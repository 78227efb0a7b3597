"""The tables of runs: as migrated, and found by their indices."""

import pytest
from sqlalchemy import Connection as Plain
from sqlalchemy import Select, inspect, select, text
from sqlalchemy.dialects import postgresql, sqlite

from seatrial.cell.runs.domain.values import Filter
from seatrial.cell.runs.store import runs
from seatrial.cell.runs.store.tables import (
    DEAD,
    EVENT,
    METADATA,
    QUEUED,
    RUN,
    RUNNING,
    SESSION,
)
from seatrial.kit.database.connection import Connection
from seatrial.kit.database.database import Database
from seatrial.kit.database.dialects import now
from tests.cell.runs.stage import made


def shape(connection: Plain) -> dict[str, object]:
    """Columns and indices of every table."""
    found = inspect(connection)
    return {
        name: (
            sorted((c["name"], c["nullable"]) for c in found.get_columns(name)),
            sorted((i["name"] or "", i["unique"]) for i in found.get_indexes(name)),
            found.get_pk_constraint(name)["constrained_columns"],
        )
        for name in METADATA.tables
    }


def test_the_revisions_make_the_tables_that_the_statements_expect(database: Database) -> None:
    made(database)
    migrated = database.write_now(shape)

    def anew(connection: Connection) -> dict[str, object]:
        METADATA.drop_all(connection)
        METADATA.create_all(connection)
        return shape(connection)

    assert database.alter_now(anew) == migrated


def queries() -> dict[str, tuple[str, Select[*tuple[object, ...]]]]:
    """Index, and a query that must use it."""
    claim = select(RUN.c.id).where(QUEUED, RUN.c.ready <= now()).order_by(RUN.c.rank).limit(10)
    listed = runs._chosen(select(RUN.c.id), Filter()).limit(10)
    return {
        "claims": ("ix_run_rank", claim),
        "sweeps": ("ix_run_lease", select(RUN.c.id).where(RUNNING, RUN.c.lease < now())),
        "agents": (
            "ix_run_agent_id",
            runs._chosen(select(RUN.c.id), Filter(agent="support")).limit(10),
        ),
        "releases": (
            "ix_run_release_id",
            runs._chosen(select(RUN.c.id), Filter(release="sha256:1")).limit(10),
        ),
        "tenants": (
            "ix_run_tenant",
            runs._chosen(select(RUN.c.id), Filter(tenant="acme")).limit(10),
        ),
        "dead letters": ("ix_run_dead", listed.where(DEAD)),
        "proposals": (
            "ix_run_troubled",
            runs._chosen(select(RUN.c.id), Filter(troubled=True)).limit(10),
        ),
        "sessions": (
            "ix_run_session",
            runs._chosen(select(RUN.c.id), Filter(session="s", agent="a", tenant="")).limit(10),
        ),
        "idempotency": (
            "uq_run_key",
            select(RUN.c.id).where(
                RUN.c.tenant == "", RUN.c.agent == "a", RUN.c.caller == "c", RUN.c.key == "k"
            ),
        ),
        "recent sessions": (
            "ix_session_last",
            select(SESSION.c.name).order_by(SESSION.c.last.desc()).limit(10),
        ),
        "events": (
            EVENT.name,
            select(EVENT.c.first).where(EVENT.c.run == "run_1").order_by(EVENT.c.first),
        ),
    }


@pytest.mark.parametrize("name", queries())
def test_what_is_asked_often_is_found_by_an_index(database: Database, name: str) -> None:
    made(database)
    index, query = queries()[name]

    def plan(connection: Connection) -> str:
        on_sqlite = connection.dialect.name == "sqlite"
        dialect = sqlite.dialect() if on_sqlite else postgresql.dialect()  # type: ignore[no-untyped-call]
        told = query.compile(dialect=dialect, compile_kwargs={"literal_binds": True})
        if not on_sqlite:
            # The tables are empty, and a server reads those whole.
            connection.execute(text("SET LOCAL enable_seqscan = off"))
            connection.execute(text("SET LOCAL enable_sort = off"))
        word = "EXPLAIN QUERY PLAN" if on_sqlite else "EXPLAIN"
        rows = connection.exec_driver_sql(f"{word} {told}".replace("%", "%%"))
        return "\n".join(str(row[-1]) for row in rows)

    told = database.write_now(plan)
    assert index in told, told
