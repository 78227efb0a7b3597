"""From a plan to an active generation: check what control sends, sign it, follow it to the end."""

import asyncio
import secrets
from collections.abc import Callable, Iterable
from collections.abc import Set as AbstractSet
from datetime import timedelta
from typing import Final

from seatrial.cli.reaching import Reached
from seatrial.cli.servers.domain import GatesUnmet, GenerationAbandoned, PlanUnlike, SwitchSlow
from seatrial.contract.environments.profiles import rules_of
from seatrial.contract.environments.rules import Profile
from seatrial.contract.evidence.statements import Order, Verb, instant
from seatrial.contract.releases.closure import Active, Closure
from seatrial.contract.releases.release import Release, parse_name
from seatrial.contract.switch.api import (
    CellRow,
    GateRow,
    GenerationRow,
    GenerationState,
    OrderAnswer,
    OrderRequest,
    Plan,
    PlanRequest,
)
from seatrial.kit.clock import Clock, SystemClock
from seatrial.kit.crypto.digests import Digest
from seatrial.kit.errors import SeatrialError

SIGNATURE: Final = "signed_order"
"""The gate that the signature still to come may meet."""

_VALID: Final = {
    Verb.DEPLOY: timedelta(days=1),
    Verb.ROLLBACK: timedelta(days=1),
    Verb.PROMOTE: timedelta(days=7),
    Verb.CONFIGURE: timedelta(days=7),
}
"""How long an order may wait for its gates and for other signatures."""

_UNCHANGED: Final = "nothing_to_change"  # what control calls it
_HELD: Final = 2  # seconds that control may hold an answer until something has changed
_AT_ONCE: Final = 8  # releases fetched
_GLANCE: Final = 0.05  # seconds between two questions, should it not hold them


async def planned(servers: Reached, environment: str, asked: PlanRequest) -> Plan | None:
    """Control's plan, if it is nothing else than what was asked for, and shows all that it does.

    None where nothing would change: what was asked for is so already.

    Raises:
        PlanUnlike: another environment or verb, other agents, other rules; says which.
        SeatrialError: what control refuses.
    """
    try:
        plan = await servers.control.plan(environment, asked)
    except SeatrialError as error:
        if error.code == _UNCHANGED and asked.verb is not Verb.ROLLBACK:
            return None
        raise
    reason = _unlike(plan, environment, asked) or await _baseless(servers, plan)
    if reason:
        raise PlanUnlike(reason=reason)
    return plan


async def _baseless(servers: Reached, plan: Plan) -> str:
    """Why the changes that a plan shows do not lead from what is active to its closure.

    Cells know what is active, and take an order for that base alone. So if undoing the changes
    shown gives that base, nothing is changed unseen.
    """
    agents = dict(plan.closure.agents)
    known = await fetched(servers, (change.before for change in plan.changes))
    for change in plan.changes:
        agents.pop(change.agent, None)
        if change.before:
            agents[change.agent] = Active(release=known[change.before].name, name=change.before)
    rulesets = [plan.closure.rules, *(rules_of(each, plan.environment) for each in Profile)]
    bases = {
        Closure(environment=plan.environment, agents=agents, rules=rules).digest
        for rules in rulesets
        if rules.digest == plan.rules
    }
    # Rules of another version cannot be recomputed here; then releases are bound by the gate
    # `coherent` alone, under which a change of rules changes no release.
    if plan.base in bases or (not bases and plan.verb is Verb.CONFIGURE):
        return ""
    return "what it shows does not lead from what is active to what would be signed"


async def fetched(servers: Reached, names: Iterable[str]) -> dict[str, Release]:
    """Releases by the names asked for, each checked by its digest; an empty name has none."""
    slots = asyncio.Semaphore(_AT_ONCE)

    async def one(name: str) -> tuple[str, Release]:
        async with slots:
            return name, (await servers.control.release(name))[1]

    return dict(await asyncio.gather(*(one(name) for name in sorted(set(names) - {""}))))


def _unlike(plan: Plan, environment: str, asked: PlanRequest) -> str:
    closure = plan.closure
    if plan.environment != environment or closure.environment != environment:
        return f"it is for {plan.environment!r}, and its closure for {closure.environment!r}"
    if plan.verb is not asked.verb:
        return f"it is a {plan.verb}, not a {asked.verb}"
    changed = {change.agent: change for change in plan.changes}
    for slug, change in changed.items():
        active = closure.agents.get(slug)
        if change.after != ("" if active is None else active.name):
            return f"it shows {change.after or 'nothing'!r} for {slug!r} and would sign another"
    return (
        _rules_unlike(plan, environment, asked)
        or _agents_unlike(plan, asked)
        or _others_unlike(changed.keys(), asked)
    )


def _rules_unlike(plan: Plan, environment: str, asked: PlanRequest) -> str:
    rules = plan.closure.rules
    if asked.verb is not Verb.CONFIGURE:
        return "" if rules.digest == plan.rules else "it changes the rules as well"
    if asked.profile is None or rules != rules_of(asked.profile, environment):
        return f"its rules are not those of profile {asked.profile}"
    return ""


def _agents_unlike(plan: Plan, asked: PlanRequest) -> str:
    for slug, wanted in (asked.agents or {}).items():
        active = plan.closure.agents.get(slug)
        if active is None:
            return f"agent {slug!r} is not in it"
        if not wanted:
            continue
        named = parse_name(wanted)
        found = active.release if isinstance(named, Digest) else active.name
        if str(found) != wanted:
            return f"agent {slug!r} would be {found}, not {wanted}"
    for slug in asked.remove:
        if slug in plan.closure.agents:
            return f"agent {slug!r} would stay"
    return ""


def _others_unlike(names: AbstractSet[str], asked: PlanRequest) -> str:
    if asked.verb is Verb.CONFIGURE:
        others = names
    elif asked.agents is None or asked.verb is Verb.ROLLBACK:
        return ""
    else:
        others = names - asked.agents.keys() - set(asked.remove)
    return f"it changes {', '.join(sorted(others))} as well" if others else ""


def blocking(gates: tuple[GateRow, ...]) -> tuple[GateRow, ...]:
    """The gates that a signature of one's own cannot meet."""
    return tuple(each for each in gates if each.standing != "met" and each.gate != SIGNATURE)


async def ordered(
    servers: Reached,
    plan: Plan,
    *,
    reason: str = "",
    exclude: tuple[str, ...] = (),
    clock: Clock | None = None,
) -> OrderAnswer:
    """Sign `plan` with the person's key, and hand it in.

    Raises:
        SignerMissing, KeyFileMissing and their kin: there is no key to sign with.
        SeatrialError: what control refuses.
    """
    _, key = servers.signer()
    now = instant((clock or SystemClock()).now())
    order = Order(
        environment=plan.environment,
        verb=plan.verb,
        previous=plan.previous,
        base=plan.base,
        rules=plan.rules,
        nonce=secrets.token_urlsafe(16),
        not_after=now + _VALID[plan.verb],
        reason=reason,
    )
    envelope = order.signed(plan.closure.digest, plan.environment, key)
    request = OrderRequest(order=envelope.decode(), closure=plan.closure, exclude=exclude)
    return await servers.control.order(plan.environment, request)


def started(environment: str, answer: OrderAnswer) -> GenerationRow:
    """The generation that an order began; raises `GatesUnmet` where it is kept."""
    if answer.generation is None:
        unmet = [each for each in answer.gates if each.standing != "met"]
        reason = "; ".join(f"{each.gate}: {each.reason}" for each in unmet)
        raise GatesUnmet(environment=environment, reason=reason or "control kept the order")
    return answer.generation


async def everywhere(
    servers: Reached,
    row: GenerationRow,
    *,
    seconds: float,
    tell: Callable[[str], None],
    clock: Clock | None = None,
) -> GenerationRow:
    """Wait until every required cell runs the generation.

    Args:
        servers: to ask.
        row: what was started.
        seconds: how long to wait.
        tell: told each time it has come further.
        clock: to wait by.

    Raises:
        GenerationAbandoned: it will not be.
        SwitchSlow: not within `seconds`; it may still be.
    """
    clock = clock or SystemClock()
    last, said = clock.steady() + seconds, ""
    while True:
        if row.state is GenerationState.ABANDONED:
            raise GenerationAbandoned(
                environment=row.environment, generation=row.generation, reason=_why(row)
            )
        waiting = lagging(row)
        if row.state is GenerationState.COMMITTED and not waiting:
            return row
        now = lag(row, waiting)
        if now != said:
            tell(said := now)
        if clock.steady() >= last:
            raise SwitchSlow(
                environment=row.environment, generation=row.generation, seconds=seconds, lag=now
            )
        await clock.sleep(_GLANCE)
        row = await servers.control.generation(row.environment, row.generation, _HELD)


def required(row: GenerationRow) -> tuple[str, ...]:
    """The cells without which a generation is not everywhere."""
    return tuple(cell for cell in row.required if cell not in row.excluded)


def lagging(row: GenerationRow) -> tuple[str, ...]:
    """Those of the required cells that do not run it yet."""
    current = {cell.cell: cell.current for cell in row.cells}
    return tuple(cell for cell in required(row) if current.get(cell, 0) < row.generation)


def lag(row: GenerationRow, waiting: tuple[str, ...]) -> str:
    """How far it has come: `3 of 4, eu behind 12 s`."""
    needed = required(row)
    cells = {cell.cell: cell for cell in row.cells}
    if row.state is GenerationState.PROPOSED:
        ready = [c for c in needed if c in cells and cells[c].prepared == row.generation]
        late = [f"{c} {_preparing(cells.get(c), row)}" for c in needed if c not in ready]
        return ", ".join([f"{len(ready)} of {len(needed)} prepared", *late])
    late = [f"{c} behind {cells[c].lag_seconds:.0f} s" if c in cells else c for c in waiting]
    return ", ".join([f"{len(needed) - len(waiting)} of {len(needed)}", *late])


def _preparing(cell: CellRow | None, row: GenerationRow) -> str:
    if cell is None or cell.seen_seconds is None:
        return "never heard of"
    if cell.refused == row.generation:
        return f"refused: {cell.reason}"
    return "prepares" if cell.seen_seconds < 15 else f"silent for {cell.seen_seconds:.0f} s"


def _why(row: GenerationRow) -> str:
    refused = [
        f"{cell.cell} refused: {cell.reason}"
        for cell in row.cells
        if cell.refused == row.generation
    ]
    return ("; ".join(refused) or row.reason or "control gives no reason").rstrip(".")
