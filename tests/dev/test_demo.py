"""`make demo` tells its story on a bare folder, and says nothing that is not so."""

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).resolve().parents[2]
FOLDER: Final = os.environ.get("SEATRIAL_TAU2")


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder in which nothing runs any more in the end."""
    with tempfile.TemporaryDirectory(prefix="sea-demo-") as made:
        yield Path(made)
        told(Path(made), "--end")


def told(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "dev.demo", "--folder", str(folder), *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3_000:] + done.stderr[-3_000:]
    return done.stdout


@pytest.mark.timeout(300)
def test_the_story_of_our_own_shop_ends_as_it_says_and_leaves_a_system_that_runs(
    folder: Path,
) -> None:
    said = told(folder)
    assert re.findall(r"(\d+) of 12 tasks are solved", said) == ["12", "9"]
    assert "solved no longer: cancel-for-a-friend, return-all, other-address" in said
    assert "each change once, none lost" in said
    assert "agent_not_there" in said
    command = Path(sys.executable).with_name("seatrial")
    status = subprocess.run(
        [command, "status"], cwd=folder / "retail", capture_output=True, text=True, check=True
    )
    assert re.search(r"^production .* retail@1 ", status.stdout, re.MULTILINE)


@pytest.mark.skipif(FOLDER is None, reason="SEATRIAL_TAU2 names no folder of recordings")
@pytest.mark.timeout(1_200)
def test_the_story_of_recorded_conversations_has_their_verdicts(folder: Path) -> None:
    said = told(folder, "--tau2", str(FOLDER))
    assert re.findall(r"(\d+) of 40 went as recorded", said) == ["40", "40"]
    assert re.findall(r"(\d+) of 40 tasks are solved", said) == ["34", "34"]
    assert "each change once, none lost" in said
