import pytest

from dev.soak import Soak
from tests.cell.journal.soak_journal import SOAKS


@pytest.mark.soak
@pytest.mark.parametrize("soak", [pytest.param(soak, id=soak.name) for soak in SOAKS])
def test_a_short_cut_of_each_soak_holds(soak: Soak) -> None:
    if soak.missing:
        pytest.skip(f"{soak.needs} is not here")
    soak.run(soak.short)
