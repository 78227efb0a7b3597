import pytest

from dev.soak import PAGE, Soak, found, page, row
from tests.kit.database.soak_database import SOAKS

ONE = Soak(name="one", promise="it holds", run=lambda loops: {"rounds": loops}, full=9, short=1)


@pytest.mark.soak
@pytest.mark.parametrize("soak", [pytest.param(soak, id=soak.name) for soak in SOAKS])
def test_a_short_cut_of_each_soak_holds(soak: Soak) -> None:
    soak.run(soak.short)


def test_every_soak_is_found_by_its_name() -> None:
    assert {soak.name for soak in SOAKS} <= found().keys()


def test_every_soak_of_this_room_has_its_figures_on_the_page() -> None:
    written = PAGE.read_text()
    assert all(f"| {soak.name} | {soak.promise} | {soak.full:,} |" in written for soak in SOAKS)


def test_a_soak_that_was_run_replaces_its_row_and_leaves_the_others() -> None:
    first = page("", {name: f"| {name} | old |" for name in ("two", "one")})
    second = page(first, {"one": row(ONE, 1_000, {"rounds": 1_000, "speed": 2.25}, 90)})
    assert second.startswith("# Soak figures")
    assert [line.split(" | ")[:2] for line in second.splitlines()[-2:]] == [
        ["| one", "it holds"],
        ["| two", "old |"],
    ]
    assert "| 1,000 | rounds 1,000, speed 2.2 | 1.5 |" in second
