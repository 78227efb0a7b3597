"""The story: two releases of a support agent, from a laptop to production and back.

    python -m dev.demo                     tells it, and leaves the system running
    python -m dev.demo --tau2 FOLDER       tells it with recorded conversations of tau2-bench
    python -m dev.demo --end               ends what an earlier one left

Everything is the real thing: processes, databases, keys, signatures, and an agent that imports
nothing of Seatrial. Only the model is a script. Every step is checked, and the demo fails if one
is not as it says.
"""

import json
import os
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import click

from dev.demo.material import Material, copied, own, pinned, tau2
from dev.demo.system import DemoFailed, Front, System, wait
from seatrial.data.recordings.domain import Recording
from seatrial.data.recordings.service import figures, load

_HERE: Final = Path(__file__).resolve().parents[2] / ".demo"
_AT_ONCE: Final = 8  # conversations in production while its cell is killed
_CELLS: Final = ("staging", "production")
_JUDGE: Final = "python judge.py {shop} before.db"
_BACK: Final = "python judge.py --back {shop} before.db"


@click.command()
@click.option("--tau2", "recorded", type=click.Path(path_type=Path, file_okay=False, exists=True),
              help="Tell it with the recorded retail conversations of tau2-bench.")  # fmt: skip
@click.option("--folder", type=click.Path(path_type=Path, file_okay=False), default=_HERE,
              help="Where it is kept; what an earlier one left is ended and removed.")  # fmt: skip
@click.option("--end", "only_end", is_flag=True, help="End what an earlier one left.")
def main(recorded: Path | None, *, folder: Path, only_end: bool) -> None:
    """Tell the story."""
    project = folder.absolute() / "retail"
    system = System(project)
    system.end()
    if only_end:
        click.echo("ended")
        return
    shutil.rmtree(project, ignore_errors=True)
    began = time.monotonic()
    copied(project)
    try:
        Story(system, own() if recorded is None else tau2(recorded, project)).tell()
    except BaseException:
        system.end()
        raise
    click.echo(f"\nThat took {time.monotonic() - began:.0f} s. The system is still running:")
    click.echo(_NEXT.format(project=os.path.relpath(project)))


_NEXT: Final = """
  export PATH="$PWD/.venv/bin:$PATH"; cd {project}
  seatrial status                          what runs where
  seatrial runs list --env production      every run; `runs show` one, `runs explain` its calls
  seatrial releases list                   both releases; `releases diff` what differs
  seatrial recordings compare v1.jsonl v2.jsonl
  make demo-end                            in the project's own folder: ends it

Then: README.md, docs/tutorial/first-agent.md, docs/how-to/script-a-model.md, examples/retail/."""


class Story:
    """The scenes, in order.

    Args:
        system: that it runs on.
        material: what it is about.
    """

    def __init__(self, system: System, material: Material) -> None:
        self._system = system
        self._project = system.project
        self._material = material

    def tell(self) -> None:
        """All of them."""
        self._set_up()
        self._first()
        self._second()
        self._killed()
        self._back()
        _scene("7  A mistake at the command line", "a code, a cause, a remedy")
        self._system.say("promote", "retial", code=3)

    def _set_up(self) -> None:
        _scene("1  A support agent of a shop", "sixteen actions on a database of its own")
        system, material = self._system, self._material
        for arguments in material.imports:
            system.say(*arguments)
        self._python("load.py", "before.db", str(material.shop))
        url = system.provider(material.provider)
        click.echo(f"a scripted model answers at {url}, in place of api.openai.com")
        system.say("up", "--detach", "--port", "0")
        self._bind(url)
        click.echo("each environment has its own shop, key and database; nothing was installed")

    def _bind(self, url: str) -> None:
        """Give each cell its shop and its model, as an operator does, by its settings."""
        self._system.quietly("down")
        for name in _CELLS:
            folder = self._project / ".seatrial" / name
            shutil.copy(self._project / "before.db", folder / "shop.db")
            settings = folder / "settings.toml"
            bound = '[connectors.shop]\nkind = "sql"\nurl = "sqlite:///shop.db"\n'
            settings.write_text(f'{settings.read_text()}\n[models]\nopenai = "{url}"\n\n{bound}')
        self._system.quietly("up", "--detach")
        for name in _CELLS:
            self._system.quietly("secrets", "set", "openai", "--env", name, told="of-nobody")

    def _first(self) -> None:
        _scene(
            "2  Into staging",
            "immutable; each conversation is played, and its end judged",
        )
        self._system.say("deploy")
        self._played(0)
        _scene("3  Into production", "by evidence: signed by its author, run in staging, ordered")
        self._promoted()

    def _second(self) -> None:
        first, second = self._material.models
        _scene(f"4  A second release: {self._material.second}", f"it pins {second}, not {first}")
        pinned(self._project, first, second)
        self._system.say("deploy")
        self._played(1)
        files = self._material.talks if self._material.recorded else ("v1.jsonl", "v2.jsonl")
        self._system.say("recordings", "compare", *files)
        click.echo("\nsomebody promotes it all the same")
        self._promoted()

    def _played(self, number: int) -> None:
        shop = ".seatrial/staging/shop.db"
        self._system.say(
            "recordings", "run", self._material.talks[number], "--agent", "retail",
            "--before", _BACK.format(shop=shop), "--judge", _JUDGE.format(shop=shop),
            "--out", f"v{number + 1}.jsonl",
        )  # fmt: skip

    def _promoted(self) -> None:
        """A moment after a run has ended, staging's cell signs what it counted; wait for that."""

        def counted() -> bool:
            gates = self._system.ask("promote", "--dry-run")["gates"]
            return all(gate["standing"] == "met" for gate in gates if gate["gate"] == "soak")

        wait("staging's evidence", counted)
        self._system.say("promote", "--yes")

    def _killed(self) -> None:
        chosen = self._chosen()
        title = f"{len(chosen)} customers talk at once, and production's cell is shot"
        _scene("5  kill -9 in the middle", title)
        front = self._system.front("production")
        with ThreadPoolExecutor(len(chosen)) as pool:
            began = time.monotonic()
            talks = [pool.submit(_talk, front, each) for each in chosen]
            wait("their changes", lambda: self._written() > len(chosen) // 3)
            self._system.kill("production")
            click.echo(
                f"killed after {time.monotonic() - began:.1f} s; its supervisor starts it anew"
            )
            runs = [run for talk in talks for run in talk.result()]
        self._counted(front, runs, chosen)

    def _counted(self, front: Front, runs: Sequence[str], chosen: Sequence[Recording]) -> None:
        receipts = [front.receipt(run) for run in runs]
        states = Counter(each["state"] for each in receipts)
        again = [each["run"] for each in receipts if len(each["attempts"]) > 1]
        click.echo(
            f"of {len(runs)} runs: {', '.join(f'{n} {state}' for state, n in states.items())}"
        )
        click.echo(f"{len(again)} were in the air and went on in a second attempt, by the journal")
        union = {"wants": [call.model_dump() for each in chosen for call in each.wants or ()]}
        judged = self._python("judge.py", ".seatrial/production/shop.db", "before.db",
                              told=json.dumps(union))  # fmt: skip
        if set(states) != {"succeeded"} or not again or not json.loads(judged)["succeeded"]:
            raise DemoFailed("a run was lost, or its effect, or it was made twice")
        click.echo("production's shop is as if nobody had died: each change once, none lost")
        self._system.say("runs", "explain", again[0], "--env", "production")

    def _chosen(self) -> list[Recording]:
        """Conversations that change something and come out right, each of another customer."""
        right = {each.name for each in figures(self._project / "v2.jsonl") if each.succeeded}
        found: dict[str, Recording] = {}
        for each in load(self._project / self._material.talks[1]):
            if each.name in right and each.wants:
                found.setdefault(each.turns[0].said[:24], each)
        return list(found.values())[:_AT_ONCE]

    def _written(self) -> int:
        """How many conversations have changed production's shop so far."""
        code = (
            "import sqlite3, sys, judge\n"
            "a, b = (judge.stands(sqlite3.connect(p)) for p in sys.argv[1:])\n"
            "print(sum(a[k] != b[k] for k in a))"
        )
        return int(self._python("-c", code, ".seatrial/production/shop.db", "before.db"))

    def _back(self) -> None:
        _scene("6  Back", "whole, signed, without a build or a download")
        began = time.monotonic()
        self._system.say("rollback", "--yes")
        click.echo(f"the command took {time.monotonic() - began:.1f} s, its own start included")
        self._system.say("status")

    def _python(self, *arguments: str, told: str = "") -> str:
        done = subprocess.run(
            [sys.executable, *arguments], cwd=self._project, input=told, text=True,
            capture_output=True, check=False,
        )  # fmt: skip
        if done.returncode:
            raise DemoFailed(done.stderr)
        return done.stdout


def _talk(front: Front, conversation: Recording) -> list[str]:
    """Say a person's part, each turn once the last is over; the runs."""
    session = f"demo-{conversation.name.replace('/', '-')}"
    runs = []
    for number, turn in enumerate(conversation.turns):
        runs.append(front.start("retail", turn.said, session, f"{session}-{number}"))
        front.ended(runs[-1])
    return runs


def _scene(title: str, promise: str) -> None:
    click.echo(f"\n{click.style(title, bold=True)}  ({promise})")


if __name__ == "__main__":
    main()
