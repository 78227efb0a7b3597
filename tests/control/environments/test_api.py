"""Enrolment and the keyring over HTTP."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from seatrial.contract.evidence.keyring import open_keyring, sign_keyring
from seatrial.contract.switch.answers import Enrolments, EnrolmentToken, Keys, SignedKeyring
from seatrial.contract.switch.api import EnrolAnswer, Permission
from seatrial.kit.crypto.sealing import OpeningKey
from seatrial.kit.crypto.signing import SigningKey
from seatrial.kit.database.database import Database
from tests.control.catalog.served import Served


@pytest.fixture
def served(sqlite_url: str, tmp_path: Path) -> Iterator[Served]:
    with Database.open(sqlite_url) as database:
        yield Served(database, tmp_path)


def test_a_cell_is_let_in_by_its_one_use_token_alone(served: Served) -> None:
    admin = served.token(Permission.ADMIN)
    wanted = {"cell": "staging-eu", "environment": "staging", "region": "eu"}
    invited = served.ask("POST", "/v1/enrolment-tokens", admin, wanted)
    assert invited.status == 201
    request = {
        "token": EnrolmentToken.read(invited.json).token,
        "signing": SigningKey.generate().id,
        "sealing": OpeningKey.generate().id,
        "url": "http://127.0.0.1:8800",
        "profile": "solo",
    }
    answer = served.ask("POST", "/v1/enrolments", None, request)
    assert answer.status == 201
    cell = EnrolAnswer.read(answer.json)
    assert (cell.cell, cell.region) == ("staging-eu", "eu")
    again = served.ask("POST", "/v1/enrolments", None, request)
    assert (again.status, again.json["code"]) == (401, "enrolment_token_refused")
    listed = Enrolments.read(served.ask("GET", "/v1/enrolments", admin).json).enrolments
    assert [(each.cell, each.signing, each.listed) for each in listed] == [
        ("staging-eu", request["signing"], False)
    ]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("token", "x" * 201),
        ("signing", "ed25519:x"),
        ("url", "http://x/path"),
        ("url", "javascript:x"),
        ("profile", "none"),
        ("extra", "x"),
    ],
)
def test_an_enrolment_of_another_shape_is_refused(served: Served, field: str, value: str) -> None:
    request = {
        "token": "sea_x",
        "signing": SigningKey.generate().id,
        "sealing": OpeningKey.generate().id,
        "url": "http://127.0.0.1:8800",
        "profile": "solo",
        field: value,
    }
    answer = served.ask("POST", "/v1/enrolments", None, request)
    assert (answer.status, answer.json["code"]) == (400, "request_invalid")


def test_the_keyring_comes_out_as_the_root_signed_it(served: Served) -> None:
    admin, crew = served.token(Permission.ADMIN), served.world.crew
    absent = served.ask("GET", "/v1/keyring", admin)
    assert (absent.status, absent.json["code"]) == (404, "keyring_missing")
    envelope = sign_keyring(crew.keyring(), crew.root).decode()
    assert served.ask("PUT", "/v1/keyring", admin, {"envelope": envelope}).status == 200
    for token in (served.token(Permission.READ), served.cell(listed=False)):
        found = SignedKeyring.read(served.ask("GET", "/v1/keyring", token).json)
        assert found.envelope == envelope
        open_keyring(found.envelope.encode(), roots=[crew.root.verify_key], at_least=1)
    forged = sign_keyring(crew.keyring(2), crew.stranger).decode()
    answer = served.ask("PUT", "/v1/keyring", admin, {"envelope": forged})
    assert (answer.status, answer.json["code"]) == (403, "envelope_untrusted")


def test_anybody_may_see_which_keys_to_compare(served: Served) -> None:
    keys = Keys.read(served.ask("GET", "/v1/keys").json)
    crew = served.world.crew
    assert (keys.control, keys.roots) == ((crew.control.id,), (crew.root.id,))
    assert served.ask("GET", "/v1/keyring").status == 401
    assert served.ask("GET", "/v1/enrolments", served.cell()).status == 401
