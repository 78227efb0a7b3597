"""Tests that start the servers and then stay: `test_servers.py` runs them and kills the run."""

import os
import time
from pathlib import Path

import pytest

from tests.servers import running


@pytest.mark.parametrize("number", range(2))
def test_hold(postgres_url: str, redis_url: str, number: int) -> None:
    assert postgres_url
    assert redis_url
    home = running.run_directory(running.run_owner())
    note = Path(os.environ["SEATRIAL_TEST_NOTE"])
    note.with_suffix(f".{number}").write_text(str(home))
    while note.exists():
        time.sleep(0.01)
