"""What cells say of their progress."""

from dataclasses import replace
from datetime import datetime

from seatrial.contract.evidence.statements import CellReport, Step
from seatrial.contract.switch.api import GenerationState
from seatrial.control.promotions.domain.switching import Decision, Reported, decide
from seatrial.control.promotions.domain.wording import kept
from seatrial.control.promotions.service.gathering import cell_keys, refuse_other
from seatrial.control.promotions.service.means import Means
from seatrial.control.promotions.service.states import Deed, apply, state_of
from seatrial.control.promotions.store import cells, generations, tables
from seatrial.control.promotions.store.cells import Hearsay
from seatrial.kit.crypto.digests import Digest
from seatrial.kit.database.connection import Connection


def report(
    connection: Connection, means: Means, envelope: str, caller: str, now: datetime
) -> tuple[Decision, ...]:
    """Hear a cell; the last required cell's `prepared` commits. What was decided upon it.

    What is repeated, late, or about a generation that control does not know changes nothing.

    Args:
        connection: of the use case.
        means: see there.
        envelope: of a `CellReport`.
        caller: the cell whose token came with it.
        now: by control's clock.

    Raises:
        KeyringMissing, CellNotYours, EnvelopeUntrusted: it is not that cell's word.
        Invalid or TooLarge kinds: it is no envelope of a report.
        GenerationAltered: a row was edited past Seatrial.
    """
    keyring, _ = means.keyring(connection)
    closure, said, signers = CellReport.verified(envelope.encode(), cell_keys(keyring))
    refuse_other(keyring, signers, caller, said.cell, said.environment)
    standing = generations.hold(connection, said.environment)
    known = cells.heard(connection, said.cell, said.environment)
    heard = _heard(connection, known, closure, said)
    cells.note(connection, replace(heard, seen=now))
    reason = kept(said.reason)
    event = Reported(
        cell=said.cell,
        generation=said.generation,
        closure=closure,
        step=said.step,
        reason=reason,
        at=now,
    )
    decisions: tuple[Decision, ...] = ()
    if standing.proposed == said.generation and said.step is not Step.COMMITTED:
        state = state_of(connection, means, standing)
        decisions = decide(state, event)
        apply(connection, means, state, decisions, Deed(actor=said.cell, at=now, said=envelope))
    if heard != known and not decisions:
        tables.bump(connection)
    return decisions


def _heard(connection: Connection, known: Hearsay, closure: Digest, said: CellReport) -> Hearsay:
    """What is known of a cell after it said something; numbers only rise."""
    row = generations.one(connection, said.environment, said.generation)
    if row is None or row.closure != str(closure):
        return known
    match said.step:
        case Step.COMMITTED:
            if row.state is not GenerationState.COMMITTED:
                return known
            return replace(known, current=max(known.current, said.generation))
        case Step.PREPARED:
            return replace(known, prepared=max(known.prepared or 0, said.generation))
        case Step.REFUSED:
            newer = said.generation >= (known.refused or 0)
            return (
                replace(known, refused=said.generation, reason=kept(said.reason))
                if newer
                else known
            )
