"""Orders: signed ones, rollbacks on permission alone, exclusions, and the end of patience."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from seatrial.contract.evidence.keyring import Keyring
from seatrial.contract.evidence.statements import Order, Verb
from seatrial.contract.gates.decide import Switch
from seatrial.contract.releases.closure import Closure
from seatrial.contract.switch.api import (
    OrderAnswer,
    OrderRequest,
    Permission,
)
from seatrial.contract.switch.requests import RollbackRequest
from seatrial.control.identity.domain import Caller
from seatrial.control.promotions.domain.refusals import OrderLapsed, OrderMismatched, OrderStale
from seatrial.control.promotions.domain.switching import (
    EnvironmentState,
    Excluded,
    Ordered,
    Tick,
    decide,
)
from seatrial.control.promotions.domain.wording import kept
from seatrial.control.promotions.service import telling
from seatrial.control.promotions.service.gathering import (
    Judged,
    is_spent,
    judge,
    statement_of,
    switch_of,
)
from seatrial.control.promotions.service.means import Means
from seatrial.control.promotions.service.planning import admit, restored
from seatrial.control.promotions.service.states import Deed, Wish, apply, in_force, state_of
from seatrial.control.promotions.store import evidence, generations, tables
from seatrial.control.promotions.store.evidence import Kind, Piece
from seatrial.kit.crypto.statements import verify_statement
from seatrial.kit.database.connection import Connection
from seatrial.kit.leases.service import fence
from seatrial.kit.transparency.domain import Entry
from seatrial.kit.transparency.service import append

LEASE: Final = "promotions"
"""The lease of the process that abandons what is overdue."""
LEADER: Final = "control"
"""Who the log names for what nobody asked for."""

_PERMISSION: Final = {
    Verb.DEPLOY: Permission.DEPLOY,
    Verb.PROMOTE: Permission.PROMOTE,
    Verb.CONFIGURE: Permission.PROMOTE,
    Verb.ROLLBACK: Permission.ROLLBACK,
}


@dataclass(frozen=True, kw_only=True)
class _Signed:
    """An order that people of the keyring signed."""

    order: Order
    piece: Piece
    people: str


def order(
    connection: Connection,
    means: Means,
    request: OrderRequest,
    environment: str,
    caller: Caller,
    now: datetime,
) -> OrderAnswer:
    """Carry an order out if the gates are met with it; else keep it for others to add to.

    The same order again is answered by the generation that it was carried out as.

    Raises:
        PermissionMissing: the caller's token may not ask for this.
        KeyringMissing, ControlNotListed: nothing that this process signs would count.
        EnvelopeUntrusted: nobody of the keyring signed it.
        OrderMismatched, OrderStale, OrderLapsed: it is not for this closure, state or time.
        The errors of `planning.admit` and `domain.decide`.
    """
    means.environments.profile(environment)
    keyring = means.signing(connection)
    signed = _opened(keyring, request, environment)
    caller.refuse_unless(_PERMISSION[signed.order.verb])
    standing = generations.hold(connection, environment)
    carried = evidence.carried_out(connection, signed.piece.statement)
    if carried is not None and is_spent(connection, environment, carried):
        return _answered(connection, means, environment, carried, now)
    before = in_force(connection, means, standing)
    _refuse_unfit(signed.order, standing.current, before, now)
    admit(connection, means, signed.order.verb, before, request.closure)
    state = state_of(connection, means, standing)
    switch = switch_of(signed.order.verb, standing.current, before, request.closure, now)
    judged = judge(connection, means, switch, [signed.piece])
    event = _event(connection, means, switch, request.exclude, judged)
    decisions = decide(state, event)
    evidence.prune_orders(connection, now)
    evidence.keep(connection, [signed.piece])
    if not judged.verdict.met:
        _note_kept(connection, state, signed, judged, caller, now)
        return OrderAnswer(gates=judged.rows, met=False)
    wish = Wish(
        closure=request.closure,
        evidence=judged.pieces,
        by=signed.people,
        reason=kept(signed.order.reason),
    )
    after = apply(connection, means, state, decisions, Deed(actor=caller.id, at=now, wish=wish))
    return OrderAnswer(
        generation=telling.generation(connection, means, environment, after.newest, now),
        gates=judged.rows,
        met=True,
    )


def rollback(
    connection: Connection,
    means: Means,
    request: RollbackRequest,
    environment: str,
    caller: Caller,
    now: datetime,
) -> int:
    """Propose an earlier generation's releases under the rules in force; the generation made.

    Nobody signs it but control: a cell takes it only if these releases were live in it before.

    Raises:
        PermissionMissing, KeyringMissing, ControlNotListed, GenerationUnknown,
            NothingToChange; and the errors of `domain.decide`.
    """
    caller.refuse_unless(Permission.ROLLBACK)
    means.environments.profile(environment)
    means.signing(connection)
    standing = generations.hold(connection, environment)
    before = in_force(connection, means, standing)
    after = restored(connection, environment, request.to, before)
    state = state_of(connection, means, standing)
    switch = switch_of(Verb.ROLLBACK, standing.current, before, after, now)
    judged = judge(connection, means, switch)
    event = _event(connection, means, switch, request.exclude, judged)
    decisions = decide(state, event)
    wish = Wish(
        closure=after,
        evidence=judged.pieces,
        by=kept(caller.name),
        reason=kept(request.reason),
    )
    made = apply(connection, means, state, decisions, Deed(actor=caller.id, at=now, wish=wish))
    return made.newest


def exclude(
    connection: Connection, means: Means, environment: str, event: Excluded, deed: Deed
) -> None:
    """Go on without a cell; commits if it was the last one that was waited for.

    Raises:
        EnvironmentUnknown; and the errors of `domain.decide`.
    """
    means.environments.profile(environment)
    state = state_of(connection, means, generations.hold(connection, environment))
    apply(connection, means, state, decide(state, event), deed)


def tick(
    connection: Connection, means: Means, environment: str, now: datetime, epoch: int | None
) -> bool:
    """Abandon what is overdue in `environment`; whether something was.

    Args:
        connection: of the use case.
        means: see there.
        environment: one of `generations.overdue`.
        now: by control's clock.
        epoch: of the lease `LEASE`; None where this process is the only one.

    Raises:
        LeaseLost: another process leads by now.
    """
    if epoch is not None:
        fence(connection, LEASE, epoch)
    standing = generations.hold(connection, environment)
    state = state_of(connection, means, standing)
    decisions = decide(state, Tick(now=now))
    apply(connection, means, state, decisions, Deed(actor=LEADER, at=now))
    return bool(decisions)


def _opened(keyring: Keyring, request: OrderRequest, environment: str) -> _Signed:
    envelope = request.order
    statement = verify_statement(envelope.encode(), trusted=keyring.people_keys)
    closure, order = Order.of(statement.statement)
    if closure != request.closure.digest:
        raise OrderMismatched(reason="the closure is not the one that was signed")
    if {order.environment, request.closure.environment} != {environment}:
        raise OrderMismatched(reason=f"it is not for {environment!r}")
    people = (keyring.person_of(key) for key in statement.signers)
    piece = Piece(
        kind=Kind.ORDER,
        subject=closure,
        envelope=envelope,
        statement=statement_of(envelope),
        until=order.not_after,
    )
    names = sorted(person.name for person in people if person is not None)
    return _Signed(order=order, piece=piece, people=", ".join(map(kept, names)))


def _event(
    connection: Connection,
    means: Means,
    switch: Switch,
    exclude: tuple[str, ...],
    judged: Judged,
) -> Ordered:
    return Ordered(
        verb=switch.verb,
        base=switch.base,
        closure=switch.after.digest,
        cells=means.cells(connection, switch.after.environment),
        exclude=frozenset(exclude),
        at=switch.at,
        patience=(judged.until - switch.at).total_seconds(),
    )


def _refuse_unfit(order: Order, current: int, before: Closure, now: datetime) -> None:
    if (order.previous, order.base) != (current, before.digest):
        raise OrderStale(environment=order.environment, reason="another closure is in force by now")
    if order.rules != before.rules.digest:
        raise OrderStale(environment=order.environment, reason="other rules are in force by now")
    if order.not_after < now:
        raise OrderLapsed(environment=order.environment, not_after=order.not_after.isoformat())


def _answered(
    connection: Connection, means: Means, environment: str, generation: int, now: datetime
) -> OrderAnswer:
    row = telling.generation(connection, means, environment, generation, now)
    return OrderAnswer(generation=row, gates=(), met=True)


def _note_kept(
    connection: Connection,
    state: EnvironmentState,
    signed: _Signed,
    judged: Judged,
    caller: Caller,
    now: datetime,
) -> None:
    tables.bump(connection)
    append(
        connection,
        Entry(
            kind="order.kept",
            subject=str(signed.piece.subject),
            actor=caller.id,
            body={
                "environment": state.environment,
                "verb": signed.order.verb.value,
                "order": str(signed.piece.digest),
                "by": signed.people,
                "unmet": [*sorted({each.gate for each in judged.verdict.unmet})],
            },
            at=now,
        ),
    )
