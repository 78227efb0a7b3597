"""The steps of the switch that are written down: one transaction each, fenced and logged."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from seatrial.cell.switch import store
from seatrial.cell.switch.domain import (
    Examined,
    Prepared,
    Refusal,
    Refused,
    Standing,
    is_prepared,
)
from seatrial.cell.switch.service.admission import current
from seatrial.cell.switch.verification import revoked
from seatrial.contract.evidence.statements import Verb, instant
from seatrial.kit.crypto.digests import Digest
from seatrial.kit.crypto.values import Json
from seatrial.kit.database.connection import Connection
from seatrial.kit.leases.service import fence
from seatrial.kit.transparency.domain import Entry
from seatrial.kit.transparency.service import append

LEASE: Final = "switch"
"""The lease whose holder switches the cell."""


@dataclass(frozen=True, kw_only=True)
class Writer:
    """Who writes a step, and when.

    Attributes:
        cell: the cell's name.
        actor: name of the process's key, for the log.
        epoch: of `LEASE`, under which the step was decided.
        at: when.
    """

    cell: str
    actor: str
    epoch: int
    at: datetime


def standing_of(connection: Connection, cell: str) -> Standing:
    """What cell `cell` stands on; raises `NothingActive` where `begin` was never called."""
    now = current(connection)
    return Standing(
        cell=cell,
        generation=now.generation,
        closure=now.closure,
        prepared=store.prepared(connection),
        refused=store.refused(connection),
        lived=store.lived(connection),
        revoked=store.revoked(connection),
    )


def take_document(connection: Connection, text: str, writer: Writer) -> None:
    """Keep a document of control, to go on from after a restart without control."""
    fence(connection, LEASE, writer.epoch)
    store.keep_desired(connection, text, writer.at)


def take_keyring(
    connection: Connection, version: int, envelope: str, payload: Digest, writer: Writer
) -> None:
    """Take a verified keyring; there is no way back to one before it."""
    fence(connection, LEASE, writer.epoch)
    known = store.keyring(connection)
    if known is None or known[0] < version:
        store.keep_keyring(connection, version, envelope, writer.at)
        _log(connection, "keyring.taken", payload, {"version": version}, writer)


def note_prepared(connection: Connection, order: Examined, base: int, writer: Writer) -> bool:
    """Write down that `order` is ready; false if `base` is in force no longer."""
    fence(connection, LEASE, writer.epoch)
    if current(connection).generation != base:
        return False
    ready = Prepared(
        generation=order.generation,
        closure=order.closure,
        proposal=order.proposal,
        at=instant(writer.at),
    )
    store.keep_prepared(connection, ready)
    body: dict[str, Json] = {"generation": order.generation, "proposal": str(order.proposal)}
    _log(connection, "switch.prepared", order.closure.digest, body, writer)
    return True


def note_refused(connection: Connection, refusal: Refusal, writer: Writer) -> None:
    """Write down that an order is not carried out."""
    fence(connection, LEASE, writer.epoch)
    refused = Refused(
        generation=refusal.generation,
        closure=refusal.closure,
        proposal=refusal.proposal,
        reason=refusal.reason,
        at=instant(writer.at),
    )
    store.keep_refused(connection, refused)
    body: dict[str, Json] = {
        "generation": refusal.generation,
        "proposal": str(refusal.proposal),
        "reason": refusal.reason,
    }
    _log(connection, "switch.refused", refusal.closure, body, writer)


def put_in_force(connection: Connection, order: Examined, writer: Writer) -> bool:
    """Flip. Run it with `Isolation.READ_COMMITTED`; see `store.shut`.

    It needs nothing that is not in this database.

    Returns:
        False if that cannot be any more: it is not what is prepared, something later is in force,
        or a release of it was revoked meanwhile; it is then to be prepared anew.

    Raises:
        LeaseLost: another process leads.
    """
    fence(connection, LEASE, writer.epoch)
    store.shut(connection)
    standing = standing_of(connection, writer.cell)
    if standing.generation >= order.generation or not is_prepared(standing, order):
        return False
    if revoked(order, standing) is not None:
        store.forget_stances(connection, order.generation)
        return False
    moves = order.verb is Verb.ROLLBACK
    store.activate(connection, order.generation, order.closure, writer.at, moves=moves)
    store.forget_stances(connection, order.generation)
    body: dict[str, Json] = {
        "generation": order.generation,
        "verb": order.verb.value,
        "before": str(standing.closure.digest),
        "proposal": str(order.proposal),
    }
    _log(connection, "switch.flipped", order.closure.digest, body, writer)
    return True


def revoke(connection: Connection, release: Digest, reason: str, actor: str, at: datetime) -> bool:
    """Let `release` come into force here never again, and let sessions leave it; false if known.

    What is in force stays in force until control orders something else.
    """
    if not store.revoke(connection, release, reason, at):
        return False
    store.move(connection, current(connection).generation)
    entry = Entry(
        kind="release.revoked", subject=str(release), actor=actor, body={"reason": reason}, at=at
    )
    append(connection, entry)
    return True


def _log(
    connection: Connection, kind: str, subject: Digest, body: dict[str, Json], writer: Writer
) -> None:
    entry = Entry(kind=kind, subject=str(subject), actor=writer.actor, body=body, at=writer.at)
    append(connection, entry)
