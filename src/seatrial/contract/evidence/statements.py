"""What is said of digests: each predicate with its type, its signer and its reader."""

import enum
from collections.abc import Collection
from datetime import datetime
from typing import Annotated, ClassVar, Final, Self

from pydantic import AwareDatetime, Field

from seatrial.contract.documents import DigestField, Document, KeyName, Slug, Text
from seatrial.kit.crypto.digests import Digest
from seatrial.kit.crypto.signing import SigningKey, VerifyKey
from seatrial.kit.crypto.statements import (
    SignedStatement,
    Statement,
    StatementMalformed,
    Subject,
    sign_statement,
    verify_statement,
)

_BASE: Final = "https://seatrial.dev/evidence/"
Generation = Annotated[int, Field(ge=0, lt=2**53)]
Nonce = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{16,64}$")]


class Predicate(Document):
    """What a statement says. Each kind has a type of its own, so none can pass for another."""

    TYPE: ClassVar[str]

    def signed(self, about: Digest, name: str, *keys: SigningKey) -> bytes:
        """The statement of this about `about`, in an envelope signed by `keys`.

        Args:
            about: the subject.
            name: of the subject, for people.
            keys: of the signers.
        """
        statement = Statement(
            subjects=(Subject(name=name, digest=about),),
            predicate_type=self.TYPE,
            predicate=self.document(),
        )
        return sign_statement(statement, *keys)

    @classmethod
    def of(cls, statement: Statement) -> tuple[Digest, Self]:
        """The subject and the predicate of a statement that must be of this kind.

        Raises:
            StatementMalformed: it is of another kind, or about several things.
            DocumentInvalid: its predicate is not well formed.
        """
        if statement.predicate_type != cls.TYPE or len(statement.subjects) != 1:
            raise StatementMalformed(reason=f"it does not say one thing of kind {cls.TYPE}")
        return statement.subjects[0].digest, cls.read(statement.predicate)

    @classmethod
    def verified(
        cls, data: bytes, trusted: Collection[VerifyKey]
    ) -> tuple[Digest, Self, frozenset[VerifyKey]]:
        """Subject, predicate and signers of an envelope signed by one or more of `trusted`.

        Raises:
            EnvelopeUntrusted: none of them signed it.
            Invalid or TooLarge kinds: it is malformed, or of another kind.
        """
        signed: SignedStatement = verify_statement(data, trusted=trusted)
        subject, predicate = cls.of(signed.statement)
        return subject, predicate, signed.signers


class Provenance(Predicate):
    """Said by its author of a release: where it comes from.

    Attributes:
        agent: whose release.
        commit: of the source; empty where it is under no version control.
        dirty: the source differed from the commit.
        at: when it was made.
    """

    TYPE: ClassVar[str] = f"{_BASE}provenance/v1"

    agent: Slug
    commit: Annotated[str, Field(pattern=r"^([0-9a-f]{40}|[0-9a-f]{64})?$")] = ""
    dirty: bool = False
    at: AwareDatetime


class RunFacts(Predicate):
    """Said by a cell of a release: what became of its runs there. Counts, never payloads.

    Attributes:
        cell: the cell's name.
        environment: its environment.
        sequence: rises with each statement of this cell about this release.
        first: when the first counted run was accepted; None while there is none.
        until: when it was counted.
        succeeded: runs by their end; test, local and evaluation runs are not counted.
        failed: likewise.
        cancelled: likewise.
        good: runs whose outcome is `resolved`.
        judged: runs that have an outcome.
    """

    TYPE: ClassVar[str] = f"{_BASE}run-facts/v1"

    cell: Slug
    environment: Slug
    sequence: Annotated[int, Field(ge=0)]
    first: AwareDatetime | None = None
    until: AwareDatetime
    succeeded: Annotated[int, Field(ge=0)]
    failed: Annotated[int, Field(ge=0)]
    cancelled: Annotated[int, Field(ge=0)]
    good: Annotated[int, Field(ge=0)]
    judged: Annotated[int, Field(ge=0)]


class Verb(enum.StrEnum):
    """What a switch is for."""

    DEPLOY = "deploy"
    PROMOTE = "promote"
    ROLLBACK = "rollback"
    CONFIGURE = "configure"


class Order(Predicate):
    """Said by a person of a closure: it shall become active.

    Attributes:
        environment: where.
        verb: what for.
        previous: the generation that it follows: what was carried out once, or overtaken, is spent,
            whoever keeps the envelope and whatever comes back into force later.
        base: the closure of `previous`: an order does not outlive a change by another.
        rules: digest of the rules by which it is judged, those in force before it.
        nonce: makes each order its own.
        not_after: when it lapses, if it has not been carried out.
        reason: for the log.
    """

    TYPE: ClassVar[str] = f"{_BASE}order/v1"

    environment: Slug
    verb: Verb
    previous: Generation
    base: DigestField
    rules: DigestField
    nonce: Nonce
    not_after: AwareDatetime
    reason: Text = ""


class Proposal(Predicate):
    """Said by control of a closure: every required cell shall prepare it.

    Attributes:
        environment: where.
        generation: its place in the order of the environment's closures.
        previous: the generation that it follows.
        base: the closure of `previous`.
        verb: what for.
        required: cells without which it is not committed.
        evidence: digests of the envelopes that come with it.
        at: when it was ordered.
    """

    TYPE: ClassVar[str] = f"{_BASE}proposal/v1"

    environment: Slug
    generation: Generation
    previous: Generation
    base: DigestField
    verb: Verb
    required: tuple[Slug, ...]
    evidence: tuple[DigestField, ...] = ()
    at: AwareDatetime


class Commit(Predicate):
    """Said by control of a closure: it is active from now on. There is no way back but forward.

    Attributes:
        environment: where.
        generation: which.
        prepared: cells that had prepared it.
        excluded: required cells that were left out by name.
        at: when.
    """

    TYPE: ClassVar[str] = f"{_BASE}commit/v1"

    environment: Slug
    generation: Generation
    prepared: tuple[Slug, ...]
    excluded: tuple[Slug, ...] = ()
    at: AwareDatetime


class Possession(Predicate):
    """Said by a process of a cell of its enrolment token: it holds the keys that it asks with.

    Attributes:
        sealing: its X25519 key.
    """

    TYPE: ClassVar[str] = f"{_BASE}possession/v1"

    sealing: KeyName


class Step(enum.StrEnum):
    """How far a cell has come with a generation."""

    PREPARED = "prepared"
    REFUSED = "refused"
    COMMITTED = "committed"


class CellReport(Predicate):
    """Said by a cell of a closure: how far it has come.

    Attributes:
        cell: its name.
        environment: its environment.
        generation: which.
        step: how far.
        reason: why it refused; a code and a sentence.
        at: when.
    """

    TYPE: ClassVar[str] = f"{_BASE}cell-report/v1"

    cell: Slug
    environment: Slug
    generation: Generation
    step: Step
    reason: Text = ""
    at: AwareDatetime


def instant(at: datetime) -> datetime:
    """`at` to the second, as documents have it: one instant then has one spelling."""
    return at.replace(microsecond=0)
