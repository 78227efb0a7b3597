"""The switch of one environment, out of its rows; and what was decided, into them.

Envelopes are made here when something is decided, never later from rows. What a row says beside its
envelopes is checked against them before it is built upon.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from seatrial.contract.evidence import statements
from seatrial.contract.evidence.keyring import Keyring
from seatrial.contract.evidence.statements import CellReport, Proposal, Step, instant
from seatrial.contract.releases.closure import Closure
from seatrial.contract.switch.api import GenerationState
from seatrial.control.promotions.domain.refusals import GenerationAltered
from seatrial.control.promotions.domain.switching import (
    Abandon,
    Commit,
    Count,
    Decision,
    EnvironmentState,
    LeaveOut,
    Propose,
    Proposed,
    evolved,
)
from seatrial.control.promotions.service.means import Means
from seatrial.control.promotions.store import evidence, generations, tables
from seatrial.control.promotions.store.evidence import Piece
from seatrial.control.promotions.store.generations import Generation, Standing
from seatrial.kit.crypto import dsse
from seatrial.kit.crypto.digests import Digest
from seatrial.kit.crypto.statements import Statement
from seatrial.kit.crypto.values import Json
from seatrial.kit.database.connection import Connection
from seatrial.kit.errors import SeatrialError
from seatrial.kit.failpoints import reach
from seatrial.kit.log import log_error
from seatrial.kit.transparency.domain import Entry
from seatrial.kit.transparency.service import append

_LOG: Final = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What a new generation is made of, beside the decision to propose it.

    Attributes:
        closure: what shall be active.
        evidence: what cells will judge it by.
        by: who ordered it, for people.
        reason: for people.
    """

    closure: Closure
    evidence: tuple[Piece, ...]
    by: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class Deed:
    """Who does something, and when.

    Attributes:
        actor: for the log.
        at: by control's clock.
        wish: what a proposal is made of.
        why: the reason for leaving a cell out.
        said: the envelope in which a cell said that it has prepared.
    """

    actor: str
    at: datetime
    wish: Wish | None = None
    why: str = ""
    said: str = ""


_Logged = tuple[str, int, dict[str, Json]]
"""Kind, generation and facts of an entry of the log."""


def in_force(connection: Connection, means: Means, standing: Standing) -> Closure:
    """The closure in force; raises `GenerationAltered`."""
    if standing.current == 0:
        return means.environments.initial(standing.environment)
    return closure_of(present(connection, standing.environment, standing.current))


def present(connection: Connection, environment: str, generation: int) -> Generation:
    """The row of a generation that another row names; raises `GenerationAltered` if it is gone."""
    row = generations.one(connection, environment, generation)
    if row is None:
        raise GenerationAltered(
            environment=environment, generation=generation, reason="its row is gone"
        )
    return row


def closure_of(row: Generation) -> Closure:
    """The closure of a generation, if it is the one that its proposal is about.

    Raises:
        GenerationAltered: it is not.
    """
    try:
        envelope = dsse.Envelope.parse(row.proposal.encode())
        subject, proposal = Proposal.of(Statement.parse(envelope.payload))
        closure = Closure.read(row.document)
    except SeatrialError as error:
        raise _altered(row, error.message) from None
    said = (proposal.environment, proposal.generation, str(subject))
    if said != (row.environment, row.generation, row.closure) or closure.digest != subject:
        raise _altered(row, "its closure is not the one that was proposed")
    return closure


def state_of(connection: Connection, means: Means, standing: Standing) -> EnvironmentState:
    """Where the switch of an environment stands; raises `GenerationAltered`."""
    state = EnvironmentState(
        environment=standing.environment,
        newest=standing.newest,
        current=standing.current,
        closure=in_force(connection, means, standing).digest,
    )
    if standing.proposed is None:
        return state
    row = present(connection, standing.environment, standing.proposed)
    return replace(state, proposed=_proposed(row))


def apply(
    connection: Connection,
    means: Means,
    state: EnvironmentState,
    decisions: Sequence[Decision],
    deed: Deed,
) -> EnvironmentState:
    """Write what was decided in `state`, with the log, as the last thing of a use case.

    Returns:
        The state afterwards.

    Raises:
        ControlNotListed: no cell would obey the commit that this process would sign.
        GenerationAltered: a row is not what was signed.
    """
    now = deed.at
    logged: list[_Logged] = []
    for decision in decisions:
        before, state = state, evolved(state, decision)
        match decision:
            case Propose():
                logged.append(_propose(connection, means, state, decision, deed))
            case Count() | LeaveOut():
                logged += _count(connection, state, decision, deed)
            case Commit():
                logged.append(_commit(connection, means, before, decision, now))
            case Abandon():
                logged.append(_abandon(connection, state, decision))
    if decisions:
        _place(connection, state)
        tables.bump(connection)
    for kind, generation, body in logged:
        subject = f"{state.environment}/{generation}"
        append(connection, Entry(kind=kind, subject=subject, actor=deed.actor, body=body, at=now))
    return state


def _place(connection: Connection, state: EnvironmentState) -> None:
    under_way = state.proposed
    standing = Standing(
        environment=state.environment,
        newest=state.newest,
        current=state.current,
        proposed=None if under_way is None else under_way.generation,
    )
    generations.place(connection, standing, None if under_way is None else under_way.deadline)


def _propose(
    connection: Connection,
    means: Means,
    state: EnvironmentState,
    decision: Propose,
    deed: Deed,
) -> _Logged:
    wish, now = deed.wish, deed.at
    if wish is None:
        raise ValueError("a proposal needs what it is made of")
    digests = sorted({piece.digest for piece in wish.evidence})
    proposal = Proposal(
        environment=state.environment,
        generation=decision.generation,
        previous=decision.previous,
        base=decision.base,
        verb=decision.verb,
        required=tuple(sorted(decision.required)),
        evidence=tuple(digests),
        at=instant(now),
    )
    named = tuple(str(each) for each in digests)
    evidence.hold(connection, wish.evidence)
    evidence.spend(connection, named, decision.generation)
    reach("control.propose.before")
    generations.add(
        connection,
        Generation(
            environment=state.environment,
            generation=decision.generation,
            previous=decision.previous,
            verb=decision.verb,
            state=GenerationState.PROPOSED,
            closure=str(decision.closure),
            document=wish.closure.document(),
            proposal=proposal.signed(
                decision.closure, _name(state, decision.generation), means.key
            ).decode(),
            evidence=named,
            required=decision.required,
            excluded=decision.excluded,
            by=wish.by,
            reason=wish.reason,
            ordered=now,
            deadline=decision.deadline,
        ),
    )
    body: dict[str, Json] = {
        "verb": decision.verb.value,
        "closure": str(decision.closure),
        "previous": decision.previous,
        "base": str(decision.base),
        "required": [*sorted(decision.required)],
        "excluded": [*sorted(decision.excluded)],
        "evidence": len(digests),
        "reason": wish.reason,
    }
    return "switch.proposed", decision.generation, body


def _count(
    connection: Connection, state: EnvironmentState, decision: Count | LeaveOut, deed: Deed
) -> list[_Logged]:
    under_way = state.proposed
    if under_way is None:
        raise ValueError("nothing is under way")
    row = present(connection, state.environment, under_way.generation)
    prepared = {**row.prepared, decision.cell: deed.said}
    generations.count(
        connection,
        state.environment,
        under_way.generation,
        required=under_way.required,
        prepared={cell: prepared[cell] for cell in sorted(under_way.prepared)},
        excluded=under_way.excluded,
    )
    if isinstance(decision, Count):
        return []
    return [("switch.excluded", decision.generation, {"cell": decision.cell, "reason": deed.why})]


def _commit(
    connection: Connection,
    means: Means,
    state: EnvironmentState,
    decision: Commit,
    now: datetime,
) -> _Logged:
    row = present(connection, state.environment, decision.generation)
    _refuse_altered(connection, means, row, decision)
    commit = statements.Commit(
        environment=state.environment,
        generation=decision.generation,
        prepared=tuple(sorted(decision.prepared)),
        excluded=tuple(sorted(decision.excluded)),
        at=instant(now),
    )
    envelope = commit.signed(decision.closure, _name(state, decision.generation), means.key)
    reach("control.commit.before")
    if not generations.settle(
        connection, state.environment, decision.generation, commit=envelope.decode(), at=now
    ):
        raise _altered(row, "it is not under way any more")
    closure = closure_of(row)
    releases = {slug: active.release for slug, active in closure.agents.items()}
    generations.note_live(connection, state.environment, decision.generation, releases)
    body: dict[str, Json] = {
        "closure": str(decision.closure),
        "prepared": [*sorted(decision.prepared)],
        "excluded": [*sorted(decision.excluded)],
    }
    return "switch.committed", decision.generation, body


def _refuse_altered(
    connection: Connection, means: Means, row: Generation, decision: Commit
) -> None:
    """Raise unless control signed what is about to be committed, with just these cells."""
    keyring = means.signing(connection)
    trusted = {*keyring.control_keys, means.key.verify_key}
    try:
        subject, proposal, _ = Proposal.verified(row.proposal.encode(), trusted)
    except SeatrialError as error:
        raise _altered(row, error.message) from None
    said = (proposal.environment, proposal.generation, subject)
    if said != (row.environment, decision.generation, decision.closure):
        raise _altered(row, "another closure was proposed")
    if set(proposal.required) - decision.excluded - decision.prepared:
        raise _altered(row, "it requires more cells than its row says")
    for cell in decision.prepared:
        if not _said_prepared(keyring, row, cell):
            raise _altered(row, f"{cell} never said that it has prepared it")


def _said_prepared(keyring: Keyring, row: Generation, cell: str) -> bool:
    """Whether `cell` itself signed that it has prepared the generation."""
    try:
        closure, said, _ = CellReport.verified(
            row.prepared.get(cell, "").encode(), keyring.keys_of_cell(cell)
        )
    except SeatrialError as error:
        log_error(_LOG, error)
        return False
    expected = (row.closure, row.environment, row.generation, cell, Step.PREPARED)
    return expected == (str(closure), said.environment, said.generation, said.cell, said.step)


def _abandon(connection: Connection, state: EnvironmentState, decision: Abandon) -> _Logged:
    reach("control.abandon.before")
    generations.settle(
        connection,
        state.environment,
        decision.generation,
        commit=None,
        at=None,
        reason=decision.reason,
    )
    body: dict[str, Json] = {"reason": decision.reason, "cells": [*sorted(decision.cells)]}
    return "switch.abandoned", decision.generation, body


def _proposed(row: Generation) -> Proposed:
    return Proposed(
        generation=row.generation,
        closure=Digest.parse(row.closure),
        verb=row.verb,
        required=row.required,
        prepared=frozenset(row.prepared),
        excluded=row.excluded,
        deadline=row.deadline,
    )


def _name(state: EnvironmentState, generation: int) -> str:
    return f"{state.environment}/{generation}"


def _altered(row: Generation, reason: str) -> GenerationAltered:
    return GenerationAltered(environment=row.environment, generation=row.generation, reason=reason)
