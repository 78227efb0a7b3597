"""Envelopes, against securesystemslib in both directions, and the rules of counting signatures."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from securesystemslib.dsse import Envelope as TheirEnvelope
from securesystemslib.signer import CryptoSigner, SSlibKey  # type: ignore[attr-defined] # it re-exports them without saying so

from seatrial.kit.crypto import dsse
from seatrial.kit.crypto.dsse import (
    MOST_SIGNATURES,
    Envelope,
    EnvelopeMalformed,
    EnvelopeOfOtherType,
    EnvelopeUntrusted,
    Verified,
    encoded_for_signing,
    sign,
)
from seatrial.kit.crypto.signing import SigningKey, VerifyKey
from seatrial.kit.crypto.values import JsonTooLarge
from seatrial.kit.errors import SeatrialError

_ONE, _TWO, _STRANGER = (SigningKey(bytes([n]) * 32) for n in (1, 2, 3))
_TRUSTED = [_ONE.verify_key, _TWO.verify_key]
_TYPE = "application/vnd.example+json"


def _verify(data: bytes, threshold: int = 1, payload_type: str = _TYPE) -> Verified:
    return dsse.verify(data, payload_type=payload_type, trusted=_TRUSTED, threshold=threshold)


def _document(*keys: SigningKey, payload: bytes = b"payload") -> dict[str, Any]:
    document: dict[str, Any] = json.loads(sign(_TYPE, payload, *keys).encoded())
    return document


def _encoded(document: object) -> bytes:
    return json.dumps(document).encode()


def test_what_is_signed_is_encoded_as_the_specification_prints_it() -> None:
    encoded = encoded_for_signing("http://example.com/HelloWorld", b"hello world")
    assert encoded == b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    assert encoded_for_signing("ä", b"") == "DSSEv1 2 ä 0 ".encode()


@given(
    st.text(st.characters(codec="utf-8")),
    st.binary(),
    st.sampled_from([[_ONE], [_TWO], [_ONE, _TWO]]),
)
def test_an_envelope_verifies_for_its_signers(
    kind: str, payload: bytes, keys: list[SigningKey]
) -> None:
    data = sign(kind, payload, *keys).encoded()
    assert _verify(data, len(keys), kind) == Verified(
        payload=payload, signers=frozenset(key.verify_key for key in keys)
    )
    assert Envelope.parse(data).encoded() == data


def test_signatures_by_strangers_are_ignored_and_do_not_count() -> None:
    data = sign(_TYPE, b"payload", _STRANGER, _ONE).encoded()
    assert _verify(data).signers == {_ONE.verify_key}
    with pytest.raises(EnvelopeUntrusted, match="1 of the 2"):
        _verify(data, threshold=2)
    with pytest.raises(EnvelopeUntrusted, match="0 of the 1"):
        _verify(sign(_TYPE, b"payload", _STRANGER).encoded())


def test_a_key_counts_once_however_often_it_signed_or_is_trusted() -> None:
    document = _document(_ONE)
    document["signatures"] *= 3
    document["signatures"] += [{"sig": document["signatures"][0]["sig"]}]
    for trusted in (_TRUSTED, [_ONE.verify_key, VerifyKey.parse(_ONE.id)]):
        with pytest.raises(EnvelopeUntrusted, match="1 of the 2"):
            dsse.verify(_encoded(document), payload_type=_TYPE, trusted=trusted, threshold=2)


def test_signing_again_with_the_same_key_leaves_one_signature() -> None:
    envelope = sign(_TYPE, b"payload", _ONE, _TWO)
    assert envelope.signed_also_by(_ONE).signers(_TRUSTED) == set(_TRUSTED)
    assert len(envelope.signed_also_by(_ONE).signatures) == 2


def test_a_signature_without_a_name_is_tried_with_every_trusted_key() -> None:
    document = _document(_ONE, _TWO)
    del document["signatures"][0]["keyid"]
    document["signatures"][1]["keyid"] = ""
    assert _verify(_encoded(document), threshold=2).signers == set(_TRUSTED)


def test_a_signature_under_another_name_counts_for_nobody() -> None:
    document = _document(_ONE, _TWO)
    first, second = document["signatures"]
    first["keyid"], second["keyid"] = second["keyid"], first["keyid"]
    with pytest.raises(EnvelopeUntrusted, match="0 of the 1"):
        _verify(_encoded(document))


def test_a_signature_by_another_scheme_beside_ours_does_no_harm() -> None:
    document = _document(_ONE)
    document["signatures"].insert(0, {"keyid": "theirs", "sig": "AAAA"})
    document["signatures"].insert(0, {"sig": ""})
    assert _verify(_encoded(document)).signers == {_ONE.verify_key}


def test_a_signature_over_another_payload_or_type_does_not_count() -> None:
    for other in (sign(_TYPE, b"other", _ONE), sign("text/plain", b"payload", _ONE)):
        mixed = Envelope(payload_type=_TYPE, payload=b"payload", signatures=other.signatures)
        with pytest.raises(EnvelopeUntrusted):
            _verify(mixed.encoded())


def test_what_was_signed_for_another_use_is_refused() -> None:
    with pytest.raises(EnvelopeOfOtherType, match="text/plain"):
        _verify(sign("text/plain", b"payload", _ONE).encoded())


def test_trust_in_nobody_verifies_nothing() -> None:
    data = sign(_TYPE, b"payload", _ONE).encoded()
    with pytest.raises(EnvelopeUntrusted):
        dsse.verify(data, payload_type=_TYPE, trusted=[])
    for threshold in (0, -1):
        with pytest.raises(ValueError, match="nobody signed"):
            _verify(data, threshold)
    with pytest.raises(ValueError, match="at least one key"):
        sign(_TYPE, b"payload")


@pytest.mark.parametrize("change", [str.strip, lambda text: text.replace("=", "")])
def test_base_64_without_its_padding_is_refused(change: Any) -> None:
    document = _document(_ONE, payload=b"1234")
    document["payload"] = change(document["payload"])
    if "=" in document["payload"]:
        assert _verify(_encoded(document)).payload == b"1234"
    else:
        with pytest.raises(EnvelopeMalformed, match="base 64"):
            _verify(_encoded(document))


def test_both_alphabets_of_base_64_are_read_and_a_mixture_is_not() -> None:
    payload = b"\xfb\xef\xff" * 2
    document = _document(_ONE, payload=payload)
    assert "+" in document["payload"]
    safe = document["payload"].replace("+", "-").replace("/", "_")
    for member, value in (("payload", safe), ("payload", document["payload"])):
        assert _verify(_encoded({**document, member: value})).payload == payload
    with pytest.raises(EnvelopeMalformed):
        _verify(_encoded({**document, "payload": safe.replace("-", "+", 1)}))


@pytest.mark.parametrize("text", ["YQ=", "YQ", "YR==", "Y Q==", "YQ==\n", "YQ==YQ==", "Y", "é"])
def test_a_value_has_one_spelling_in_base_64(text: str) -> None:
    with pytest.raises(EnvelopeMalformed):
        _verify(_encoded({**_document(_ONE, payload=b"a"), "payload": text}))


def test_members_that_the_specification_does_not_know_are_ignored() -> None:
    document = _document(_ONE)
    document["extension"] = {"kind": [1, 2]}
    document["signatures"][0]["extension"] = None
    assert _verify(_encoded(document)).payload == b"payload"


@pytest.mark.parametrize(
    "change",
    [
        {"payload": None}, {"payload": 1}, {"payloadType": None}, {"payloadType": ["a"]},
        {"signatures": None}, {"signatures": []}, {"signatures": {}}, {"signatures": ["a"]},
        {"signatures": [{}]}, {"signatures": [{"sig": 1}]}, {"signatures": [{"sig": "*"}]},
        {"signatures": [{"sig": "AAAA", "keyid": 1}]},
        {"signatures": [{"sig": "AAAA", "keyid": None}]},
    ],
    ids=str,
)  # fmt: skip
def test_an_envelope_with_a_wrong_member_is_refused(change: dict[str, Any]) -> None:
    document = {**_document(_ONE), **change}
    for wrong in (document, {k: v for k, v in document.items() if k not in change}):
        with pytest.raises(EnvelopeMalformed):
            _verify(_encoded(wrong))


@pytest.mark.parametrize("data", [b"", b"[]", b"null", b'"a"', b"1", b"\xff", b"[" * 2000])
def test_what_is_no_envelope_is_refused_by_name(data: bytes) -> None:
    with pytest.raises(SeatrialError):
        _verify(data)


def test_a_member_that_stands_twice_is_refused() -> None:
    data = sign(_TYPE, b"payload", _ONE).encoded()
    for member in (b'"payload":"AAAA",', b'"signatures":[],'):
        with pytest.raises(SeatrialError, match="stands twice"):
            _verify(b"{" + member + data[1:])


def test_more_signatures_than_any_envelope_needs_are_refused_unchecked() -> None:
    document = _document(_ONE)
    document["signatures"] *= MOST_SIGNATURES
    assert _verify(_encoded(document)).payload == b"payload"
    document["signatures"].append(document["signatures"][0])
    with pytest.raises(EnvelopeMalformed, match=f"1 to {MOST_SIGNATURES}"):
        _verify(_encoded(document))


def test_more_bytes_than_allowed_are_refused_unread() -> None:
    data = sign(_TYPE, b"payload", _ONE).encoded()
    with pytest.raises(JsonTooLarge):
        dsse.verify(data, payload_type=_TYPE, trusted=_TRUSTED, threshold=1, largest=len(data) - 1)


def _outcome(data: bytes) -> Verified | None:
    try:
        return _verify(data)
    except SeatrialError:
        return None


def test_of_all_bytes_of_an_envelope_only_the_word_keyid_can_be_changed() -> None:
    # Without that member the signature is tried with every trusted key: the meaning is the same.
    data = sign(_TYPE, b"any payload", _ONE).encoded()
    word = data.index(b'"keyid"') + 1
    changeable = set()
    for at in range(len(data)):
        for byte in range(256):
            changed = data[:at] + bytes([byte]) + data[at + 1 :]
            outcome = None if changed == data else _outcome(changed)
            if outcome is not None:
                changeable.add(at)
                assert outcome == Verified(
                    payload=b"any payload", signers=frozenset({_ONE.verify_key})
                )
    assert changeable == set(range(word, word + 5))


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_a_changed_envelope_of_many_never_means_more(data: st.DataObject) -> None:
    encoded = sign(_TYPE, b"any payload", _STRANGER, _ONE, _TWO).encoded()
    changed = bytearray(encoded)
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(changed) - 1))
        changed[at : at + data.draw(st.integers(0, 2))] = data.draw(st.binary(max_size=2))
    outcome = _outcome(bytes(changed))
    if outcome is not None:
        assert outcome.payload == b"any payload"
        assert outcome.signers <= set(_TRUSTED)


def _their_key(key: VerifyKey) -> SSlibKey:
    return SSlibKey(key.id, "ed25519", "ed25519", {"public": key.raw.hex()})


@settings(max_examples=30, deadline=None)
@given(st.text(st.characters(codec="utf-8"), min_size=1), st.binary())
def test_another_implementation_verifies_our_envelopes(kind: str, payload: bytes) -> None:
    theirs = TheirEnvelope.from_dict(json.loads(sign(kind, payload, _ONE, _TWO).encoded()))
    accepted = theirs.verify([_their_key(key) for key in _TRUSTED], 2)
    assert set(accepted) == {_ONE.id, _TWO.id}
    assert (theirs.payload, theirs.payload_type) == (payload, kind)


@settings(max_examples=30, deadline=None)
@given(st.text(st.characters(codec="utf-8"), min_size=1), st.binary())
def test_we_verify_envelopes_of_another_implementation(kind: str, payload: bytes) -> None:
    theirs = TheirEnvelope(payload, kind, {})
    for key in (_ONE, _TWO):
        theirs.sign(CryptoSigner(key._key, _their_key(key.verify_key)))
    verified = _verify(_encoded(theirs.to_dict()), 2, kind)
    assert verified == Verified(payload=payload, signers=frozenset(_TRUSTED))
