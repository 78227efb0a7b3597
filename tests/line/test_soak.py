"""The short cut of each soak of the line."""

import pytest

from dev.soak import Soak
from tests.line.soak_switch import SOAKS


@pytest.mark.soak
@pytest.mark.timeout(600)
@pytest.mark.parametrize("soak", SOAKS[::2], ids=lambda soak: soak.name)
def test_what_runs_beside_a_switch_ends_where_it_began(soak: Soak) -> None:
    figures = soak.run(soak.short)
    assert figures["refused"] == 0
    assert figures["runs"]
