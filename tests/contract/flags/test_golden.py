"""Vectors made once by flagd's own engines (1.0.0 for v2, 2.0.0 for v3): nobody may ever move.

A line of golden.json is [flag key, targeting key, hash], or [null, value that a rule hashes, hash].
"""

import json
from pathlib import Path
from typing import Any

import pytest

from seatrial.contract.flags.splits import LARGEST_TOTAL, Generation
from tests.contract.flags.writing import NOW, document, taken

GOLDEN = json.loads(Path(__file__).with_name("golden.json").read_text(encoding="utf-8"))
LINES = [(Generation(name), *line) for name, lines in GOLDEN.items() for line in lines]
THREE = {"before": "b", "mine": "m", "after": "a"}


def test_the_vectors_are_all_there() -> None:
    assert {name: len(lines) for name, lines in GOLDEN.items()} == {"v2": 143, "v3": 185}


@pytest.mark.parametrize(("generation", "key", "subject", "drawn"), LINES)
def test_no_user_ever_moves(
    generation: Generation, key: str | None, subject: Any, drawn: int
) -> None:
    """Of 2**31 - 1 buckets, an arm of width one is laid where the user must fall."""
    bucket = drawn * LARGEST_TOTAL >> 32
    arms = [["before", bucket], ["mine", 1], ["after", LARGEST_TOTAL - bucket - 1]]
    by_rule = [{"var": "subject"}] if key is None else []
    text = document(
        key or "f", {"fractional": [*by_rule, *arms]}, variants=THREE, defaultVariant=None
    )
    context = {"subject": subject} if key is None else {"targetingKey": subject}
    nobody = key is not None and subject == ""
    answer = taken(text, generation).evaluate(key or "f", context, NOW)
    assert answer.variant == (None if nobody else "mine")
