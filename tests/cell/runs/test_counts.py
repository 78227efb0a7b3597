"""The counts of a release are what a recount of its runs says, whatever happened to them."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Column, delete, func, select

from seatrial.cell.runs.domain import rules
from seatrial.cell.runs.domain.values import Bounds, Ending, Failure, Judgement, Run
from seatrial.cell.runs.service import accepting, endings
from seatrial.cell.runs.service.judging import _count
from seatrial.cell.runs.service.ports import Ports, no_usage
from seatrial.cell.runs.store import moves, runs, threads
from seatrial.cell.runs.store.tables import METADATA, RUN
from seatrial.cell.switch.domain import Counts
from seatrial.contract.runs.states import Outcome, RunState
from seatrial.kit.database.connection import Connection, Durability
from seatrial.kit.database.database import Database
from tests.cell.runs.stage import Scripted, Switch, asked, made, release

NOW: Final = datetime(2026, 3, 1, tzinfo=UTC)
SWITCH: Final = Switch()
PORTS: Final = Ports(hosts=Scripted(), admit=SWITCH.admit, limits=SWITCH.limits_of)
GONE: Final = Failure(code="host_exited", message="")
STEPS: Final = st.lists(
    st.one_of(
        st.tuples(st.just("accept"), st.booleans()),
        st.tuples(
            st.sampled_from(["succeed", "fail", "own", "back", "cancel", "redrive", "claim"]),
            st.integers(0, 4),
        ),
        st.tuples(st.sampled_from(Outcome), st.integers(0, 4)),
    ),
    max_size=25,
)


def accept(connection: Connection, number: int, *, counted: bool) -> Run:
    at = NOW + timedelta(seconds=number)
    wanted = asked(counted=counted, session="s")
    order = accepting.order(wanted, run=f"run_{number:03}", at=at, bounds=Bounds())
    run, _ = accepting.accept(connection, replace(order, worker="w"), PORTS, Bounds())
    return run


def act(connection: Connection, run: Run, what: str | Outcome) -> None:
    """Do what fits; what does not is what a late or stale caller would ask for."""
    failed = endings.Failed(failure=GONE, cause=rules.Cause.PASSING, at=NOW, chance=0)
    doings: dict[str, Callable[[], Any]] = {
        "succeed": lambda: endings.end(
            connection, run, Ending(state=RunState.SUCCEEDED, at=NOW, output="1"), no_usage
        ),
        "fail": lambda: endings.fail(connection, run, failed, no_usage),
        "own": lambda: endings.fail(
            connection, run, replace(failed, cause=rules.Cause.OWN), no_usage
        ),
        "back": lambda: endings.put_back(connection, run, GONE, pause=0, at=NOW, forgiven=True),
        "claim": lambda: moves.claim(connection, "w", most=9, without=(), lease=60, at=NOW),
    }
    if isinstance(what, Outcome):
        if run.over:
            said = Judgement(outcome=what, note="", at=NOW, by="tok")
            threads.judge(connection, run.id, said)
            _count(connection, run, what)
    elif what == "cancel":
        if not run.over:
            endings.cancel(connection, run.id, NOW, no_usage)
    elif what == "redrive":
        if run.state is RunState.FAILED:
            endings.redrive(connection, run.id, NOW)
    else:
        doings[what]()


def grouped(connection: Connection, column: Column[Any]) -> dict[str | None, int]:
    rows = select(column, func.count()).where(RUN.c.counted.is_(True)).group_by(column)
    return {value: n for value, n in connection.execute(rows)}  # noqa: C416 - rows are no pairs


def recount(connection: Connection) -> Counts:
    by_state = grouped(connection, RUN.c.state)
    by_outcome = grouped(connection, RUN.c.outcome)
    judged = sum(n for outcome, n in by_outcome.items() if outcome is not None)
    return Counts(
        succeeded=by_state.get("succeeded", 0),
        failed=by_state.get("failed", 0),
        cancelled=by_state.get("cancelled", 0),
        judged=judged,
        good=by_outcome.get("resolved", 0),
    )


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    with Database.open(f"sqlite:///{tmp_path_factory.mktemp('counts')}/x.db") as opened:
        yield made(opened)


@given(steps=STEPS)
def test_counts_are_what_a_recount_says(database: Database, steps: list[tuple[Any, Any]]) -> None:
    def live(connection: Connection) -> tuple[Counts, Counts]:
        for table in METADATA.tables.values():
            connection.execute(delete(table))
        known: list[str] = []
        for what, about in steps:
            if what == "accept":
                known.append(accept(connection, len(known), counted=about).id)
            elif about < len(known):
                run = runs.get(connection, known[about])
                assert run is not None
                act(connection, run, what)
        counts = threads.counts(connection, str(release("support@1")))
        return replace(counts, first=None), recount(connection)

    kept, found = database.write_now(live, durability=Durability.LAZY)
    assert kept == found
