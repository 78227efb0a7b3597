"""Recorded conversations of a retail agent, played through a whole system."""

import gzip
import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests.line.command import Place

_PAUSE: Final = 0.2  # seconds between the calls of a run that is to be killed
ROOT: Final = Path(__file__).resolve().parents[2]
EXAMPLE: Final = ROOT / "examples" / "retail"
PLAYER: Final = '''
"""Makes the calls that it is given, one after the other, and tells what came of each."""

import json, os, time, urllib.request

def run(input):
    return [made(each["name"], each["arguments"], input["pause"]) for each in input["calls"]]

def made(name, arguments, pause):
    time.sleep(pause)
    asked = urllib.request.Request(
        os.environ["SEATRIAL_URL"] + "/v1/actions/" + name,
        json.dumps(arguments).encode(),
        {
            "authorization": "Bearer " + os.environ["SEATRIAL_TOKEN"],
            "content-type": "application/json",
        },
    )
    return json.loads(urllib.request.urlopen(asked).read())
'''
MORE: Final = """
[actions.restore]
function = "again.py:restore"
effect = "transactional"
connector = "shop"
[actions.restore.input]
type = "object"

[actions.stands]
function = "again.py:stands"
effect = "read"
connector = "shop"
[actions.stands.input]
type = "object"
"""
AGAIN: Final = '''
"""Puts the shop back to where it was before a conversation, and tells what differs from there."""

import json

def restore(db):
    for table in ("customers", "orders"):
        db.execute(f"DELETE FROM {table}")
        db.execute(f"INSERT INTO {table} SELECT * FROM {table}_before")

def stands(db):
    found = {}
    for table in ("customers", "orders"):
        rows = db.execute(
            f"SELECT id, document FROM {table} WHERE (id, document) NOT IN"
            f" (SELECT id, document FROM {table}_before)"
        )
        found |= {row["id"]: json.loads(row["document"]) for row in rows}
    return found
'''


@dataclass(frozen=True, kw_only=True)
class Conversation:
    """One recorded conversation.

    Attributes:
        name: of its recording and task.
        calls: in order.
        results: what each came to, as text.
        gold: the calls that the task wants.
        verdict: whether its end state is that of `gold`.
    """

    name: str
    calls: list[dict[str, Any]]
    results: list[str]
    gold: list[dict[str, Any]]
    verdict: bool


def conversations(path: Path) -> Iterator[Conversation]:
    """Those of one file of tau2-bench."""
    recorded = json.loads(gzip.decompress(path.read_bytes()))
    tasks = {each["id"]: each for each in recorded["tasks"]}
    for each in recorded["simulations"]:
        results = {m["id"]: m["content"] for m in each["messages"] if m["role"] == "tool"}
        calls = [call for m in each["messages"] for call in m.get("tool_calls") or ()]
        yield Conversation(
            name=f"{path.name}/{each['task_id']}",
            calls=[{"name": call["name"], "arguments": call["arguments"]} for call in calls],
            results=[results[call["id"]] for call in calls],
            gold=[
                {"name": call["name"], "arguments": call["arguments"]}
                for call in tasks[each["task_id"]]["evaluation_criteria"]["actions"] or ()
            ],
            verdict=each["reward_info"]["db_check"]["db_match"],
        )


def project(folder: Path) -> None:
    """The example with a player in its agent's place."""
    shutil.copytree(EXAMPLE, folder, dirs_exist_ok=True)
    (folder / "agent.py").write_text(PLAYER)
    (folder / "again.py").write_text(AGAIN)
    manifest = folder / "seatrial.toml"
    text = manifest.read_text().replace("steps = 60", "steps = 200")
    manifest.write_text(text + MORE)


def database(path: Path, data: dict[str, Any]) -> None:
    """The shop as the recordings found it, twice: as it is, and as it was."""
    source = path.with_suffix(".json")
    source.write_text(json.dumps(data))
    subprocess.run([sys.executable, "load.py", path, source], cwd=EXAMPLE, check=True)
    with sqlite3.connect(path) as raw:
        for table in ("customers", "orders"):
            raw.execute(f"CREATE TABLE {table}_before AS SELECT * FROM {table}")  # noqa: S608
    raw.close()


def text_of(told: dict[str, Any]) -> str:
    """What a model is told of a call."""
    if not told["ok"]:
        return f"Error: {told['error']}"
    value = told["value"]
    return value if isinstance(value, str) else json.dumps(value)


def _asked(calls: list[dict[str, Any]], pause: float) -> str:
    return json.dumps({"calls": calls, "pause": pause})


class Played:
    """Plays conversations in the staging of one system."""

    def __init__(self, here: Place) -> None:
        self._here = here

    def up(self, data: dict[str, Any]) -> None:
        """A system with the example deployed."""
        here = self._here
        project(here.folder)
        here.done("up", "--detach", "--port", "0")
        here.done("down")
        database(here.state / "staging" / "shop.db", data)
        settings = here.state / "staging" / "settings.toml"
        bound = '\n[connectors.shop]\nkind = "sql"\nurl = "sqlite:///shop.db"\n'
        settings.write_text(settings.read_text() + bound)
        here.done("up", "--detach")
        here.done("deploy")

    def played(self, calls: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """What came of each call, in one run."""
        told = self._here.done("invoke", "retail", _asked(calls, 0.0), "--json").json
        assert told["state"] == "succeeded", told
        found: list[dict[str, Any]] = told["output"]
        return found

    def killed(self, calls: list[dict[str, Any]], chance: random.Random) -> tuple[Any, int]:
        """The same, with the cell killed in the middle; and how many attempts it took."""
        asked = ("invoke", "retail", _asked(calls, _PAUSE), "--async", "--json")
        run = self._here.done(*asked).json["id"]
        time.sleep(chance.random() * _PAUSE * len(calls))
        os.kill(self._here.children["staging"], signal.SIGKILL)
        while True:
            said = self._here.call("runs", "show", run, "--json")
            if said.code == 0 and said.json["state"] in {"succeeded", "failed"}:
                assert said.json["state"] == "succeeded", said.json
                return said.json["output"], len(said.json["attempts"])
            time.sleep(0.2)
