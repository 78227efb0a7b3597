"""What every test may ask for, and how hypothesis looks for counter-examples."""

import os
from pathlib import Path
from typing import Final

import pytest
from hypothesis import HealthCheck, settings

pytest_plugins = ["tests.servers.fixtures"]

# `make test` must say the same twice: a red run is about the change, not about luck.
settings.register_profile(
    "test",
    derandomize=True,
    max_examples=50,  # a hundred find no more in the same cases, and take twice as long
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
# `make soak` looks where nobody looked before.
settings.register_profile(
    "soak", max_examples=2_000, deadline=None, suppress_health_check=list(HealthCheck)
)
settings.load_profile(os.environ.get("SEATRIAL_HYPOTHESIS", "test"))

_TESTS: Final = Path(__file__).parent
_LONG: Final = ("line", "docs", "examples", "house")
"""Rooms whose tests take many seconds each: 460 s of 1,200, and one alone took 56 s."""


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run long tests first: two workers then end together, not one a long test after the other."""
    items.sort(key=lambda item: item.path.relative_to(_TESTS).parts[0] not in _LONG)
