"""`seatrial fixtures`: runs that went wrong, masked in their cell and kept as tests."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import click

from seatrial.cli.reaching import Reached, access_option, env_option, reaching
from seatrial.cli.rehearsing import digest_of, rehearse
from seatrial.cli.servers.domain import AnswerUnexpected
from seatrial.cli.talk import progress, say, tamed, where
from seatrial.data.fixtures.domain import (
    Expectation,
    Fixture,
    FixtureMissing,
    FixtureRefused,
    Outcome,
    Proof,
    Recorded,
    judge,
    texts,
)
from seatrial.data.fixtures.service import every, keep_proof, load, proof_of, save
from seatrial.kit.errors import Exit
from seatrial.kit.terminal.output import answer_json, json_option, table
from seatrial.kit.text import printable

_FOLDER: Final = click.Path(path_type=Path, file_okay=False)
_FILE: Final = click.Path(path_type=Path, dir_okay=False)
_SHORT: Final = 12  # digits of a digest in tables

Row = dict[str, Any]


@click.group()
def fixtures() -> None:
    """Make tests of runs that went wrong, and try releases on them."""


@fixtures.command("proposed")
@env_option("production")
@click.option("--agent", help="Of this agent.")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 200))
@click.option("--after", help="Go on after a page; the last one named it.")
@access_option
@json_option
def proposed_command(
    *,
    environment: str,
    agent: str | None,
    limit: int,
    after: str | None,
    access: Path | None,
    as_json: bool,
) -> None:
    """List runs that failed, or ended otherwise than resolved, and have no fixture; newest first.

    \b
    Examples:
      seatrial fixtures proposed --env production
      seatrial fixtures proposed --agent support --json | jq -r '.proposed[].run.id'
    """  # noqa: D301 - \b is Click's mark for text that keeps its lines
    where(environment, agent or "")
    page = reaching(
        access,
        lambda servers: servers.cell(environment).proposed(agent=agent, limit=limit, after=after),
    )
    if as_json:
        answer_json(page)
        return
    found = page.get("proposed") or []
    if found:
        head = ("run", "agent", "release", "when", "reason")
        click.echo(table(head, [_proposed(each) for each in found]))
    else:
        say("no run needs a fixture")
    if page.get("next"):
        say(f"more: --after {page['next']}")


@fixtures.command("add")
@click.argument("run")
@click.option(
    "--expect",
    multiple=True,
    metavar="TEXT",
    help="What must hold of each replay; may be repeated. `succeeds`, `says TEXT`, "
    "`never_says TEXT`, `never_called TOOL`, `called TOOL {ARGUMENTS} -> RESULT`; with "
    "`may_call`, as `called`, what a fix may ask beside.",
)
@click.option("--out", required=True, type=_FOLDER, help="The folder of the suite.")
@env_option("production")
@access_option
@json_option
def add_command(
    run: str,
    *,
    expect: tuple[str, ...],
    out: Path,
    environment: str,
    access: Path | None,
    as_json: bool,
) -> None:
    """Make a fixture of RUN and of the turns of its session before it.

    Its cell masks it by the environment's own rules and verifies that nobody can be read in it;
    else nothing leaves. Expectations are written in words of the run, and masked with it. Of a run
    that failed, it is expected that it succeeds, where nothing else is said.

    \b
    Examples:
      seatrial fixtures add run_01jd7v6k3q8zr5m0c4x9tn2hbe --out tests/incidents
      seatrial fixtures add run_01jd7v6k3q8zr5m0c4x9tn2hbe --out tests/incidents \\
        --expect 'called cancel_order {"order": "W1"} -> {"status": "cancelled"}'
    """  # noqa: D301 - \b is Click's mark for text that keeps its lines
    for each in expect:
        Expectation.parse(each)  # what is wrong with it is known before anything is asked
    where(environment, run)
    told = reaching(access, lambda servers: servers.cell(environment).fixture(run, expect))
    fixture = _read(told, environment)
    path = save(fixture, out)
    if as_json:
        answer_json({"file": str(path), "digest": str(fixture.digest)} | _rest(told))
        return
    click.echo(path)
    if not told.get("people"):
        say("it names nobody whom the environment's source knows; read it before it is passed on")
    for dropped in told.get("dropped") or ():
        say(f"no rule covers {printable(str(dropped))}: it is not in the fixture")


@fixtures.command("list")
@click.argument("folder", type=_FOLDER, required=False)
@env_option("staging", "Without FOLDER: whose cell is asked.")
@access_option
@json_option
def list_command(
    folder: Path | None, *, environment: str, access: Path | None, as_json: bool
) -> None:
    """List the fixtures in FOLDER, and which of them are proved.

    Without FOLDER, list those that a cell was given to try releases on, and keeps until the
    retention in its settings lets them go.

    \b
    Examples:
      seatrial fixtures list tests/incidents
      seatrial fixtures list --env staging
    """  # noqa: D301 - \b is Click's mark for text that keeps its lines
    if folder is None:
        _list_held(environment, access, as_json=as_json)
        return
    rows = [_row(path, fixture) for path, fixture in every(folder)]
    if as_json:
        answer_json(rows)
        return
    names = ("fixture", "messages", "calls", "expect", "status")
    shown = [tuple(str(row[name]) for name in names) for row in rows]
    click.echo(table(names, shown) if rows else "no fixtures")


@fixtures.command("show")
@click.argument("fixture", type=_FILE)
@json_option
def show_command(fixture: Path, *, as_json: bool) -> None:
    """Show what was said and done in FIXTURE, and what is expected.

    \b
    Examples:
      seatrial fixtures show tests/incidents/0f3a….json
    """  # noqa: D301 - \b is Click's mark for text that keeps its lines
    found = load(fixture)
    if as_json:
        answer_json(found.model_dump(mode="json"))
        return
    lines = [f"person   {tamed(text)}" for text in texts(found.messages)]
    for recorded in found.calls:
        lines += [f"called   {_call(recorded)}", f"      -> {_result(recorded)}"]
    lines += [f"answered {tamed(text)}" for text in texts(found.said)]
    lines += [f"expected {_expected(each)}" for each in found.expect]
    click.echo("\n".join(lines))


@fixtures.command("run")
@click.argument("folder", type=_FOLDER)
@click.option("--agent", required=True, help="Whose release is tried.")
@click.option("--release", help="Which, by name or digest; else the one in force.")
@env_option("staging", "Which environment; never production.")
@access_option
@json_option
def run_command(
    folder: Path,
    *,
    agent: str,
    release: str | None,
    environment: str,
    access: Path | None,
    as_json: bool,
) -> int:
    """Try a release of AGENT on each fixture in FOLDER.

    What people said is said again, each message a run of one session. The model is the
    environment's own; actions are answered from the fixture, and nothing is performed. A call that
    the fixture lacks fails. Ends with 6 where anything that is expected is missed.

    \b
    Examples:
      seatrial fixtures run tests/incidents --agent support
      seatrial fixtures run tests/incidents --agent support --release support@15 --json
    """  # noqa: D301 - \b is Click's mark for text that keeps its lines
    suite = list(every(folder))
    if not suite:
        raise FixtureMissing(path=str(folder))
    where(environment, agent)

    async def use(servers: Reached) -> list[tuple[Path, tuple[str, ...]]]:
        cell, wanted = servers.cell(environment), await digest_of(servers, release)
        return [
            (path, judge(fixture, await rehearse(cell, agent, fixture, wanted)))
            for path, fixture in progress(suite, "trying", len(suite))
        ]

    tried = reaching(access, use)
    if as_json:
        answer_json([{"fixture": path.stem, "missed": list(missed)} for path, missed in tried])
    else:
        _show_tried(tried)
    return Exit.GATE_FAILED if any(missed for _, missed in tried) else Exit.OK


@fixtures.command("prove")
@click.argument("fixture", type=_FILE)
@click.option("--agent", required=True, help="Whose releases they are.")
@click.option("--broken", required=True, help="The release that broke, by name or digest.")
@click.option("--fixed", required=True, help="The release that holds.")
@env_option("staging", "Which environment; never production.")
@access_option
@json_option
def prove_command(  # noqa: PLR0913 - one parameter for each option
    fixture: Path,
    *,
    agent: str,
    broken: str,
    fixed: str,
    environment: str,
    access: Path | None,
    as_json: bool,
) -> None:
    """Show that FIXTURE fails on the release that broke and passes on the fix; keep that beside it.

    Ends with 6 if it does not: such a test would prove nothing.

    \b
    Examples:
      seatrial fixtures prove tests/incidents/0f3a….json --agent support \\
        --broken support@14 --fixed support@15
    """  # noqa: D301 - \b is Click's mark for text that keeps its lines
    found = load(fixture)
    where(environment, agent)

    async def use(servers: Reached) -> tuple[Outcome, Outcome]:
        cell = servers.cell(environment)
        red = await rehearse(cell, agent, found, await digest_of(servers, broken))
        return red, await rehearse(cell, agent, found, await digest_of(servers, fixed))

    proof = Proof.of(found, *reaching(access, use))
    path = keep_proof(proof, fixture)
    if as_json:
        answer_json(proof.model_dump(mode="json") | {"file": str(path)})
        return
    click.echo(f"red    {proof.red}")
    for missed in proof.missed:
        click.echo(f"       {tamed(missed)}")
    click.echo(f"green  {proof.green}\nkept   {path}")


def _list_held(environment: str, access: Path | None, *, as_json: bool) -> None:
    where(environment)
    found = reaching(access, lambda servers: servers.cell(environment).fixtures())
    if as_json:
        answer_json(found)
        return
    rows = [
        (
            printable(str(each["fixture"]).partition(":")[2]),
            f"{each['bytes'] / 1024:.1f} KiB",
            printable(str(each["given"])),
            "a run is on it" if each["needed"] else "",
        )
        for each in found.get("fixtures") or []
    ]
    click.echo(table(("fixture", "size", "given", "needed"), rows) if rows else "no fixtures")
    if rows:
        click.echo(f"{found['count']} fixtures, {found['bytes'] / (1 << 20):.1f} MiB")


def _read(told: Row, environment: str) -> Fixture:
    try:
        fixture = Fixture.read(told.get("fixture"), name="the answer")
    except FixtureRefused as error:
        raise AnswerUnexpected(peer=environment, reason=error.message) from None
    if str(fixture.digest) != told.get("digest"):
        raise AnswerUnexpected(peer=environment, reason="the fixture is not what its name says")
    return fixture


def _rest(told: Row) -> Row:
    return {name: each for name, each in told.items() if name not in {"fixture", "digest"}}


def _proposed(each: Row) -> tuple[str, ...]:
    run = each["run"]
    release = run["release_name"] or str(run["release"])[:_SHORT]
    return tuple(
        printable(str(cell))
        for cell in (run["id"], run["agent"], release, each["at"] or "-", each["reason"])
    )


def _row(path: Path, fixture: Fixture) -> Row:
    proof = proof_of(path)
    return {
        "fixture": path.stem,
        "messages": len(fixture.messages),
        "calls": len(fixture.calls),
        "expect": len(fixture.expect),
        "status": "open" if proof is None else str(proof.status),
    }


def _show_tried(tried: Sequence[tuple[Path, tuple[str, ...]]]) -> None:
    rows = [
        (path.stem[:_SHORT], "missed" if missed else "held", printable("; ".join(missed))[:160])
        for path, missed in tried
    ]
    click.echo(table(("fixture", "expected", "what is missed"), rows))
    click.echo(f"{sum(not missed for _, missed in tried)} of {len(rows)} hold")


def _call(recorded: Recorded) -> str:
    return printable(f"{recorded.call.tool} {texts([recorded.call.arguments])[0]}")


def _result(recorded: Recorded) -> str:
    if recorded.error is not None:
        return printable(f"error: {recorded.error}")
    return printable(texts([recorded.result])[0][:200])


def _expected(each: Expectation) -> str:
    about = each.text if each.call is None else _call(Recorded(call=each.call))
    return printable(f"{each.check} {about}".rstrip())
