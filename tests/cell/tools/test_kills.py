"""SIGKILL between an effect and the record of it, for each class of action."""

import json
import subprocess
import sys

import pytest

from tests.cell.tools.kill_actions import MOMENTS, WRITES
from tests.servers.fixtures import BOTH


@pytest.mark.parametrize("kind", BOTH)
def test_a_cell_that_dies_around_an_effect_has_it_once_and_asks_only_what_nobody_can_tell(
    kind: str,
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.cell.tools.kill_actions", kind],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout)
    assert figures["kills"] == len(WRITES) * len(MOMENTS)
    assert figures["happened"] == sorted(WRITES)
    # After each of its two deaths; no other class needs a person.
    assert figures["asked"] == ["mail", "mail"]
