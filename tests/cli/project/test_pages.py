"""The pages on projects name all that the code knows."""

from pathlib import Path

import pytest

from seatrial.cli.project.manifest import Action, Agent, Bundle, Dependencies, Manifest
from seatrial.cli.project.selection import ENVIRONMENT_MARK, LEFT_OUT, LEFT_OUT_AT_ROOT, NEVER
from seatrial.contract.releases.actions import Effect
from seatrial.contract.releases.components import Limits

REFERENCE = Path(__file__).parents[3] / "docs/reference"


@pytest.mark.parametrize("name", [*NEVER, *LEFT_OUT, *LEFT_OUT_AT_ROOT, ENVIRONMENT_MARK])
def test_the_page_on_bundles_names_what_is_left_out(name: str) -> None:
    assert f"`{name}`" in (REFERENCE / "bundles.md").read_text()


def test_the_page_on_projects_names_every_field() -> None:
    page = (REFERENCE / "project.md").read_text()
    for table in Manifest.model_fields:
        assert f"## `[{table}" in page
    for part in (Agent, Action, Bundle, Dependencies, Limits):
        for field in part.model_fields:
            assert f"`{field}`" in page
    for effect in Effect:
        assert f"`{effect}`" in page
