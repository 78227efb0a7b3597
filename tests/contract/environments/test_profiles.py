"""Profiles are data: each environment of the path has rules, and no gate is unknown."""

import pytest

from seatrial.contract.environments.profiles import PATH, EnvironmentUnknown, rules_of
from seatrial.contract.environments.rules import Profile, Rules
from seatrial.contract.evidence.statements import Verb
from seatrial.contract.gates.decide import Standing, Switch, decide
from seatrial.contract.gates.facts import gathered
from tests.contract.making import NOW, Crew, closure, release


@pytest.mark.parametrize("profile", Profile)
@pytest.mark.parametrize("environment", PATH)
def test_every_gate_of_a_profile_is_known(profile: Profile, environment: str) -> None:
    before = closure(environment=environment, profile=profile)
    after = closure([release()], environment=environment, profile=profile)
    switch = Switch(
        verb=Verb.DEPLOY, previous=0, base=before.digest, before=before, after=after, at=NOW
    )
    verdict = decide(switch, gathered([], Crew().keyring(), {}))
    assert not verdict.met
    assert Standing.UNKNOWN not in {each.standing for each in verdict.gates}


@pytest.mark.parametrize("profile", Profile)
def test_rules_survive_being_written(profile: Profile) -> None:
    for environment in PATH:
        rules = rules_of(profile, environment)
        assert Rules.read(rules.document()) == rules
        assert Rules.read(rules.document()).digest == rules.digest


def test_production_takes_releases_from_staging_alone() -> None:
    assert rules_of(Profile.SOLO, "production").source == "staging"
    assert rules_of(Profile.SOLO, "staging").source is None


def test_an_environment_off_the_path_is_refused() -> None:
    with pytest.raises(EnvironmentUnknown):
        rules_of(Profile.SOLO, "prod")
