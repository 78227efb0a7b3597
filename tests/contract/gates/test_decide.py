"""What cannot be read, is unknown, is missing or was not signed never lets anything through."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.contract.environments.profiles import rules_of
from seatrial.contract.environments.rules import GateRule, Profile, Rules
from seatrial.contract.evidence.keyring import Keyring, Person, Role
from seatrial.contract.evidence.statements import Verb
from seatrial.contract.gates.decide import Standing, Switch, Verdict, decide
from seatrial.contract.gates.facts import gathered
from seatrial.contract.releases.closure import Closure
from seatrial.contract.releases.components import Limits
from seatrial.contract.releases.release import Release
from seatrial.kit.crypto.signing import SigningKey
from tests.contract.making import NOW, Crew, closure, release

_CREW = Crew()
_KEYRING = _CREW.keyring()
_RELEASE = release(limits=Limits(timeout_seconds=30, steps=10, cost_usd=1))


def _verdict(
    evidence: list[bytes],
    *,
    profile: Profile = Profile.SOLO,
    of: Release = _RELEASE,
    keyring: Keyring = _KEYRING,
    after: Closure | None = None,
) -> Verdict:
    before = closure(profile=profile)
    switch = Switch(
        verb=Verb.PROMOTE,
        previous=0,
        base=before.digest,
        before=before,
        after=after or closure([of], profile=profile),
        at=NOW,
    )
    return decide(switch, gathered(evidence, keyring, {of.name: of.limits}))


def _enough(profile: Profile) -> list[bytes]:
    signer = _CREW.author if profile is Profile.SOLO else _CREW.releaser
    before, after = closure(profile=profile), closure([_RELEASE], profile=profile)
    return [
        _CREW.provenance(_RELEASE),
        _CREW.order(after, before, signer),
        _CREW.counted(_RELEASE, succeeded=96, failed=4, judged=40, good=39),
    ]


@pytest.mark.parametrize("profile", Profile)
def test_enough_evidence_meets_every_gate(profile: Profile) -> None:
    verdict = _verdict(_enough(profile), profile=profile)
    assert verdict.met, verdict.unmet


@pytest.mark.parametrize("profile", Profile)
@pytest.mark.parametrize("missing", [0, 1, 2])
def test_each_piece_is_needed(profile: Profile, missing: int) -> None:
    evidence = _enough(profile)
    del evidence[missing]
    assert not _verdict(evidence, profile=profile).met


@given(st.data())
def test_one_changed_byte_of_any_piece_is_as_good_as_its_absence(data: st.DataObject) -> None:
    evidence = _enough(Profile.SOLO)
    piece = data.draw(st.integers(0, len(evidence) - 1))
    place = data.draw(st.integers(0, len(evidence[piece]) - 1))
    altered = bytearray(evidence[piece])
    altered[place] ^= data.draw(st.integers(1, 255))
    verdict = _verdict([*evidence[:piece], bytes(altered), *evidence[piece + 1 :]])
    # Base 64's last digit and white space carry no meaning; all else must count.
    if verdict.met:
        facts = gathered([bytes(altered)], _KEYRING, {})
        assert not facts.unusable


def test_the_author_alone_cannot_promote_in_a_team() -> None:
    before = closure(profile=Profile.TEAM)
    after = closure([_RELEASE], profile=Profile.TEAM)
    evidence = _enough(Profile.TEAM)
    evidence[1] = _CREW.order(after, before, _CREW.author)
    verdict = _verdict(evidence, profile=Profile.TEAM)
    assert [each.gate for each in verdict.unmet] == ["signed_order"]


def test_somebody_else_may_not_claim_to_be_the_author_to_set_the_author_free() -> None:
    """A second provenance adds an author; it takes none away."""
    before = closure(profile=Profile.TEAM)
    after = closure([_RELEASE], profile=Profile.TEAM)
    evidence = [*_enough(Profile.TEAM), _CREW.provenance(_RELEASE, _CREW.releaser)]
    evidence[1] = _CREW.order(after, before, _CREW.author)
    assert not _verdict(evidence, profile=Profile.TEAM).met


def _ring(*more: Person) -> Keyring:
    return _KEYRING.model_copy(update={"people": (*_KEYRING.people, *more)})


def _person(name: str, key: SigningKey, *roles: Role) -> Person:
    return Person(name=name, key=key.verify_key.id, roles=roles)


def test_a_second_key_makes_nobody_a_second_person() -> None:
    """Neither for the author, who may not approve, nor for one who approves twice."""
    before = closure(profile=Profile.TEAM)
    after = closure([_RELEASE], profile=Profile.TEAM)
    phone = SigningKey.generate()
    evidence = _enough(Profile.TEAM)
    evidence[1] = _CREW.order(after, before, phone)
    ring = _ring(_person("Ada", phone, Role.RELEASER))
    assert not _verdict(evidence, profile=Profile.TEAM, keyring=ring).met
    ring = _ring(_person("Tim", phone, Role.RELEASER))
    assert _verdict(evidence, profile=Profile.TEAM, keyring=ring).met

    two = GateRule(gate="signed_order", terms={"roles": ["releaser"], "count": 2})
    before = before.model_copy(update={"rules": before.rules.model_copy(update={"gates": (two,)})})
    after = after.model_copy(update={"rules": before.rules})
    order = _CREW.order(after, before, _CREW.releaser, phone)
    for name, met in (("Grace", False), ("Tim", True)):
        facts = gathered([order], _ring(_person(name, phone, Role.RELEASER)), {})
        switch = Switch(
            verb=Verb.PROMOTE, previous=0, base=before.digest, before=before, after=after, at=NOW
        )
        assert decide(switch, facts).met is met


def test_somebody_without_a_role_is_no_author() -> None:
    evidence = _enough(Profile.SOLO)
    evidence[0] = _CREW.provenance(_RELEASE, _CREW.stranger)
    assert not _verdict(evidence, keyring=_ring(_person("Eve", _CREW.stranger))).met
    assert _verdict(evidence, keyring=_ring(_person("Eve", _CREW.stranger, Role.AUTHOR))).met


def test_a_lapsed_order_counts_for_nothing() -> None:
    evidence = _enough(Profile.SOLO)
    before, after = closure(), closure([_RELEASE])
    late = NOW - timedelta(seconds=1)
    evidence[1] = _CREW.order(after, before, _CREW.author, not_after=late)
    assert not _verdict(evidence).met


def test_an_order_for_another_base_or_verb_counts_for_nothing() -> None:
    evidence = _enough(Profile.SOLO)
    after = closure([_RELEASE])
    evidence[1] = _CREW.order(after, after, _CREW.author)
    assert not _verdict(evidence).met
    evidence[1] = _CREW.order(after, closure(), _CREW.author, verb=Verb.DEPLOY)
    assert not _verdict(evidence).met


def test_runs_count_only_from_the_source_environment_and_its_own_cell() -> None:
    evidence = _enough(Profile.SOLO)
    for facts in (
        _CREW.counted(_RELEASE, cell="production", environment="production", key=_CREW.production),
        _CREW.counted(_RELEASE, key=_CREW.production),
        _CREW.counted(_RELEASE, key=_CREW.author),
        _CREW.counted(_RELEASE, key=_CREW.stranger),
        _CREW.counted(release(prompt="Another.")),
        _CREW.counted(_RELEASE, succeeded=0, failed=9),
    ):
        evidence[2] = facts
        assert not _verdict(evidence).met


def test_a_later_count_replaces_an_earlier_one_in_whatever_order_they_come() -> None:
    few = _CREW.counted(_RELEASE, succeeded=0, sequence=2)
    many = _CREW.counted(_RELEASE, succeeded=9, sequence=1)
    evidence = _enough(Profile.SOLO)[:2]
    assert not _verdict([*evidence, few, many]).met
    assert not _verdict([*evidence, many, few]).met


def test_too_little_data_is_inconclusive_and_bad_data_is_unmet() -> None:
    evidence = _enough(Profile.TEAM)
    evidence[2] = _CREW.counted(_RELEASE, succeeded=99, judged=30, good=30)
    (gate,) = _verdict(evidence, profile=Profile.TEAM).unmet
    assert gate.standing is Standing.INCONCLUSIVE
    evidence[2] = _CREW.counted(_RELEASE, succeeded=100, judged=40, good=37)
    (gate,) = _verdict(evidence, profile=Profile.TEAM).unmet
    assert gate.standing is Standing.UNMET
    assert "37 of 40" in gate.reason


def test_a_week_stands_for_a_hundred_runs_but_not_for_thirty_judged_ones() -> None:
    evidence = _enough(Profile.TEAM)
    week = NOW - timedelta(days=7)
    evidence[2] = _CREW.counted(_RELEASE, succeeded=31, judged=30, good=30, first=week)
    assert _verdict(evidence, profile=Profile.TEAM).met
    evidence[2] = _CREW.counted(_RELEASE, succeeded=31, judged=29, good=29, first=week)
    assert not _verdict(evidence, profile=Profile.TEAM).met


def test_a_limit_that_is_not_set_is_named() -> None:
    bare = release(limits=Limits(steps=3))
    verdict = _verdict([], profile=Profile.TEAM, of=bare)
    gate = next(each for each in verdict.unmet if each.gate == "limits_set")
    assert "timeout_seconds, cost_usd" in gate.reason


@pytest.mark.parametrize(
    "rule",
    [
        GateRule(gate="astrology", terms={}),
        GateRule(gate="soak", terms={"runs": "many"}),
        GateRule(gate="soak", terms={"luck": 1}),
        GateRule(gate="signed_order", terms={"roles": []}),
        GateRule(gate="signed_order", terms={}),
    ],
)
def test_a_gate_that_cannot_be_read_is_never_met(rule: GateRule) -> None:
    rules = Rules(profile=Profile.SOLO, source="staging", gates=(rule,))
    before = closure().model_copy(update={"rules": rules})
    after = closure([_RELEASE]).model_copy(update={"rules": rules})
    switch = Switch(
        verb=Verb.PROMOTE, previous=0, base=before.digest, before=before, after=after, at=NOW
    )
    verdict = decide(switch, gathered(_enough(Profile.SOLO), _KEYRING, {}))
    assert not verdict.met
    assert Standing.UNKNOWN in {each.standing for each in verdict.gates}


def test_rules_change_only_by_an_order_that_says_so_and_changes_nothing_else() -> None:
    before = closure()
    team = closure(profile=Profile.TEAM)
    both = closure([_RELEASE], profile=Profile.TEAM)
    for verb, after, coherent in (
        (Verb.PROMOTE, team, False),
        (Verb.CONFIGURE, team, True),
        (Verb.CONFIGURE, both, False),
        (Verb.ROLLBACK, team, False),
    ):
        switch = Switch(
            verb=verb, previous=0, base=before.digest, before=before, after=after, at=NOW
        )
        order = _CREW.order(after, before, _CREW.author, verb=verb)
        verdict = decide(switch, gathered([order], _KEYRING, {}))
        assert (verdict.gates[0].standing is Standing.MET) is coherent
        assert not verdict.met or coherent


def test_nobody_leaves_the_rules_of_a_team_alone() -> None:
    before, after = closure(profile=Profile.TEAM), closure()
    switch = Switch(
        verb=Verb.CONFIGURE, previous=0, base=before.digest, before=before, after=after, at=NOW
    )
    for keys, met in (
        ((_CREW.author,), False),
        ((_CREW.releaser,), False),
        ((_CREW.author, _CREW.releaser), True),
    ):
        orders = [_CREW.order(after, before, key, verb=Verb.CONFIGURE) for key in keys]
        assert decide(switch, gathered(orders, _KEYRING, {})).met is met


def test_a_closure_of_another_environment_is_refused() -> None:
    after = closure([_RELEASE]).model_copy(update={"environment": "staging"})
    assert not _verdict(_enough(Profile.SOLO), after=after).met


def test_no_rules_are_no_permission() -> None:
    assert not Verdict(gates=()).met


def test_what_is_not_evidence_is_named_and_stops_nothing() -> None:
    facts = gathered([b"", b"{}", b"\xff" * 50, _enough(Profile.SOLO)[0]], _KEYRING, {})
    assert len(facts.unusable) == 3
    assert len(facts.origins) == 1


def test_an_isolated_production_is_part_of_the_rules() -> None:
    assert rules_of(Profile.TEAM, "production").isolated
    assert not rules_of(Profile.SOLO, "production").isolated
