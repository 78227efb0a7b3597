"""Where each environment stands, its generations, and what was ever live in it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, cast

from sqlalchemy import Row, insert, select, update

from seatrial.contract.evidence.statements import Verb
from seatrial.contract.switch.api import GenerationState
from seatrial.control.promotions.store.tables import ENVIRONMENT, GENERATION, LIVE
from seatrial.kit.crypto.digests import Digest
from seatrial.kit.database.connection import Connection
from seatrial.kit.database.dialects import upsert

_PAGE: Final = 20


@dataclass(frozen=True, kw_only=True)
class Standing:
    """The row of an environment; one of no switch yet has all zero."""

    environment: str
    newest: int = 0
    current: int = 0
    proposed: int | None = None


@dataclass(frozen=True, kw_only=True)
class Generation:
    """The row of a generation; the envelopes in it are what counts, the rest is for look-ups.

    Attributes:
        prepared: by cell, the envelope in which it said so.
        evidence: digests.
    """

    environment: str
    generation: int
    previous: int
    verb: Verb
    state: GenerationState
    closure: str
    document: object
    proposal: str
    commit: str | None = None
    evidence: tuple[str, ...]
    required: frozenset[str]
    prepared: Mapping[str, str] = field(default_factory=dict)
    excluded: frozenset[str] = frozenset()
    by: str
    reason: str
    ordered: datetime
    deadline: datetime
    committed: datetime | None = None


def hold(connection: Connection, environment: str) -> Standing:
    """Where `environment` stands, held against all others until the transaction ends."""
    row = upsert(ENVIRONMENT).values(environment=environment, newest=0, current=0)
    connection.execute(row.on_conflict_do_nothing(index_elements=[ENVIRONMENT.c.environment]))
    held = select(ENVIRONMENT).where(ENVIRONMENT.c.environment == environment)
    return _standing(connection.execute(held.with_for_update()).one())


def standing(connection: Connection, environment: str) -> Standing:
    """Where `environment` stands."""
    row = select(ENVIRONMENT).where(ENVIRONMENT.c.environment == environment)
    found = connection.execute(row).first()
    return Standing(environment=environment) if found is None else _standing(found)


def standings(connection: Connection) -> dict[str, Standing]:
    """Every environment that ever saw an order."""
    return {row.environment: _standing(row) for row in connection.execute(select(ENVIRONMENT))}


def overdue(connection: Connection, now: datetime) -> tuple[str, ...]:
    """Environments whose generation under way has passed its deadline."""
    late = select(ENVIRONMENT.c.environment).where(
        ENVIRONMENT.c.proposed.is_not(None), ENVIRONMENT.c.deadline <= now
    )
    return tuple(connection.execute(late.order_by(ENVIRONMENT.c.environment)).scalars())


def place(connection: Connection, standing: Standing, deadline: datetime | None) -> None:
    """Keep where an environment stands."""
    row = update(ENVIRONMENT).where(ENVIRONMENT.c.environment == standing.environment)
    connection.execute(
        row.values(
            newest=standing.newest,
            current=standing.current,
            proposed=standing.proposed,
            deadline=deadline,
        )
    )


def add(connection: Connection, fresh: Generation) -> None:
    """Keep a new generation; its number must be new."""
    connection.execute(
        insert(GENERATION).values(
            environment=fresh.environment,
            generation=fresh.generation,
            previous=fresh.previous,
            verb=fresh.verb.value,
            state=fresh.state.value,
            closure=fresh.closure,
            document=fresh.document,
            proposal=fresh.proposal,
            evidence=list(fresh.evidence),
            required=sorted(fresh.required),
            prepared=dict(fresh.prepared),
            excluded=sorted(fresh.excluded),
            by=fresh.by,
            reason=fresh.reason,
            ordered=fresh.ordered,
            deadline=fresh.deadline,
        )
    )


def count(
    connection: Connection,
    environment: str,
    generation: int,
    *,
    required: frozenset[str],
    prepared: Mapping[str, str],
    excluded: frozenset[str],
) -> None:
    """Keep how far the cells have come with a generation under way."""
    connection.execute(
        _proposed(environment, generation).values(
            required=sorted(required), prepared=dict(prepared), excluded=sorted(excluded)
        )
    )


def settle(
    connection: Connection,
    environment: str,
    generation: int,
    *,
    commit: str | None,
    at: datetime | None,
    reason: str | None = None,
) -> bool:
    """Commit (with an envelope) or abandon (without) a generation; false if it is not under way."""
    state = GenerationState.ABANDONED if commit is None else GenerationState.COMMITTED
    values: dict[str, Any] = {"state": state.value, "commit_envelope": commit, "committed": at}
    if reason is not None:
        values["reason"] = reason
    return connection.execute(_proposed(environment, generation).values(**values)).rowcount == 1


def _proposed(environment: str, generation: int) -> Any:  # noqa: ANN401 - an UPDATE
    return update(GENERATION).where(
        GENERATION.c.environment == environment,
        GENERATION.c.generation == generation,
        GENERATION.c.state == GenerationState.PROPOSED.value,
    )


def one(connection: Connection, environment: str, generation: int) -> Generation | None:
    """One generation."""
    row = select(GENERATION).where(
        GENERATION.c.environment == environment, GENERATION.c.generation == generation
    )
    found = connection.execute(row).first()
    return None if found is None else _generation(found)


def newest(connection: Connection, environment: str, limit: int) -> tuple[Generation, ...]:
    """The newest generations, whatever became of them, the newest first."""
    rows = select(GENERATION).where(GENERATION.c.environment == environment)
    rows = rows.order_by(GENERATION.c.generation.desc()).limit(limit)
    return tuple(_generation(row) for row in connection.execute(rows))


def committed(
    connection: Connection, environment: str, after: int = 0
) -> tuple[tuple[int, datetime], ...]:
    """Number and instant of each committed generation above `after`, rising."""
    rows = select(GENERATION.c.generation, GENERATION.c.committed).where(
        GENERATION.c.environment == environment,
        GENERATION.c.state == GenerationState.COMMITTED.value,
        GENERATION.c.generation > after,
    )
    found = connection.execute(rows.order_by(GENERATION.c.generation))
    return tuple((row.generation, row.committed) for row in found)


def backwards(connection: Connection, environment: str, before: int) -> Iterator[Generation]:
    """Committed generations below `before`, the newest first, a few at a time."""
    while before > 0:
        rows = select(GENERATION).where(
            GENERATION.c.environment == environment,
            GENERATION.c.state == GenerationState.COMMITTED.value,
            GENERATION.c.generation < before,
        )
        rows = rows.order_by(GENERATION.c.generation.desc()).limit(_PAGE)
        page = [_generation(row) for row in connection.execute(rows)]
        yield from page
        before = page[-1].generation if page else 0


def note_live(
    connection: Connection, environment: str, generation: int, releases: dict[str, Digest]
) -> None:
    """Keep that these releases were live."""
    if not releases:
        return
    rows = [
        {
            "environment": environment,
            "agent": agent,
            "release": str(release),
            "generation": generation,
        }
        for agent, release in releases.items()
    ]
    key = [LIVE.c.environment, LIVE.c.agent, LIVE.c.release]
    connection.execute(upsert(LIVE).on_conflict_do_nothing(index_elements=key), rows)


def was_live(connection: Connection, environment: str, agent: str, release: Digest) -> bool:
    """Whether a committed generation of `environment` had this release of this agent."""
    row = select(LIVE.c.generation).where(
        LIVE.c.environment == environment,
        LIVE.c.agent == agent,
        LIVE.c.release == str(release),
    )
    return connection.execute(row).first() is not None


def _standing(row: Row[Any]) -> Standing:
    return Standing(
        environment=row.environment,
        newest=row.newest,
        current=row.current,
        proposed=row.proposed,
    )


def _generation(row: Row[Any]) -> Generation:
    return Generation(
        environment=row.environment,
        generation=row.generation,
        previous=row.previous,
        verb=Verb(row.verb),
        state=GenerationState(row.state),
        closure=row.closure,
        document=row.document,
        proposal=row.proposal,
        commit=row.commit_envelope,
        evidence=tuple(cast("list[str]", row.evidence)),
        required=frozenset(row.required),
        prepared=dict(row.prepared),
        excluded=frozenset(row.excluded),
        by=row.by,
        reason=row.reason,
        ordered=row.ordered,
        deadline=row.deadline,
        committed=row.committed,
    )
