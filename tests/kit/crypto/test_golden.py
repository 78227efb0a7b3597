"""Stored formats never change by accident: what was written once is written and read the same.

A failure here means that existing logs, rows, secrets or tokens could no longer be read. A format
may only be followed by a new one with a number of its own; these vectors then stay as they are.
"""

import json
from pathlib import Path
from typing import Any, Final

from seatrial.kit.crypto.canonical import canonical
from seatrial.kit.crypto.digests import Digest
from seatrial.kit.crypto.rows import Place, RowCipher, WrappingKey
from seatrial.kit.crypto.sealing import OpeningKey
from seatrial.kit.crypto.signing import SigningKey, VerifyKey
from seatrial.kit.crypto.statements import (
    Statement,
    Subject,
    sign_statement,
    verify_statement,
)
from seatrial.kit.crypto.tokens import Token

_GOLDEN: Final[dict[str, dict[str, Any]]] = json.loads(
    Path(__file__).with_name("golden.json").read_text(encoding="utf-8")
)


def test_canonical_json_and_its_digest() -> None:
    golden = _GOLDEN["canonical"]
    value = json.loads(golden["document"])
    assert canonical(value).decode() == golden["written"]
    assert str(Digest.of_json(value)) == golden["digest"]


def test_signing_keys_and_signatures() -> None:
    golden = _GOLDEN["signing"]
    key = SigningKey(bytes.fromhex(golden["seed"]))
    assert key.id == golden["id"]
    assert key.private_pem().decode() == golden["private_pem"]
    assert key.verify_key.pem().decode() == golden["public_pem"]
    assert key.sign(golden["message"].encode()).hex() == golden["signature"]
    assert SigningKey.from_private_pem(golden["private_pem"].encode()).id == key.id
    assert VerifyKey.from_pem(golden["public_pem"].encode()) == key.verify_key


def test_statements_and_envelopes() -> None:
    golden = _GOLDEN["statement"]
    keys = [SigningKey(bytes.fromhex(seed)) for seed in golden["seeds"]]
    statement = Statement(
        subjects=(Subject(name="support@14", digest=Digest.of(b"closure")),),
        predicate_type="https://example.com/soak/v1",
        predicate={"runs": 120, "accuracy": 0.97},
    )
    assert statement.payload().decode() == golden["payload"]
    assert sign_statement(statement, *keys).decode() == golden["envelope"]
    trusted = [key.verify_key for key in keys]
    read = verify_statement(golden["envelope"].encode(), trusted=trusted, threshold=2)
    assert read.statement == statement


def test_sealed_boxes() -> None:
    golden = _GOLDEN["sealing"]
    key = OpeningKey(bytes.fromhex(golden["raw"]))
    assert key.id == golden["id"]
    assert key.private_pem().decode() == golden["private_pem"]
    opened = key.open(bytes.fromhex(golden["box"]), golden["context"])
    assert opened.decode() == golden["plaintext"]


def test_encrypted_rows() -> None:
    golden = _GOLDEN["row"]
    key = WrappingKey(bytes.fromhex(golden["raw"]))
    place, row = Place(**golden["place"]), bytes.fromhex(golden["row"])
    random = bytes.fromhex(golden["random"])
    pieces = iter((random[:32], random[32:44], random[44:]))
    cipher = RowCipher(key, random_bytes=lambda _: next(pieces))
    assert key.id == golden["id"]
    assert key.private_pem().decode() == golden["private_pem"]
    assert WrappingKey.from_private_pem(golden["private_pem"].encode()).id == key.id
    assert cipher.encrypt(golden["value"].encode(), place) == row
    assert cipher.decrypt(row, place).decode() == golden["value"]


def test_tokens() -> None:
    golden = _GOLDEN["token"]
    token = Token.mint(golden["environment"], golden["kind"], lambda _: golden["number"])
    assert token.reveal() == golden["text"]
    assert Token(golden["text"]).stored() == golden["stored"]
