import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seatrial.kit.crypto import dsse
from seatrial.kit.crypto.canonical import JsonNotCanonical, canonical
from seatrial.kit.crypto.digests import Digest, DigestMalformed
from seatrial.kit.crypto.dsse import EnvelopeOfOtherType, EnvelopeUntrusted
from seatrial.kit.crypto.signing import SigningKey
from seatrial.kit.crypto.statements import (
    PAYLOAD_TYPE,
    SignedStatement,
    Statement,
    StatementMalformed,
    Subject,
    sign_statement,
    verify_statement,
)
from seatrial.kit.crypto.values import Json, JsonUnfit
from seatrial.kit.errors import SeatrialError

_ONE, _TWO = (SigningKey(bytes([n]) * 32) for n in (1, 2))
_TRUSTED = [_ONE.verify_key, _TWO.verify_key]
_TEXTS = st.text(st.characters(codec="utf-8"), max_size=10)
_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | _TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_TEXTS, inner, max_size=4),
    max_leaves=10,
)
_STATEMENTS = st.builds(
    Statement,
    subjects=st.lists(
        st.builds(Subject, name=_TEXTS, digest=st.binary().map(Digest.of)), min_size=1, max_size=3
    ).map(tuple),
    predicate_type=_TEXTS,
    predicate=st.dictionaries(_TEXTS, _VALUES, max_size=4),
)
_SOAK = Statement(
    subjects=(Subject(name="support@14", digest=Digest.of(b"closure")),),
    predicate_type="https://example.com/soak/v1",
    predicate={"runs": 120, "accuracy": 0.97},
)


@settings(deadline=None)
@given(_STATEMENTS)
def test_a_signed_statement_reads_back_with_its_signers(statement: Statement) -> None:
    data = sign_statement(statement, _ONE, _TWO)
    assert verify_statement(data, trusted=_TRUSTED, threshold=2) == SignedStatement(
        statement=statement, signers=frozenset(_TRUSTED)
    )
    assert Statement.parse(statement.payload()) == statement


def test_a_statement_has_the_members_of_in_toto_version_1() -> None:
    assert json.loads(_SOAK.payload()) == {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": "support@14", "digest": {"sha256": Digest.of(b"closure").hex}}],
        "predicateType": "https://example.com/soak/v1",
        "predicate": {"runs": 120, "accuracy": 0.97},
    }


def test_nothing_is_read_of_a_statement_that_too_few_have_signed() -> None:
    nonsense = dsse.sign(PAYLOAD_TYPE, b"nonsense", _ONE).encoded()
    with pytest.raises(EnvelopeUntrusted):
        verify_statement(nonsense, trusted=[_TWO.verify_key])
    with pytest.raises(EnvelopeUntrusted):
        verify_statement(sign_statement(_SOAK, _ONE), trusted=_TRUSTED, threshold=2)


def test_a_payload_of_another_type_is_no_statement() -> None:
    data = dsse.sign("application/json", _SOAK.payload(), _ONE).encoded()
    with pytest.raises(EnvelopeOfOtherType):
        verify_statement(data, trusted=_TRUSTED)


@pytest.mark.parametrize("indent", [None, 2])
def test_a_signed_statement_in_another_spelling_is_refused(indent: int | None) -> None:
    payload = json.dumps(json.loads(_SOAK.payload()), indent=indent).encode()
    with pytest.raises(JsonNotCanonical):
        verify_statement(dsse.sign(PAYLOAD_TYPE, payload, _ONE).encoded(), trusted=_TRUSTED)


_SUBJECT: dict[str, Json] = {"name": "a", "digest": {"sha256": "0" * 64}}


@pytest.mark.parametrize(
    "change",
    [
        {"_type": "https://in-toto.io/Statement/v0.1"},
        {"_type": None},
        {"predicateType": 1},
        {"predicate": []},
        {"predicate": None},
        {"subject": []},
        {"subject": {}},
        {"subject": [1]},
        {"subject": [{**_SUBJECT, "uri": "x"}]},
        {"subject": [{"digest": {"sha256": "0" * 64}}]},
        {"subject": [{"name": 1, "digest": {"sha256": "0" * 64}}]},
        {"subject": [{"name": "a", "digest": "0" * 64}]},
        {"subject": [{"name": "a", "digest": {}}]},
        {"subject": [{"name": "a", "digest": {"sha512": "0" * 128}}]},
        {"subject": [{"name": "a", "digest": {"sha256": "0" * 64, "sha1": "0" * 40}}]},
        {"subject": [{"name": "a", "digest": {"sha256": "A" * 64}}]},
        {"subject": [{"name": "a", "digest": {"sha256": 1}}]},
        {"notAfter": "2030-01-01"},
    ],
    ids=str,
)
def test_a_statement_with_a_wrong_or_unknown_member_is_refused(change: dict[str, Any]) -> None:
    document = {**json.loads(_SOAK.payload()), **change}
    with pytest.raises((StatementMalformed, DigestMalformed)):
        Statement.parse(canonical(document))


@pytest.mark.parametrize("member", ["_type", "subject", "predicateType", "predicate"])
def test_a_statement_without_one_of_its_members_is_refused(member: str) -> None:
    document = {k: v for k, v in json.loads(_SOAK.payload()).items() if k != member}
    with pytest.raises(StatementMalformed):
        Statement.parse(canonical(document))
    for other in (b"[]", b"1", b"null", b'"_type"'):
        with pytest.raises(StatementMalformed):
            Statement.parse(other)


def test_a_statement_about_nothing_or_that_json_cannot_hold_is_not_signed() -> None:
    with pytest.raises(StatementMalformed):
        sign_statement(Statement(subjects=(), predicate_type="a", predicate={}), _ONE)
    bad = Statement(subjects=_SOAK.subjects, predicate_type="a", predicate={"n": float("nan")})
    with pytest.raises(JsonUnfit, match=r"\$\.predicate\.n"):
        sign_statement(bad, _ONE)


@settings(deadline=None)
@given(st.data())
def test_a_changed_byte_is_refused_or_means_the_same(data: st.DataObject) -> None:
    encoded = sign_statement(_SOAK, _ONE)
    at = data.draw(st.integers(0, len(encoded) - 1))
    byte = data.draw(st.integers(0, 255))
    try:
        signed = verify_statement(
            encoded[:at] + bytes([byte]) + encoded[at + 1 :], trusted=_TRUSTED
        )
    except SeatrialError:
        return
    assert signed == SignedStatement(statement=_SOAK, signers=frozenset({_ONE.verify_key}))
