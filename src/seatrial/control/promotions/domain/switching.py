"""The switch as control decides it: one environment's generations.

`decide` is total over states and events. It answers with decisions, or refuses by a named error
and decides nothing; `evolved` is the state after one decision. What a message says is taken as
said: whether it may say so (signatures, gates, permissions) is settled before.
"""

import enum
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, TypeAlias

from seatrial.contract.evidence.statements import Step, Verb
from seatrial.control.promotions.domain.refusals import (
    CellUnknown,
    GenerationSettled,
    GenerationUnknown,
    NoCell,
    NothingToChange,
    OrderStale,
    SwitchUnderWay,
)
from seatrial.kit.crypto.digests import Digest

PREPARE_SECONDS: Final = 120.0
"""How long required cells may take to prepare a generation before it is abandoned."""


class Until(enum.StrEnum):
    """What somebody waits for."""

    COMMITTED = "committed"
    """It is committed or abandoned."""

    EVERYWHERE = "everywhere"
    """Every required cell runs it or a later one, or it is abandoned."""


@dataclass(frozen=True, kw_only=True)
class Proposed:
    """The generation under way.

    Attributes:
        generation: its number.
        closure: digest of what shall be active.
        verb: what for.
        required: cells without which it is not committed; those left out are not in it.
        prepared: those of `required` that have prepared it.
        excluded: cells that were left out by name.
        deadline: from then on it is abandoned by whatever comes next, and never committed.
    """

    generation: int
    closure: Digest
    verb: Verb
    required: frozenset[str]
    prepared: frozenset[str] = frozenset()
    excluded: frozenset[str] = frozenset()
    deadline: datetime

    @property
    def missing(self) -> frozenset[str]:
        """Required cells that have not prepared it."""
        return self.required - self.prepared


@dataclass(frozen=True, kw_only=True)
class EnvironmentState:
    """Where the switch of one environment stands.

    Attributes:
        environment: which.
        newest: the highest number ever given to a generation; none is given twice.
        current: the generation in force; 0 for none.
        closure: digest of what is in force.
        proposed: the generation under way.
    """

    environment: str
    newest: int = 0
    current: int = 0
    closure: Digest
    proposed: Proposed | None = None


@dataclass(frozen=True, kw_only=True)
class Ordered:
    """Somebody who may asks for a switch.

    Attributes:
        verb: what for.
        base: digest of the closure that it was planned upon.
        closure: digest of what shall be active.
        cells: the environment's cells that can take part.
        exclude: those of them to go without.
        at: when.
        patience: seconds that cells may take to prepare.
    """

    verb: Verb
    base: Digest
    closure: Digest
    cells: frozenset[str]
    exclude: frozenset[str] = frozenset()
    at: datetime
    patience: float = PREPARE_SECONDS


@dataclass(frozen=True, kw_only=True)
class Reported:
    """A cell says how far it has come; `at` is when control hears it."""

    cell: str
    generation: int
    closure: Digest
    step: Step
    reason: str = ""
    at: datetime


@dataclass(frozen=True, kw_only=True)
class Excluded:
    """Somebody who may leaves a cell out of a generation."""

    cell: str
    generation: int
    at: datetime


@dataclass(frozen=True, kw_only=True)
class Tick:
    """Time has passed."""

    now: datetime


@dataclass(frozen=True, kw_only=True)
class Propose:
    """Start a generation.

    Attributes:
        previous: the generation that it follows.
        base: closure of that.
    """

    generation: int
    previous: int
    base: Digest
    closure: Digest
    verb: Verb
    required: frozenset[str]
    excluded: frozenset[str]
    deadline: datetime


@dataclass(frozen=True, kw_only=True)
class Count:
    """A required cell has prepared the generation."""

    generation: int
    cell: str


@dataclass(frozen=True, kw_only=True)
class LeaveOut:
    """A cell is no longer required for the generation."""

    generation: int
    cell: str


@dataclass(frozen=True, kw_only=True)
class Commit:
    """The generation is in force from now on."""

    generation: int
    closure: Digest
    prepared: frozenset[str]
    excluded: frozenset[str]


@dataclass(frozen=True, kw_only=True)
class Abandon:
    """The generation will never be in force.

    Attributes:
        reason: why, for people.
        cells: those that are the reason.
    """

    generation: int
    reason: str
    cells: frozenset[str] = frozenset()


Event: TypeAlias = Ordered | Reported | Excluded | Tick
Decision: TypeAlias = Propose | Count | LeaveOut | Commit | Abandon


def decide(state: EnvironmentState, event: Event) -> tuple[Decision, ...]:
    """What follows from `event`, in order; nothing for what is late, repeated or of no account.

    Raises:
        SwitchUnderWay, OrderStale, NothingToChange, CellUnknown, NoCell: an order is refused.
        GenerationUnknown, GenerationSettled, CellUnknown, NoCell: an exclusion is refused.
    """
    match event:
        case Ordered():
            return _ordered(state, event)
        case Reported():
            return _reported(state.proposed, event)
        case Excluded():
            return _excluded(state, event)
        case Tick():
            overdue = _overdue(state.proposed, event.now)
            return () if overdue is None else (overdue,)


def evolved(state: EnvironmentState, decision: Decision) -> EnvironmentState:
    """The state after one decision that was made in `state`."""
    proposed = state.proposed
    match decision:
        case Propose():
            fresh = Proposed(
                generation=decision.generation,
                closure=decision.closure,
                verb=decision.verb,
                required=decision.required,
                excluded=decision.excluded,
                deadline=decision.deadline,
            )
            return replace(state, newest=decision.generation, proposed=fresh)
        case Commit():
            return replace(
                state, current=decision.generation, closure=decision.closure, proposed=None
            )
        case Abandon():
            return replace(state, proposed=None)
        case Count() if proposed is not None:
            return replace(
                state, proposed=replace(proposed, prepared=proposed.prepared | {decision.cell})
            )
        case LeaveOut() if proposed is not None:
            return replace(state, proposed=_without(proposed, decision.cell))
        case _:
            return state


def waypoint(current: int, committed: Sequence[int], takes: Callable[[int], bool]) -> int:
    """The generation that a cell at `current` is to reach next.

    The newest if it can take that at once, so that it does not run what was replaced long ago.
    Else each in turn: the next one was decided upon just the state that the cell is in, and a cell
    that left one out could not take a later rollback to it.

    Args:
        current: the generation that the cell runs.
        committed: all that were committed, rising; not empty.
        takes: whether the cell would accept a generation from where it stands.
    """
    newest = committed[-1]
    ahead = [each for each in committed if each > current]
    return newest if len(ahead) < 2 or takes(newest) else ahead[0]


def _ordered(state: EnvironmentState, event: Ordered) -> tuple[Decision, ...]:
    if event.base != state.closure:
        raise OrderStale(environment=state.environment, reason="another closure is in force by now")
    if event.closure == state.closure:
        raise NothingToChange(environment=state.environment)
    _refuse_unknown(state.environment, event.exclude, event.cells)
    required = event.cells - event.exclude
    if not required:
        raise NoCell(environment=state.environment)
    propose = Propose(
        generation=state.newest + 1,
        previous=state.current,
        base=state.closure,
        closure=event.closure,
        verb=event.verb,
        required=required,
        excluded=event.exclude,
        deadline=event.at + timedelta(seconds=event.patience),
    )
    return (*_cleared(state, event), propose)


def _cleared(state: EnvironmentState, event: Ordered) -> tuple[Decision, ...]:
    """What becomes of the generation under way when `event` comes."""
    under_way = state.proposed
    if under_way is None:
        return ()
    overdue = _overdue(under_way, event.at)
    if overdue is not None:
        return (overdue,)
    if event.verb is not Verb.ROLLBACK or _same_wish(under_way, event):
        raise SwitchUnderWay(environment=state.environment, generation=under_way.generation)
    return (Abandon(generation=under_way.generation, reason="a rollback was ordered instead"),)


def _same_wish(under_way: Proposed, event: Ordered) -> bool:
    return under_way.verb is Verb.ROLLBACK and under_way.closure == event.closure


def _reported(proposed: Proposed | None, event: Reported) -> tuple[Decision, ...]:
    if (
        proposed is None
        or (proposed.generation, proposed.closure) != (event.generation, event.closure)
        or event.cell not in proposed.required
    ):
        return ()
    if event.step is Step.REFUSED:
        reason = f"{event.cell} refused it: {event.reason}" if event.reason else "it was refused"
        return (
            Abandon(generation=proposed.generation, reason=reason, cells=frozenset({event.cell})),
        )
    if event.step is not Step.PREPARED or event.cell in proposed.prepared:
        return ()
    overdue = _overdue(proposed, event.at)
    if overdue is not None:
        return (overdue,)
    count = Count(generation=proposed.generation, cell=event.cell)
    return (count, *_complete(replace(proposed, prepared=proposed.prepared | {event.cell})))


def _excluded(state: EnvironmentState, event: Excluded) -> tuple[Decision, ...]:
    proposed = state.proposed
    if not 0 < event.generation <= state.newest:
        raise GenerationUnknown(environment=state.environment, generation=event.generation)
    if proposed is None or proposed.generation != event.generation:
        raise GenerationSettled(environment=state.environment, generation=event.generation)
    if event.cell in proposed.excluded:
        return ()
    _refuse_unknown(state.environment, {event.cell}, proposed.required)
    overdue = _overdue(proposed, event.at)
    if overdue is not None:
        return (overdue,)
    rest = _without(proposed, event.cell)
    if not rest.required:
        raise NoCell(environment=state.environment)
    return (LeaveOut(generation=proposed.generation, cell=event.cell), *_complete(rest))


def _overdue(proposed: Proposed | None, now: datetime) -> Abandon | None:
    if proposed is None or now < proposed.deadline:
        return None
    return Abandon(
        generation=proposed.generation,
        reason=f"not prepared in time by {', '.join(sorted(proposed.missing))}",
        cells=proposed.missing,
    )


def _complete(proposed: Proposed) -> tuple[Decision, ...]:
    if proposed.missing:
        return ()
    return (
        Commit(
            generation=proposed.generation,
            closure=proposed.closure,
            prepared=proposed.prepared,
            excluded=proposed.excluded,
        ),
    )


def _without(proposed: Proposed, cell: str) -> Proposed:
    return replace(
        proposed,
        required=proposed.required - {cell},
        prepared=proposed.prepared - {cell},
        excluded=proposed.excluded | {cell},
    )


def _refuse_unknown(environment: str, named: Iterable[str], known: frozenset[str]) -> None:
    for cell in sorted(named):
        if cell not in known:
            raise CellUnknown(environment=environment, cell=cell)
