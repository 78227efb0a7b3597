"""Tokens over HTTP: for administrators, and never shown again."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from seatrial.contract.switch.answers import Tokens
from seatrial.contract.switch.api import Permission, TokenRow
from seatrial.kit.database.database import Database
from tests.control.catalog.served import Served


@pytest.fixture
def served(sqlite_url: str, tmp_path: Path) -> Iterator[Served]:
    with Database.open(sqlite_url) as database:
        yield Served(database, tmp_path)


def test_a_token_lives_from_its_making_to_its_revocation(served: Served) -> None:
    admin = served.token(Permission.ADMIN)
    wanted = {"name": "ci", "permissions": ["deploy", "read", "deploy"], "days": 30}
    answer = served.ask("POST", "/v1/tokens", admin, wanted)
    assert answer.status == 201
    made = TokenRow.read(answer.json)
    assert made.token
    assert made.permissions == (Permission.READ, Permission.DEPLOY)
    listed = Tokens.read(served.ask("GET", "/v1/tokens", admin).json).tokens
    assert [(row.name, row.token) for row in listed] == [("ci", None), ("test", None)]
    assert served.ask("GET", "/v1/agents", made.token).status == 200
    gone = served.ask("DELETE", f"/v1/tokens/{made.id}", admin)
    assert TokenRow.read(gone.json).revoked
    refused = served.ask("GET", "/v1/agents", made.token)
    assert (refused.status, refused.json["code"]) == (401, "token_refused")
    assert refused.headers[b"www-authenticate"] == b"Bearer"


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/v1/tokens", {"name": "x", "permissions": ["read"]}),
        ("GET", "/v1/tokens", None),
        ("DELETE", "/v1/tokens/tok_x", None),
        ("POST", "/v1/enrolment-tokens", {"cell": "staging", "environment": "staging"}),
        ("PUT", "/v1/keyring", {"envelope": "{}"}),
    ],
)
def test_what_is_for_administrators_is_for_nobody_else(
    served: Served, method: str, path: str, body: object
) -> None:
    others = [each for each in Permission if each is not Permission.ADMIN]
    for token, status in (
        (None, 401),
        ("", 401),
        ("sea_control_api_x", 401),
        (served.cell(), 401),
        (served.token(*others), 403),
    ):
        before = served.world.logged()
        answer = served.ask(method, path, token, body)
        assert answer.status == status
        assert answer.headers[b"content-type"] == b"application/problem+json"
        assert served.world.logged() == before


@pytest.mark.parametrize(
    "wanted",
    [
        {"name": "", "permissions": ["read"]},
        {"name": "x", "permissions": []},
        {"name": "x", "permissions": ["root"]},
        {"name": "x", "permissions": ["read"], "days": 0},
        {"name": "x" * 121, "permissions": ["read"]},
    ],
)
def test_a_token_that_makes_no_sense_is_not_made(served: Served, wanted: object) -> None:
    admin = served.token(Permission.ADMIN)
    answer = served.ask("POST", "/v1/tokens", admin, wanted)
    assert (answer.status, answer.json["code"]) == (400, "request_invalid")


def test_the_scheme_of_a_token_is_bearer(served: Served) -> None:
    token = served.token(Permission.READ)
    request = served.ask("GET", "/v1/agents", token)
    assert request.status == 200
    answer = served.ask("GET", "/v1/agents", f"{token} x")
    assert answer.status == 401
