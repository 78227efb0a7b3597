"""`seatrial sessions`: threads of runs, and the release that each one stays on."""

from pathlib import Path

import click

from seatrial.cli import showing
from seatrial.cli.reaching import Reached, access_option, env_option, reaching
from seatrial.cli.talk import say, where
from seatrial.kit.terminal.output import answer_json, json_option, table


@click.group()
def sessions() -> None:
    """List and show sessions."""


@sessions.command("list")
@env_option("staging")
@click.option("--agent", help="Of this agent.")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 200))
@click.option("--after", help="Go on after a page; the last one named it.")
@access_option
@json_option
def list_command(
    *,
    environment: str,
    agent: str | None,
    limit: int,
    after: str | None,
    access: Path | None,
    as_json: bool,
) -> None:
    """List sessions, the one used last first.

    \b
    Examples:
      seatrial sessions list --agent support
    """  # noqa: D301 - \b is Click's mark for text that keeps its lines
    where(environment, agent or "")

    async def use(servers: Reached) -> dict[str, object]:
        return await servers.cell(environment).sessions(agent=agent, limit=limit, after=after)

    page = reaching(access, use)
    if as_json:
        answer_json(page)
        return
    found = page.get("sessions")
    rows = [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []
    if not rows:
        say("no sessions")
        return
    names = ("id", "agent", "release_name", "turns", "last")
    click.echo(
        table(
            ("session", "agent", "release", "runs", "used last"),
            [tuple(showing.text(each, name) for name in names) for each in rows],
        )
    )
    if page.get("next"):
        say(f"more: --after {page['next']}")


@sessions.command("show")
@click.argument("session")
@click.option("--agent", help="Whose, where several agents have one of that name.")
@env_option("staging")
@access_option
@json_option
def show_command(
    session: str, *, agent: str | None, environment: str, access: Path | None, as_json: bool
) -> None:
    """Show SESSION and its runs.

    \b
    Examples:
      seatrial sessions show chat-7
    """  # noqa: D301 - \b is Click's mark for text that keeps its lines
    where(environment, session)
    found = reaching(access, lambda servers: servers.cell(environment).session(session, agent))
    if as_json:
        answer_json(found)
        return
    for name, each in found.items():
        if name != "runs":
            click.echo(f"{name}: {showing.short(each)}")
    runs = found.get("runs")
    if isinstance(runs, list) and runs:
        click.echo(
            table(
                ("run", "release", "state", "accepted", "cost", "error"),
                showing.run_rows([each for each in runs if isinstance(each, dict)]),
            )
        )
