"""What would happen: the closure that somebody has in mind, and what stands in its way."""

from collections.abc import Callable
from datetime import datetime
from typing import Final

from seatrial.contract.environments.profiles import PATH, rules_of
from seatrial.contract.evidence.statements import Verb
from seatrial.contract.releases.closure import Active, Closure
from seatrial.contract.switch.api import ChangeRow, Plan, PlanRequest
from seatrial.control.catalog.domain import ReleaseOfOther
from seatrial.control.promotions.domain.refusals import (
    AgentNotThere,
    DeployRefused,
    GenerationUnknown,
    NothingToChange,
    NotLiveInSource,
    OrderMismatched,
    PromoteRefused,
    RulesUnknown,
)
from seatrial.control.promotions.service.gathering import judge, switch_of
from seatrial.control.promotions.service.means import Means
from seatrial.control.promotions.service.states import closure_of, in_force
from seatrial.control.promotions.store import generations
from seatrial.kit.database.connection import Connection
from seatrial.kit.text import did_you_mean

Agents = dict[str, Active]


def plan(
    connection: Connection, means: Means, request: PlanRequest, environment: str, now: datetime
) -> Plan:
    """What `request` would do to `environment`, with the gates as they stand.

    Raises:
        EnvironmentUnknown: it is not on the path.
        KeyringMissing: nobody's signature counts yet.
        NothingToChange: it would change nothing.
        DeployRefused, PromoteRefused, NotLiveInSource, AgentNotThere, GenerationUnknown,
            OrderMismatched: the verb cannot do that there.
        ReleaseNameMalformed, ReleaseUnknown, ReleaseOfOther: a release is not what it is called.
    """
    means.environments.profile(environment)
    standing = generations.standing(connection, environment)
    before = in_force(connection, means, standing)
    after = intended(connection, means, request, before)
    admit(connection, means, request.verb, before, after)
    switch = switch_of(request.verb, standing.current, before, after, now)
    judged = judge(connection, means, switch)
    return Plan(
        environment=environment,
        verb=request.verb,
        closure=after,
        previous=standing.current,
        base=before.digest,
        rules=before.rules.digest,
        changes=_changes(connection, means, before, after),
        gates=judged.rows,
        met=judged.verdict.met,
        cells=tuple(sorted(means.cells(connection, environment))),
    )


def intended(
    connection: Connection, means: Means, request: PlanRequest, before: Closure
) -> Closure:
    """The closure that `request` asks for; errors are those of `plan`."""
    after = _BY_VERB[request.verb](connection, means, request, before)
    if after == before:
        raise NothingToChange(environment=before.environment)
    return after


def admit(
    connection: Connection, means: Means, verb: Verb, before: Closure, after: Closure
) -> None:
    """Return if `verb` may lead from `before` to `after` at all, whatever the gates say.

    Raises:
        DeployRefused, PromoteRefused, NotLiveInSource, GenerationUnknown, RulesUnknown: it may not.
        ReleaseUnknown, ReleaseOfOther: a release is not what it is called.
    """
    environment = before.environment
    for slug, active in after.changed_from(before).items():
        known = means.catalog.known(connection, active.release)
        if known.agent != slug or known.name != active.name:
            raise ReleaseOfOther(release=active.name, found=known.agent, wanted=slug)
        if verb is Verb.PROMOTE:
            _refuse_never_live(connection, _source(before), slug, active)
    match verb:
        case Verb.DEPLOY:
            _refuse_deploy(before)
        case Verb.PROMOTE:
            _source(before)
        case Verb.ROLLBACK:
            same = _earlier(connection, environment, lambda _, agents: agents == after.agents)
            if same is None:
                raise GenerationUnknown(environment=environment, generation="with these releases")
        case Verb.CONFIGURE:
            profile = after.rules.profile
            if after.rules != rules_of(profile, environment):
                raise RulesUnknown(profile=profile.value, environment=environment)


def restored(connection: Connection, environment: str, to: int | None, before: Closure) -> Closure:
    """The closure with the agents of an earlier generation under the rules in force.

    Args:
        connection: of the use case.
        environment: where.
        to: the generation; None for the last committed one with other agents than now.
        before: the closure in force.

    Raises:
        GenerationUnknown: that generation was never committed, or is the present one.
        NothingToChange: there is no other to go back to.
    """
    agents = _earlier(
        connection,
        environment,
        lambda _, agents: to is not None or agents != before.agents,
        named=to,
    )
    if agents is None and to is not None:
        raise GenerationUnknown(environment=environment, generation=to)
    if agents is None or agents == before.agents:
        raise NothingToChange(environment=environment)
    return before.model_copy(update={"agents": agents})


def _deployed(
    connection: Connection, means: Means, request: PlanRequest, before: Closure
) -> Closure:
    _refuse_deploy(before)
    changed = {
        slug: _named(connection, means, ref, slug) for slug, ref in (request.agents or {}).items()
    }
    return _with(before, changed, request.remove)


def _promoted(
    connection: Connection, means: Means, request: PlanRequest, before: Closure
) -> Closure:
    source = _source(before)
    active = in_force(connection, means, generations.standing(connection, source)).agents
    if request.agents is None:
        return _with(before, active, request.remove)
    changed = {}
    for slug, ref in request.agents.items():
        if ref:
            changed[slug] = _named(connection, means, ref, slug)
        elif slug in active:
            changed[slug] = active[slug]
        else:
            raise AgentNotThere(environment=source, agent=slug, hint=did_you_mean(slug, active))
    return _with(before, changed, request.remove)


def _rolled_back(
    connection: Connection, means: Means, request: PlanRequest, before: Closure
) -> Closure:
    del means
    return restored(connection, before.environment, request.to, before)


def _configured(
    connection: Connection, means: Means, request: PlanRequest, before: Closure
) -> Closure:
    del connection, means
    if request.profile is None:
        raise OrderMismatched(reason="`configure` needs a profile")
    rules = rules_of(request.profile, before.environment)
    return before.model_copy(update={"rules": rules})


_BY_VERB: Final[dict[Verb, Callable[[Connection, Means, PlanRequest, Closure], Closure]]] = {
    Verb.DEPLOY: _deployed,
    Verb.PROMOTE: _promoted,
    Verb.ROLLBACK: _rolled_back,
    Verb.CONFIGURE: _configured,
}


def _with(before: Closure, changed: Agents, remove: tuple[str, ...]) -> Closure:
    for slug in remove:
        if slug not in before.agents:
            hint = did_you_mean(slug, before.agents)
            raise AgentNotThere(environment=before.environment, agent=slug, hint=hint)
    agents = {
        slug: active
        for slug, active in sorted({**before.agents, **changed}.items())
        if slug not in remove
    }
    return before.model_copy(update={"agents": agents})


def _named(connection: Connection, means: Means, ref: str, agent: str) -> Active:
    digest = means.catalog.resolve(connection, ref, agent)
    known = means.catalog.known(connection, digest)
    return Active(release=digest, name=known.name)


def _refuse_deploy(before: Closure) -> None:
    # The end of the path is no target of deploys even if its rules were made to name no source.
    if before.rules.source is not None or before.environment == PATH[-1]:
        raise DeployRefused(environment=before.environment)


def _source(before: Closure) -> str:
    if before.rules.source is None:
        raise PromoteRefused(environment=before.environment)
    return before.rules.source


def _refuse_never_live(connection: Connection, source: str, slug: str, active: Active) -> None:
    if not generations.was_live(connection, source, slug, active.release):
        raise NotLiveInSource(release=active.name, agent=slug, source=source)


def _earlier(
    connection: Connection,
    environment: str,
    fits: Callable[[int, Agents], bool],
    *,
    named: int | None = None,
) -> Agents | None:
    """The agents of the last generation before the present one that was committed and `fits`."""
    current = generations.standing(connection, environment).current
    for row in generations.backwards(connection, environment, current):
        if named is not None and row.generation != named:
            continue
        agents = closure_of(row).agents
        if fits(row.generation, agents):
            return agents
    return None


def _changes(
    connection: Connection, means: Means, before: Closure, after: Closure
) -> tuple[ChangeRow, ...]:
    slugs = after.changed_from(before).keys() | after.removed_from(before)
    return tuple(
        _change(connection, means, slug, before.agents.get(slug), after.agents.get(slug))
        for slug in sorted(slugs)
    )


def _change(
    connection: Connection, means: Means, slug: str, old: Active | None, new: Active | None
) -> ChangeRow:
    components = (
        {}
        if new is None
        else {
            each.address: each.change.value
            for each in means.catalog.difference(
                connection, None if old is None else old.release, new.release
            )
        }
    )
    return ChangeRow(
        agent=slug,
        before="" if old is None else old.name,
        after="" if new is None else new.name,
        components=components,
    )
