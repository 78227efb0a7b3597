"""`seatrial dev`: the agent in this folder, here and now, without any server."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from seatrial.cli.commands.invoke import shown
from seatrial.cli.given import given, value
from seatrial.cli.project.domain import AgentProcessEnded, AgentRaised
from seatrial.cli.project.local import (
    LocalAgent,
    Sample,
    environment,
    interpreter,
    stamps,
    trace_of,
)
from seatrial.cli.project.manifest import find
from seatrial.cli.project.release import Project, bundle_files, open_project
from seatrial.cli.reaching import FILE
from seatrial.cli.surroundings import surroundings
from seatrial.cli.talk import interactive, say, where
from seatrial.kit.errors import Invalid, NotFound
from seatrial.kit.terminal.output import answer_json, json_option


@click.command()
@click.option("--input", "input_text", help="Run once on this: JSON, or else text; `-` for stdin.")
@click.option("--file", type=FILE, help="Run once on what is in this file.")
@click.option("--project", type=click.Path(path_type=Path, file_okay=False), help="Its folder.")
@click.option("--python", type=FILE, help="The interpreter; else the project's .venv, else this.")
@json_option
def dev(
    *,
    input_text: str | None,
    file: Path | None,
    project: Path | None,
    python: Path | None,
    as_json: bool,
) -> None:
    """Run this project's agent here: line by line on a terminal, or once with `--input`.

    A change of any file begins it anew. It sees the variables that `[secrets]` names and little
    else. Nothing is sent to a server, and nothing counts as evidence.

    \b
    Examples:
      seatrial dev
      seatrial dev --input '{"text": "where is my parcel?"}'
    """  # noqa: D301 - \b is Click's mark for text that keeps its lines
    folder = find(project or Path.cwd())
    opened = _opened(folder)
    where("dev", opened.manifest.agent.name)
    if input_text is not None or file is not None:
        _once(opened, python, given(input_text, file), as_json=as_json)
        return
    session = _Session(folder, python, as_json=as_json)
    try:
        for line in _lines():
            if line.strip():
                session.answer(value(line))
    finally:
        session.close()


def _once(project: Project, python: Path | None, sample: Any, *, as_json: bool) -> None:  # noqa: ANN401
    with _agent(project, python) as agent:
        try:
            output = agent.run(Sample(input=sample, run="run_local", environment="dev"), _chunk)
        except AgentRaised as error:
            say(trace_of(error).rstrip())
            raise
    if as_json:
        answer_json({"output": output})
    else:
        click.echo(shown(output))


class _Session:
    """Answers one line after the other, and begins anew whenever a file was saved."""

    def __init__(self, folder: Path, python: Path | None, *, as_json: bool) -> None:
        self._folder = folder
        self._python = python
        self._as_json = as_json
        self._agent: LocalAgent | None = None
        self._known: object = None
        self._history: list[dict[str, Any]] = []

    def answer(self, given_input: Any) -> None:  # noqa: ANN401 - any JSON value
        """Run the agent; what goes wrong is told, and the session goes on."""
        sample = Sample(
            input=given_input,
            run="run_local",
            environment="dev",
            session="dev",
            history=tuple(self._history),
        )
        try:
            output = self._fresh().run(sample, _chunk)
        except AgentRaised as error:
            say(trace_of(error).rstrip())
            say(click.style(error.message, fg="red"))
        except (AgentProcessEnded, Invalid, NotFound) as error:
            self.close()
            say(click.style(f"{error.message} ({error.code})", fg="red"))
        else:
            self._history.append({"input": given_input, "output": output})
            if self._as_json:
                answer_json({"output": output})
            else:
                click.echo(shown(output))

    def close(self) -> None:
        """End the agent's process."""
        if self._agent is not None:
            self._agent.close()
            self._agent = None

    def _fresh(self) -> LocalAgent:
        project = _opened(self._folder)
        now = stamps(project)
        if self._agent is None or now != self._known:
            if self._agent is not None:
                say("files changed: begun anew")
            self.close()
            self._agent = _agent(project, self._python)
            self._known = now
        return self._agent


def _opened(folder: Path) -> Project:
    project = open_project(folder)
    bundle_files(project)
    return project


def _agent(project: Project, python: Path | None) -> LocalAgent:
    env = environment(project, surroundings(), "dev", secrets=True)
    return LocalAgent(project, interpreter(project, python), env)


def _lines() -> Iterator[str]:
    if not interactive():
        yield from sys.stdin
        return
    say("an input a line: JSON, or else text; Ctrl-D ends")
    while True:
        try:
            yield click.prompt("", prompt_suffix="> ", err=True, default="", show_default=False)
        except click.Abort:
            say("")
            return


def _chunk(data: Any) -> None:  # noqa: ANN401 - any JSON value
    say(data if isinstance(data, str) else shown(data))
