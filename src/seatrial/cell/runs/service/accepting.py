"""Accepting a run, in one transaction that is durable before anybody is told."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

import orjson

from seatrial.cell.runs.domain import rules
from seatrial.cell.runs.domain.refusals import InputTooLarge, RunRefused, RunUnknown, SessionUnknown
from seatrial.cell.runs.domain.values import Asked, Bounds, Run, Session
from seatrial.cell.runs.service.ports import Ports
from seatrial.cell.runs.store import runs, threads
from seatrial.cell.switch.domain import Admission
from seatrial.contract.releases.components import Limits
from seatrial.contract.runs.states import RunState
from seatrial.kit.crypto.digests import Digest
from seatrial.kit.database.connection import Connection
from seatrial.kit.errors import NotFound

LOCAL: Final = "local"
"""The worker of runs on somebody's own machine."""


@dataclass(frozen=True, kw_only=True)
class Order:
    """A run that is asked for, with all that its transaction may not make by itself.

    Attributes:
        asked: what is asked.
        id: of the run, if it becomes one.
        input: as JSON.
        digest: of the request; None without an idempotency key.
        at: the time.
        worker: who begins it at once; None for the queue.
    """

    asked: Asked
    id: str
    input: str
    digest: str | None
    at: datetime
    worker: str | None


def order(asked: Asked, *, run: str, at: datetime, bounds: Bounds) -> Order:
    """An order for the queue.

    Raises:
        InputTooLarge, RunRefused: it cannot be kept.
    """
    rules.refuse_names(session=asked.session, key=asked.key, tags=asked.tags)
    rules.handicap(asked.lane, asked.priority)
    seconds = asked.timeout_seconds
    if seconds is not None and not 0 < seconds <= bounds.longest_timeout:
        longest = f"{bounds.longest_timeout:g}"
        raise RunRefused(reason=f"`timeout_seconds` is more than 0 and at most {longest}")
    text = orjson.dumps(asked.input)
    if len(text) > bounds.input:
        raise InputTooLarge(size=len(text), limit=bounds.input)
    digest = None if asked.key is None else _digest(asked, text)
    return Order(asked=asked, id=run, input=text.decode(), digest=digest, at=at, worker=None)


def accept(connection: Connection, order: Order, ports: Ports, bounds: Bounds) -> tuple[Run, bool]:
    """Write the run, or find that it was written before.

    Returns:
        The run, and whether it is new.

    Raises:
        KeyReused: the idempotency key names another request.
        GenerationBehind: the caller has met a later generation.
        SessionOfOther: the session is another caller's.
        SeatrialError: no release of the agent may be run here.
    """
    asked = order.asked
    known = _known(connection, order)
    if known is not None:
        return known, False
    admission = ports.admit(connection, asked.agent)
    rules.refuse_behind(admission.generation, asked.seen)
    if asked.release is not None and asked.release != admission.release:
        admission = replace(admission, release=asked.release, release_name=str(asked.release))
    place = _placed(connection, order, admission, ports)
    run = _run(order, place, admission.generation, bounds)
    fresh = runs.Fresh(
        run=run,
        input=order.input,
        key=asked.key,
        digest=order.digest,
        handicap=rules.handicap(asked.lane, asked.priority),
        lease=bounds.lease if order.worker else None,
    )
    if runs.add(connection, fresh):
        return run, True
    known = _known(connection, order)  # the same request, sent twice at once
    if known is None:
        raise RunUnknown(run=order.id)
    return known, False


def accept_local(
    connection: Connection,
    order: Order,
    *,
    release: Digest | None,
    release_name: str,
    generation: int,
    bounds: Bounds,
) -> Run:
    """Write a run that somebody's own machine carries out; it never stands in the queue.

    Raises:
        SessionOfOther: the session is another caller's.
    """
    asked = order.asked
    if asked.session is not None:
        held = threads.session(connection, asked.session, asked.agent, asked.tenant)
        if held is not None:
            rules.refuse_foreign(held, asked)
    order = replace(order, worker=LOCAL)
    place = _Place(release=release, name=release_name, limits=Limits(attempts=1))
    made = _run(order, place, generation, bounds)
    run = replace(made, local=True, counted=False)
    runs.add(
        connection,
        runs.Fresh(
            run=run,
            input=order.input,
            key=None,
            digest=None,
            handicap=rules.handicap(run.lane, run.priority),
            lease=bounds.local_lease,
        ),
    )
    return run


def _known(connection: Connection, order: Order) -> Run | None:
    asked = order.asked
    if asked.key is None or order.digest is None:
        return None
    found = runs.of_key(
        connection, asked.key, tenant=asked.tenant, agent=asked.agent, caller=asked.caller
    )
    if found is None:
        return None
    run, digest = found
    rules.refuse_other(asked.key, known=digest, asked=order.digest)
    return run


@dataclass(frozen=True, kw_only=True)
class _Place:
    """On which release a run is to run."""

    release: Digest | None
    name: str
    limits: Limits


def _placed(connection: Connection, order: Order, admission: Admission, ports: Ports) -> _Place:
    """The release of this run: its session's own, or the present one."""
    asked = order.asked
    if asked.session is None:
        return _present(connection, admission, ports)
    fresh = Session(
        name=asked.session,
        agent=asked.agent,
        tenant=asked.tenant,
        owner=asked.caller_name,
        release=admission.release,
        release_name=admission.release_name,
        generation=admission.generation,
        turns=1,
        created=order.at,
        last=order.at,
    )
    held = threads.session(connection, fresh.name, fresh.agent, fresh.tenant)
    if held is None and threads.add_session(connection, fresh):
        return _present(connection, admission, ports)
    held = held or threads.session(connection, fresh.name, fresh.agent, fresh.tenant)
    if held is None:
        raise SessionUnknown(session=fresh.name)
    rules.refuse_foreign(held, asked)
    place = _stays(connection, held, order, admission, ports)
    basis = held if place is not None else replace(fresh, created=held.created)
    threads.change_session(
        connection, replace(basis, turns=held.turns + 1, last=max(order.at, held.last))
    )
    return place or _present(connection, admission, ports)


def _present(connection: Connection, admission: Admission, ports: Ports) -> _Place:
    limits = ports.limits(connection, admission.release)
    return _Place(release=admission.release, name=admission.release_name, limits=limits)


def _stays(
    connection: Connection, held: Session, order: Order, admission: Admission, ports: Ports
) -> _Place | None:
    """The session's own release, if it stays there."""
    moved = rules.moves(
        held,
        moved_at=admission.moved_at,
        idle_seconds=admission.rules.session_idle_seconds,
        now=order.at,
    )
    if moved or held.release == admission.release:
        return None
    try:
        limits = ports.limits(connection, held.release)
    except NotFound:
        return None  # no longer kept in this cell: it moves, rather than stand still
    return _Place(release=held.release, name=held.release_name, limits=limits)


def _run(order: Order, place: _Place, generation: int, bounds: Bounds) -> Run:
    asked, limits, begins = order.asked, place.limits, order.worker is not None
    tries = rules.Tries.of(limits.attempts, bounds.attempts)
    timeout = limits.timeout_seconds or bounds.timeout
    if asked.timeout_seconds is not None:
        timeout = min(asked.timeout_seconds, limits.timeout_seconds or bounds.longest_timeout)
    return Run(
        id=order.id,
        agent=asked.agent,
        release=place.release,
        release_name=place.name,
        generation=generation,
        session=asked.session,
        tenant=asked.tenant,
        caller=asked.caller,
        state=RunState.RUNNING if begins else RunState.QUEUED,
        input=asked.input,
        attempt=1 if begins else 0,
        attempts=tries.passing,
        own_attempts=tries.own,
        priority=asked.priority,
        lane=asked.lane,
        tags=asked.tags,
        counted=asked.counted,
        mode=asked.mode,
        follows=asked.follows,
        created=order.at,
        started=order.at if begins else None,
        timeout_seconds=timeout,
        steps=limits.steps,
        worker=order.worker,
    )


def _digest(asked: Asked, text: bytes) -> str:
    told: dict[str, object] = {
        "session": asked.session,
        "lane": asked.lane,
        "priority": asked.priority,
        "tags": dict(asked.tags),
        "timeout_seconds": asked.timeout_seconds,
    }
    if asked.follows is not None:
        told |= {"follows": asked.follows, "release": str(asked.release or "")}
    # Members of an object have no order, so the same request may come with another one.
    body = orjson.dumps(orjson.loads(text), option=orjson.OPT_SORT_KEYS)
    return Digest.of(orjson.dumps(told, option=orjson.OPT_SORT_KEYS) + b"\n" + body).hex
