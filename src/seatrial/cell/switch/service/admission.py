"""What other rooms ask of the switch inside their own transactions."""

from datetime import datetime

from seatrial.cell.switch import store
from seatrial.cell.switch.domain import (
    Admission,
    AgentUnknown,
    Current,
    NothingActive,
    ReleaseAbsent,
)
from seatrial.contract.releases.closure import Closure
from seatrial.contract.releases.release import Release, opened
from seatrial.kit.crypto.digests import Digest
from seatrial.kit.database.connection import Connection


def admitted(connection: Connection, agent: str) -> Admission:
    """On what a run of `agent` is admitted, if this transaction commits.

    Call it first in the transaction that writes the run. A flip waits until that has ended, and it
    waits for a flip that is under way: once a flip is committed, no run is admitted on what was
    before. Admissions do not wait for each other. Use `Isolation.READ_COMMITTED` if you can: it is
    right under `SERIALIZABLE` too, but is then run again when a flip came in between.

    Raises:
        NothingActive: nothing was ever switched to.
        AgentUnknown: no release of that agent is active.
    """
    row = store.admitting(connection, agent)
    if row is None or row.generation == 0:
        raise NothingActive(environment="" if row is None else row.environment)
    if row.release is None:
        raise AgentUnknown(agent=agent, environment=row.environment)
    return Admission(
        generation=row.generation,
        closure=Digest.parse(row.closure),
        release=Digest.parse(row.release),
        release_name=row.name,
        rules=store.rules_in(row.rules),
        moved_at=row.moved,
    )


def current(connection: Connection) -> Current:
    """What is in force, at one instant; for lists and figures, not to admit runs.

    Raises:
        NothingActive: `begin` was never called.
    """
    row = store.activation(connection)
    if row is None:
        raise NothingActive(environment="")
    return Current(
        generation=row.generation,
        closure=Closure.read(row.document),
        moved_at=row.moved,
        flipped=row.flipped,
    )


def release_document(connection: Connection, digest: Digest) -> Release:
    """A release that this cell keeps.

    Raises:
        ReleaseAbsent: it keeps none of that name.
        ReleaseAltered, DocumentInvalid: its row was edited.
    """
    document = store.release(connection, digest)
    if document is None:
        raise ReleaseAbsent(release=str(digest))
    return opened(document, digest)


def begin(connection: Connection, closure: Closure, at: datetime) -> bool:
    """Put the empty `closure` in force as generation 0, once; false if something is in force.

    Its rules are those by which the first order is judged.
    """
    return store.begin(connection, closure, at)
