"""The decision: may this closure become active here? The same in control and in every cell.

Total: whatever the rules and the evidence hold, the answer is a verdict with a reason for each
gate. What cannot be read, is unknown or is missing is never met.
"""

import enum
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any, Final

from pydantic import Field

from seatrial.contract.documents import Document, DocumentInvalid
from seatrial.contract.evidence.keyring import Role
from seatrial.contract.evidence.statements import RunFacts, Verb
from seatrial.contract.gates.facts import Facts, SignedOrder
from seatrial.contract.releases.closure import Active, Closure
from seatrial.kit.crypto.digests import Digest


class Standing(enum.StrEnum):
    """What a gate says."""

    MET = "met"
    UNMET = "unmet"
    INCONCLUSIVE = "inconclusive"
    """Too little data. Never a pass."""
    UNKNOWN = "unknown"
    """No such gate in this version, or its terms cannot be read. Never a pass."""


@dataclass(frozen=True, kw_only=True)
class GateResult:
    """One gate's answer.

    Attributes:
        gate: which.
        standing: what it says.
        reason: why, with the figures.
        agent: the agent it is about; empty where it is about the closure.
        remedy: what would meet it.
    """

    gate: str
    standing: Standing
    reason: str
    agent: str = ""
    remedy: str = ""


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """All gates' answers."""

    gates: tuple[GateResult, ...]

    @property
    def met(self) -> bool:
        """Whether every gate is met. No gate at all is no verdict, and never met."""
        return bool(self.gates) and all(each.standing is Standing.MET for each in self.gates)

    @property
    def unmet(self) -> tuple[GateResult, ...]:
        """The gates that stand in the way."""
        return tuple(each for each in self.gates if each.standing is not Standing.MET)


@dataclass(frozen=True, kw_only=True)
class Switch:
    """What is to be decided.

    Attributes:
        verb: what for.
        previous: the generation that it follows, as ordered.
        base: digest of the closure that it replaces, as ordered.
        before: the closure in force where this is decided.
        after: the closure that shall be.
        at: when it is judged.
    """

    verb: Verb
    previous: int
    base: Digest
    before: Closure
    after: Closure
    at: datetime


def decide(switch: Switch, facts: Facts) -> Verdict:
    """Judge `switch` by the rules in force before it.

    A gate about releases asks for those whose release changes; where none does, it is met.
    """
    rules = switch.before.rules
    results = [_coherent(switch)]
    for rule in rules.gates:
        known = _GATES.get(rule.gate)
        if known is None:
            results.append(_unknown(rule.gate, "this version knows no such gate"))
            continue
        terms, judge = known
        try:
            results += judge(switch, facts, terms.read(rule.terms))
        except DocumentInvalid as error:
            results.append(_unknown(rule.gate, error.message))
    return Verdict(gates=tuple(results))


def _unknown(gate: str, reason: str) -> GateResult:
    return GateResult(
        gate=gate,
        standing=Standing.UNKNOWN,
        reason=reason,
        remedy="Update this process, or change the environment's rules by a promotion.",
    )


def _coherent(switch: Switch) -> GateResult:
    """Whether the closure may follow at all: same environment, rules changed only on purpose."""
    gate = "coherent"
    if switch.after.environment != switch.before.environment:
        reason = f"it is a closure of {switch.after.environment!r}"
    elif switch.verb is not Verb.CONFIGURE and switch.after.rules != switch.before.rules:
        reason = f"a {switch.verb} may not change the rules"
    elif switch.verb is Verb.CONFIGURE and switch.after.agents != switch.before.agents:
        reason = "a change of rules may not change releases"
    else:
        return GateResult(gate=gate, standing=Standing.MET, reason="it changes only what it may")
    return GateResult(gate=gate, standing=Standing.UNMET, reason=reason, remedy="Plan it again.")


class _NoTerms(Document):
    """A gate without parameters."""


class _OrderTerms(Document):
    """Whose signature an order needs."""

    roles: Annotated[tuple[Role, ...], Field(min_length=1)]
    count: Annotated[int, Field(ge=1, le=20)] = 1
    other_than_author: bool = False


class _SoakTerms(Document):
    """How much must have been seen in the source environment."""

    runs: Annotated[int, Field(ge=0)] = 0
    or_seconds: Annotated[int | None, Field(ge=1)] = None
    succeeded: Annotated[int, Field(ge=0)] = 0
    judged: Annotated[int, Field(ge=0)] = 0
    accuracy: Annotated[float, Field(ge=0, le=1)] = 0.0


class _LimitTerms(Document):
    """Which limits must be set."""

    limits: tuple[str, ...]


def _provenance(switch: Switch, facts: Facts, _: _NoTerms) -> list[GateResult]:
    results = []
    for slug, active in _changed(switch).items():
        met = any(person.roles for person in facts.authors(active.release))
        results.append(
            GateResult(
                gate="provenance",
                agent=slug,
                standing=Standing.MET if met else Standing.UNMET,
                reason="its author signed where it comes from"
                if met
                else "nobody with a role on the keyring signed where it comes from",
                remedy="" if met else "Deploy it again with a key that has a role on the keyring.",
            )
        )
    return results or [_nothing("provenance")]


def _signed_order(switch: Switch, facts: Facts, terms: _OrderTerms) -> list[GateResult]:
    authors = {
        person.name
        for active in _changed(switch).values()
        for person in facts.authors(active.release)
    }
    # By name, not by key: whoever has two keys on the keyring is still one person.
    signers = {
        person.name
        for signed in facts.orders
        if _fits(signed, switch)
        for person in signed.people
        if not set(person.roles).isdisjoint(terms.roles)
    }
    counted = sorted(signers - authors if terms.other_than_author else signers)
    # A change of rules has no author who could be barred: so that nobody leaves them alone, it
    # takes one person more.
    alone = terms.other_than_author and switch.verb is Verb.CONFIGURE
    needed = terms.count + 1 if alone else terms.count
    met = len(counted) >= needed
    roles = " or ".join(terms.roles)
    if met:
        reason = f"ordered by {', '.join(counted)}"
    else:
        author = " other than its author" if terms.other_than_author else ""
        reason = f"{len(counted)} of {needed} signatures by a {roles}{author}"
    return [
        GateResult(
            gate="signed_order",
            standing=Standing.MET if met else Standing.UNMET,
            reason=reason,
            remedy="" if met else f"Have {needed - len(counted)} more {roles} sign it.",
        )
    ]


def _fits(signed: SignedOrder, switch: Switch) -> bool:
    order = signed.order
    return (
        signed.closure == switch.after.digest
        and order.environment == switch.after.environment
        and order.verb is switch.verb
        and order.previous == switch.previous
        and order.base == switch.base
        and order.rules == switch.before.rules.digest
        and order.not_after >= switch.at
    )


def _soak(switch: Switch, facts: Facts, terms: _SoakTerms) -> list[GateResult]:
    source = switch.before.rules.source
    if source is None:
        return [_unknown("soak", "the rules name no environment that a release comes from")]
    return [
        _soaked(slug, facts.counted(active.release, source), terms, source)
        for slug, active in _changed(switch).items()
    ] or [_nothing("soak")]


def _soaked(slug: str, counted: tuple[RunFacts, ...], terms: _SoakTerms, source: str) -> GateResult:
    runs = sum(each.succeeded + each.failed for each in counted)
    succeeded = sum(each.succeeded for each in counted)
    judged = sum(each.judged for each in counted)
    good = sum(each.good for each in counted)
    missing = []
    if runs < terms.runs and not _long_enough(counted, terms):
        missing.append(f"{runs} of {terms.runs} runs")
    if succeeded < terms.succeeded:
        missing.append(f"{succeeded} of {terms.succeeded} succeeded runs")
    if judged < terms.judged:
        missing.append(f"{judged} of {terms.judged} judged runs")
    if missing:
        standing, reason = Standing.INCONCLUSIVE, f"{', '.join(missing)} in {source}"
    elif judged and good < terms.accuracy * judged:
        standing = Standing.UNMET
        reason = f"{good} of {judged} judged runs were good, {terms.accuracy:.0%} needed"
    else:
        standing, reason = (
            Standing.MET,
            f"{_counted(runs)} in {source}, {good} of {judged} judged good",
        )
    return GateResult(
        gate="soak",
        agent=slug,
        standing=standing,
        reason=reason,
        remedy="" if standing is Standing.MET else f"Run it in {source} and judge the outcomes.",
    )


def _counted(runs: int) -> str:
    return "1 run" if runs == 1 else f"{runs} runs"


def _long_enough(counted: tuple[RunFacts, ...], terms: _SoakTerms) -> bool:
    if terms.or_seconds is None:
        return False
    needed = timedelta(seconds=terms.or_seconds)
    return any(each.first is not None and each.until - each.first >= needed for each in counted)


def _limits_set(switch: Switch, facts: Facts, terms: _LimitTerms) -> list[GateResult]:
    results = []
    for slug, active in _changed(switch).items():
        limits = facts.limits.get(active.release)
        missing = [name for name in terms.limits if getattr(limits, name, None) is None]
        results.append(
            GateResult(
                gate="limits_set",
                agent=slug,
                standing=Standing.UNMET if missing else Standing.MET,
                reason=f"not set: {', '.join(missing)}" if missing else "all set",
                remedy="Set them under `[limits]` in seatrial.toml." if missing else "",
            )
        )
    return results or [_nothing("limits_set")]


def _nothing(gate: str) -> GateResult:
    return GateResult(gate=gate, standing=Standing.MET, reason="no release changes")


def _changed(switch: Switch) -> Mapping[str, Active]:
    return switch.after.changed_from(switch.before)


_Judge = Callable[[Switch, Facts, Any], list[GateResult]]
_GATES: Final[dict[str, tuple[type[Document], _Judge]]] = {
    "provenance": (_NoTerms, _provenance),
    "signed_order": (_OrderTerms, _signed_order),
    "soak": (_SoakTerms, _soak),
    "limits_set": (_LimitTerms, _limits_set),
}
"""Every gate that this version knows: its terms, and how it judges."""
