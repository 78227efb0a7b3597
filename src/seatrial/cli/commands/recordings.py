"""`seatrial recordings`: conversations that an agent had elsewhere, imported, shown and played."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import click

from seatrial.cli.playing import Around, Played, play
from seatrial.cli.reaching import Reached, access_option, env_option, reaching
from seatrial.cli.surroundings import surroundings
from seatrial.cli.talk import progress, say, tamed, where
from seatrial.data.recordings.domain import Recording
from seatrial.data.recordings.figures import Figures
from seatrial.data.recordings.readers import Form
from seatrial.data.recordings.service import imported, load, save
from seatrial.kit.errors import Exit, NotFound
from seatrial.kit.terminal.frame import LazyGroup
from seatrial.kit.terminal.output import answer_json, json_option, table
from seatrial.kit.text import did_you_mean, printable

_FILE: Final = click.Path(path_type=Path, dir_okay=False)
_COURSE: Final = {True: "same", False: "differs", None: "-"}


class RecordingUnknown(NotFound):
    """No recording is named {name!r} in {path!r}{hint}."""

    code = "recording_unknown"
    cause = "A recording is named by its task and trial, such as `17/0`."
    remedy = "List what there is with `seatrial recordings list FILE`."


_COMMANDS: Final = {
    name: (f"seatrial.cli.commands.{module}:{name}_command", line)
    for name, module, line in (
        ("import", "recordings", "Make recordings of somebody else's file."),
        ("list", "recordings", "List the recordings in a file."),
        ("show", "recordings", "Show one conversation."),
        ("run", "recordings", "Play conversations to an agent, and compare."),
        ("compare", "comparing", "Compare two releases on the same conversations."),
    )
}


@click.group(cls=LazyGroup, table=_COMMANDS)
def recordings() -> None:
    """Import recorded conversations, look at them, play them, compare what came of them."""


@click.command("import")
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


@click.command("list")
@click.argument("file", type=_FILE)
@json_option
def list_command(file: Path, *, as_json: bool) -> int:
    """List the recordings in FILE.

    \b
    Examples:
      seatrial recordings list base.jsonl
      seatrial recordings list base.jsonl --json | jq '.[] | select(.succeeded | not).name'
    """  # noqa: D301 - \b is Click's mark for text that keeps its lines
    rows = [_row(each) for each in load(file)]
    if as_json:
        answer_json(rows)
        return Exit.OK
    names = ("name", "model", "turns", "calls", "tokens", "cost_usd", "seconds", "succeeded")
    click.echo(table(names, [tuple(_cell(row[name]) for name in names) for row in rows]))
    return Exit.OK


@click.command("show")
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


@click.command("run")
@click.argument("file", type=_FILE)
@click.option("--agent", required=True, help="Who is to have the conversations.")
@click.option("--only", multiple=True, metavar="NAME", help="Only these; may be repeated.")
@click.option("--before", default="", metavar="COMMAND",
              help="Run this before each conversation, to make the world what it was.")  # fmt: skip
@click.option("--judge", default="", metavar="COMMAND",
              help="Ask this after each; it is given the recording and says whether its task "
              "is solved.")  # fmt: skip
@click.option("--out", type=_FILE, help="Write what each came to, for `recordings compare`.")
@env_option("staging")
@access_option
@json_option
def run_command(  # noqa: PLR0913 - one parameter for each option
    file: Path,
    *,
    agent: str,
    only: tuple[str, ...],
    before: str,
    judge: str,
    out: Path | None,
    environment: str,
    access: Path | None,
    as_json: bool,
) -> int:
    """Say to AGENT what people said in the conversations of FILE, and compare what it does.

    Each conversation is a session, each of its turns a run. The same means: the same answers, the
    same calls with the same arguments, the same results, and the same verdict where a judge is
    asked. Ends with 6 where one went another way. The model is whatever the environment binds;
    `seatrial provider --recordings FILE` is one that answers as it did then.

    \b
    Examples:
      seatrial recordings run base.jsonl --agent retail
      seatrial recordings run base.jsonl --agent retail --only 17/0 --json
      seatrial recordings run talks.jsonl --agent retail --judge "python judge.py" --out new.jsonl
    """  # noqa: D301 - \b is Click's mark for text that keeps its lines
    found = load(file)
    chosen = [_named(found, name, file) for name in only] or found
    where(environment, agent)

    around = Around(before=before, judge=judge, variables=surroundings())

    async def use(servers: Reached) -> list[Played]:
        cell = servers.cell(environment)
        return [
            await play(cell, agent, each, around)
            for each in progress(chosen, "playing", len(chosen))
        ]

    played = reaching(access, use)
    if out is not None:
        save([each.figures for each in played], out)
    if as_json:
        answer_json([each.told() for each in played])
    else:
        _show_played(played)
    return Exit.GATE_FAILED if any(each.same is False for each in played) else Exit.OK


def _show_played(played: Sequence[Played]) -> None:
    rows = [
        (each.figures.name, _COURSE[each.same], _cell(each.figures.succeeded), str(each.runs),
         each.why[:120])
        for each in played
    ]  # fmt: skip
    click.echo(table(("recording", "course", "solved", "runs", "first difference"), rows))
    if same := [each.same for each in played if each.same is not None]:
        click.echo(f"{sum(same)} of {len(same)} went as recorded")
    verdicts = [each.figures.succeeded for each in played if each.figures.succeeded is not None]
    if verdicts:
        click.echo(f"{sum(verdicts)} of {len(verdicts)} tasks are solved")


def _named(found: list[Recording], name: str, file: Path) -> Recording:
    known = {each.name: each for each in found}
    if name not in known:
        raise RecordingUnknown(name=name, path=str(file), hint=did_you_mean(name, known))
    return known[name]


def _row(recording: Recording) -> dict[str, Any]:
    figures = Figures.of(recording)
    return {
        "name": recording.name,
        "model": recording.model,
        "turns": len(recording.turns),
        "calls": len(figures.path),
        "tokens": figures.tokens,
        "cost_usd": figures.cost_usd,
        "seconds": round(sum(figures.seconds), 2) if figures.seconds else None,
        "succeeded": recording.succeeded,
    }


def _cell(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return printable(str(value))
