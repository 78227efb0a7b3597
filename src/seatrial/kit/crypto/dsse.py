"""DSSE envelopes (v1): bytes of a stated type, signed by one or more keys.

What a signature covers is the type and the bytes, each with its length (`encoded_for_signing`). So
the JSON around them carries no meaning of its own. What can be changed in an envelope without
invalidating it, and why that is harmless:

- a signature's `keyid` is a hint: changed, the signature counts for nobody; left out, it is tried
  with each trusted key. Neither makes it count for another key than its own;
- a signature can be dropped or a foreign one added: only those of trusted keys count, once each;
- members that DSSE does not know are ignored, as its specification asks;
- white space, the order of members, and the alphabet of base 64.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from seatrial.kit.crypto.base_64 import from_base64, to_base64
from seatrial.kit.crypto.canonical import canonical
from seatrial.kit.crypto.documents import strict_json
from seatrial.kit.crypto.signing import SigningKey, VerifyKey
from seatrial.kit.crypto.values import Json
from seatrial.kit.errors import Denied, Invalid

LARGEST_ENVELOPE: Final = 4 << 20  # bytes
MOST_SIGNATURES: Final = 16

_DEEPEST: Final = 8  # an envelope has 4; the rest is room for members that we ignore


class EnvelopeMalformed(Invalid):
    """This is no signed envelope: {reason}."""

    code = "envelope_malformed"
    cause = "It was cut or altered, or is another kind of document."
    remedy = "Fetch it again, whole, from where it was signed."


class EnvelopeUntrusted(Denied):
    """The envelope has {counted} of the {threshold} trusted signatures that it needs here."""

    code = "envelope_untrusted"
    cause = "Its signers are not trusted here, too few signed, or it was altered after signing."
    remedy = "Have it signed by the keys of this keyring; if it ought to be, compare fingerprints."


class EnvelopeOfOtherType(Denied):
    """The envelope holds {found!r}, not {wanted!r}."""

    code = "envelope_of_other_type"
    cause = "A document that was signed for one use was handed in for another."
    remedy = "Hand in the document that is asked for."


@dataclass(frozen=True, kw_only=True, slots=True)
class Signature:
    """One signature of an envelope.

    Attributes:
        key_id: whose it claims to be, a hint that proves nothing; empty if it claims nobody.
        value: 64 bytes with our keys; foreign ones may have other lengths.
    """

    key_id: str
    value: bytes


@dataclass(frozen=True, kw_only=True, slots=True)
class Envelope:
    """A payload with its type and signatures, as received: nothing in it is verified yet."""

    payload_type: str
    payload: bytes
    signatures: tuple[Signature, ...]

    @classmethod
    def parse(cls, data: bytes, largest: int = LARGEST_ENVELOPE) -> "Envelope":
        """The envelope written as JSON.

        Raises:
            EnvelopeMalformed: a member is missing or of the wrong kind, or too many signatures.
            JsonMalformed, JsonUnfit, JsonTooDeep: no strict JSON.
            JsonTooLarge: more than `largest` bytes.
        """
        document = strict_json(data, largest=largest, deepest=_DEEPEST)
        if not isinstance(document, dict):
            raise EnvelopeMalformed(reason="it is no object")
        signatures = document.get("signatures")
        if not isinstance(signatures, list) or not 1 <= len(signatures) <= MOST_SIGNATURES:
            raise EnvelopeMalformed(reason=f"it needs 1 to {MOST_SIGNATURES} signatures")
        return cls(
            payload_type=_text(document, "payloadType"),
            payload=_bytes(document, "payload"),
            signatures=tuple(_signature(signature) for signature in signatures),
        )

    def encoded(self) -> bytes:
        """The envelope as JSON, in canonical form."""
        return canonical(
            {
                "payload": to_base64(self.payload),
                "payloadType": self.payload_type,
                "signatures": [
                    {"keyid": signature.key_id, "sig": to_base64(signature.value)}
                    for signature in self.signatures
                ],
            }
        )

    def signed_also_by(self, key: SigningKey) -> "Envelope":
        """The envelope with one signature more. Sign only a payload that you have read."""
        signature = Signature(key_id=key.id, value=key.sign(self._message()))
        others = tuple(other for other in self.signatures if other.key_id != key.id)
        return Envelope(
            payload_type=self.payload_type,
            payload=self.payload,
            signatures=(*others, signature),
        )

    def signers(self, trusted: Collection[VerifyKey]) -> frozenset[VerifyKey]:
        """Those of `trusted` who have signed this type and payload.

        A signature that names a key is tried with that key alone; one that names none, with each.
        One that does not verify, or names no trusted key, counts for nothing.
        """
        message = self._message()
        return frozenset(
            key
            for key in set(trusted)
            if any(
                signature.key_id in {"", key.id} and key.verifies(signature.value, message)
                for signature in self.signatures
            )
        )

    def _message(self) -> bytes:
        return encoded_for_signing(self.payload_type, self.payload)


@dataclass(frozen=True, kw_only=True, slots=True)
class Verified:
    """A payload that enough trusted keys have signed, and which of them have."""

    payload: bytes
    signers: frozenset[VerifyKey]


def sign(payload_type: str, payload: bytes, *keys: SigningKey) -> Envelope:
    """An envelope of `payload`, signed by each of `keys`, at least one."""
    if not keys:
        raise ValueError("an envelope needs at least one key to sign it")
    envelope = Envelope(payload_type=payload_type, payload=payload, signatures=())
    for key in keys:
        envelope = envelope.signed_also_by(key)
    return envelope


def verify(
    data: bytes,
    *,
    payload_type: str,
    trusted: Collection[VerifyKey],
    threshold: int = 1,
    largest: int = LARGEST_ENVELOPE,
) -> Verified:
    """The payload of the envelope `data`, if `threshold` different keys of `trusted` signed it.

    Nothing of the payload is looked at before. Keys that stand in `trusted` twice count once.

    Args:
        data: an envelope as JSON.
        payload_type: what the caller takes the payload for.
        trusted: whose signatures count here.
        threshold: how many of them are needed, 1 or more.
        largest: bytes that the envelope may have.

    Raises:
        EnvelopeUntrusted: too few; it does not say whose is missing.
        EnvelopeOfOtherType: signed, but for another use.
        EnvelopeMalformed, JsonMalformed, JsonUnfit, JsonTooDeep, JsonTooLarge: no envelope.
    """
    if threshold < 1:
        raise ValueError(f"a threshold of {threshold} would trust what nobody signed")
    envelope = Envelope.parse(data, largest)
    signers = envelope.signers(trusted)
    if len(signers) < threshold:
        raise EnvelopeUntrusted(counted=len(signers), threshold=threshold)
    if envelope.payload_type != payload_type:
        raise EnvelopeOfOtherType(found=envelope.payload_type, wanted=payload_type)
    return Verified(payload=envelope.payload, signers=signers)


def encoded_for_signing(payload_type: str, payload: bytes) -> bytes:
    """DSSE's pre-authentication encoding: what a signature is over."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def _signature(document: Json) -> Signature:
    if not isinstance(document, dict):
        raise EnvelopeMalformed(reason="a signature is no object")
    key_id = _text(document, "keyid") if "keyid" in document else ""
    return Signature(key_id=key_id, value=_bytes(document, "sig"))


def _text(document: dict[str, Json], name: str) -> str:
    value = document.get(name)
    if not isinstance(value, str):
        raise EnvelopeMalformed(reason=f"its member {name!r} is missing or no text")
    return value


def _bytes(document: dict[str, Json], name: str) -> bytes:
    try:
        return from_base64(_text(document, name))
    except ValueError as error:
        raise EnvelopeMalformed(reason=f"its member {name!r} is no base 64: {error}") from None
