"""Recorded conversations of a real agent, through a whole system: what they did, it does.

The recordings are those of tau2-bench, in the folder that `SEATRIAL_TAU2` names.
"""

import gzip
import json
import os
import random
from pathlib import Path
from typing import Any

import pytest

from tests.examples.recorded import (
    RESTORE,
    RETAIL,
    STANDS,
    Conversation,
    Played,
    conversations,
    text_of,
)
from tests.line.command import place

_FOLDER = os.environ.get("SEATRIAL_TAU2")
_FILES = ("sierra_gpt41-base_retail_40x1.json.gz", "sierra_gpt41-sft_retail_40x1.json.gz")

pytestmark = [
    pytest.mark.skipif(_FOLDER is None, reason="SEATRIAL_TAU2 names no folder of recordings"),
    pytest.mark.timeout(3_600),
]


def _known(calls: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [RESTORE, *calls, STANDS]


def test_every_recorded_call_and_end_state_comes_out_as_it_was_whatever_dies() -> None:
    folder = Path(str(_FOLDER))
    data = json.loads(gzip.decompress((folder / "tau2_retail_db.json.gz").read_bytes()))
    chance = random.Random(7)  # noqa: S311
    told: dict[str, int] = {"calls": 0, "states": 0, "kills": 0, "attempts": 0}
    found: list[Conversation] = [each for name in _FILES for each in conversations(folder / name)]
    with place("retail") as here:
        played = Played(RETAIL, here)
        played.up(data)
        for each in found:
            if chance.random() < 0.2:
                results, attempts = played.killed(_known(each.calls), chance)
                told["kills"] += 1
                told["attempts"] += attempts
            else:
                results = played.played(_known(each.calls))
            for call, result, recorded in zip(each.calls, results[1:-1], each.results, strict=True):
                assert text_of(result) == recorded, (each.name, call)
                told["calls"] += 1
            wanted = played.played(_known(each.gold))[-1]["value"]
            assert (results[-1]["value"] == wanted) is each.verdict, each.name
            told["states"] += 1
    assert (told["calls"], told["states"]) == (591, 80)
    assert told["attempts"] > told["kills"] >= 10  # most of them died in the middle
