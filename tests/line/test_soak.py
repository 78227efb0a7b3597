"""The short cut of each soak of the line that `make test` has the time for."""

import math

import pytest

from dev.soak import Soak
from tests.line import soak_effects, soak_kills, soak_switch
from tests.line.failpoints import points

pytestmark = [pytest.mark.soak, pytest.mark.timeout(900)]


@pytest.mark.parametrize("soak", soak_switch.SOAKS[::2], ids=lambda soak: soak.name)
def test_what_runs_beside_a_switch_ends_where_it_began(soak: Soak) -> None:
    figures = soak.run(soak.short)
    assert figures["refused"] == 0
    assert figures["runs"]


def test_a_death_at_any_point_of_the_protocol_leaves_one_whole_closure() -> None:
    (soak, *_) = soak_kills.SOAKS
    figures = soak.run(soak.short)
    assert figures["deaths"] == math.ceil(len(points()) / 3) > 6


def test_what_dies_beside_runs_loses_no_effect_and_has_none_twice() -> None:
    (soak, *_) = soak_effects.SOAKS
    figures = soak.run(soak.short)
    assert figures["effects"]
