"""Recorded runs of real agents, where they are at hand."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest

AGENTS: Final = Path(__file__).parents[2].parent / "shared" / "data" / "agents"

Recorded = Callable[[str], Any]


@pytest.fixture
def recorded() -> Recorded:
    """Reads a recording of agents by its name."""
    if not AGENTS.is_dir():
        pytest.skip("recorded agent runs are not beside this checkout (shared/data/agents)")

    def read(name: str) -> Any:
        with gzip.open(AGENTS / f"{name}.json.gz") as file:
            return json.load(file)

    return read
