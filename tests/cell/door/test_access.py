import asyncio
import logging
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from seatrial.cell.door.domain import (
    CellPermissionMissing,
    CellTokenExpired,
    CellTokenForeign,
    CellTokenMissing,
    CellTokenNotFound,
    CellTokenUnknown,
    GrantRefused,
    TenantForeign,
)
from seatrial.cell.door.service.access import EVERYTHING, Access, presented
from seatrial.cell.door.store.tables import TOKEN
from seatrial.contract.runs.access import Caller, CellPermission
from seatrial.kit.clock import VirtualClock
from seatrial.kit.crypto.tokens import Token, TokenMistyped
from seatrial.kit.database.database import Database
from seatrial.kit.transparency.service import every_entry
from tests.cell.door.cells import access_to, bearing, in_a_loop, migrated

INVOKE, READ, ADMIN = CellPermission.INVOKE, CellPermission.READ, CellPermission.ADMIN
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


async def _made(access: Access, *permissions: CellPermission, tenant: str = "") -> str:
    _, token = await access.make(name="ann", permissions=frozenset(permissions), tenant=tenant)
    return token.reveal()


@in_a_loop
async def test_a_token_does_what_it_was_made_for_and_nothing_else(database: Database) -> None:
    access = access_to(migrated(database))
    token = await _made(access, INVOKE, tenant="acme")
    caller = await access.admit(bearing(token), INVOKE)
    assert (caller.name, caller.tenant, caller.permissions) == (
        "ann",
        "acme",
        frozenset({INVOKE}),
    )
    for other in set(CellPermission) - {INVOKE}:
        with pytest.raises(CellPermissionMissing):
            await access.admit(bearing(token), other)


@in_a_loop
async def test_a_token_may_come_in_either_header(database: Database) -> None:
    access = access_to(migrated(database))
    token = (await _made(access, READ)).encode()
    for pair in ((b"authorization", b"bearer  " + token), (b"x-api-key", token)):
        await access.admit({"type": "http", "headers": [pair]}, READ)
    with pytest.raises(CellTokenMissing):
        await access.admit({"type": "http", "headers": [(b"authorization", b"Basic x")]}, READ)


@in_a_loop
async def test_nobody_unknown_is_let_in(database: Database) -> None:
    access = access_to(migrated(database))
    with pytest.raises(CellTokenUnknown):
        await access.admit(bearing(Token.mint("staging", "api").reveal()), READ)
    with pytest.raises(CellTokenUnknown):
        await access.admit(bearing(Token.mint("staging", "enrol").reveal()), READ)
    with pytest.raises(TokenMistyped):
        await access.admit(bearing(Token.mint("staging", "api").reveal()[:-1] + "~"), READ)
    with pytest.raises(TokenMistyped):
        await access.admit(bearing("sk-something-else"), READ)


@in_a_loop
async def test_a_token_of_another_environment_is_refused_even_if_its_row_was_copied(
    database: Database,
) -> None:
    staging = access_to(migrated(database), "staging")
    token = await _made(staging, *EVERYTHING)
    # The same database serves as production's: every row of staging is in it.
    production = access_to(database, "production")
    with pytest.raises(CellTokenForeign) as caught:
        await production.admit(bearing(token), READ)
    assert caught.value.log_level == logging.ERROR
    assert caught.value.status == 403
    assert token not in str(caught.value)


@in_a_loop
async def test_a_revoked_token_is_refused_at_once_here_and_soon_elsewhere(
    database: Database,
) -> None:
    clock = VirtualClock(NOON)
    here, elsewhere = (access_to(migrated(database), clock=clock) for _ in range(2))
    token = await _made(here, READ)
    caller = await here.admit(bearing(token), READ)
    await elsewhere.admit(bearing(token), READ)
    for _ in range(2):
        await here.revoke(caller.id, _admin())
    with pytest.raises(CellTokenUnknown):
        await here.admit(bearing(token), READ)
    clock.advance(0.5)
    with pytest.raises(CellTokenUnknown):
        await elsewhere.admit(bearing(token), READ)
    records = await database.read(lambda connection: [*every_entry(connection)])
    assert [(each.kind, each.subject, each.actor) for each in records] == [
        ("token.made", caller.id, "cell"),
        ("token.revoked", caller.id, _admin().id),
    ]


@in_a_loop
async def test_a_token_made_elsewhere_is_known_soon(database: Database) -> None:
    clock = VirtualClock(NOON)
    here, elsewhere = (access_to(migrated(database), clock=clock) for _ in range(2))
    await elsewhere.admit(bearing(await _made(elsewhere, READ)), READ)
    token = await _made(here, READ)
    clock.advance(0.5)
    await elsewhere.admit(bearing(token), READ)


@in_a_loop
async def test_a_token_ends_when_it_was_said_to(database: Database) -> None:
    clock = VirtualClock(NOON)
    access = access_to(migrated(database), clock=clock)
    _, token = await access.make(
        name="x", permissions=frozenset({READ}), lifetime=timedelta(hours=1)
    )
    clock.advance(3599)
    await access.admit(bearing(token.reveal()), READ)
    clock.advance(1)
    with pytest.raises(CellTokenExpired):
        await access.admit(bearing(token.reveal()), READ)


@in_a_loop
async def test_there_is_one_first_token_whoever_asks(database: Database) -> None:
    first, second = access_to(migrated(database)), access_to(database)
    wanted = [Token.mint("staging", "api") for _ in range(2)]
    taken = await asyncio.gather(first.first_token(wanted[0]), second.first_token(wanted[1]))
    assert sorted(taken) == [False, True]
    token, other = sorted(wanted, key=lambda each: not taken[wanted.index(each)])
    caller = await first.admit(bearing(token.reveal()), ADMIN)
    assert caller.permissions == EVERYTHING
    assert await second.first_token(token)  # as after a crash
    with pytest.raises(CellTokenUnknown):
        await second.admit(bearing(other.reveal()), ADMIN)


@in_a_loop
async def test_nobody_gives_away_more_than_he_has(database: Database) -> None:
    access = access_to(migrated(database))
    by = await access.admit(bearing(await _made(access, ADMIN, READ, tenant="acme")), ADMIN)
    with pytest.raises(GrantRefused):
        await access.make(name="x", permissions=frozenset({INVOKE}), tenant="acme", by=by)
    for tenant in ("", "other"):
        with pytest.raises(TenantForeign):
            await access.make(name="x", permissions=frozenset({READ}), tenant=tenant, by=by)
    made, _ = await access.make(name="x", permissions=frozenset({READ}), tenant="acme", by=by)
    assert made.id in {each.id for each in await access.listed(by)}


@in_a_loop
async def test_a_tenants_administrator_sees_and_revokes_his_own_alone(database: Database) -> None:
    access = access_to(migrated(database))
    by = await access.admit(bearing(await _made(access, ADMIN, tenant="acme")), ADMIN)
    other = await access.admit(bearing(await _made(access, ADMIN)), ADMIN)
    assert {each.id for each in await access.listed(by)} == {by.id}
    for unseen in (other.id, "tok_nobody"):
        with pytest.raises(CellTokenNotFound):
            await access.revoke(unseen, by)
    await access.revoke(by.id, other)
    assert [each.revoked is None for each in await access.listed(other)] == [True, False]


@in_a_loop
async def test_the_text_of_a_token_is_not_in_the_database(database: Database) -> None:
    access = access_to(migrated(database))
    token = await _made(access, READ)
    kept = await database.read(lambda connection: str(connection.execute(select(TOKEN)).all()))
    assert token not in kept
    assert token.rpartition("_")[2] not in kept


def test_no_header_is_no_token() -> None:
    assert presented({"headers": []}) is None


def _admin() -> Caller:
    return Caller(id="tok_root", name="root", tenant="", permissions=EVERYTHING)
