"""The airline, masked and verified once for all tests that look at it."""

from pathlib import Path
from typing import NamedTuple

import pytest

from seatrial.data.verifying.domain import Report
from tests.data.making import airline, masked, recorded_rules, verified


class Masked(NamedTuple):
    """A source, its snapshot, and what the verifier said."""

    source: Path
    snapshot: Path
    report: Report


@pytest.fixture(scope="session")
def masked_airline(tmp_path_factory: pytest.TempPathFactory) -> Masked:
    folder = tmp_path_factory.mktemp("airline")
    source, rules = airline(folder / "source"), recorded_rules("airline")
    masked(source, rules, folder / "snapshot")
    return Masked(source, folder / "snapshot", verified(source, rules, folder / "snapshot"))
