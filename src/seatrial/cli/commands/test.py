"""`seatrial test`: the code in this folder against staging's models, prompts and tools."""

import asyncio
import contextlib
from pathlib import Path
from typing import Any, Final

import click

from seatrial.cli.commands.invoke import shown
from seatrial.cli.given import cases, given
from seatrial.cli.project.domain import AgentProcessEnded, AgentRaised, SampleInvalid
from seatrial.cli.project.local import (
    LocalAgent,
    Sample,
    door,
    environment,
    interpreter,
    trace_of,
)
from seatrial.cli.project.manifest import find
from seatrial.cli.project.release import Project, bundle_files, open_project
from seatrial.cli.reaching import FILE, Reached, access_option, reaching
from seatrial.cli.servers.cell import Cell
from seatrial.cli.servers.domain import AnswerUnexpected
from seatrial.cli.surroundings import surroundings
from seatrial.cli.talk import say, where
from seatrial.kit.clock import SystemClock
from seatrial.kit.errors import BadUpstream, Exit, TimedOut, Unavailable
from seatrial.kit.terminal.output import answer_json, json_option

Row = dict[str, Any]
_BEAT: Final = 5.0  # seconds
_LONGEST: Final = 2_000  # characters of a message that is sent


@click.command()
@click.option("--input", "input_text", help="One input: JSON, or else text; `-` for stdin.")
@click.option("--file", type=FILE, help="Cases, one JSON object a line: `input`, and `expect`.")
@click.option("--env", "environment_name", default="staging", show_default=True,
              type=click.Choice(["dev", "test", "staging"]), help="Which cell.")  # fmt: skip
@click.option("--session", help="Go on with this thread of runs.")
@click.option("--project", type=click.Path(path_type=Path, file_okay=False), help="Its folder.")
@click.option("--python", type=FILE, help="The interpreter; else the project's .venv, else this.")
@access_option
@json_option
def test(  # noqa: PLR0913 - one parameter for each option
    *,
    input_text: str | None,
    file: Path | None,
    environment_name: str,
    session: str | None,
    project: Path | None,
    python: Path | None,
    access: Path | None,
    as_json: bool,
) -> int:
    """Run this project's code here, in staging mode, without deploying it.

    It reaches staging's models, draft prompts and tools with a token that is good for one run. The
    runs are kept there as local, and never count as evidence. A case with `expect` fails unless
    the output equals it.

    \b
    Examples:
      seatrial test --input "my parcel is late"
      seatrial test --file cases.jsonl --json
    """  # noqa: D301 - \b is Click's mark for text that keeps its lines
    if (input_text is None) == (file is None):
        raise SampleInvalid(reason="give either --input or --file")
    found = [{"input": given(input_text, None)}] if file is None else cases(file)
    opened = open_project(find(project or Path.cwd()))
    bundle_files(opened)
    where(environment_name, opened.manifest.agent.name)

    async def use(servers: Reached) -> list[Row]:
        cell = servers.cell(environment_name)
        place = _Place(cell, opened, interpreter(opened, python), environment_name, session)
        return [await place.tried(case) for case in found]

    results = reaching(access, use)
    if as_json:
        answer_json(results)
    elif file is None:
        _show_one(results[0])
    else:
        for number, result in enumerate(results, 1):
            click.echo(f"{number}  {_verdict(result)}  {result['run']}")
    passed = sum(result["passed"] for result in results)
    say(f"{passed} of {len(results)} passed in {environment_name}, as local runs")
    return Exit.OK if passed == len(results) else Exit.FAILED


class _Place:
    """Where cases are tried: the code here, the rest there."""

    def __init__(
        self, cell: Cell, project: Project, python: Path, name: str, session: str | None
    ) -> None:
        self._cell = cell
        self._project = project
        self._python = python
        self._name = name
        self._session = session

    async def tried(self, case: Row) -> Row:
        """What became of one case."""
        slug = self._project.manifest.agent.name
        opened = await self._cell.local_run(slug, self._order(case))
        run, token, url = (_text(opened, name) for name in ("run", "token", "url"))
        env = environment(self._project, surroundings(), self._name, secrets=False)
        sample = Sample(input=case["input"], run=run, environment=self._name, session=self._session)
        ended: Row = {"error": {"code": "interrupted", "message": "the command was interrupted"}}
        pulse = asyncio.create_task(self._beat(slug, run))
        try:
            ended = await asyncio.to_thread(self._run, env | door(url, token), sample)
        finally:
            pulse.cancel()
            await asyncio.gather(pulse, return_exceptions=True)
            await self._cell.end_local_run(slug, run, ended)
        same = "expect" not in case or case["expect"] == ended.get("output")
        return {"run": run, "passed": "error" not in ended and same, **case, **ended}

    def _order(self, case: Row) -> Row:
        """The prompts and pins of this folder hold, not those of what was deployed."""
        models = self._project.manifest.models
        order: Row = {"input": case["input"], "prompts": dict(self._project.prompts)}
        if models:
            order["models"] = {name: model.document() for name, model in models.items()}
        if self._session is not None:
            order["session"] = self._session
        return order

    async def _beat(self, slug: str, run: str) -> None:
        """Signs of life, so that the cell keeps the run and its token."""
        clock = SystemClock()
        while True:
            await clock.sleep(_BEAT)
            with contextlib.suppress(BadUpstream, TimedOut, Unavailable):  # the next one may pass
                await self._cell.beat_local_run(slug, run)

    def _run(self, env: dict[str, str], sample: Sample) -> Row:
        with LocalAgent(self._project, self._python, env) as agent:
            try:
                return {"output": agent.run(sample, _chunk)}
            except AgentRaised as error:
                say(trace_of(error).rstrip())
                reason = str(error.fields["reason"])[:_LONGEST]
                return {"error": {"code": "agent_raised", "message": reason}}
            except AgentProcessEnded as error:
                return {"error": {"code": "host_exited", "message": error.message[:_LONGEST]}}


def _text(row: Row, name: str) -> str:
    found = row.get(name)
    if not isinstance(found, str):
        raise AnswerUnexpected(peer="the cell", reason=f"there is no {name!r} in a local run")
    return found


def _show_one(result: Row) -> None:
    if "error" in result:
        say(click.style(f"{result['error']['code']}: {result['error']['message']}", fg="red"))
    else:
        click.echo(shown(result["output"]))


def _verdict(result: Row) -> str:
    if result["passed"]:
        return "passed"
    return result["error"]["code"] if "error" in result else "differs"


def _chunk(data: Any) -> None:  # noqa: ANN401 - any JSON value
    say(data if isinstance(data, str) else shown(data))
