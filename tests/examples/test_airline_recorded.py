"""Recorded conversations of an airline's agent, through a whole system: what they did, it does.

The recordings are those of tau-bench, in the folder that `SEATRIAL_TAU2` names: 50 tasks, each had
four times by one model.
"""

import gzip
import hashlib
import json
import os
import random
import sqlite3
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from tests.examples.recorded import (
    AIRLINE,
    RESTORE,
    STANDS,
    Conversation,
    Played,
    answering,
    around,
    database,
    text_of,
    trajectories,
    up,
)
from tests.line.command import place

_FOLDER = os.environ.get("SEATRIAL_TAU2")
_FILE: Final = "tau1_airline_gpt-4o_50x4.json.gz"
_KEPT: Final = {"flights": "flights", "reservations": "reservations", "users": "customers"}

pytestmark = [
    pytest.mark.skipif(_FOLDER is None, reason="SEATRIAL_TAU2 names no folder of recordings"),
    pytest.mark.timeout(3_600),
]


def _recorded() -> list[Conversation]:
    return list(trajectories(Path(str(_FOLDER)) / _FILE))


def _airline(recorded: list[Conversation]) -> dict[str, Any]:
    """The airline as the recordings found it.

    Its airports are in no file: their names are those that the first question for them was answered
    with. Time and next numbers are what the airline's functions had written into them.
    """
    data: dict[str, Any] = {
        name: json.loads(
            gzip.decompress((Path(str(_FOLDER)) / f"tau1_airline_{name}.json.gz").read_bytes())
        )
        for name in _KEPT
    }
    data["airports"] = next(
        json.loads(result)
        for each in recorded
        for call, result in zip(each.calls, each.results, strict=True)
        if call["name"] == "list_all_airports"
    )
    assert set(data["airports"]) == {each["origin"] for each in data["flights"].values()}
    now = "2024-05-15T15:00:00"
    return data | {
        "counters": {"now": now, "reservation": "HATHAT", "certificate": 3_221_322},
    }


def _digest(path: Path) -> str:
    """Of all that the airline holds, taken as tau-bench takes it."""
    with sqlite3.connect(path) as raw:
        held = {
            name: {
                key: json.loads(document)
                for key, document in raw.execute(f"SELECT id, document FROM {table}")  # noqa: S608
            }
            for name, table in _KEPT.items()
        }
    raw.close()
    return hashlib.sha256(str(_frozen(held)).encode()).hexdigest()


def _tens(names: list[str]) -> Iterator[list[str]]:
    """A command has three minutes here."""
    for start in range(0, len(names), 10):
        yield names[start : start + 10]


def _frozen(value: Any) -> Any:
    if isinstance(value, dict):
        return tuple((name, _frozen(each)) for name, each in sorted(value.items()))
    if isinstance(value, list):
        return tuple(_frozen(each) for each in value)
    return value


def test_every_recorded_call_and_end_state_comes_out_as_it_was_whatever_dies() -> None:
    recorded = _recorded()
    chance = random.Random(7)  # noqa: S311
    told: Counter[str] = Counter()
    kills, attempts = 0, 0
    wanted: dict[str, tuple[Any, str]] = {}
    with place("airline") as here:
        played = Played(AIRLINE, here)
        played.up(_airline(recorded))
        path = here.state / "staging" / "airline.db"
        for each in recorded:
            if each.task not in wanted:
                stands = played.played([RESTORE, *each.gold, STANDS])[-1]["value"]
                wanted[each.task] = stands, _digest(path)
            stands, digest = wanted[each.task]
            if each.digest:
                assert digest == each.digest, each.name
                told["digests"] += 1
            calls = [RESTORE, *each.calls, STANDS]
            if chance.random() < 0.1:
                results, needed = played.killed(calls, chance)
                kills, attempts = kills + 1, attempts + needed
            else:
                results = played.played(calls)
            for call, result, was in zip(each.calls, results[1:-1], each.results, strict=True):
                assert text_of(result) == was, (each.name, call)
                told["calls"] += 1
            right = results[-1]["value"] == stands
            if each.verdict is None:
                told["undecided"] += 1
            else:
                assert right is each.verdict, each.name
                told["right" if right else "wrong"] += 1
    assert told == {"calls": 1164, "right": 84, "wrong": 101, "undecided": 15, "digests": 182}
    assert attempts > kills >= 10  # most of them died in the middle


def test_every_conversation_goes_as_recorded_and_its_end_is_judged_as_it_was() -> None:
    recorded = _recorded()
    data = _airline(recorded)
    with place("airline") as here:
        source, out = Path(str(_FOLDER)) / _FILE, here.folder / "talks.jsonl"
        here.done("recordings", "import", "--format", "tau1", str(source), "--model", "gpt-4o",
                  "--out", str(out))  # fmt: skip
        with answering(here, "--recordings", str(out)) as url:
            up(AIRLINE, here, url, data)
            database(AIRLINE, here.folder / "before.db", data)
            told = [
                each
                for some in _tens([f"--only={each.name}" for each in recorded])
                for each in here.call("recordings", "run", str(out), "--agent", "airline",
                                      "--json", *around(AIRLINE), *some).json
            ]  # fmt: skip
    assert len(told) == 200
    assert [(each["recording"], each["why"]) for each in told if not each["same"]] == []
