"""Evidence as facts: envelopes verified under a keyring; what does not verify counts for nil."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from seatrial.contract.evidence.keyring import Keyring, Person
from seatrial.contract.evidence.statements import Order, Provenance, RunFacts
from seatrial.contract.releases.components import Limits
from seatrial.kit.crypto.digests import Digest
from seatrial.kit.crypto.signing import VerifyKey
from seatrial.kit.crypto.statements import verify_statement
from seatrial.kit.errors import SeatrialError


@dataclass(frozen=True, kw_only=True)
class SignedOrder:
    """An order for a closure, and who signed it."""

    closure: Digest
    order: Order
    people: tuple[Person, ...]


@dataclass(frozen=True, kw_only=True)
class Origin:
    """Where a release comes from, and who says so."""

    release: Digest
    provenance: Provenance
    authors: tuple[Person, ...]


@dataclass(frozen=True, kw_only=True)
class Counted:
    """What a cell counted of a release."""

    release: Digest
    facts: RunFacts


@dataclass(frozen=True, kw_only=True)
class Facts:
    """All that gates may look at.

    Attributes:
        orders: signed by people of the keyring.
        origins: likewise.
        counts: signed by the very cell that they name, running the environment that they name.
        limits: of each release in question, from its manifest.
        unusable: digest of each envelope that counts for nothing, with the reason.
    """

    orders: tuple[SignedOrder, ...] = ()
    origins: tuple[Origin, ...] = ()
    counts: tuple[Counted, ...] = ()
    limits: Mapping[Digest, Limits]
    unusable: Mapping[Digest, str]

    def counted(self, release: Digest, environment: str) -> tuple[RunFacts, ...]:
        """The newest count of each cell of `environment`."""
        newest: dict[str, RunFacts] = {}
        for each in self.counts:
            known = newest.get(each.facts.cell)
            if each.release != release or each.facts.environment != environment:
                continue
            if known is None or each.facts.sequence > known.sequence:
                newest[each.facts.cell] = each.facts
        return tuple(newest[cell] for cell in sorted(newest))

    def authors(self, release: Digest) -> frozenset[Person]:
        """Those who signed where the release comes from."""
        return frozenset(
            person
            for origin in self.origins
            if origin.release == release
            for person in origin.authors
        )


def gathered(
    envelopes: Iterable[bytes], keyring: Keyring, limits: Mapping[Digest, Limits]
) -> Facts:
    """What `envelopes` prove under `keyring`. Never raises for what an envelope holds."""
    orders: list[SignedOrder] = []
    origins: list[Origin] = []
    counts: list[Counted] = []
    unusable: dict[Digest, str] = {}
    trusted = (
        *keyring.people_keys,
        *(key for cell in keyring.cells for key in keyring.keys_of_cell(cell.name)),
    )
    for envelope in envelopes:
        try:
            fact = _fact(envelope, keyring, trusted)
        except SeatrialError as error:
            unusable[Digest.of(envelope)] = f"{error.code}: {error.message}"
            continue
        match fact:
            case SignedOrder():
                orders.append(fact)
            case Origin():
                origins.append(fact)
            case Counted():
                counts.append(fact)
            case str():
                unusable[Digest.of(envelope)] = fact
    return Facts(
        orders=tuple(orders),
        origins=tuple(origins),
        counts=tuple(counts),
        limits=limits,
        unusable=unusable,
    )


def _fact(
    envelope: bytes, keyring: Keyring, trusted: tuple[VerifyKey, ...]
) -> SignedOrder | Origin | Counted | str:
    """The fact in an envelope, or why there is none."""
    signed = verify_statement(envelope, trusted=trusted)
    kind = signed.statement.predicate_type
    people = tuple(
        person for key in signed.signers if (person := keyring.person_of(key)) is not None
    )
    if kind == Order.TYPE:
        closure, order = Order.of(signed.statement)
        return SignedOrder(closure=closure, order=order, people=people)
    if kind == Provenance.TYPE:
        release, provenance = Provenance.of(signed.statement)
        return Origin(release=release, provenance=provenance, authors=people)
    if kind != RunFacts.TYPE:
        return f"no gate reads statements of kind {kind}"
    release, facts = RunFacts.of(signed.statement)
    for key in signed.signers:
        cell = keyring.cell_of(key)
        if cell and (cell.name, cell.environment) == (facts.cell, facts.environment):
            return Counted(release=release, facts=facts)
    return f"cell {facts.cell!r} of {facts.environment!r} did not sign it"
