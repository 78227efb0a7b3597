"""`seatrial runs explain`, `replay`, `shadow`: why each call went so, and would it go so again."""

from pathlib import Path
from typing import Any

import click

from seatrial.cli.reaching import Reached, access_option, env_option, reaching
from seatrial.cli.rehearsing import digest_of
from seatrial.cli.replaying import Difference, difference
from seatrial.cli.talk import say, tamed, where
from seatrial.cli.waiting import ended
from seatrial.kit.terminal.output import answer_json, json_option, table
from seatrial.kit.text import printable

Row = dict[str, Any]


@click.command("explain")
@click.argument("run")
@env_option("staging")
@access_option
@json_option
def explain_command(run: str, *, environment: str, access: Path | None, as_json: bool) -> None:
    """Show each call of RUN as it arrived, and why it was sent, answered, held or refused.

    \b
    Examples:
      seatrial runs explain run_01jd7v6k3q8zr5m0c4x9tn2hbe
      seatrial runs explain run_01jd7v6k3q8zr5m0c4x9tn2hbe --json | jq '.decisions[].decision'
    """  # noqa: D301 - \b is Click's mark for text that keeps its lines
    where(environment, run)
    found = reaching(access, lambda servers: servers.cell(environment).decisions(run))
    if as_json:
        answer_json({"run": run, "decisions": found})
    elif not found:
        say("it has called nothing that is recorded")
    else:
        head = ("attempt", "n", "call", "kind", "name", "decision", "reason")
        names = ("attempt", "n", "seq", "kind", "name", "decision", "reason")
        click.echo(table(head, [tuple(_text(each.get(name)) for name in names) for each in found]))


@click.command("replay")
@click.argument("run")
@click.option("--release", help="Replay on this release, by name or digest; else on its own.")
@env_option("staging")
@access_option
@json_option
def replay_command(
    run: str, *, release: str | None, environment: str, access: Path | None, as_json: bool
) -> int:
    """Run RUN again on its recorded answers, and show what differs.

    Nothing goes out: a call that is not recorded fails. Exits with 1 if anything differs.

    \b
    Examples:
      seatrial runs replay run_01jd7v6k3q8zr5m0c4x9tn2hbe
      seatrial runs replay run_01jd7v6k3q8zr5m0c4x9tn2hbe --release support@15
    """  # noqa: D301 - \b is Click's mark for text that keeps its lines
    return _again("replay", run, release, environment, access, as_json=as_json)


@click.command("shadow")
@click.argument("run")
@click.option("--release", help="Shadow it on this release, by name or digest; else on its own.")
@env_option("staging")
@access_option
@json_option
def shadow_command(
    run: str, *, release: str | None, environment: str, access: Path | None, as_json: bool
) -> int:
    """Run RUN again with its models asked anew and nothing written, and show what differs.

    Models are called and paid for. Reads are answered from RUN, or made where it did not make
    them. Writes are answered from RUN, and others are performed nowhere. Exits with 1 if anything
    differs.

    \b
    Examples:
      seatrial runs shadow run_01jd7v6k3q8zr5m0c4x9tn2hbe --release support@15
      seatrial runs shadow run_01jd7v6k3q8zr5m0c4x9tn2hbe --env production
    """  # noqa: D301 - \b is Click's mark for text that keeps its lines
    return _again("shadow", run, release, environment, access, as_json=as_json)


def _again(
    verb: str,
    run: str,
    release: str | None,
    environment: str,
    access: Path | None,
    *,
    as_json: bool,
) -> int:
    """Have a run followed, to its end, and show what differs."""
    where(environment, run)

    async def use(servers: Reached) -> tuple[str, Difference]:
        cell = servers.cell(environment)
        wanted = await digest_of(servers, release)
        begun = await cell.act(run, verb, {} if wanted is None else {"release": wanted})
        again = str((await ended(cell, begun)).get("id"))
        return again, difference(
            await cell.receipt(run),
            await cell.receipt(again),
            await cell.decisions(run),
            await cell.decisions(again),
        )

    again, found = reaching(access, use)
    if as_json:
        answer_json({"run": run, verb: again} | found.document())
    else:
        click.echo(_shown(verb, again, found))
    return int(found.differs)


def _shown(verb: str, again: str, found: Difference) -> str:
    head = ("change", "kind", "name", "key", "decision", "reason")
    rows = [tuple(printable(cell) for cell in step.row()) for step in found.steps]
    lines = [f"{verb}: {printable(again)}"]
    lines += [table(head, rows)] if rows else ["no calls"]
    for what, (before, after) in (("state", found.state), ("error", found.error)):
        if before != after:
            lines.append(f"{what}: {printable(before or 'none')} -> {printable(after or 'none')}")
    lines += [tamed(line) for line in found.output]
    lines.append("spent: " + " -> ".join(_spent(*each) for each in found.spent))
    lines.append("they differ" if found.differs else "they are the same")
    return "\n".join(lines)


def _spent(read: int, written: int, dollars: float) -> str:
    return f"{read} + {written} tokens, ${dollars:.4f}"


def _text(value: object) -> str:
    return "" if value is None else printable(str(value))
