"""What every test may ask for, and how hypothesis looks for counter-examples."""

import gc
import os
import signal
from collections.abc import Iterator
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

# A shell gives what it runs in the background no Ctrl-C, and what a test starts would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)

# What is imported and collected lasts as long as the run. Looked through again and again it costs
# 6.5 s of 10 s of collecting, in every worker, and a fifth of the tests' own processor time.
gc.disable()

_TESTS: Final = Path(__file__).parent
_LONG: Final = ("docs", "house", "line", "examples", "dev", "cell")
"""Rooms by their longest file, which one worker has to itself: 45 s of processor time to 12 s."""


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    yield
    gc.freeze()
    gc.enable()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run long files first: workers then end together, not one a long file after the others."""
    items.sort(key=_turn)


def _turn(item: pytest.Item) -> int:
    room = item.path.relative_to(_TESTS).parts[0]
    return _LONG.index(room) if room in _LONG else len(_LONG)
