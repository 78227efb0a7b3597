"""What a cell stands on, what may be wrong with an order, and the decision what to do next."""

from dataclasses import dataclass
from datetime import datetime

from seatrial.contract.environments.rules import Rules
from seatrial.contract.releases.closure import Closure
from seatrial.kit.crypto.digests import Digest
from seatrial.kit.errors import NotFound


class AgentUnknown(NotFound):
    """No agent {agent!r} is active in {environment!r}."""

    code = "agent_inactive"
    cause = "The name is mistyped, or no release of that agent was brought into this environment."
    remedy = "List what is active with `seatrial status`, then deploy or promote a release."


class NothingActive(NotFound):
    """Nothing is active in {environment!r} yet."""

    code = "nothing_active"
    cause = "No release was ever deployed or promoted into this environment."
    remedy = "Deploy with `seatrial deploy`; into production, `seatrial promote`."


class ReleaseAbsent(NotFound):
    """The release {release} is not kept in this cell."""

    code = "release_absent"
    cause = "It was never prepared here, or was cleared away after it was no longer needed."
    remedy = "List what this cell keeps with `seatrial releases list`."


@dataclass(frozen=True, kw_only=True)
class Admission:
    """On what a run is admitted.

    Attributes:
        generation: in force.
        closure: its digest.
        release: of the agent.
        release_name: such as `support@14`.
        rules: in force.
        moved_at: the last generation that a rollback or a revocation made: a session that was
            last served under an earlier one moves to the present release at once.
    """

    generation: int
    closure: Digest
    release: Digest
    release_name: str
    rules: Rules
    moved_at: int


@dataclass(frozen=True, kw_only=True)
class Current:
    """What is in force.

    Attributes:
        generation: 0 before anything was ever switched.
        closure: the whole of it.
        moved_at: see `Admission`.
        flipped: when it came into force.
    """

    generation: int
    closure: Closure
    moved_at: int
    flipped: datetime


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """What is ready to be put in force.

    Attributes:
        generation: as which.
        closure: the whole of it.
        proposal: digest of the envelope that ordered it.
        at: when it was ready.
    """

    generation: int
    closure: Closure
    proposal: Digest
    at: datetime


@dataclass(frozen=True, kw_only=True)
class Refused:
    """What was refused.

    Attributes:
        generation: which.
        closure: digest of what it would have been.
        proposal: digest of the envelope that ordered it.
        reason: a code and a sentence.
        at: when.
    """

    generation: int
    closure: Digest
    proposal: Digest
    reason: str
    at: datetime


def agents_digest(closure: Closure) -> Digest:
    """One name for the same agents on the same releases, under whatever rules."""
    return Digest.of_json({slug: active.document() for slug, active in closure.agents.items()})
