"""What a cell stands on, what may be wrong with an order, and the decision what to do next."""

import enum
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from seatrial.contract.environments.rules import Rules
from seatrial.contract.evidence.statements import Step, Verb
from seatrial.contract.releases.closure import Closure
from seatrial.contract.switch.desired import Heard
from seatrial.kit.crypto.digests import Digest
from seatrial.kit.errors import BadUpstream, Denied, NotFound, Unavailable

_LONGEST_REASON: Final = 2_000  # characters, as `CellReport` takes them


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


class DesiredMalformed(BadUpstream):
    """Control's answer cannot be used: {reason}."""

    code = "desired_malformed"
    cause = "Control has another version, or something on the way altered or replaced its answer."
    remedy = "Nothing was changed here. Compare the versions of control and cell."


class DesiredMisdirected(BadUpstream):
    """Control's answer is for cell {cell!r} of {environment!r}, and this is {here!r}."""

    code = "desired_misdirected"
    cause = "The cell's token or address of control belongs to another cell."
    remedy = "Nothing was changed here. Enrol this cell anew with a token made for it."


class KeyringForked(Denied):
    """A second keyring has version {version}."""

    code = "keyring_forked"
    cause = "The root key signed two different keyrings under one version."
    remedy = "Sign a keyring with a higher version; until then the first one stays in force."


class BlobAltered(BadUpstream):
    """The content that came for {digest} is not the one of that name."""

    code = "blob_altered"
    cause = "It was altered or cut off in control's store or on the way."
    remedy = "Nothing was kept. Deploy the release again if control's store was altered."


class BlobTooLarge(BadUpstream):
    """The content of {digest} is larger than {limit} bytes."""

    code = "blob_too_large"
    cause = "The server sends without end, or a release holds something very large."
    remedy = "Leave large files out of the release; read them from a store of their own."


class BlobUnkept(Unavailable):
    """The content of {digest} cannot be kept: {reason}."""

    code = "blob_unkept"
    cause = "The disk is full, or the cell's folder is gone or may not be written."
    remedy = "Make room or mend the folder; the cell tries again by itself."


class ControlRefused(BadUpstream):
    """Control answered {status} to {call}: {reason}."""

    code = "control_refused"
    cause = "Control does not know this cell's token, lacks what was asked for, or failed."
    remedy = "Look at control's log; enrol the cell anew if its token was revoked."


class EnrolmentMissing(Unavailable):
    """This cell is not enrolled, and there is no token at {path!r}."""

    code = "enrolment_missing"
    cause = "A cell is made known to control once, by a token that an administrator makes."
    remedy = "Make one with `seatrial keys enrol`, write it to that file, mode 0600, and start."


class EnrolmentMismatched(Denied):
    """Control enrolled this cell for {found!r}, and its settings say {wanted!r}."""

    code = "enrolment_mismatched"
    cause = "The enrolment token was made for another environment or cell."
    remedy = "Make a token for this cell, or correct `environment` in its settings."


@dataclass(frozen=True, kw_only=True)
class Counts:
    """What became of a release's runs here; test, local and evaluation runs are not counted.

    Attributes:
        first: when the first of them was accepted; None while there is none.
        succeeded: runs by their end.
        failed: likewise.
        cancelled: likewise.
        good: runs whose outcome is `resolved`.
        judged: runs that have an outcome.
    """

    first: datetime | None = None
    succeeded: int = 0
    failed: int = 0
    cancelled: int = 0
    good: int = 0
    judged: int = 0


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
        proposal: digest of what control signed; see `Proposal`.
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
        proposal: digest of what control signed; see `Proposal`.
        reason: a code and a sentence.
        at: when.
    """

    generation: int
    closure: Digest
    proposal: Digest
    reason: str
    at: datetime


@dataclass(frozen=True, kw_only=True)
class Figures:
    """How a process of the cell stands to the switch.

    Attributes:
        generation: in force.
        closure: its digest.
        moved_at: see `Admission`.
        flipped: when it came into force.
        prepared: the generation that is ready beyond that; None for none.
        refused: the generation that was refused beyond that; None for none.
        reason: why.
        behind: generations by which the last known commit is ahead of this cell.
        keyring: version in force; 0 before the first.
        enrolled: whether control knows this process.
        leads: whether this process switches the cell.
        control_seconds: since control answered this process; None for never.
        trouble: why control is not followed at present; empty if it is.
    """

    generation: int
    closure: Digest
    moved_at: int
    flipped: datetime
    prepared: int | None
    refused: int | None
    reason: str
    behind: int
    keyring: int
    enrolled: bool
    leads: bool
    control_seconds: float | None
    trouble: str


def agents_digest(closure: Closure) -> Digest:
    """One name for the same agents on the same releases, under whatever rules."""
    return Digest.of_json({slug: active.document() for slug, active in closure.agents.items()})


class Why(enum.StrEnum):
    """Why an order is not carried out; nothing is let pass for want of a rule."""

    SIGNATURE = "signature_untrusted"
    MALFORMED = "order_malformed"
    CLOSURE = "closure_altered"
    EVIDENCE = "evidence_altered"
    ENVIRONMENT = "environment_other"
    GENERATION = "generation_old"
    BASE = "base_differs"
    VERB = "verb_refused"
    COMMIT = "commit_differs"
    PREMATURE = "commit_premature"
    GATES = "gates_unmet"
    REVOKED = "release_revoked"
    RELEASE = "release_unusable"
    UNPREPARED = "prepare_failed"


@dataclass(frozen=True, kw_only=True)
class Examined:
    """An order whose every part is what control signed, and which can follow what is in force.

    Attributes:
        generation: as which.
        previous: the generation that it follows.
        base: the closure of that.
        verb: what for.
        closure: what shall be in force.
        proposal: digest of what control signed; see `Proposal`.
        committed: when it was committed; None while it is not.
    """

    generation: int
    previous: int
    base: Digest
    verb: Verb
    closure: Closure
    proposal: Digest
    committed: datetime | None


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """An order that is not carried out.

    Attributes:
        generation: as which it was ordered.
        closure: what it would have been.
        proposal: digest of what control signed; see `Proposal`.
        why: the reason's name.
        detail: a sentence.
    """

    generation: int
    closure: Digest
    proposal: Digest
    why: Why
    detail: str

    @property
    def reason(self) -> str:
        """The reason as it is kept and reported: printable, of bounded length."""
        detail = "".join(each if each.isprintable() else " " for each in self.detail)
        text = f"{self.why}: {detail}"
        return text if len(text) <= _LONGEST_REASON else f"{text[: _LONGEST_REASON - 1]}…"


@dataclass(frozen=True, kw_only=True)
class Standing:
    """What a cell stands on.

    Attributes:
        cell: its name.
        generation: in force.
        closure: in force.
        prepared: what is ready beyond that.
        refused: what was refused beyond that.
        lived: maps of agents that were in force here, by digest.
        revoked: releases that may not run again.
    """

    cell: str
    generation: int
    closure: Closure
    prepared: Prepared | None = None
    refused: Refused | None = None
    lived: frozenset[Digest] = frozenset()
    revoked: frozenset[Digest] = frozenset()


@dataclass(frozen=True, kw_only=True)
class Nothing:
    """All is as it shall be, or nothing can be done yet."""


@dataclass(frozen=True, kw_only=True)
class Prepare:
    """Fetch, judge, build and warm; then flip if it is committed, else report."""

    order: Examined


@dataclass(frozen=True, kw_only=True)
class Flip:
    """Put in force what is prepared."""

    order: Examined


@dataclass(frozen=True, kw_only=True)
class Refuse:
    """Write down and report that an order is not carried out."""

    refusal: Refusal


Action = Nothing | Prepare | Flip | Refuse
Wanted = Examined | Refusal | None


def decide(standing: Standing, committed: Wanted, proposed: Wanted) -> Action:
    """What to do next, by what control wants now. Total; the same however often it is asked.

    Args:
        standing: of this cell.
        committed: what is to be reached, examined.
        proposed: what is to be prepared, examined.
    """
    if committed is not None and committed.generation > standing.generation:
        return _toward(standing, committed)
    refused = standing.refused
    is_old = proposed is None or proposed.generation <= standing.generation
    if proposed is None or is_old or (refused and refused.proposal == proposed.proposal):
        return Nothing()
    if isinstance(proposed, Refusal):
        return Nothing() if is_known(standing, proposed) else Refuse(refusal=proposed)
    if proposed.previous != standing.generation or is_prepared(standing, proposed):
        return Nothing()
    return Prepare(order=proposed)


def _toward(standing: Standing, committed: Examined | Refusal) -> Action:
    # What all others run is judged anew each time: a newer keyring may mend it.
    if isinstance(committed, Refusal):
        return Nothing() if is_known(standing, committed) else Refuse(refusal=committed)
    ready = is_prepared(standing, committed)
    return Flip(order=committed) if ready else Prepare(order=committed)


def is_known(standing: Standing, refusal: Refusal) -> bool:
    """Whether this was refused already for the same cause, or is older than what was.

    What is told of one cause may differ in its figures; and documents that come again and again
    must not fill the log.
    """
    known = standing.refused
    if known is None or known.generation != refusal.generation:
        return known is not None and known.generation > refusal.generation
    return known.proposal == refusal.proposal and known.reason.startswith(f"{refusal.why}: ")


def is_prepared(standing: Standing, order: Examined) -> bool:
    """Whether this very order is ready to be put in force."""
    ready = standing.prepared
    return ready is not None and (ready.generation, ready.closure.digest, ready.proposal) == (
        order.generation,
        order.closure.digest,
        order.proposal,
    )


@dataclass(frozen=True, kw_only=True)
class Saying:
    """Something that control is to be told.

    Attributes:
        generation: about which.
        closure: its digest.
        step: how far it has come.
        reason: of a refusal.
        at: since when it is so.
    """

    generation: int
    closure: Digest
    step: Step
    reason: str = ""
    at: datetime


def unsaid(standing: Standing, flipped: datetime, heard: Heard) -> tuple[Saying, ...]:
    """What control has not heard of how far this cell has come."""
    sayings = []
    if standing.generation > heard.current:
        sayings.append(
            Saying(
                generation=standing.generation,
                closure=standing.closure.digest,
                step=Step.COMMITTED,
                at=flipped,
            )
        )
    ready, refused = standing.prepared, standing.refused
    if ready is not None and heard.prepared != ready.generation > standing.generation:
        sayings.append(
            Saying(
                generation=ready.generation,
                closure=ready.closure.digest,
                step=Step.PREPARED,
                at=ready.at,
            )
        )
    if refused is not None and heard.refused != refused.generation > standing.generation:
        sayings.append(
            Saying(
                generation=refused.generation,
                closure=refused.closure,
                step=Step.REFUSED,
                reason=refused.reason,
                at=refused.at,
            )
        )
    return tuple(sayings)
