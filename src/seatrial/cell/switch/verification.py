"""Is an order what control signed, and may it be carried out here? Pure; a refusal has a reason.

Two steps, because the second needs the releases' own documents, which are fetched by the digests
that the first has verified: `examined`, then `judged`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime

from seatrial.cell.switch.domain import Examined, Refusal, Standing, Why, agents_digest
from seatrial.contract.evidence.keyring import Keyring
from seatrial.contract.evidence.statements import Commit, Proposal, Verb
from seatrial.contract.gates.decide import Switch, decide
from seatrial.contract.gates.facts import gathered
from seatrial.contract.releases.release import Release
from seatrial.contract.switch.desired import Ordered
from seatrial.kit.crypto.digests import Digest
from seatrial.kit.crypto.dsse import EnvelopeUntrusted
from seatrial.kit.errors import SeatrialError


def examined(ordered: Ordered, standing: Standing, keyring: Keyring) -> Examined | Refusal:
    """The order in `ordered`, if it is whole, signed by control and can follow what is in force.

    An order that cannot be read has generation 0, and is older than everything.
    """
    envelope = ordered.proposal.encode()
    unread = Refusal(
        generation=0,
        closure=ordered.closure.digest,
        proposal=Digest.of(envelope),
        why=Why.MALFORMED,
        detail="",
    )
    try:
        subject, proposal, _ = Proposal.verified(envelope, keyring.control_keys)
    except SeatrialError as error:
        return _unreadable(unread, error)
    # By what was signed, not by the envelope: that can be written in many ways.
    refusal = replace(
        unread, generation=proposal.generation, closure=subject, proposal=proposal.digest
    )
    found = _misfit(ordered, subject, proposal, standing)
    if found is not None:
        return replace(refusal, why=found[0], detail=found[1])
    order = Examined(
        generation=proposal.generation,
        previous=proposal.previous,
        base=proposal.base,
        verb=proposal.verb,
        closure=ordered.closure,
        proposal=refusal.proposal,
        committed=None,
    )
    if ordered.commit is None:
        return order
    try:
        about, commit, _ = Commit.verified(ordered.commit.encode(), keyring.control_keys)
    except SeatrialError as error:
        return _unreadable(refusal, error)
    wrong = _uncommitted(subject, proposal, about, commit)
    if wrong is not None:
        return replace(refusal, why=wrong[0], detail=wrong[1])
    return replace(order, committed=commit.at)


def judged(
    order: Examined,
    evidence: Iterable[str],
    standing: Standing,
    keyring: Keyring,
    releases: Mapping[Digest, Release],
    now: datetime,
) -> Refusal | None:
    """Why `order` may not come into force here; None if it may.

    It is judged by the rules in force in this cell, on evidence that this cell verifies.

    Args:
        order: examined against the same `standing`.
        evidence: envelopes.
        standing: of this cell.
        keyring: in force.
        releases: each one that changes, from a document verified by its digest.
        now: by this cell's clock. What is committed is judged by the time of its commit: when
            this cell catches up, an order may have lapsed since.
    """
    found = revoked(order, standing) or _misnamed(order, releases)
    if found is not None or may_return(order, standing):
        return found
    limits = {digest: release.limits for digest, release in releases.items()}
    try:
        facts = gathered((each.encode() for each in evidence), keyring, limits)
    except SeatrialError as error:  # a key of the keyring is none
        return refusal_of(order, Why.MALFORMED, f"{error.code}: {error.message}")
    switch = Switch(
        verb=order.verb,
        previous=order.previous,
        base=order.base,
        before=standing.closure,
        after=order.closure,
        at=order.committed or now,
    )
    verdict = decide(switch, facts)
    if verdict.met:
        return None
    detail = "; ".join(
        f"{each.gate}{f' ({each.agent})' if each.agent else ''} {each.standing}: {each.reason}"
        for each in verdict.unmet
    )
    return refusal_of(order, Why.GATES, detail or "the rules have no gate")


def revoked(order: Examined, standing: Standing) -> Refusal | None:
    """The refusal of an order that would bring back what was revoked."""
    for slug, active in order.closure.agents.items():
        if active.release in standing.revoked:
            detail = f"{active.name} of {slug} was revoked"
            return refusal_of(order, Why.REVOKED, detail)
    return None


def _misnamed(order: Examined, releases: Mapping[Digest, Release]) -> Refusal | None:
    """The refusal of an order by which an agent would run, under its name, what is another's."""
    for slug, active in order.closure.agents.items():
        release = releases.get(active.release)
        owner = slug if release is None else release.manifest.agent
        if owner != slug or active.name.partition("@")[0] != slug:
            detail = f"{active.name} of {owner} would run as {slug}"
            return refusal_of(order, Why.RELEASE, detail)
    return None


def may_return(order: Examined, standing: Standing) -> bool:
    """Whether it is the way back to what this cell has run before, under the rules in force."""
    return (
        order.verb is Verb.ROLLBACK
        and order.closure.rules == standing.closure.rules
        and agents_digest(order.closure) in standing.lived
    )


def refusal_of(order: Examined, why: Why, detail: str) -> Refusal:
    """The refusal of `order`."""
    return Refusal(
        generation=order.generation,
        closure=order.closure.digest,
        proposal=order.proposal,
        why=why,
        detail=detail,
    )


def _unreadable(unread: Refusal, error: SeatrialError) -> Refusal:
    why = Why.SIGNATURE if isinstance(error, EnvelopeUntrusted) else Why.MALFORMED
    return replace(unread, why=why, detail=f"{error.code}: {error.message}")


def _misfit(
    ordered: Ordered, subject: Digest, proposal: Proposal, standing: Standing
) -> tuple[Why, str] | None:
    here, present = standing.closure.environment, standing.generation
    came = {Digest.of(each.encode()) for each in ordered.evidence}
    previous, generation = proposal.previous, proposal.generation
    base, source = standing.closure.digest, standing.closure.rules.source
    findings = (
        (
            subject != ordered.closure.digest,
            Why.CLOSURE,
            f"control signed {subject}, and {ordered.closure.digest} came with it",
        ),
        (
            {proposal.environment, ordered.closure.environment} != {here},
            Why.ENVIRONMENT,
            f"it is for {proposal.environment!r}, and this is {here!r}",
        ),
        (
            came != set(proposal.evidence),
            Why.EVIDENCE,
            "the evidence that came with it is not the one that control signed",
        ),
        (
            generation <= max(previous, present),
            Why.GENERATION,
            f"{generation} follows neither {previous} nor {present}",
        ),
        (previous < present, Why.BASE, f"it follows {previous}, and {present} is in force"),
        (
            previous == present and proposal.base != base,
            Why.BASE,
            f"it replaces {proposal.base}, and {base} is in force",
        ),
        (
            proposal.verb is Verb.DEPLOY and source is not None,
            Why.VERB,
            f"releases come here from {source!r}, by promotion alone",
        ),
    )
    return next(((why, detail) for found, why, detail in findings if found), None)


def _uncommitted(
    subject: Digest, proposal: Proposal, about: Digest, commit: Commit
) -> tuple[Why, str] | None:
    said = (about, commit.environment, commit.generation)
    if said != (subject, proposal.environment, proposal.generation):
        return Why.COMMIT, "it commits another generation, closure or environment"
    missing = set(proposal.required) - set(commit.prepared) - set(commit.excluded)
    if missing:
        return Why.PREMATURE, f"not prepared and not excluded: {', '.join(sorted(missing))}"
    return None
