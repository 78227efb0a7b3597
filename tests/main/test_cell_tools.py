"""Connectors as a cell's settings bind them."""

import asyncio
import os
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import psycopg
import pytest
from psycopg import sql
from pydantic import SecretStr
from sqlalchemy import make_url

from seatrial.cell.journal.store.tables import HISTORY as JOURNAL
from seatrial.cell.tools.domain.refusals import ConnectorRefused
from seatrial.cell.tools.domain.values import Performing, Told
from seatrial.cell.tools.service.ports import Connector
from seatrial.contract.releases.actions import Effect, SqlCall, Tool
from seatrial.kit.clock import SystemClock
from seatrial.kit.crypto.digests import Digest
from seatrial.kit.database.database import Database
from seatrial.kit.database.migrations import migrate_now
from seatrial.main.cell_tools import Means, bound
from seatrial.main.settings import ConnectorSection
from tests.servers import postgres


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
    connector = bound({"shop": _section("sql", url)}, _means(folder))["shop"].open()

    async def performed() -> Told:
        try:
            return await connector.perform(_call(statement, effect))
        finally:
            await connector.close()

    return asyncio.run(performed())


def _call(statement: str, effect: Effect = Effect.READ) -> Performing:
    return Performing(
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


def test_an_sqlite_file_has_no_password(tmp_path: Path) -> None:
    section = ConnectorSection(kind="sql", url=SecretStr("sqlite:///shop.db"), secret="shop")
    with pytest.raises(ConnectorRefused, match="password"):
        bound({"shop": section}, _means(tmp_path))


def test_a_roles_password_is_the_vaults_and_may_change_while_the_cell_runs(tmp_path: Path) -> None:
    server = postgres.shared()
    role, vault = f"clerk_{os.getpid()}", {"shop": "first/@:%"}

    async def secret(name: str) -> str:
        return vault[name]

    async def performed(admin: "psycopg.Connection[Any]", connector: Connector) -> None:
        who = _call("SELECT current_user AS who")
        named = sql.Identifier(role)
        admin.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(named, vault["shop"]))
        assert (await connector.perform(who)).value == [{"who": role}]
        vault["shop"] = "second"
        admin.execute(sql.SQL("ALTER ROLE {} PASSWORD {}").format(named, vault["shop"]))
        admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = %s", [role]
        )
        refused = await connector.perform(who)
        assert (refused.ok, refused.code) == (False, "action_unreachable")
        assert "first" not in str(refused.error)
        assert (await connector.perform(who)).value == [{"who": role}]
        await connector.close()
        admin.execute(sql.SQL("DROP ROLE {}").format(named))

    with server.database() as name:
        url = make_url(server.tcp_url(name)).set(username=role, password=None)
        section = ConnectorSection(kind="sql", url=SecretStr(str(url)), secret="shop")
        means = replace(_means(tmp_path), secrets=secret)
        connector = bound({"shop": section}, means)["shop"].open()
        with psycopg.connect(server.admin_url(), autocommit=True) as admin:
            asyncio.run(performed(admin, connector))
