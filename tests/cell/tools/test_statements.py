"""A statement of an action is one statement, whatever it hides a second one in."""

from typing import cast

import pytest

from seatrial.cell.tools.domain.refusals import ActionFailed
from seatrial.cell.tools.domain.values import Performing
from seatrial.cell.tools.store.databases import Transaction
from seatrial.contract.releases.actions import SqlCall
from seatrial.kit.crypto.digests import Digest
from seatrial.kit.database.connection import Connection  # noqa: TC001 - named in a cast
from seatrial.kit.database.database import Database
from tests.cell.tools.stage import tool

CALL = Performing(
    action="look",
    tool=tool("read", SqlCall(statement="SELECT 1"), "shop"),
    arguments={},
    key="k",
    run="run_1",
    release=Digest.of(b"release"),
    seed=1,
)


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT 1; COMMIT",
        "SELECT 1;; SELECT 2",
        "SELECT '''; COMMIT; SELECT '';x'; COMMIT",
        "SELECT E'\\''; COMMIT; SELECT ''",
        "SELECT 1 AS a$x$; COMMIT; SELECT 1 AS b$x$",
        "SELECT 1 /* ; */; COMMIT",
        "SELECT 1 -- ;\n; COMMIT",
        "COMMIT",
        "-- a\nROLLBACK",
    ],
)
def test_a_second_statement_is_refused_before_anything_is_sent(statement: str) -> None:
    transaction = Transaction(cast("Connection", None), CALL)
    with pytest.raises(ActionFailed):
        transaction.execute(statement, {})


@pytest.mark.parametrize(
    "statement",
    ["SELECT 1 AS n;", "SELECT 1 AS n -- ; no\n", "SELECT ';' AS n", 'SELECT 1 AS ";"'],
)
def test_a_semicolon_that_ends_nothing_is_no_second_statement(
    database: Database, statement: str
) -> None:
    found = database.read_now(
        lambda connection: Transaction(connection, CALL).execute(statement, {}).rows
    )
    assert len(found) == 1
