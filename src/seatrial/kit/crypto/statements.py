"""Evidence: in-toto Statements (v1) about digests, in DSSE envelopes.

A statement says of its subjects, each a digest, something of a stated type (the predicate). Only
statements in canonical form are read, so one statement has one sequence of bytes and one digest.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from seatrial.kit.crypto import dsse
from seatrial.kit.crypto.canonical import canonical, parse_canonical
from seatrial.kit.crypto.digests import Digest
from seatrial.kit.crypto.signing import SigningKey, VerifyKey
from seatrial.kit.crypto.values import Json
from seatrial.kit.errors import Invalid

PAYLOAD_TYPE: Final = "application/vnd.in-toto+json"
STATEMENT_TYPE: Final = "https://in-toto.io/Statement/v1"

_MEMBERS: Final = {"_type", "predicate", "predicateType", "subject"}


class StatementMalformed(Invalid):
    """This is no statement of evidence: {reason}."""

    code = "statement_malformed"
    cause = "It was made by another program or a later version, or is another kind of document."
    remedy = (
        "Make the evidence with a program of the same version, or update the one that reads it."
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Subject:
    """What a statement is about: a digest, and a name for people."""

    name: str
    digest: Digest


@dataclass(frozen=True, kw_only=True, slots=True)
class Statement:
    """Something said of digests.

    Attributes:
        subjects: what it is about, at least one.
        predicate_type: a URI that says how to read the predicate.
        predicate: what is said, a JSON object.
    """

    subjects: tuple[Subject, ...]
    predicate_type: str
    predicate: dict[str, Json]

    def payload(self) -> bytes:
        """The statement as canonical JSON, the bytes that are signed.

        Raises:
            JsonUnfit, JsonTooDeep: the predicate is no JSON value.
            StatementMalformed: it has no subject.
        """
        if not self.subjects:
            raise StatementMalformed(reason="it has no subject")
        return canonical(
            {
                "_type": STATEMENT_TYPE,
                "predicate": self.predicate,
                "predicateType": self.predicate_type,
                "subject": [
                    {"digest": {"sha256": subject.digest.hex}, "name": subject.name}
                    for subject in self.subjects
                ],
            }
        )

    @classmethod
    def parse(cls, payload: bytes) -> "Statement":
        """The statement whose `payload` this is.

        A member that this version does not know is refused, not ignored: it may limit what the
        statement says.

        Raises:
            StatementMalformed: a member is missing, unknown or of the wrong kind.
            JsonNotCanonical, JsonTooDeep, JsonTooLarge: not in canonical form.
            DigestMalformed: a subject's digest is not a SHA-256.
        """
        document = parse_canonical(payload, dsse.LARGEST_ENVELOPE)
        if not isinstance(document, dict) or document.keys() != _MEMBERS:
            raise StatementMalformed(reason=f"it does not have the members {sorted(_MEMBERS)}")
        subjects, predicate = document["subject"], document["predicate"]
        if document["_type"] != STATEMENT_TYPE:
            raise StatementMalformed(reason="it is not of version 1")
        if not isinstance(document["predicateType"], str) or not isinstance(predicate, dict):
            raise StatementMalformed(reason="its predicate is no object, or has no type")
        if not isinstance(subjects, list) or not subjects:
            raise StatementMalformed(reason="it has no subject")
        return cls(
            subjects=tuple(_subject(subject) for subject in subjects),
            predicate_type=document["predicateType"],
            predicate=predicate,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class SignedStatement:
    """A statement that enough trusted keys have signed, and which of them have."""

    statement: Statement
    signers: frozenset[VerifyKey]


def sign_statement(statement: Statement, *keys: SigningKey) -> bytes:
    """The statement in an envelope signed by each of `keys`, as JSON."""
    return dsse.sign(PAYLOAD_TYPE, statement.payload(), *keys).encoded()


def verify_statement(
    data: bytes, *, trusted: Collection[VerifyKey], threshold: int = 1
) -> SignedStatement:
    """The statement in the envelope `data`, if `threshold` different keys of `trusted` signed it.

    Raises:
        EnvelopeUntrusted, EnvelopeOfOtherType: as `dsse.verify`.
        Invalid or TooLarge kinds: no envelope, or no statement in it.
    """
    verified = dsse.verify(data, payload_type=PAYLOAD_TYPE, trusted=trusted, threshold=threshold)
    return SignedStatement(statement=Statement.parse(verified.payload), signers=verified.signers)


def _subject(document: Json) -> Subject:
    if not isinstance(document, dict) or document.keys() != {"digest", "name"}:
        raise StatementMalformed(reason="a subject does not have the members digest and name")
    digest, name = document["digest"], document["name"]
    if not isinstance(digest, dict) or digest.keys() != {"sha256"} or not isinstance(name, str):
        raise StatementMalformed(reason="a subject is not named by text and one SHA-256")
    return Subject(name=name, digest=Digest.parse(f"sha256:{digest['sha256']}"))
