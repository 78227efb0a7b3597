import shutil

import pytest

from dev.soak import Soak
from tests.cell.journal.disk import STRACE
from tests.cell.journal.soak_journal import SOAKS, apart


@pytest.mark.soak
@pytest.mark.parametrize("soak", [pytest.param(soak, id=soak.name) for soak in SOAKS])
def test_a_short_cut_of_each_soak_holds(soak: Soak) -> None:
    if soak.missing:
        pytest.skip(f"{soak.needs} is not here")
    soak.run(soak.short)


@pytest.mark.soak
@pytest.mark.skipif(shutil.which(STRACE) is None, reason="strace is not here")
def test_lost_power_finds_a_postgresql_whose_durable_commits_are_not() -> None:
    with pytest.raises(AssertionError, match=r"Deed\("):  # others than without the cut
        apart("power", "lazy")(10)
