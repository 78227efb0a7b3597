"""Recorded conversations of an example's agent, played through a whole system."""

import contextlib
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
EXAMPLES: Final = Path(__file__).resolve().parents[2] / "examples"
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
connector = "{database}"
[actions.restore.input]
type = "object"

[actions.stands]
function = "again.py:stands"
effect = "read"
connector = "{database}"
[actions.stands.input]
type = "object"
"""
AGAIN: Final = '''
"""Puts the world back to where it was before a conversation, and tells what differs from there."""

import json

TABLES = {tables!r}

def restore(db):
    for table in TABLES:
        db.execute(f"DELETE FROM {{table}}")
        db.execute(f"INSERT INTO {{table}} SELECT * FROM {{table}}_before")

def stands(db):
    found = {{}}
    for table in TABLES:
        rows = db.execute(
            f"SELECT id, document FROM {{table}} WHERE (id, document) NOT IN"
            f" (SELECT id, document FROM {{table}}_before)"
        )
        found |= {{row["id"]: json.loads(row["document"]) for row in rows}}
    return found
'''
RESTORE: Final[dict[str, Any]] = {"name": "restore", "arguments": {}}
STANDS: Final[dict[str, Any]] = {"name": "stands", "arguments": {}}


@dataclass(frozen=True, kw_only=True)
class Example:
    """An example with the database that its actions are on.

    Attributes:
        name: of its folder and agent.
        database: of its connector.
        tables: that its actions change.
    """

    name: str
    database: str
    tables: tuple[str, ...]

    @property
    def folder(self) -> Path:
        """Where it is."""
        return EXAMPLES / self.name


RETAIL: Final = Example(name="retail", database="shop", tables=("customers", "orders"))
AIRLINE: Final = Example(
    name="airline", database="airline", tables=("customers", "reservations", "counters")
)


@dataclass(frozen=True, kw_only=True)
class Conversation:
    """One recorded conversation.

    Attributes:
        name: of its recording and task.
        calls: in order.
        results: what each came to, as text.
        gold: the calls that the task wants.
        verdict: whether its end state is that of `gold`; None where the record does not tell.
        task: what it is about; conversations of the same task want the same.
        digest: of the whole database after `gold`, as whoever recorded it took it; empty if not.
    """

    name: str
    calls: list[dict[str, Any]]
    results: list[str]
    gold: list[dict[str, Any]]
    verdict: bool | None
    task: str
    digest: str = ""


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
            task=str(each["task_id"]),
        )


def trajectories(path: Path) -> Iterator[Conversation]:
    """Those of one file of tau-bench."""
    for each in json.loads(gzip.decompress(path.read_bytes())):
        told = [m for m in each["traj"] if m["role"] == "tool"]
        calls = [call for m in each["traj"] for call in m.get("tool_calls") or ()]
        # Ids are used again within a conversation: what answers a call is told by its place alone.
        assert [m["tool_call_id"] for m in told] == [call["id"] for call in calls]
        reward = (each["info"]["reward_info"] or {}).get("info", {})
        yield Conversation(
            name=f"{each['task_id']}/{each['trial']}",
            calls=[
                {
                    "name": call["function"]["name"],
                    "arguments": json.loads(call["function"]["arguments"]),
                }
                for call in calls
            ],
            results=[m["content"] for m in told],
            gold=[
                {"name": call["name"], "arguments": call["kwargs"]}
                for call in each["info"]["task"]["actions"]
            ],
            verdict=_decided(each["reward"], reward),
            task=str(each["task_id"]),
            digest=reward.get("gt_data_hash", ""),
        )


def _decided(reward: float, info: dict[str, Any]) -> bool | None:
    """Whether the end state was right, as far as a reward of tau-bench tells that.

    A reward of 1 says so. One of 0 says the contrary where the end state alone was judged; but some
    tasks also want words said, and of conversations that were cut nothing was judged at all.
    """
    if reward == 1:
        return True
    return False if "r_actions" in info else None


def project(example: Example, folder: Path) -> None:
    """The example with a player in its agent's place."""
    shutil.copytree(example.folder, folder, dirs_exist_ok=True)
    (folder / "agent.py").write_text(PLAYER)
    (folder / "again.py").write_text(AGAIN.format(tables=example.tables))
    manifest = folder / "seatrial.toml"
    text = manifest.read_text().replace("steps = 60", "steps = 200")
    manifest.write_text(text + MORE.format(database=example.database))


def database(example: Example, path: Path, data: dict[str, Any]) -> None:
    """The world as the recordings found it, twice: as it is, and as it was."""
    source = path.with_suffix(".json")
    source.write_text(json.dumps(data))
    subprocess.run([sys.executable, "load.py", path, source], cwd=example.folder, check=True)
    with sqlite3.connect(path) as raw:
        for table in example.tables:
            raw.execute(f"CREATE TABLE {table}_before AS SELECT * FROM {table}")  # noqa: S608
    raw.close()


def bound(example: Example, here: Place, data: dict[str, Any], models: str = "") -> None:
    """A system whose staging has the example's database, and perhaps a model of its own."""
    here.done("up", "--detach", "--port", "0")
    here.done("down")
    name = example.database
    database(example, here.state / "staging" / f"{name}.db", data)
    settings = here.state / "staging" / "settings.toml"
    more = f'[connectors.{name}]\nkind = "sql"\nurl = "sqlite:///{name}.db"\n'
    if models:
        more = f'[models]\nopenai = "{models}"\n\n{more}'
    settings.write_text(f"{settings.read_text()}\n{more}")
    here.done("up", "--detach")


def up(example: Example, here: Place, url: str, data: dict[str, Any]) -> None:
    """The example itself in staging, with its database and the model at `url`."""
    shutil.copytree(example.folder, here.folder, dirs_exist_ok=True)
    bound(example, here, data, url)
    here.call("secrets", "set", "openai", "--env", "staging", data="sk-of-nobody")
    here.done("deploy")


@contextlib.contextmanager
def answering(here: Place, *script: str) -> Iterator[str]:
    """The address of a model that answers by `script`: options of `seatrial provider`."""
    command = [sys.executable, "-m", "seatrial.main", "provider", *script, "--port", "0", "--json"]
    with subprocess.Popen(command, cwd=here.folder, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield json.loads(process.stdout.readline())["url"]
        finally:
            process.terminate()


def around(example: Example) -> tuple[str, ...]:
    """Options of `recordings run`: have the end judged, and the world put back before each."""
    judge, world = f"{sys.executable} judge.py", f".seatrial/staging/{example.database}.db"
    return ("--judge", f"{judge} {world} before.db",
            "--before", f"{judge} --back {world} before.db")  # fmt: skip


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

    def __init__(self, example: Example, here: Place) -> None:
        self._example = example
        self._here = here

    def up(self, data: dict[str, Any]) -> None:
        """A system with the example deployed."""
        project(self._example, self._here.folder)
        bound(self._example, self._here, data)
        self._here.done("deploy")

    def played(self, calls: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """What came of each call, in one run."""
        told = self._here.done("invoke", self._example.name, _asked(calls, 0.0), "--json").json
        assert told["state"] == "succeeded", told
        found: list[dict[str, Any]] = told["output"]
        return found

    def killed(self, calls: list[dict[str, Any]], chance: random.Random) -> tuple[Any, int]:
        """The same, with the cell killed in the middle; and how many attempts it took."""
        asked = ("invoke", self._example.name, _asked(calls, _PAUSE), "--async", "--json")
        run = self._here.done(*asked).json["id"]
        time.sleep(chance.random() * _PAUSE * len(calls))
        os.kill(self._here.children["staging"], signal.SIGKILL)
        while True:
            said = self._here.call("runs", "show", run, "--json")
            if said.code == 0 and said.json["state"] in {"succeeded", "failed"}:
                assert said.json["state"] == "succeeded", said.json
                return said.json["output"], len(said.json["attempts"])
            time.sleep(0.2)
