"""Evidence: what cells hand in, what is at hand for a switch, and what gates say of it."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from seatrial.contract.evidence.keyring import Keyring
from seatrial.contract.evidence.statements import RunFacts, Verb
from seatrial.contract.gates.decide import GateResult, Standing, Switch, Verdict, decide
from seatrial.contract.gates.facts import Facts, gathered
from seatrial.contract.releases.closure import Closure
from seatrial.contract.switch.api import GateRow, GenerationState
from seatrial.control.promotions.domain.refusals import CellNotYours
from seatrial.control.promotions.service.means import Means
from seatrial.control.promotions.store import evidence, generations
from seatrial.control.promotions.store.evidence import Kind, Piece
from seatrial.kit.crypto import dsse
from seatrial.kit.crypto.digests import Digest
from seatrial.kit.crypto.signing import VerifyKey
from seatrial.kit.database.connection import Connection

MOST_EVIDENCE: Final = 2_000
"""As many envelopes as a cell takes with one generation."""


_RETURN: Final = GateResult(
    gate="rollback", standing=Standing.MET, reason="these releases were in force here before"
)


@dataclass(frozen=True, kw_only=True)
class Judged:
    """What gates say of a switch, and on what.

    Attributes:
        until: as long the verdict holds with nothing but this evidence, at most `means.patience`.
    """

    verdict: Verdict
    pieces: tuple[Piece, ...]
    until: datetime

    @property
    def rows(self) -> tuple[GateRow, ...]:
        """The verdict as the API tells it."""
        return tuple(
            GateRow(
                gate=each.gate,
                standing=each.standing.value,
                reason=each.reason,
                agent=each.agent,
                remedy=each.remedy,
            )
            for each in self.verdict.gates
        )


def statement_of(envelope: str) -> Digest:
    """The digest of what an envelope holds: the same however it is signed or spelt."""
    return Digest.of(dsse.Envelope.parse(envelope.encode()).payload)


def judge(
    connection: Connection, means: Means, switch: Switch, extra: Iterable[Piece] = ()
) -> Judged:
    """What the gates in force say of `switch`, on all evidence at hand and `extra`.

    The way back asks no gate, so that evidence that has lapsed never blocks it: it is open to
    releases that were in force here before, under the rules of now (see `planning.admit`).
    """
    keyring, _ = means.keyring(connection)
    before, after = switch.before, switch.after
    pieces = _at_hand(connection, means, before, after, extra)
    limits = {
        active.release: means.catalog.release(connection, active.release).limits
        for active in after.changed_from(before).values()
    }
    facts = gathered((piece.envelope.encode() for piece in pieces), keyring, limits)
    useful = tuple(piece for piece in pieces if piece.digest not in facts.unusable)
    latest = switch.at + timedelta(seconds=means.patience)
    if switch.verb is Verb.ROLLBACK and after.rules == before.rules:
        return Judged(verdict=Verdict(gates=(_RETURN,)), pieces=useful, until=latest)
    return Judged(
        verdict=decide(switch, facts),
        pieces=useful,
        until=_holds_until(switch, facts, useful, latest),
    )


def _holds_until(
    switch: Switch, facts: Facts, pieces: Iterable[Piece], latest: datetime
) -> datetime:
    """How long the gates stay met: a cell that catches up judges by the time of the commit."""
    lapses = {piece.until for piece in pieces if piece.until and switch.at < piece.until < latest}
    for end in sorted({latest, *lapses}, reverse=True):
        if decide(replace(switch, at=end), facts).met:
            return end
    return switch.at


def switch_of(verb: Verb, current: int, before: Closure, after: Closure, at: datetime) -> Switch:
    """What gates are asked, where `before` is in force as generation `current`."""
    return Switch(
        verb=verb, previous=current, base=before.digest, before=before, after=after, at=at
    )


def take_facts(connection: Connection, means: Means, envelope: str, cell: str) -> bool:
    """Keep what `cell` counted, signed by itself; false if a newer count is here already.

    Raises:
        KeyringMissing, CellNotYours, EnvelopeUntrusted: it is not that cell's word.
        Invalid or TooLarge kinds: it is no envelope of facts.
    """
    keyring, _ = means.keyring(connection)
    release, facts, signers = RunFacts.verified(envelope.encode(), cell_keys(keyring))
    refuse_other(keyring, signers, cell, facts.cell, facts.environment)
    newest = evidence.newest_sequence(connection, release, cell)
    if newest is not None and facts.sequence <= newest:
        return False
    piece = Piece(
        kind=Kind.FACTS,
        subject=release,
        envelope=envelope,
        statement=statement_of(envelope),
        cell=cell,
        sequence=facts.sequence,
    )
    evidence.keep(connection, [piece])
    evidence.prune_facts(connection, release, cell, facts.sequence)
    return True


def cell_keys(keyring: Keyring) -> tuple[VerifyKey, ...]:
    """The keys of all cells."""
    return tuple(key for cell in keyring.cells for key in keyring.keys_of_cell(cell.name))


def refuse_other(
    keyring: Keyring,
    signers: Iterable[VerifyKey],
    caller: str,
    cell: str,
    environment: str,
) -> None:
    """Raise `CellNotYours` unless `caller` is `cell`, which runs `environment` and signed."""
    entries = [keyring.cell_of(key) for key in signers]
    mine = any(
        entry is not None and (entry.name, entry.environment) == (cell, environment)
        for entry in entries
    )
    if caller != cell or not mine:
        raise CellNotYours(caller=caller, cell=cell)


def _at_hand(
    connection: Connection,
    means: Means,
    before: Closure,
    after: Closure,
    extra: Iterable[Piece],
) -> tuple[Piece, ...]:
    """Orders for `after` and what is known of its releases, those that change first.

    A cell that is new or lags judges more releases than change here, so all of them are told of,
    as far as there is room.
    """
    changed = after.changed_from(before)
    releases = list(
        dict.fromkeys(
            [active.release for active in changed.values()]
            + [active.release for active in after.agents.values()]
        )
    )
    facts = evidence.facts(connection, releases)
    pieces = {piece.digest: piece for piece in (*extra, *_orders(connection, after))}
    for release in releases:
        for envelope in means.catalog.provenance(connection, release):
            piece = _piece(Kind.PROVENANCE, release, envelope)
            pieces[piece.digest] = piece
        for piece in facts.get(release, ()):
            pieces[piece.digest] = piece
    return tuple(pieces.values())[:MOST_EVIDENCE]


def _orders(connection: Connection, after: Closure) -> list[Piece]:
    """Orders for a closure that were not carried out yet."""
    return [
        piece
        for piece, generation in evidence.orders(connection, after.digest)
        if not is_spent(connection, after.environment, generation)
    ]


def is_spent(connection: Connection, environment: str, generation: int | None) -> bool:
    """Whether an order that was carried out as `generation` has had its effect, or may yet."""
    if generation is None:
        return False
    row = generations.one(connection, environment, generation)
    return row is not None and row.state is not GenerationState.ABANDONED


def _piece(kind: Kind, subject: Digest, envelope: str) -> Piece:
    return Piece(kind=kind, subject=subject, envelope=envelope, statement=statement_of(envelope))
