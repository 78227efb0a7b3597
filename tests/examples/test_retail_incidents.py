"""Ten recorded conversations that went wrong, had again in production, become tests in staging.

The recordings are those of tau2-bench, in the folder that `SEATRIAL_TAU2` names.
"""

import gzip
import json
import os
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from seatrial.data.fixtures.domain import Check, Fixture, ToolCall, texts
from seatrial.data.fixtures.service import load
from seatrial.data.recordings.domain import RecordedCall, Recording, Step, Turn
from seatrial.data.recordings.readers import Form
from seatrial.data.recordings.service import imported, save
from tests.examples.incidents import RULES, keyed, model, pinned, promoted, told, up
from tests.examples.recorded import RETAIL, database
from tests.line.command import Place, place

_FOLDER: Final = os.environ.get("SEATRIAL_TAU2")
_FILES: Final = ("sierra_gpt41-base_retail_40x1.json.gz", "sierra_gpt41-sft_retail_40x1.json.gz")
_BROKEN, _FIXED = "gpt-4.1", "gpt-4.1-mended"
_MANY: Final = 10

pytestmark = [
    pytest.mark.skipif(_FOLDER is None, reason="SEATRIAL_TAU2 names no folder of recordings"),
    pytest.mark.timeout(1_800),
]


def test_ten_failed_recorded_runs_are_red_and_green_and_name_nobody() -> None:
    shop = json.loads(gzip.decompress((Path(str(_FOLDER)) / "tau2_retail_db.json.gz").read_bytes()))
    with place("retail") as here:
        shutil.copytree(RETAIL.folder, here.folder, dirs_exist_ok=True)
        failed = dict(_failed())
        save(failed.values(), here.folder / "failed.jsonl")
        database(RETAIL, here.folder / "before.db", shop)
        with model(here, "--recordings", "failed.jsonl") as url:
            up(here, url, shop)
            (here.state / "production" / "rules.toml").write_text(RULES)
            told(here, "rules.toml", source="sqlite:///shop.db")
            keyed(here)
            here.done("deploy")
            _had(here, next(iter(failed)), "staging")
            promoted(here)
            suite = [(each, _made(here, each)) for each in failed.values()]
        assert len({path for _, path in suite}) == _MANY
        for was, path in suite:
            _refuse_people_of(was, path.read_text(), shop)
        fixtures = [(was, load(path)) for was, path in suite]
        save(
            [_spoken(*each, model=name) for each in fixtures for name in (_BROKEN, _FIXED)],
            here.folder / "masked.jsonl",
        )
        with model(here, "--recordings", "masked.jsonl") as other:
            settings = here.state / "staging" / "settings.toml"
            settings.write_text(settings.read_text().replace(url, other))
            here.done("down")
            here.done("up", "--detach")
            pinned(here, _BROKEN, _FIXED)
            here.done("deploy")
            for was, path in suite:
                said = here.call(
                    "fixtures", "prove", str(path), "--agent", "retail", "--broken", "retail@1",
                    "--fixed", "retail@2", "--json",
                )  # fmt: skip
                assert said.code == 0, (was.name, said)
                assert said.json["missed"], was.name
            listed = here.done("fixtures", "list", "suite", "--json").json
            assert [each["status"] for each in listed] == ["fixed"] * _MANY


def _failed() -> Iterator[tuple[str, Recording]]:
    """Conversations that ended wrongly though whole, of which a wanted call was not made."""
    names: set[str] = set()
    for file in _FILES:
        found, _ = imported(Path(str(_FOLDER)) / file, Form.TAU2, model=_BROKEN)
        for each in found:
            if each.succeeded is False and _missing(each) and len(names) < _MANY:
                name = f"{file[13:16]}/{each.name}"
                names.add(name)
                yield name, each.model_copy(update={"name": name})


def _missing(recording: Recording) -> list[ToolCall]:
    made = {ToolCall(tool=each.name, arguments=each.arguments).key for each in recording.calls}
    wanted = [ToolCall(tool=w.name, arguments=w.arguments) for w in recording.wants or ()]
    return [call for call in wanted if call.key not in made]


def _had(here: Place, name: str, environment: str) -> str:
    """Have a conversation anew; the id of its last run."""
    back = f"{sys.executable} judge.py --back .seatrial/{environment}/shop.db before.db"
    played = here.call(
        "recordings", "run", "failed.jsonl", "--agent", "retail", "--only", name,
        "--env", environment, "--before", back, "--json",
    )  # fmt: skip
    [one] = played.json
    assert one["same"], (name, one)
    runs = here.done("runs", "list", "--session", one["session"], "--env", environment, "--json")
    return str(runs.json["runs"][0]["id"])


def _made(here: Place, recording: Recording) -> Path:
    expect = [
        argument
        for call in _missing(recording)
        for argument in ("--expect", f"called {call.tool} {json.dumps(call.arguments)}")
    ]
    run = _had(here, recording.name, "production")
    made = here.done("fixtures", "add", run, "--out", "suite", *expect, "--json").json
    return here.folder / str(made["file"])


def _refuse_people_of(recording: Recording, text: str, shop: dict[str, Any]) -> None:
    """Nothing that the shop knows of whomever the conversation names is in the fixture."""
    talk, met = recording.model_dump_json(), 0
    for key, user in shop["users"].items():
        if key not in talk and user["email"] not in talk:
            continue
        met += 1
        values = [key, user["email"], *user["orders"], *user["payment_methods"],
                  user["address"]["address1"], user["address"]["zip"],
                  *user["name"].values()]  # fmt: skip
        for value in values:
            found = re.search(rf"(?<!\w){re.escape(value)}(?!\w)", text, re.IGNORECASE)
            assert not found, (recording.name, value)
    assert met


def _spoken(recording: Recording, fixture: Fixture, *, model: str) -> Recording:
    """The conversation in the words of its fixture; mended, it makes the missing calls too."""
    calls = iter(fixture.calls)
    answers = iter(texts(fixture.said))
    turns: list[Turn] = []
    for was, said in zip(recording.turns, texts(fixture.messages), strict=True):
        steps = []
        for step in was.steps:
            made = [(one, next(calls)) for one in step.calls]
            asked = tuple(
                RecordedCall(
                    id=one.id,
                    name=masked.call.tool,
                    arguments=masked.call.arguments,
                    result=_text(masked.result, masked.error),
                )
                for one, masked in made
            )
            steps.append(Step(calls=asked))
        last = next(answers, "Done.")
        turns.append(Turn(said=said, steps=(*(each for each in steps if each.calls),
                                            Step(content=last))))  # fmt: skip
    if model == _FIXED:
        wanted = [
            RecordedCall(id=f"w{n}", name=e.call.tool, arguments=e.call.arguments, result="null")
            for n, e in enumerate(fixture.expect)
            if e.check is Check.CALLED and e.call is not None
        ]
        *before, end = turns[-1].steps
        steps_now = (*before, *(Step(calls=(each,)) for each in wanted), end)
        turns[-1] = turns[-1].model_copy(update={"steps": steps_now})
    return Recording(name=f"{recording.name}/{model}", model=model, turns=tuple(turns))


def _text(result: Any, error: str | None) -> str:
    """As the example's agent tells its model."""
    if error is not None:
        return f"Error: {error}"
    return result if isinstance(result, str) else json.dumps(result)
