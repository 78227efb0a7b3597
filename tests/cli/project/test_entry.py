"""The entry is looked for by reading; the agent's code is not run."""

import pytest

from seatrial.cli.project.domain import EntryObjectMissing, EntryUnparsable
from seatrial.cli.project.entry import check

DEFINED = [
    "def run(input): ...",
    "async def run(input): ...",
    "class run: ...",
    "run = lambda input: input",
    "run: object = print",
    "a, (run, b) = 1, (2, 3)",
    "from elsewhere import graph as run",
    "import run",
    "from elsewhere import *",
    "def __getattr__(name): ...",
    "try:\n    from a import run\nexcept ImportError:\n    def run(input): ...",
    "if True:\n    pass\nelse:\n    def run(input): ...",
    "with open('x') as f:\n    run = f",
    "match 1:\n    case 1:\n        run = 2",
]


@pytest.mark.parametrize("source", DEFINED)
def test_every_way_to_define_a_name_is_seen(source: str) -> None:
    check("agent.py", source.encode(), "run")


@pytest.mark.parametrize(
    "source",
    ["", "def main(): ...", "run: int", "def f():\n    run = 1", "class A:\n    run = 1", "run()"],
)
def test_a_name_that_is_not_at_the_top_is_missing(source: str) -> None:
    with pytest.raises(EntryObjectMissing):
        check("agent.py", source.encode(), "run")


def test_the_neighbour_of_a_mistyped_name_is_suggested() -> None:
    with pytest.raises(EntryObjectMissing, match="did you mean 'run'"):
        check("agent.py", b"def run(i): ...", "rum")


@pytest.mark.parametrize("source", [b"def run(:", b"\x00", b"\xff\xfe = 1", b"(" * 500])
def test_what_is_no_python_is_said_to_be_none(source: bytes) -> None:
    with pytest.raises(EntryUnparsable):
        check("agent.py", source, "run")


def test_reading_runs_nothing() -> None:
    check("agent.py", b"raise SystemExit\ndef run(i): ...", "run")
