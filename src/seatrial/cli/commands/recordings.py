"""`seatrial recordings`: conversations that an agent had elsewhere, imported, shown and played."""

from collections import Counter
from pathlib import Path
from typing import Any, Final

import click

from seatrial.cli.playing import Played, play
from seatrial.cli.reaching import Reached, access_option, env_option, reaching
from seatrial.cli.talk import say, tamed, where
from seatrial.data.recordings.domain import Recording
from seatrial.data.recordings.readers import Form
from seatrial.data.recordings.service import imported, load, save
from seatrial.kit.errors import Exit, NotFound
from seatrial.kit.terminal.frame import did_you_mean
from seatrial.kit.terminal.output import answer_json, json_option, table
from seatrial.kit.text import printable

_FILE: Final = click.Path(path_type=Path, dir_okay=False)


class RecordingUnknown(NotFound):
    """No recording is named {name!r} in {path!r}{hint}."""

    code = "recording_unknown"
    cause = "A recording is named by its task and trial, such as `17/0`."
    remedy = "List what there is with `seatrial recordings list FILE`."


@click.group()
def recordings() -> None:
    """Import recorded conversations, look at them, and play them to an agent."""


@recordings.command("import")
@click.argument("source", type=_FILE)
@click.option("--format", "form", required=True, type=click.Choice([each.value for each in Form]),
              help="Whose file it is.")  # fmt: skip
@click.option("--out", required=True, type=_FILE, help="The file to write, a recording a line.")
@click.option("--model", help="Which model answered; needed where the file does not say.")
@click.option("--skip-unfit", is_flag=True, help="Leave out conversations that have no script.")
@json_option
def import_command(
    source: Path, *, form: str, out: Path, model: str | None, skip_unfit: bool, as_json: bool
) -> int:
    """Make recordings of SOURCE, a file of tau2-bench or tau-bench, packed by gzip or not.

    \b
    Examples:
      seatrial recordings import --format tau2 simulations.json.gz --out base.jsonl
      seatrial recordings import --format tau1 gpt-4o.json --model gpt-4o --out airline.jsonl
    """  # noqa: D301 - \b is Click's mark for text that keeps its lines
    found, left_out = imported(source, Form(form), model=model, skip=skip_unfit)
    save(found, out)
    for each in left_out:
        say(f"left out: {printable(each)}")
    if as_json:
        answer_json({"recordings": len(found), "left_out": left_out, "file": str(out)})
    else:
        click.echo(f"{len(found)} recordings in {out}")
    return Exit.OK


@recordings.command("list")
@click.argument("file", type=_FILE)
@json_option
def list_command(file: Path, *, as_json: bool) -> int:
    """List the recordings in FILE.

    \b
    Examples:
      seatrial recordings list base.jsonl
      seatrial recordings list base.jsonl --json | jq '.[] | select(.succeeded | not).name'
    """  # noqa: D301 - \b is Click's mark for text that keeps its lines
    rows = [_figures(each) for each in load(file)]
    if as_json:
        answer_json(rows)
        return Exit.OK
    names = ("name", "model", "turns", "calls", "tokens", "cost_usd", "seconds", "succeeded")
    click.echo(table(names, [tuple(_cell(row[name]) for name in names) for row in rows]))
    return Exit.OK


@recordings.command("show")
@click.argument("file", type=_FILE)
@click.argument("name")
@json_option
def show_command(file: Path, name: str, *, as_json: bool) -> int:
    """Show the conversation NAME of FILE.

    \b
    Examples:
      seatrial recordings show base.jsonl 17/0
    """  # noqa: D301 - \b is Click's mark for text that keeps its lines
    recording = _named(load(file), name, file)
    if as_json:
        answer_json(recording.model_dump(mode="json"))
        return Exit.OK
    for turn in recording.turns:
        click.echo(f"person  {tamed(turn.said)}")
        for step in turn.steps:
            for call in step.calls:
                click.echo(f"  calls {call.name} {printable(str(call.arguments))}")
                click.echo(f"     -> {printable(call.result[:200])}")
            if step.content:
                click.echo(f"agent   {tamed(step.content)}")
    return Exit.OK


@recordings.command("run")
@click.argument("file", type=_FILE)
@click.option("--agent", required=True, help="Who is to have the conversations.")
@click.option("--only", multiple=True, metavar="NAME", help="Only these; may be repeated.")
@env_option("staging")
@access_option
@json_option
def run_command(
    file: Path,
    *,
    agent: str,
    only: tuple[str, ...],
    environment: str,
    access: Path | None,
    as_json: bool,
) -> int:
    """Say to AGENT what people said in the conversations of FILE, and compare what it does.

    Each conversation is a session, each of its turns a run. The same means: the same answers, the
    same calls with the same arguments, the same results. Ends with 6 where one went another way.
    The model is whatever the environment binds; `seatrial provider --recordings FILE` is one that
    answers as it did then.

    \b
    Examples:
      seatrial recordings run base.jsonl --agent retail
      seatrial recordings run base.jsonl --agent retail --only 17/0 --json
    """  # noqa: D301 - \b is Click's mark for text that keeps its lines
    found = load(file)
    chosen = [_named(found, name, file) for name in only] or found
    where(environment, agent)

    async def use(servers: Reached) -> list[Played]:
        cell = servers.cell(environment)
        return [await play(cell, agent, each) for each in chosen]

    played = reaching(access, use)
    if as_json:
        answer_json([each.told() for each in played])
    else:
        rows = [
            (each.recording, "same" if each.same else "differs", str(each.runs), each.why[:120])
            for each in played
        ]
        click.echo(table(("recording", "course", "runs", "first difference"), rows))
        count = Counter(each.same for each in played)
        click.echo(f"{count[True]} of {len(played)} went as recorded")
    return Exit.OK if all(each.same for each in played) else Exit.GATE_FAILED


def _named(found: list[Recording], name: str, file: Path) -> Recording:
    known = {each.name: each for each in found}
    if name not in known:
        raise RecordingUnknown(name=name, path=str(file), hint=did_you_mean(name, known))
    return known[name]


def _figures(recording: Recording) -> dict[str, Any]:
    steps = list(recording.steps)
    tokens = [n for each in steps for n in (each.input_tokens, each.output_tokens) if n is not None]
    costs = [each.cost_usd for each in steps if each.cost_usd is not None]
    seconds = [each.seconds for each in steps if each.seconds is not None]
    return {
        "name": recording.name,
        "model": recording.model,
        "turns": len(recording.turns),
        "calls": sum(len(each.calls) for each in steps),
        "tokens": sum(tokens) if tokens else None,
        "cost_usd": round(sum(costs), 6) if costs else None,
        "seconds": round(sum(seconds), 2) if seconds else None,
        "succeeded": recording.succeeded,
    }


def _cell(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return printable(str(value))
