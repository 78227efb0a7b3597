"""Connectors as a cell's settings bind them."""

import asyncio
from pathlib import Path
from typing import Any, cast

import pytest
from pydantic import SecretStr

from seatrial.cell.journal.store.tables import HISTORY as JOURNAL
from seatrial.cell.tools.domain.refusals import ConnectorRefused
from seatrial.cell.tools.domain.values import Performing, Told
from seatrial.contract.releases.actions import Effect, SqlCall, Tool
from seatrial.kit.clock import SystemClock
from seatrial.kit.crypto.digests import Digest
from seatrial.kit.database.database import Database
from seatrial.kit.database.migrations import migrate_now
from seatrial.main.cell_tools import Means, bound
from seatrial.main.settings import ConnectorSection


def _means(folder: Path) -> Means:
    nothing = cast("Any", None)
    return Means(
        folder=folder,
        own=f"sqlite:///{folder}/cell.db",
        client=nothing,
        secrets=nothing,
        functions=nothing,
        clock=SystemClock(),
    )


def _section(kind: str, url: str) -> ConnectorSection:
    return ConnectorSection(kind=cast("Any", kind), url=SecretStr(url))


def _told(folder: Path, url: str, statement: str, effect: Effect) -> Told:
    """What one statement on a bound database comes to."""
    call = Performing(
        action="do",
        tool=Tool(
            effect=effect,
            input_schema={"type": "object"},
            perform=SqlCall(statement=statement),
            connector="shop",
        ),
        arguments={},
        key="k",
        run="run_a",
        release=Digest.of(b""),
        seed=1,
    )
    connector = bound({"shop": _section("sql", url)}, _means(folder))["shop"].open()

    async def performed() -> Told:
        try:
            return await connector.perform(call)
        finally:
            await connector.close()

    return asyncio.run(performed())


@pytest.mark.parametrize(
    ("kind", "url"),
    [
        ("sql", ""),
        ("sql", "sqlite:///cell.db"),
        ("http", ""),
        ("http", "ftp://elsewhere"),
        ("http", "sqlite:///x.db"),
    ],
)
def test_a_connector_that_is_incomplete_or_the_cells_own_is_refused_at_start(
    tmp_path: Path, kind: str, url: str
) -> None:
    with pytest.raises(ConnectorRefused, match="'shop'"):
        bound({"shop": _section(kind, url)}, _means(tmp_path))


def test_a_relative_file_lies_in_the_cells_folder(tmp_path: Path) -> None:
    statement = "CREATE TABLE made (n INTEGER)"
    assert _told(tmp_path, "sqlite:///shop.db", statement, Effect.IRREVERSIBLE).ok
    assert (tmp_path / "shop.db").exists()


@pytest.mark.parametrize("effect", [Effect.READ, Effect.TRANSACTIONAL])
def test_a_database_with_a_journal_is_not_touched_whatever_its_name(
    tmp_path: Path, effect: Effect
) -> None:
    url = f"sqlite:///{tmp_path}/other.db"
    with Database.open(url) as other:
        migrate_now(other, [JOURNAL])
    told = _told(tmp_path, url, "SELECT 1 AS n", effect)
    assert not told.ok
    assert "a database of the cell itself" in str(told.error)


def test_the_table_of_markers_is_made_once(tmp_path: Path) -> None:
    for _ in range(2):
        assert _told(tmp_path, "sqlite:///shop.db", "SELECT 1 AS n", Effect.TRANSACTIONAL) == Told(
            ok=True, value=[{"n": 1}]
        )


@pytest.mark.parametrize(
    "statement",
    [
        "COMMIT",
        " -- so\n rollback",
        "ATTACH DATABASE 'cell.db' AS cell",
        "PRAGMA query_only = 0",
        "VACUUM INTO 'copy.db'",
        "/* so */ COMMIT",
        "; COMMIT",
        "SELECT 1; COMMIT",
        "",
    ],
)
def test_a_statement_neither_ends_its_transaction_nor_reaches_other_files(
    tmp_path: Path, statement: str
) -> None:
    told = _told(tmp_path, "sqlite:///shop.db", statement or " ", Effect.TRANSACTIONAL)
    assert (told.ok, told.code) == (False, "action_failed")
    assert not (tmp_path / "copy.db").exists()
