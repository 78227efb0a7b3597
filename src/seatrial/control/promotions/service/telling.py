"""What is told: to a cell what it shall run, to people how things stand."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from seatrial.contract.environments.profiles import PATH
from seatrial.contract.evidence.keyring import Keyring
from seatrial.contract.evidence.statements import Verb
from seatrial.contract.gates.decide import Switch, decide
from seatrial.contract.gates.facts import gathered
from seatrial.contract.releases.closure import Closure
from seatrial.contract.releases.release import ReleaseAltered
from seatrial.contract.switch.api import (
    CellRow,
    EnvironmentRow,
    GenerationRow,
    GenerationState,
    Status,
)
from seatrial.contract.switch.desired import Desired, Heard, Ordered
from seatrial.control.catalog.domain import ReleaseUnknown
from seatrial.control.environments.domain import Cell
from seatrial.control.promotions.domain.refusals import (
    GenerationAltered,
    GenerationUnknown,
)
from seatrial.control.promotions.domain.switching import Until, waypoint
from seatrial.control.promotions.service.means import Means
from seatrial.control.promotions.service.states import closure_of, in_force, present
from seatrial.control.promotions.store import cells, evidence, generations
from seatrial.control.promotions.store.cells import Hearsay
from seatrial.control.promotions.store.generations import Generation, Standing
from seatrial.kit.crypto.digests import Digest
from seatrial.kit.database.connection import Connection

CONNECTED: Final = timedelta(seconds=15)
"""A cell that was heard of so lately counts as connected: it polls every 5 s at least."""


def desired(
    connection: Connection, means: Means, cell: str, environment: str, current: int | None
) -> Desired:
    """All that `cell` is to know.

    Args:
        connection: of the use case.
        means: see there.
        cell: for whom.
        environment: its environment.
        current: the generation that it says it runs; None takes what was heard last.

    Raises:
        KeyringMissing: nothing can be told before there is one.
        GenerationAltered: a row is gone.
    """
    keyring, envelope = means.keyring(connection)
    standing = generations.standing(connection, environment)
    heard = cells.heard(connection, cell, environment)
    at = heard.current if current is None else current
    committed = (
        None
        if standing.current == 0
        else _ordered(connection, _next(connection, means, keyring, standing, at))
    )
    proposed = (
        None
        if standing.proposed is None
        else _ordered(connection, present(connection, environment, standing.proposed))
    )
    return Desired(
        cell=cell,
        environment=environment,
        keyring=envelope,
        committed=committed,
        proposed=proposed,
        heard=Heard(current=heard.current, prepared=heard.prepared, refused=heard.refused),
    )


def generation(
    connection: Connection, means: Means, environment: str, number: int, now: datetime
) -> GenerationRow:
    """One generation, with the cells that it concerns; raises `GenerationUnknown`."""
    means.environments.profile(environment)
    row = generations.one(connection, environment, number)
    if row is None:
        raise GenerationUnknown(environment=environment, generation=number)
    rows = _cells(connection, means, environment, now)
    concerned = row.required | row.excluded
    return _row(row, tuple(each for each in rows if each.cell in concerned))


def newest(
    connection: Connection, means: Means, environment: str, limit: int
) -> tuple[GenerationRow, ...]:
    """The newest generations of an environment, the newest first."""
    means.environments.profile(environment)
    return tuple(_row(row) for row in generations.newest(connection, environment, limit))


def status(connection: Connection, means: Means, now: datetime) -> Status:
    """Everything on one page: environments that have a cell or ever saw an order."""
    known = means.environments.keyring(connection)
    standings = generations.standings(connection)
    rows = (
        _environment(connection, means, standings.get(name, Standing(environment=name)), now)
        for name in PATH
    )
    return Status(
        version=means.version,
        embedded=means.embedded,
        keyring=0 if known is None else known[0].version,
        environments=tuple(
            row for row in rows if row.cells or row.current is not None or row.proposed is not None
        ),
    )


def active(connection: Connection, means: Means) -> Mapping[Digest, tuple[str, ...]]:
    """The environments where each release is active now, in the order of the path."""
    standings = generations.standings(connection)
    found: dict[Digest, tuple[str, ...]] = {}
    for name in PATH:
        standing = standings.get(name)
        if standing is None or standing.current == 0:
            continue
        for each in in_force(connection, means, standing).agents.values():
            found[each.release] = (*found.get(each.release, ()), name)
    return found


def is_reached(row: GenerationRow, until: Until) -> bool:
    """Whether there is nothing more to wait for."""
    if row.state is not GenerationState.COMMITTED:
        return row.state is GenerationState.ABANDONED
    running = {each.cell for each in row.cells if each.current >= row.generation}
    return until is Until.COMMITTED or running.issuperset(row.required)


def _ordered(connection: Connection, row: Generation) -> Ordered:
    found = evidence.envelopes(connection, row.evidence)
    return Ordered(
        proposal=row.proposal,
        commit=row.commit,
        closure=closure_of(row),
        evidence=tuple(found[digest] for digest in row.evidence if digest in found),
    )


def _next(
    connection: Connection, means: Means, keyring: Keyring, standing: Standing, current: int
) -> Generation:
    """The generation that a cell at `current` is to reach next."""
    newest = present(connection, standing.environment, standing.current)
    if current >= newest.previous:
        return newest
    committed = [number for number, _ in generations.committed(connection, standing.environment)]
    if current and current not in committed:
        return newest
    before = in_force(
        connection, means, Standing(environment=standing.environment, current=current)
    )
    number = waypoint(
        current, committed, lambda _: _would_take(connection, means, keyring, before, newest)
    )
    return present(connection, standing.environment, number)


def _would_take(
    connection: Connection, means: Means, keyring: Keyring, before: Closure, row: Generation
) -> bool:
    """Whether a cell with `before` in force would take a committed generation at once."""
    after = closure_of(row)
    if after.rules == before.rules and row.verb is Verb.ROLLBACK and after.agents == before.agents:
        return True
    try:
        limits = {
            each.release: means.catalog.release(connection, each.release).limits
            for each in after.changed_from(before).values()
        }
        base = (
            closure_of(present(connection, row.environment, row.previous))
            if row.previous
            else (means.environments.initial(row.environment))
        )
    except (GenerationAltered, ReleaseUnknown, ReleaseAltered):
        return False  # then it is led there step by step
    found = evidence.envelopes(connection, row.evidence)
    facts = gathered((each.encode() for each in found.values()), keyring, limits)
    switch = Switch(
        verb=row.verb,
        previous=row.previous,
        base=base.digest,
        before=before,
        after=after,
        at=row.committed or row.ordered,
    )
    return decide(switch, facts).met


def _environment(
    connection: Connection, means: Means, standing: Standing, now: datetime
) -> EnvironmentRow:
    name = standing.environment
    rows = _cells(connection, means, name, now)
    current = present(connection, name, standing.current) if standing.current else None
    proposed = present(connection, name, standing.proposed) if standing.proposed else None
    return EnvironmentRow(
        environment=name,
        profile=in_force(connection, means, standing).rules.profile,
        current=None if current is None else _row(current, rows),
        proposed=None if proposed is None else _row(proposed, rows),
        cells=rows,
    )


def _cells(
    connection: Connection, means: Means, environment: str, now: datetime
) -> tuple[CellRow, ...]:
    known = cells.every(connection)
    members = means.environments.cells(connection, environment)
    told = [
        known.get(each.name, Hearsay(cell=each.name, environment=environment)) for each in members
    ]
    lowest = min((each.current for each in told), default=0)
    committed = generations.committed(connection, environment, lowest)
    return tuple(
        _cell(cell, heard, committed, now) for cell, heard in zip(members, told, strict=True)
    )


def _cell(
    cell: Cell, heard: Hearsay, committed: Sequence[tuple[int, datetime]], now: datetime
) -> CellRow:
    ahead = [at for number, at in committed if number > heard.current]
    prepared = heard.prepared if (heard.prepared or 0) > heard.current else None
    refused = heard.refused if (heard.refused or 0) > heard.current else None
    seen = None if heard.seen is None else max(0.0, (now - heard.seen).total_seconds())
    return CellRow(
        cell=cell.name,
        environment=cell.environment,
        region=cell.region,
        url=cell.url,
        current=heard.current,
        prepared=prepared,
        refused=refused,
        reason=heard.reason if refused is not None else "",
        behind=len(ahead),
        lag_seconds=max(0.0, (now - ahead[0]).total_seconds()) if ahead else 0.0,
        seen_seconds=seen,
        connected=seen is not None and seen < CONNECTED.total_seconds(),
    )


def _row(row: Generation, rows: tuple[CellRow, ...] = ()) -> GenerationRow:
    closure = closure_of(row)
    return GenerationRow(
        environment=row.environment,
        generation=row.generation,
        verb=row.verb,
        state=row.state,
        closure=Digest.parse(row.closure),
        agents={slug: each.name for slug, each in closure.agents.items()},
        by=row.by,
        reason=row.reason,
        ordered=row.ordered,
        committed=row.committed,
        required=tuple(sorted(row.required)),
        excluded=tuple(sorted(row.excluded)),
        cells=rows,
    )
