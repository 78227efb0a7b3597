"""A token opens what it was made for, until it is revoked or expires."""

import asyncio
from pathlib import Path

import pytest
from sqlalchemy import select

from seatrial.contract.switch.api import Permission, TokenRequest
from seatrial.control.identity.domain import PermissionMissing, TokenRefused, TokenUnknown
from seatrial.control.identity.service import API, CONTROL, Identity
from seatrial.control.identity.store import TOKEN
from seatrial.kit.crypto.tokens import Token, TokenMistyped
from seatrial.kit.database.database import Database
from seatrial.kit.database.errors import ValueNotStorable
from tests.control.catalog.world import ADA, World, wait

READ, DEPLOY, ADMIN = Permission.READ, Permission.DEPLOY, Permission.ADMIN
DAY = 86_400.0


@pytest.fixture
def world(database: Database, tmp_path: Path) -> World:
    return World(database, tmp_path)


def made(world: World, *permissions: Permission, days: int | None = None) -> tuple[str, str]:
    """The id and the text of a new token."""
    request = TokenRequest(name="ci", permissions=permissions, days=days)
    row = wait(world.identity.make(request, ADA))
    assert row.token
    return row.id, row.token


def test_a_token_may_do_what_it_was_made_for_and_read(world: World) -> None:
    id_, text = made(world, DEPLOY)
    caller = wait(world.identity.authorize(text, DEPLOY))
    assert (caller.id, caller.name, caller.permissions) == (id_, "ci", frozenset({DEPLOY}))
    assert wait(world.identity.authorize(text, READ)) == caller


@pytest.mark.parametrize("asked", [each for each in Permission if each not in {READ, DEPLOY}])
def test_a_token_may_do_nothing_else(world: World, asked: Permission) -> None:
    _, text = made(world, DEPLOY)
    with pytest.raises(PermissionMissing, match=asked.value):
        wait(world.identity.authorize(text, asked))


def test_an_administrator_is_no_deployer(world: World) -> None:
    _, text = made(world, ADMIN)
    with pytest.raises(PermissionMissing):
        wait(world.identity.authorize(text, DEPLOY))


def test_a_token_expires_to_the_second(world: World) -> None:
    _, text = made(world, READ, days=1)
    world.clock.advance(DAY - 1)
    wait(world.identity.authorize(text, READ))
    world.clock.advance(1)
    with pytest.raises(TokenRefused, match="expired"):
        wait(world.identity.authorize(text, READ))


def test_a_revoked_token_is_no_good_at_once_in_every_process(world: World) -> None:
    id_, text = made(world, READ)
    other = Identity(world.database, world.clock, world.ids)
    wait(other.authorize(text, READ))
    wait(world.identity.revoke(id_, ADA))
    for identity in (world.identity, other):
        with pytest.raises(TokenRefused, match="revoked"):
            wait(identity.authorize(text, READ))


def test_revoking_twice_is_logged_once(world: World) -> None:
    id_, _ = made(world, READ)
    assert wait(world.identity.revoke(id_, ADA)).revoked
    assert wait(world.identity.revoke(id_, ADA)).revoked
    assert world.logged() == ["token.made", "token.revoked"]
    assert {record.subject for record in world.log()} == {id_}


@pytest.mark.parametrize("id_", ["", "tok_", "' OR 1=1", "x" * 10_000, "tok_\0"])
def test_an_id_that_was_never_given_revokes_nothing(world: World, id_: str) -> None:
    _, text = made(world, READ)
    with pytest.raises((TokenUnknown, ValueNotStorable)):
        wait(world.identity.revoke(id_, ADA))
    wait(world.identity.authorize(text, READ))


@pytest.mark.parametrize(
    "text", ["", "x", "sea_control_api_" + "0" * 36, "sea_" * 100_000, "sea_control_api_\n"]
)
def test_what_is_no_token_is_refused_before_the_database_is_asked(world: World, text: str) -> None:
    asked = world.database.figures.reads
    with pytest.raises(TokenMistyped):
        wait(world.identity.authorize(text, READ))
    assert world.database.figures.reads == asked


@pytest.mark.parametrize(
    ("environment", "kind"), [("production", "api"), ("control", "cell"), ("control", "api")]
)
def test_a_token_of_elsewhere_is_refused(world: World, environment: str, kind: str) -> None:
    with pytest.raises(TokenRefused):
        wait(world.identity.authorize(Token.mint(environment, kind).reveal(), READ))


def test_the_database_and_the_list_hold_no_token(world: World) -> None:
    _, text = made(world, READ)
    rows = world.read(lambda connection: connection.execute(select(TOKEN)).all())
    assert text not in str(rows)
    (row,) = wait(world.identity.list())
    assert row.token is None
    assert text not in str(world.log())


def test_the_first_token_is_made_once_however_many_ask(world: World) -> None:
    tokens = [Token.mint(CONTROL, API) for _ in range(12)]

    async def race() -> list[bool]:
        asking = [
            Identity(world.database, world.clock, world.ids).first_token(token) for token in tokens
        ]
        return list(await asyncio.gather(*asking))

    won = wait(race())
    assert won.count(True) == 1
    assert len(wait(world.identity.list())) == 1
    assert not wait(world.identity.first_token(Token.mint(CONTROL, API)))
    # Whoever won and died before he could tell may ask again.
    assert wait(world.identity.first_token(tokens[won.index(True)]))
    assert len(wait(world.identity.list())) == 1


def test_the_first_token_may_do_everything(world: World) -> None:
    token = Token.mint(CONTROL, API)
    assert wait(world.identity.first_token(token))
    for permission in Permission:
        wait(world.identity.authorize(token.reveal(), permission))


def test_where_there_is_a_token_there_is_no_first(world: World) -> None:
    made(world, READ)
    assert not wait(world.identity.first_token(Token.mint(CONTROL, API)))


def test_the_last_use_is_noted_once_a_minute(world: World) -> None:
    _, text = made(world, READ)

    def used() -> object:
        return world.read(lambda connection: connection.execute(select(TOKEN.c.used)).scalar())

    wait(world.identity.authorize(text, READ))
    first = used()
    assert first == world.clock.now()
    world.clock.advance(59)
    wait(world.identity.authorize(text, READ))
    assert used() == first
    world.clock.advance(1)
    wait(world.identity.authorize(text, READ))
    assert used() == world.clock.now()
